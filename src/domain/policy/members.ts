import type { SubjectId, UserId } from '../brand.ts';
import { lookupsOfAgreements, organisationsNow } from '../agreements/agreed.ts';
import { caredForBy, namesNow, type Patient } from '../care/care.ts';
import { consentsFor, type Grant } from '../consent/consent.ts';
import type { AuditEntry, Context, Lookup } from '../decision.ts';
import { personName, type Party } from '../people/party.ts';
import type { RecipientRule } from '../people/recipient.ts';
import { NO_CIRCUMSTANCES, type Circumstances, type Question, type Who } from './question.ts';
import { said } from './said.ts';
import { whoIs } from './standing.ts';
import type { Verdict } from './verdict.ts';
import type { Label } from './words.ts';

/** What is known of a team's members, each by their own entry, and what is agreed with whom they belong to; a person is their party. */
export const lookupsOfMembers = (...parties: readonly (Party | undefined)[]): readonly Lookup[] =>
  [...[...new Set(parties.flatMap((party) => (party?.kind === 'team' ? party.members : [])))].map((userId): Lookup => ({ kind: 'party', name: personName(userId) })), ...lookupsOfAgreements(...parties)];

export type Judged = { readonly allowed: readonly UserId[]; readonly refused: readonly Refusal[]; /** The consents of the patient by which it was asked. */ readonly grants: readonly Grant[]; readonly audit: readonly AuditEntry[] };
export type Refusal = { readonly userId: UserId; readonly verdict: Verdict };

/** Who of a party may be in its results room (45 CFR 164.312(a)(1)). */
export const mayJoin = (party: Party, members: readonly UserId[], context: Context): Judged =>
  judged(party, members, context, { action: 'join', target: { type: 'room', kind: 'results' } }, { party: party.id }, () => ({ responsible: true, inCare: true }));

type ReadResult = { readonly critical: boolean; readonly labels: readonly Label[]; readonly delivery: string; readonly patient: SubjectId; /** By which rule it was addressed. */ readonly rule: string | undefined };

/** The result itself names them: they ordered it, or the patient is theirs by the encounter. */
const NAMED: ReadonlySet<string> = new Set<RecipientRule>(['requester', 'attending', 'covering', 'addressed']);

/**
 * Who of them may read this result there. They are responsible for it: it was addressed to their party. Of whom the result doesn't name (a pool, whoever it was given to) the patient is in
 * their care only when a care team says so; and whether the patient consented is asked of those who are labelled Part 2 (42 CFR 2.31).
 */
export function mayRead(party: Party, members: readonly UserId[], context: Context, { critical, labels, delivery, patient, rule = '' }: ReadResult): Judged {
  const known = context.found.get(patient)?.state as Patient | undefined;
  const about = (who: Who): About => {
    const entry = entryOf(party, who.userId, context.found);
    return { responsible: true, inCare: NAMED.has(rule) || caredForBy(known, entry, context.now).length > 0, grants: labels.includes('part2') ? grantsTo(known, entry, who, context) : [] };
  };
  return judged(party, members, context, { action: 'read-result', target: { type: 'result', kind: 'results', critical, labels } }, { delivery }, about);
}

/** The consents of a patient by which somebody may read what is labelled Part 2 now. */
export function grantsTo(patient: Patient | undefined, entry: Party | undefined, { organisation }: Who, { settings, now }: Pick<Context, 'settings' | 'now'>): readonly Grant[] {
  if (patient?.consents === undefined || entry === undefined) return [];
  return consentsFor(patient.consents, { names: namesNow(entry), organisation: organisation.id, organisations: (source) => settings.feeds?.get(source)?.organisations ?? {} }, now);
}

/** What is known of one member. `grants`: the consents by which they may. */
type About = Partial<Circumstances> & { readonly grants?: readonly Grant[] };

function judged(party: Party, members: readonly UserId[], context: Context, question: Omit<Question, 'who' | 'at' | 'circumstances'>, detail: Readonly<Record<string, string>>, about: (who: Who) => About): Judged {
  const { judge, found, now } = context;
  const organisations = organisationsNow(context);
  const answers = members.map((userId) => {
    const who = whoIs(userId, entryOf(party, userId, found)?.standing, organisations);
    const { grants = [], ...known } = about(who);
    return { userId, verdict: judge({ ...question, circumstances: { ...NO_CIRCUMSTANCES, ...known, consent: grants.length > 0 }, who, at: now }), who, grants };
  });
  return {
    allowed: answers.filter(({ verdict }) => verdict.allowed).map(({ userId }) => userId),
    refused: answers.filter(({ verdict }) => !verdict.allowed).map(({ userId, verdict }) => ({ userId, verdict })),
    grants: answers.flatMap(({ grants }) => grants),
    audit: answers.map(({ who, verdict, grants }) => said({ who, action: question.action }, verdict, { ...detail, ...(grants.length === 0 ? {} : { consent: grants.map(({ consent }) => consent).join(' ') }) })),
  };
}

const entryOf = (party: Party, userId: UserId, found: Context['found']): Party | undefined => (party.kind === 'person' ? party : (found.get(personName(userId))?.state as Party | undefined));

/** In words, for whoever answers for it: who, why, and what to do. */
export const refusalWords = (refused: readonly Refusal[]): string => refused.map(({ userId, verdict }) => `${userId}: ${verdict.message} [${verdict.rules.join(' ')}]`).join('; ');
