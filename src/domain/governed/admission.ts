import { isAgreed, isShared, NO_AGREEMENT, noAgreement, organisationsNow } from '../agreements/agreed.ts';
import type { Millis, SubjectId, UserId } from '../brand.ts';
import { caredForBy, lookupsOfPatient, type Patient } from '../care/care.ts';
import type { AuditEntry, Context, Lookup } from '../decision.ts';
import { personName, serverOf, type Party } from '../people/party.ts';
import { NO_CIRCUMSTANCES } from '../policy/question.ts';
import { said } from '../policy/said.ts';
import { stranger, whoIs } from '../policy/standing.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { GovernedRoom } from './governed.ts';

type Known = Pick<Context, 'judge' | 'found' | 'settings' | 'now'>;
export type Asked = Pick<GovernedRoom, 'key' | 'template' | 'people'> & { readonly inCare?: 'attested' | undefined; readonly patient?: SubjectId | undefined };
export type Admission = Pick<GovernedRoom, 'admitted' | 'refused' | 'speakers'> & { readonly audit: readonly AuditEntry[] };

export const lookupsOfPeople = (people: readonly UserId[], patient?: SubjectId): readonly Lookup[] => [
  ...lookupsOfPatient(patient),
  ...[...new Set(people)].map((userId): Lookup => ({ kind: 'party', name: personName(userId) })),
  ...[...new Set(people.map(serverOf))].map((name): Lookup => ({ kind: 'agreement', name })),
];

/** Who of them may be in a room of this kind, and who may write in it (45 CFR 164.308(a)(4), 164.312(a)(1)). Whom the directory doesn't know has no role, and is let in nowhere. */
export function admission(asked: Asked, known: Known): Admission {
  const { key, template, people } = asked;
  const { judge, found, settings, now } = known;
  const organisations = organisationsNow(known);
  const made = settings.templates?.get(template);
  const answers = people.map((userId) => {
    const entry = found.get(personName(userId))?.state as Party | undefined;
    const who = entry ? whoIs(userId, entry.standing, organisations) : stranger(userId, organisations);
    const ask = (action: 'join' | 'send'): Verdict => judge({ who, action, target: { type: 'room', kind: template }, circumstances: { ...NO_CIRCUMSTANCES, inCare: isInCare(asked, asked.patient === undefined ? undefined : (found.get(asked.patient)?.state as Patient | undefined), entry, now) }, at: now });
    const verdict = outside(userId, template, made?.federation ?? 'local', known) ?? ask('join');
    return { userId, who, verdict, speaks: verdict.allowed && made?.senders === 'permitted' && ask('send').allowed };
  });
  return {
    admitted: answers.filter(({ verdict }) => verdict.allowed).map(({ userId }) => userId),
    refused: answers.filter(({ verdict }) => !verdict.allowed).map(({ userId, verdict: { rules, message } }) => ({ userId, rules, message })),
    speakers: answers.filter(({ speaks }) => speaks).map(({ userId }) => userId),
    audit: answers.map(({ who, verdict }) => said({ who, action: 'join' }, verdict, { room: key })),
  };
}

/** By the care teams, in a room about a patient whom they know; else by the word of who asked for it. A room of another kind that is about no patient keeps nobody out for it. */
export function isInCare({ template, inCare, patient }: Pick<Asked, 'template' | 'inCare' | 'patient'>, about: Patient | undefined, entry: Party | undefined, now: Millis): boolean {
  if (patient !== undefined) return caredForBy(about, entry, now).length > 0;
  return inCare === 'attested' || template !== 'patient';
}

/** Whom no rule of the policy could let in: the room doesn't leave the hospital, their server is no partner's, or the agreement doesn't share such rooms. */
function outside(userId: UserId, template: GovernedRoom['template'], federation: 'agreed' | 'local', known: Known): Verdict | undefined {
  const server = serverOf(userId);
  const refusal = (rule: string, message: string): Verdict => ({ allowed: false, revision: 'rooms-1', rules: [rule], message, warnings: [] });
  if (server !== known.settings.ownServer && federation === 'local') return refusal('local-room', 'Rooms of this kind never leave the hospital: make a consult or care-team room for people of other hospitals.');
  if (!isAgreed(server, known)) return refusal(NO_AGREEMENT, noAgreement(server).message);
  return isShared(server, template, known) ? undefined : refusal('kind-not-shared', `By the agreement with ${server}, rooms of this kind are not shared: see \`aceso agreements show\`, and make one of another kind.`);
}
