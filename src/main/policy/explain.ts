import type { LoadedPolicy } from '../../adapters/policy/load.ts';
import { inForce, type Organisation } from '../../domain/policy/agreement.ts';
import { NO_CIRCUMSTANCES, type Circumstances, type Question, type Target, type Who } from '../../domain/policy/question.ts';
import { stranger, whoIs } from '../../domain/policy/standing.ts';
import { ACTIONS, isAction, isRecords, isRoomKind, LABELS, RECORDS, ROOM_KINDS, type Action, type Label } from '../../domain/policy/words.ts';
import { as, type Millis, type SourceId, type UserId } from '../../domain/brand.ts';
import type { Grant } from '../../domain/consent/consent.ts';
import { entryName, personName, type Party } from '../../domain/people/party.ts';
import type { Store } from '../../ports/store.ts';
import { instant, type Printed } from '../print.ts';

export type ExplainOptions = { readonly given: readonly string[]; readonly critical?: true; readonly label?: readonly string[] };

const GIVEN: Readonly<Record<string, keyof Circumstances>> = { 'responsible': 'responsible', 'in-care': 'inCare', 'consent': 'consent', 'emergency': 'emergency', 'reason': 'reason', 'approved': 'approved' };
export const GIVEN_WORDS = Object.keys(GIVEN);

/** What sources say of the patient, when that was asked: by whom they are in their care, and which of the consents that there are cover them. */
export type OfPatient = { readonly careBy: readonly SourceId[]; readonly consents: { readonly grants: readonly Grant[]; readonly known: number } };

/** The verdict over one question, and the rules that made it, in words. */
export function explain(policy: LoadedPolicy, question: Question, of?: OfPatient): Printed {
  const verdict = policy.judge(question);
  const { who, action, target, circumstances, at } = question;
  const rulesOf = (ids: readonly string[]): readonly LoadedPolicy['rules'][number][] => policy.rules.filter(({ id }) => ids.includes(id));
  const shown = [...rulesOf(verdict.rules), ...rulesOf(verdict.warnings)].map(({ id, effect, warns, cites, message, file, line, text }) => ({ id, effect: warns ? 'warn' : effect, cites, message, file, line, text }));
  const lines = [
    `${verdict.allowed ? 'YES' : 'NO'}: ${who.userId} ${verdict.allowed ? 'may' : 'may not'} ${action} ${targetWords(target)}.`, ...(verdict.message === '' ? [] : [verdict.message]), '',
    ...factsOf(who, at).map(([name, value]) => `  ${name.padEnd(13)} ${value}`),
    ...(of === undefined ? [] : ofPatient(of).map(([name, value]) => `  ${name.padEnd(13)} ${value}`)),
    `  ${'given'.padEnd(13)} ${GIVEN_WORDS.filter((word) => circumstances[GIVEN[word] ?? 'responsible']).join(', ') || 'nothing'}`, `  ${'revision'.padEnd(13)} ${verdict.revision.slice(0, 12)}`, '',
    ...(shown.length === 0 ? ['No rule permits it: whatever none permits is refused (default-deny).'] : shown.flatMap(({ id, effect, cites, file, line, text }) => [`${effect}s by ${id} (${cites.join(', ')}), ${file}:${line}`, ...text.split('\n').map((each) => `    ${each}`), ''])),
  ];
  return { json: { question: { who: { ...who, organisation: who.organisation.id, agreements: inForce(who.organisation, at) }, action, target, circumstances, at }, ...(of === undefined ? {} : { careBy: of.careBy, consents: of.consents.grants }), verdict, rules: shown }, text: lines.join('\n').trimEnd() };
}

function factsOf({ roles, organisation, department, trainedAt, mfa, posture }: Who, at: Millis): readonly (readonly [string, string])[] {
  return [
    ['roles', roles.join(', ') || 'none: the directory doesn\'t know them'],
    ['organisation', `${organisation.id}${organisation.own ? ', this hospital' : `, a partner; agreements in force: ${inForce(organisation, at).join(', ') || 'none'}`}`],
    ['department', department ?? 'not known'], ['training', trainedAt === undefined ? 'not known' : instant(trainedAt).slice(0, 10)], ['second factor', mfa === undefined ? 'not known' : mfa ? 'yes' : 'no'], ['devices', posture],
  ];
}

