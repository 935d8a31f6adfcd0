import type { UserId } from '../brand.ts';
import { lookupsOfAgreements, organisationsNow } from '../agreements/agreed.ts';
import type { AuditEntry, Context, Lookup } from '../decision.ts';
import { personName, type Party } from '../people/party.ts';
import { NO_CIRCUMSTANCES, type Question, type Who } from './question.ts';
import { said } from './said.ts';
import { whoIs } from './standing.ts';
import type { Verdict } from './verdict.ts';
import type { Label } from './words.ts';

/** What is known of a team's members, each by their own entry, and what is agreed with whom they belong to; a person is their party. */
export const lookupsOfMembers = (...parties: readonly (Party | undefined)[]): readonly Lookup[] =>
  [...[...new Set(parties.flatMap((party) => (party?.kind === 'team' ? party.members : [])))].map((userId): Lookup => ({ kind: 'party', name: personName(userId) })), ...lookupsOfAgreements(...parties)];

export type Judged = { readonly allowed: readonly UserId[]; readonly refused: readonly Refusal[]; readonly audit: readonly AuditEntry[] };
export type Refusal = { readonly userId: UserId; readonly verdict: Verdict };

/** Who of a party may be in its results room (45 CFR 164.312(a)(1)). */
export const mayJoin = (party: Party, members: readonly UserId[], context: Context): Judged =>
  judged(party, members, context, { action: 'join', target: { type: 'room', kind: 'results' }, circumstances: { ...NO_CIRCUMSTANCES, responsible: true, inCare: true } }, { party: party.id });

/** Who of them may read this result there. They are responsible for it: it was addressed to their party. */
export const mayRead = (party: Party, members: readonly UserId[], context: Context, result: { readonly critical: boolean; readonly labels: readonly Label[]; readonly delivery: string }): Judged =>
  judged(party, members, context, {
    action: 'read-result', target: { type: 'result', kind: 'results', critical: result.critical, labels: result.labels }, circumstances: { ...NO_CIRCUMSTANCES, responsible: true, inCare: true },
  }, { delivery: result.delivery });

function judged(party: Party, members: readonly UserId[], context: Context, question: Omit<Question, 'who' | 'at'>, about: Readonly<Record<string, string>>): Judged {
  const { judge, found, now } = context;
  const organisations = organisationsNow(context);
  const answers = members.map((userId) => {
    const who = memberOf(party, userId, found, organisations);
    return { userId, verdict: judge({ ...question, who, at: now }), who };
  });
  return {
    allowed: answers.filter(({ verdict }) => verdict.allowed).map(({ userId }) => userId),
    refused: answers.filter(({ verdict }) => !verdict.allowed).map(({ userId, verdict }) => ({ userId, verdict })),
    audit: answers.map(({ who, verdict }) => said({ who, action: question.action }, verdict, about)),
  };
}

function memberOf(party: Party, userId: UserId, found: Context['found'], organisations: Context['settings']['organisations']): Who {
  const entry = party.kind === 'person' ? party : (found.get(personName(userId))?.state as Party | undefined);
  return whoIs(userId, entry?.standing, organisations);
}

/** In words, for whoever answers for it: who, why, and what to do. */
export const refusalWords = (refused: readonly Refusal[]): string => refused.map(({ userId, verdict }) => `${userId}: ${verdict.message} [${verdict.rules.join(' ')}]`).join('; ');
