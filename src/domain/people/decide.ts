import type { AuditEntry, Context, Decision, Lookup } from '../decision.ts';
import type { Fact, FactOf, RaisedFact } from '../fact.ts';
import { byHand, isFedBeside, withFed } from './fed.ts';
import { identifierName, partyNames, personName, type Party } from './party.ts';
import type { Fed } from './staff.ts';

type PartyDecision = Decision<Party | undefined>;

/** Who has the names that a party is to be found by. */
export function lookupsOfParty({ body }: Fact, state: Party | undefined): readonly Lookup[] {
  const names = body.type === 'party.changed' ? partyNames(withFed(body.party, state?.fed ?? {})) : body.type === 'party.fed' ? [...body.fed.identifiers.map(identifierName), ...(body.made === undefined ? [] : [personName(body.made.userId)])] : [];
  return [...new Set(names)].map((name) => ({ kind: 'party', name }));
}

/**
 * The directory's entry for one party. Enrolment asks for the results room at once, so that the first result finds it ready; a room that is
 * there is told of every change. A name that is another's is never taken from them: their results would go to the wrong person.
 */
export function decideParty(state: Party | undefined, fact: Fact, context: Context): PartyDecision {
  const { body } = fact;
  if (body.type === 'party.fed') return fed(state, body, fact.aggregate.id, context);
  if (body.type === 'party.unfed') return unfed(state, body, fact.aggregate.id);
  if (body.type !== 'party.changed') return { state, audit: [{ action: 'party.ignored', because: `a party has no rule for ${body.type}` }] };
  const { by } = body;
  const party = body.party.kind === 'person' ? withFed(body.party, state?.fed ?? {}) : body.party;
  const names = partyNames(party);
  const taken = names.find((name) => ownerOf(name, context, party.id) !== undefined);
  if (taken !== undefined) return { state, audit: [{ action: 'party.refused', because: `${taken} belongs to ${ownerOf(taken, context, party.id) ?? ''}`, detail: { party: party.id, by } }] };
  const room = { kind: 'room', id: party.id } as const;
  const asks = (body.waiting ?? []).map((id): RaisedFact => ({ aggregate: { kind: 'staff', id }, body: { type: 'staff.asked', by } }));
  return {
    state: party,
    names,
    raise: [...(body.room === 'now' ? [{ aggregate: room, body: { type: 'room.wanted', party } } as const] : state ? [{ aggregate: room, body: { ...body, party } } as const] : []), ...asks],
    audit: [{ action: state ? 'party.changed' : 'party.added', because: `by ${by}`, detail: { party: party.id, members: party.members.length, ...(party.standing ? { roles: party.standing.roles.join(' ') } : {}) } }],
  };
}

const ownerOf = (name: string, { found }: Context, id: string): string | undefined => ((owner) => (owner === id ? undefined : owner))(found.get(name)?.aggregate.id);

/** A source's word of a person. The same word again changes nothing; one that makes somebody else of them is not taken. */
function fed(before: Party | undefined, { entry, fed: word, by, made, userId, alone }: FactOf<'party.fed'>, id: string, context: Context): PartyDecision {
  const refused = (because: string): PartyDecision => ({
    state: before, raise: [{ aggregate: { kind: 'staff', id: entry }, body: { type: 'staff.refused', party: id as Party['id'], because } }], audit: [{ action: 'party.refused', because, detail: { party: id, by, entry } }],
  });
  if (before?.kind === 'team') return refused('a team is not a person');
  if (made !== undefined && before !== undefined && !before.members.includes(made.userId)) return refused('the name is somebody else\'s');
  if (made !== undefined && ownerOf(personName(made.userId), context, id) !== undefined) return refused(`${made.userId} belongs to ${ownerOf(personName(made.userId), context, id) ?? ''}`);
  if (before !== undefined && before.fed?.[entry] === undefined) {
    const shares = (userId !== undefined && before.members.includes(userId)) || word.identifiers.map(identifierName).some((name) => partyNames(before).includes(name));
    if (!shares) return refused('they share no identifier and no Matrix id');
    if (alone && isFedBeside(before, entry, by)) return refused('they are another user of this source');
  }
  const known: Party | undefined = before ?? (made && { id: id as Party['id'], kind: 'person', name: made.name, members: [made.userId], identifiers: [] });
  if (!known) return refused('they are not in the directory');
  const own = new Set([...known.identifiers.map(identifierName), ...Object.entries(known.fed ?? {}).flatMap(([each, { identifiers }]) => (each === entry ? [] : identifiers.map(identifierName)))]);
  const now: Fed = { ...word, identifiers: word.identifiers.filter((each) => !own.has(identifierName(each)) && ownerOf(identifierName(each), context, id) === undefined) };
  const { [entry]: last, ...others } = known.fed ?? {};
  if (before !== undefined && JSON.stringify(last) === JSON.stringify(now)) return { state: before, audit: [] };
  const party = withFed(byHand(known), { ...others, [entry]: now });
  const isOther = JSON.stringify(party.standing) !== JSON.stringify(before?.standing);
  return {
    state: party, names: partyNames(party),
    raise: before !== undefined && isOther ? [{ aggregate: { kind: 'room', id }, body: { type: 'party.changed', party, by, room: 'on-demand' } }] : [],
    audit: [saidOf(before, party, entry, now)],
  };
}

function unfed(before: Party | undefined, { entry, by }: FactOf<'party.unfed'>, id: string): PartyDecision {
  if (before?.fed?.[entry] === undefined) return { state: before, audit: [] };
  const { [entry]: word, ...others } = before.fed;
  const party = withFed(byHand(before), others);
  return { state: party, names: partyNames(party), raise: [{ aggregate: { kind: 'room', id }, body: { type: 'party.changed', party, by, room: 'on-demand' } }], audit: [{ action: 'party.changed', because: `by ${by}`, detail: { party: id, entry, roles: party.standing?.roles.join(' ') ?? '', forgotten: word?.source ?? '' } }] };
}

function saidOf(before: Party | undefined, { id, standing }: Party, entry: string, { source, roles, unknown }: Fed): AuditEntry {
  return {
    action: before ? 'party.changed' : 'party.added', because: `by ${source}`,
    detail: {
      party: id, entry, roles: standing?.roles.join(' ') ?? '', ...(before?.standing === undefined ? {} : { before: before.standing.roles.join(' ') }), ...(roles === undefined ? {} : { said: roles.join(' ') }), ...(unknown === undefined ? {} : { unknown: unknown.join(' ') }),
      ...(standing?.organisation === undefined ? {} : { organisation: standing.organisation }), ...(standing?.department === undefined ? {} : { department: standing.department }), ...(standing?.left ? { left: true } : {}),
    },
  };
}
