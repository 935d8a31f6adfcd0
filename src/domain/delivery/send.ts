import { as, type EffectId, type RoomId, type ServerName, type UserId } from '../brand.ts';
import type { Settings } from '../decision.ts';
import type { Effect } from '../effect.ts';
import type { Membership } from '../fact.ts';
import { destinationOf, type Party } from '../people/party.ts';
import { seatAmong } from '../rooms/seat.ts';
import type { DeliveryState } from './delivery.ts';

/** Where a delivery's events go, and whom they need. */
export type Reach = { readonly party: Party; readonly roomId: RoomId; readonly recipients: readonly UserId[]; readonly seat: number; readonly destination?: ServerName };

type Where = Pick<DeliveryState, 'seat' | 'members'> & { readonly party: Party; readonly roomId: RoomId };

export const reachOf = ({ party, roomId, seat = 0, members }: Where, { ownServer, courierSeats }: Settings): Reach => ({ party, roomId, seat: seatAmong(seat, party.id, courierSeats), recipients: party.members.filter((member) => isIn(members[member])), ...destinationOf(party, ownServer) });

/** Undefined while it is addressed to nobody, or its room isn't known. */
export const reaching = ({ party, roomId, ...state }: DeliveryState, settings: Settings): Reach | undefined => (party && roomId !== undefined ? reachOf({ ...state, party, roomId }, settings) : undefined);

export const isIn = (membership: Membership | undefined): boolean => membership === 'joined' || membership === 'invited';

export const sendLane = (party: Party): string => `send:${party.id}`;

/** Records that only a consent lets pass (42 CFR 2.31), whoever lets this one: nothing of it is sent once the rules keep it back. */
export const needsConsent = ({ labels }: DeliveryState): boolean => labels?.reveal().includes('part2') === true;

/** The message: its id is the transaction id, so that asking for it again sends nothing twice. */
export const sendEffect = (state: DeliveryState, { party, roomId, recipients, seat, destination }: Reach): Effect => ({
  id: as<EffectId>(`send:${state.id}`), lane: sendLane(party), seat, ...(destination === undefined ? {} : { destination }),
  body: { type: 'room.send', roomId, party: party.id, recipients, content: state.content, ...(needsConsent(state) ? { byConsent: state.id } : {}) },
});
