import type { Context, Decision, Lookup } from '../decision.ts';
import type { Fact } from '../fact.ts';
import { partyNames, type Party } from './party.ts';

/** Who has the names that a party is to be found by. */
export const lookupsOfParty = ({ body }: Fact): readonly Lookup[] => (body.type === 'party.changed' ? partyNames(body.party).map((name) => ({ kind: 'party', name })) : []);

/**
 * The directory's entry for one party. Enrolment asks for the results room at once, so that the first result finds it ready; a room that is
 * there is told of every change. A name that is another's is never taken from them: their results would go to the wrong person.
 */
export function decideParty(state: Party | undefined, fact: Fact, { found }: Context): Decision<Party | undefined> {
  const { body } = fact;
  if (body.type !== 'party.changed') return { state, audit: [{ action: 'party.ignored', because: `a party has no rule for ${body.type}` }] };
  const { party, by } = body;
  const names = partyNames(party);
  const taken = names.find((name) => (found.get(name)?.aggregate.id ?? party.id) !== party.id);
  if (taken !== undefined) return { state, audit: [{ action: 'party.refused', because: `${taken} belongs to ${found.get(taken)?.aggregate.id ?? ''}`, detail: { party: party.id, by } }] };
  const room = { kind: 'room', id: party.id } as const;
  return {
    state: party,
    names,
    raise: body.room === 'now' ? [{ aggregate: room, body: { type: 'room.wanted', party } }] : state ? [{ aggregate: room, body }] : [],
    audit: [{ action: state ? 'party.changed' : 'party.added', because: `by ${by}`, detail: { party: party.id, members: party.members.length, ...(party.standing ? { roles: party.standing.roles.join(' ') } : {}) } }],
  };
}
