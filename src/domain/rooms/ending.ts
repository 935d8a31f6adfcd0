import { as, type DeliveryId, type EffectId, type RoomId, type UserId } from '../brand.ts';
import type { AuditEntry, Decision } from '../decision.ts';
import type { Effect } from '../effect.ts';
import type { RaisedFact } from '../fact.ts';
import { serverOf, serversOf } from '../people/party.ts';
import type { RoomState } from './room.ts';

/** Memberships that end: of whose servers, and the deliveries that haven't said yet that they need them no more. */
export type Ending = { readonly servers: readonly string[]; readonly awaited: readonly DeliveryId[] };

type Step = Pick<Decision<RoomState>, 'state' | 'raise' | 'effects' | 'audit'>;

/**
 * The agreement with some of its people's servers is over (45 CFR 164.308(b)(1)): their memberships end as soon as no critical result that they were sent is open. Each delivery is asked,
 * and answers with `room.released`, at once or when it is closed or has another owner.
 */
export function beginEnding(state: RoomState, servers: readonly string[]): Step {
  if (!state.roomId || state.ending || leaversOf(state, servers).length === 0) return { state, audit: [] };
  const awaited = [...new Set([...state.open, ...state.waiting])];
  const ending: Ending = { servers, awaited };
  const raise: readonly RaisedFact[] = awaited.map((id) => ({ aggregate: { kind: 'delivery', id }, body: { type: 'room.ending', server: servers[0] ?? '' } }));
  const step = whenReleased({ ...state, ending });
  return { ...step, raise, audit: [{ action: 'room.ending', because: 'the agreement with whose people are in it is over', detail: { party: state.party.id, servers: servers.join(' '), open: awaited.length } }, ...step.audit] };
}

export function released(state: RoomState, delivery: DeliveryId): Step {
  if (!state.ending?.awaited.includes(delivery)) return { state, audit: [] };
  return whenReleased({ ...state, ending: { ...state.ending, awaited: state.ending.awaited.filter((each) => each !== delivery) } });
}

/** There is an agreement again before the last one left. */
export function endingOver({ ending, ...state }: RoomState): Step {
  if (!ending) return { state, audit: [] };
  return { state, raise: ending.awaited.map((id) => ({ aggregate: { kind: 'delivery', id }, body: { type: 'room.kept' } })), audit: [{ action: 'room.kept', because: 'an agreement is in force again', detail: { party: state.party.id } }] };
}

function whenReleased(state: RoomState): Step {
  const { ending, roomId, ...rest } = state;
  if (!ending || !roomId || ending.awaited.length > 0) return { state, audit: [] };
  const effects = leaversOf(state, ending.servers).map((userId) => removal(state, roomId, userId, 'The agreement between the hospitals has ended.'));
  const audit: readonly AuditEntry[] = effects.map(({ body }) => ({ action: 'member.removing', because: 'the agreement is over, and no critical result of theirs is open', detail: { party: state.party.id, user: 'userId' in body ? body.userId : '' } }));
  return { state: { ...rest, roomId }, effects, audit };
}

const removal = ({ party, invitations }: RoomState, roomId: RoomId, userId: UserId, reason: string): Effect => ({
  // Of this stay: whoever is invited again later can be removed again.
  id: as<EffectId>(`remove:${party.id}:${userId}:${invitations[userId] ?? 0}`), lane: `remove:${party.id}:${userId}`, body: { type: 'member.remove', roomId, userId, reason },
});

/** Whoever has left the hospital is taken out of their results room at once (45 CFR 164.308(a)(3)(ii)(C)): what is for them is held, for a person to give to somebody else. */
export function departing(state: RoomState): readonly Effect[] {
  const { party, roomId } = state;
  return party.standing?.left && roomId !== undefined ? leaversOf(state, serversOf(party)).map((userId) => removal(state, roomId, userId, 'This account is closed.')) : [];
}

const leaversOf = ({ party, members }: RoomState, servers: readonly string[]): RoomState['party']['members'] =>
  party.members.filter((userId) => servers.includes(serverOf(userId)) && members[userId] !== undefined && members[userId] !== 'left' && members[userId] !== 'declined');
