import { as, type EffectId, type FactId, type RoomId, type UserId } from '../brand.ts';
import type { AuditEntry, Context, Decision, Lookup } from '../decision.ts';
import type { Effect } from '../effect.ts';
import type { Fact, FactOf, Membership } from '../fact.ts';
import { findingEntries, LOOK_TIMER, lookEffect, lookSoon } from '../rooms/look.ts';
import { ruleOf } from '../rooms/assess.ts';
import { clearTextNotice, tell } from '../rooms/notice.ts';
import { lookupsOfPeople } from './admission.ts';
import { ask, invitationOf, invite } from './asking.ts';
import type { GovernedRoom } from './governed.ts';
import { notReplaced, ofFormer, replaced, upgrade } from './replacing.ts';
import { putBack, takenOut, wordsFor } from './telling.ts';

type GovernedDecision = Decision<GovernedRoom | undefined>;

export function lookupsOfGoverned({ body }: Fact, state: GovernedRoom | undefined): readonly Lookup[] {
  switch (body.type) {
    case 'operator.open': return lookupsOfPeople([...(state?.people ?? []), ...body.members], state?.patient ?? body.patient);
    case 'policy.changed': case 'operator.upgrade': return lookupsOfPeople(state?.people ?? [], state?.patient);
    case 'effect.done': return body.kind === 'room.open' && state?.replacing ? lookupsOfPeople(state.people, state.patient) : [];
    // Who may have to be told.
    case 'room.member': return lookupsOfPeople([body.userId]);
    case 'room.clear-text': return lookupsOfPeople([body.sender]);
    case 'room.changed': return lookupsOfPeople(Object.entries(state?.changedBy ?? {}).filter(([type]) => type === body.what).map(([, userId]) => userId));
    default: return [];
  }
}

/** A room in which people talk: made on demand, its people invited as far as the policy lets them in, and held to its template from then on. */
export function decideGoverned(before: GovernedRoom | undefined, fact: Fact, context: Context): GovernedDecision {
  const { body } = fact;
  if (body.type === 'operator.open') return open(before, body, fact.aggregate.id, context, fact.id);
  if (!before) return { state: before, audit: [{ action: 'room.ignored', because: `${body.type} came for a room that was never asked for` }] };
  if ('roomId' in body && before.former?.includes(body.roomId)) return ofFormer(before, body, fact.id);
  switch (body.type) {
    case 'policy.changed':
      return ask(before, context, fact.id);
    case 'operator.upgrade':
      return upgrade(before, body, context, fact.id);
    case 'effect.done':
      return done(before, body, fact, context);
    case 'effect.failed':
      return failed(before, body);
    case 'room.member':
      return member(before, body, fact.id, context);
    case 'room.changed':
      return changed(before, body, fact, context);
    case 'room.unprotected':
      return unprotected(before, body, fact);
    case 'room.clear-text': {
      const { raise = [], audit } = tell(clearTextNotice(body.sender, { id: before.key, words: wordsFor(before, context) }, fact.at), context.found);
      return { state: before, effects: [{ id: as<EffectId>(`redact:${body.eventId}`), lane: `redact:${body.eventId}`, body: { type: 'room.redact', roomId: body.roomId, eventId: body.eventId, reason: 'Not encrypted: this room takes encrypted messages only.' } }], audit: [{ action: 'clear-text.removed', because: 'PHI rooms take ciphertext only (45 CFR 164.312(e)(1))', detail: { event: body.eventId, sender: body.sender } }, ...audit], raise };
    }
    case 'timer.due':
      return body.name === LOOK_TIMER && before.roomId !== undefined ? looking(before, before.roomId, fact.id) : ignored(before, body.type);
    default:
      return ignored(before, body.type);
  }
}

const ignored = (state: GovernedRoom, type: string): GovernedDecision => ({ state, audit: [{ action: 'room.ignored', because: `a room in which people talk has no rule for ${type}` }] });

