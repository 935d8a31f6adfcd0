import { existsSync, readFileSync } from 'node:fs';
import { createModuleRoutes, type ModuleAnswer, type ModuleQuestion } from '../adapters/matrix/module.ts';
import { ConfigError, type LoadedConfig } from '../config/load.ts';
import { as, type EventId, type Millis, type RoomId, type UserId } from '../domain/brand.ts';
import type { Settings } from '../domain/decision.ts';
import { personName, serverOf, type Party } from '../domain/people/party.ts';
import { targetOf, type AdmissionTerms } from '../domain/policy/admit.ts';
import { admitLocal, joinOf } from '../domain/policy/local.ts';
import { localAllow, localRefuse } from '../domain/policy/localRules.ts';
import { DIRECT, planOwnRoom } from '../domain/policy/ownRoom.ts';
import { NO_CIRCUMSTANCES, type Judge } from '../domain/policy/question.ts';
import { stranger, whoIs } from '../domain/policy/standing.ts';
import type { Verdict } from '../domain/policy/verdict.ts';
import type { Action, RoomKind } from '../domain/policy/words.ts';
import { templateFor, type RoomTemplates } from '../domain/rooms/template.ts';
import type { Refusals } from '../loop/refusals.ts';
import type { HttpRoute } from '../ports/bridge.ts';
import type { RoomSource } from '../ports/policyServer.ts';
import { ownTerms } from './agreements/roomDemands.ts';
import { careOfRoom, hasInCare, isOfPatients, OF_NO_PATIENT } from './policy/care.ts';
import type { Store } from '../ports/store.ts';
import type { Metrics } from '../ports/telemetry.ts';

export type ModuleInForce = { readonly settings: Settings; readonly templates: RoomTemplates; readonly policy: { readonly judge: Judge } };

export type ModuleParts = {
  readonly store: Pick<Store, 'lookup'>; readonly source: RoomSource; readonly metrics: Metrics; readonly now: () => Millis;
  readonly guardian: UserId; readonly courier: UserId; readonly policyUser?: UserId;
  readonly inForce: () => ModuleInForce;
};

export type ModuleDoorParts = ModuleParts & { readonly refusals: Pick<Refusals, 'note'>; readonly failed: (error: unknown) => void };

/** The token that the homeserver's module has too; undefined where there is no module. Throws `ConfigError` when its file can't be used. */
export function moduleTokenOf({ path, at, appservice: { module_token_file: file } }: LoadedConfig): string | undefined {
  if (file === undefined) return undefined;
  const token = existsSync(at(file)) ? readFileSync(at(file), 'utf8').trim() : '';
  if (token.length < 32) throw new ConfigError(path, [`appservice.module_token_file: ${at(file)} holds no token. \`aceso init\` makes one; the homeserver's module needs the same.`]);
  return token;
}

/** The door of the homeserver's module: it asks before something exists there. */
export function moduleRoutes(token: string, { refusals, failed, ...parts }: ModuleDoorParts): HttpRoute {
  const answer = createModuleAnswers(parts);
  return createModuleRoutes({
    token, failed, refused: (refusal) => refusals.note({ door: 'module', ...refusal }),
    async answer(question) {
      const began = performance.now();
      const answered = await answer(question);
      const { verdict: { allowed, rules } } = answered;
      const code = rules.join(' ') || 'default-deny';
      parts.metrics.count('module_answers', { about: question.about, answer: allowed ? 'allowed' : 'refused', rule: code });
      parts.metrics.observe('module_seconds', (performance.now() - began) / 1000);
      if (!allowed) refusals.note({ door: 'module', code, status: 403, source: as(question.about === 'event' ? question.pdu.sender : question.user) });
      return answered;
    },
  });
}

/** What Aceso says to each question, by the rules in force now. */
export function createModuleAnswers({ store, source, now, guardian, courier, policyUser = guardian, inForce }: ModuleParts): (question: ModuleQuestion) => Promise<ModuleAnswer> {
  const terms = (): AdmissionTerms => ({ guardian, courier, ownServer: inForce().settings.ownServer, policyUsers: [policyUser], keepers: [guardian], servers: inForce().settings.agreedServers, own: ownTerms(inForce().templates), agreed: [] });

  async function may(userId: UserId, action: Action, kind: RoomKind, roomId?: RoomId): Promise<Verdict> {
    const { settings: { organisations }, policy: { judge } } = inForce();
    const name = personName(userId);
    const party = (await store.lookup([{ kind: 'party', name }])).get(name)?.state as Party | undefined;
    // Whom the guardian invited to a results room is of its party, also without an entry of their own.
    const who = party === undefined && kind !== 'results' ? stranger(userId, organisations) : whoIs(userId, party?.standing, organisations);
    // Whom the guardian invites to a results room answers for what comes there.
    const care = roomId !== undefined && isOfPatients(kind) ? await careOfRoom(store, roomId) : OF_NO_PATIENT;
    const circumstances = { ...NO_CIRCUMSTANCES, responsible: kind === 'results', inCare: hasInCare(care, party, now()) };
    return judge({ who, action, target: { type: 'room', kind }, circumstances, at: now() });
  }

  async function creation(user: UserId, wish: Readonly<Record<string, unknown>>): Promise<ModuleAnswer> {
    const { settings: { ownServer }, templates } = inForce();
    const plan = planOwnRoom(user, wish, { guardian, ownServer, template: templateFor(templates, DIRECT) });
    if ('refused' in plan) return { verdict: plan.refused };
    for (const verdict of [await may(user, 'create', 'direct'), await may(plan.with, 'join', 'direct')]) if (!verdict.allowed) return { verdict };
    return { verdict: localAllow('direct-room'), room: plan.room };
  }

  async function event({ roomId, pdu, bytes, room }: Extract<ModuleQuestion, { about: 'event' }>): Promise<Verdict> {
    const target = targetOf(pdu, room);
    const sender = target === undefined ? undefined : await senderOf(roomId, target);
    const verdict = admitLocal(pdu, room, { now: now(), bytes, ...(sender === undefined ? {} : { target: sender }) }, terms());
    const kind = joinOf(pdu, room);
    // Both are Aceso's own, and of no role.
    return verdict.allowed && kind !== undefined && pdu.sender !== courier && pdu.sender !== policyUser ? may(pdu.sender, 'join', kind, roomId) : verdict;
  }

  async function senderOf(roomId: RoomId, eventId: EventId): Promise<UserId | undefined> {
    const found = await source.event(roomId, eventId);
    return found.ok && found.value.event_id === eventId ? found.value.sender : undefined;
  }

  return async (question) => {
    switch (question.about) {
      case 'create-room': return creation(question.user, question.wish);
      case 'event': return { verdict: await event(question) };
      case 'invite-in': return { verdict: terms().servers.includes(serverOf(question.user)) ? localAllow('agreed-server') : localRefuse('invite-from-outside') };
      case 'publish': return { verdict: question.isOfTemplate ? localRefuse('publish-never') : localAllow('not-for-phi') };
      case 'join': return { verdict: localRefuse('join-uninvited') };
      case 'alias': return { verdict: localRefuse('alias-never') };
    }
  };
}
