import type { Context, Decision } from '../decision.ts';
import type { Fact } from '../fact.ts';
import { partyNames, type Party } from './party.ts';

/** The directory's entry for one party. Enrolment asks for the results room at once, so that the first result finds it ready. */
export function decideParty(state: Party | undefined, fact: Fact, _context: Context): Decision<Party | undefined> {
  const { body } = fact;
  if (body.type !== 'party.changed') return { state, audit: [{ action: 'party.ignored', because: `a party has no rule for ${body.type}` }] };
  return {
    state: body.party,
    names: partyNames(body.party),
    raise: body.room === 'on-demand' ? [] : [{ aggregate: { kind: 'room', id: body.party.id }, body: { type: 'room.wanted', party: body.party } }],
    audit: [{ action: state ? 'party.changed' : 'party.added', because: `by ${body.by}`, detail: { party: body.party.id, members: body.party.members.length } }],
  };
}