function open(before: GovernedRoom | undefined, { by, template, members, inCare, patient }: FactOf<'operator.open'>, key: string, context: Context, fact: FactId): GovernedDecision {
  if (before && before.template !== template) return { state: before, audit: [{ action: 'room.refused', because: `${key} is a ${before.template} room`, detail: { room: key, by } }] };
  if (before && patient !== undefined && before.patient !== patient) return { state: before, audit: [{ action: 'room.refused', because: `${key} is not about that patient`, detail: { room: key, by } }] };
  const people = [...new Set([...(before?.people ?? []), ...members])];
  // Whoever is asked for again may have left.
  const asked = Object.fromEntries(Object.entries(before?.members ?? {}).filter(([userId, membership]) => !(members.some((each) => each === userId) && (membership === 'left' || membership === 'declined' || membership === 'refused'))));
  const state: GovernedRoom = { phase: 'creating', servers: [], admitted: [], refused: [], speakers: [], invitations: {}, ...before, key, template, people, members: asked, ...(inCare === undefined ? {} : { inCare }), ...(patient === undefined ? {} : { patient }) };
  const { audit, ...decision } = ask(state, context, fact);
  return { ...decision, audit: [{ action: 'room.asked', because: `by ${by}`, detail: { room: key, template, people: people.length, ...(inCare === undefined ? {} : { inCare }), ...(state.patient === undefined ? {} : { patient: state.patient }) } }, ...audit] };
}

function done(before: GovernedRoom, { effect, result }: FactOf<'effect.done'>, { id, at }: Fact, context: Context): GovernedDecision {
  switch (result.type) {
    case 'room.open': {
      if (before.roomId !== undefined) return replaced(before, effect, result.roomId, context, id);
      const { blocked: _, ...rest } = before;
      const { state, effects } = invite({ ...rest, phase: 'ready', roomId: result.roomId }, result.roomId, context.settings.ownServer);
      // Who may be and write in it can have changed since it was asked for.
      return { state, effects: [lookEffect({ kind: 'governed', id: state.key }, result.roomId, id), ...effects], names: [result.roomId], audit: [{ action: 'room.created', because: 'made from its template', detail: { room: result.roomId, template: before.template } }] };
    }
    case 'room.invite':
      return effect === invitationOf(before, result.userId) && before.members[result.userId] !== 'joined' ? moved(before, result.userId, 'invited') : { state: before, audit: [] };
    case 'room.repair':
      return { state: result.roomId === before.roomId ? { ...before, looked: { at, findings: result.findings } } : before, audit: findingEntries(result) };
    case 'room.close':
      return { state: before, audit: [{ action: 'room.closed', because: 'it was replaced: nobody writes in it any more', detail: { room: result.roomId } }] };
    case 'room.protect':
      return { state: before, audit: [{ action: 'policy.in-force', because: 'its homeservers ask the policy server about every event', detail: { room: result.roomId, steps: result.steps } }] };
    default:
      return { state: before, audit: [] };
  }
}

function failed(before: GovernedRoom, { effect, kind, code, message, final }: FactOf<'effect.failed'>): GovernedDecision {
  const audit: AuditEntry = { action: 'room.blocked', because: message, detail: { code, effect, final } };
  if (kind === 'room.open') return before.roomId === undefined ? { state: { ...before, blocked: { code, message } }, audit: [audit] } : notReplaced(before, audit, final);
  if (kind === 'room.repair') return { state: before, audit: [{ ...audit, action: 'room.not-repaired' }] };
  if (kind === 'room.close') return { state: before, audit: [{ ...audit, action: 'room.not-closed' }] };
  if (kind === 'room.protect') return { state: before, audit: [{ ...audit, action: 'policy.not-in-force' }] };
  const userId = kind === 'room.invite' ? before.admitted.find((each) => invitationOf(before, each) === effect) : undefined;
  if (userId === undefined) return { state: before, audit: [audit] };
  const membership: Membership = final ? 'refused' : code === 'limited' ? 'limited' : 'unreachable';
  return { state: { ...before, members: { ...before.members, [userId]: membership } }, audit: [audit] };
}