function ofPatient({ careBy, consents: { grants, known } }: OfPatient): readonly (readonly [string, string])[] {
  return [
    ['in care', careBy.length === 0 ? 'no: no care team or encounter of any source that is in force now has them and the patient' : `yes, by a care team or encounter of ${careBy.join(', ')}`],
    ['consent', grants.length === 0 ? `no: ${known === 0 ? 'no source sent one of the patient that is active' : `none of the ${known} that sources sent of the patient lets them read what is labelled Part 2 now, or one denies it`}` : `yes, by ${grants.map(({ consent, scope: { until } }) => `${consent} (${until === undefined ? 'without an end' : `until ${instant(until)}`})`).join(', ')}`],
  ];
}

const targetWords = (target: Target): string => {
  switch (target.type) {
    case 'room': return `in a ${target.kind} room`;
    case 'result': return `in a ${target.kind} room, ${target.critical ? 'critical' : 'routine'}${target.labels.length > 0 ? `, labelled ${target.labels.join(', ')}` : ''}`;
    case 'records': return `the ${target.name}`;
  }
};

/** The words of a command as a question; throws with those that there are. */
export function questionFrom(who: Who, action: string, what: string, { given, critical, label = [] }: ExplainOptions, at: Millis): Question {
  if (!isAction(action)) throw new Error(`${action} is not an action. There are ${ACTIONS.join(', ')}.`);
  const wrong = given.find((word) => GIVEN[word] === undefined && word !== 'nothing');
  if (wrong !== undefined) throw new Error(`${wrong} is no circumstance. There are ${GIVEN_WORDS.join(', ')}, or nothing.`);
  const circumstances = { ...NO_CIRCUMSTANCES, ...Object.fromEntries(given.flatMap((word) => (GIVEN[word] === undefined ? [] : [[GIVEN[word], true]]))) };
  return { who, action, target: targetFrom(action, what, critical === true ? 'critical' : 'routine', label), circumstances, at };
}

function targetFrom(action: Action, what: string, urgency: 'critical' | 'routine', words: readonly string[]): Target {
  const labels = words.map((word): Label => {
    const label = LABELS.find((known) => known === word);
    if (label === undefined) throw new Error(`${word} is not a label. There are ${LABELS.join(', ')}.`);
    return label;
  });
  const isResult = action === 'read-result' || action === 'accept-result';
  if (isRoomKind(what)) return isResult ? { type: 'result', kind: what, critical: urgency === 'critical', labels } : { type: 'room', kind: what };
  if (isRecords(what) && (action === 'export' || action === 'administer')) return { type: 'records', name: what };
  throw new Error(`${what} is nothing to ${action}. There are rooms (${ROOM_KINDS.join(', ')})${action === 'export' || action === 'administer' ? `, and records (${RECORDS.join(', ')})` : ''}.`);
}

/** Somebody of the directory by short name or Matrix id; a Matrix id that isn't there is a stranger. */
export async function whoNamed(store: Store, name: string, organisations: readonly Organisation[]): Promise<Who> {
  const key = name.startsWith('@') ? personName(as<UserId>(name)) : entryName(as(name));
  const party = (await store.lookup([{ kind: 'party', name: key }])).get(key)?.state as Party | undefined;
  const [userId, ...others] = party?.members ?? [];
  if (party && userId !== undefined && others.length === 0) return whoIs(userId, party.standing, organisations);
  if (party) throw new Error(`${name} is a team: the rules are asked of each member. Name one, e.g. ${party.members[0] ?? ''}.`);
  if (!name.startsWith('@')) throw new Error(`${name} is not in the directory (\`aceso people list\`). Give a short name, a Matrix id, or role:physician.`);
  const teams = ((await store.states('party')) as readonly Party[]).filter(({ kind, members }) => kind === 'team' && members.some((member) => member === name));
  return teams.length > 0 ? whoIs(as<UserId>(name), undefined, organisations) : stranger(as<UserId>(name), organisations);
}