const moved = (state: GovernedRoom, userId: UserId, membership: Membership): GovernedDecision =>
  ({ state: { ...state, members: { ...state.members, [userId]: membership } }, audit: state.members[userId] === membership ? [] : [{ action: `member.${membership}`, because: 'the homeserver said so', detail: { user: userId, room: state.key } }] });

/** Somebody who isn't admitted is taken out at once, and told when they are out. */
function member(before: GovernedRoom, { roomId, userId, membership, sender, actor, eventId }: FactOf<'room.member'>, fact: FactId, context: Context): GovernedDecision {
  const isIn = membership === 'join' || membership === 'invite';
  if (before.admitted.includes(userId)) {
    if (membership === 'knock') return ignored(before, 'knock');
    const now: Membership = membership === 'join' ? 'joined' : membership === 'invite' ? 'invited' : before.members[userId] === 'invited' && sender === userId ? 'declined' : 'left';
    return moved(before, userId, now);
  }
  const audit: AuditEntry = { action: isIn ? 'member.unexpected' : 'member.other', because: isIn ? 'the policy doesn\'t let them in: they are taken out' : 'not one of its people', detail: { user: userId, membership, by: sender } };
  if (isIn) return { state: before, effects: [lookEffect({ kind: 'governed', id: before.key }, roomId, fact)], audit: [audit] };
  const { raise = [], audit: unsaid } = actor === 'guardian' ? takenOut(before, userId, eventId, context) : { audit: [] };
  return { state: before, raise, audit: [audit, ...unsaid] };
}

/** Looked at in a moment. Who changed what is known until the guardian has put it back: its event says so, whichever look that was. */
function changed(before: GovernedRoom, body: FactOf<'room.changed'>, { id, at }: Fact, context: Context): GovernedDecision {
  const { what, by, actor } = body;
  const rule = ruleOf(what);
  const { [what]: culprit, ...others } = before.changedBy ?? {};
  if (rule === undefined || (actor === 'guardian' && culprit === undefined)) return lookSoon(before, body, at);
  if (actor !== 'guardian') return lookSoon({ ...before, changedBy: { ...others, [what]: as<UserId>(by) } }, body, at);
  const { audit, ...decision } = lookSoon({ ...before, changedBy: others }, body, at);
  const { raise = [], audit: unsaid } = culprit === undefined ? { audit: [] } : putBack(before, culprit, rule, id, context);
  return { ...decision, raise, audit: [...audit, ...unsaid] };
}

/** Of the settings that open an edge. */
const SETTINGS = { 'power-levels': 'm.room.power_levels', acl: 'm.room.server_acl', policy: 'm.room.policy', member: 'm.room.member' } as const;

/** Put back under the policy server, where it is under one; and looked at as after any other change, since there need not be one. */
function unprotected(before: GovernedRoom, { roomId, edge, by, actor }: FactOf<'room.unprotected'>, { id, at }: Fact): GovernedDecision {
  const protect: Effect = { id: as<EffectId>(`protect:${id}`), lane: `protect:${roomId}`, body: { type: 'room.protect', roomId, template: before.template } };
  const said: AuditEntry = { action: edge === 'start' ? 'policy.wanted' : 'policy.opened', because: edge === 'start' ? 'a policy server is configured' : `its homeservers may let everything pass: ${edge}`, detail: { room: roomId, edge, by } };
  if (edge === 'start') return { state: before, effects: [protect], audit: [said] };
  const what = SETTINGS[edge];
  const state = actor === 'guardian' || ruleOf(what) === undefined ? before : { ...before, changedBy: { ...before.changedBy, [what]: by } };
  const { audit, ...decision } = lookSoon(state, { roomId, what, by }, at);
  return { ...decision, effects: [protect], audit: [said, ...audit] };
}

function looking({ lookAt: _, ...state }: GovernedRoom, roomId: RoomId, fact: FactId): GovernedDecision {
  return { state, effects: [lookEffect({ kind: 'governed', id: state.key }, roomId, fact)], audit: [] };
}
