import type { DeliveryId, RoomId, UserId } from '../brand.ts';
import type { Membership } from '../fact.ts';
import type { Party } from '../people/party.ts';

/** The results room of one party: who is in it, who is on the way, and which deliveries wait for it or want to hear of it. */
export type RoomState = {
  readonly party: Party;
  readonly phase: 'creating' | 'ready';
  readonly roomId?: RoomId;
  readonly members: Readonly<Record<string, Membership>>;
  /** How often each member was invited: part of the invitation's effect id. */
  readonly invitations: Readonly<Record<string, number>>;
  readonly waiting: readonly DeliveryId[];
  /** Sent and not yet seen, newest last, at most `OPEN_LIMIT`: they are told of memberships. */
  readonly open: readonly DeliveryId[];
  /** Why the room can't be used at present; the effect that failed keeps trying. */
  readonly blocked?: { readonly code: string; readonly message: string };
};

export const OPEN_LIMIT = 50;

export const roomLane = (party: Party): string => `room:${party.id}`;

const inRoom = (membership: Membership | undefined): boolean => membership === 'joined' || membership === 'invited';

/** The party's own members who may get room keys now. Anybody else who may have come in gets none. */
export const keyHolders = (room: RoomState): readonly UserId[] => room.party.members.filter((member) => inRoom(room.members[member]));

/** Members of the party who are neither in the room nor invited. */
export const outside = (room: RoomState): readonly UserId[] => room.party.members.filter((member) => !inRoom(room.members[member]));

/** A person's room can be used once they are in or invited; a team's once one of its members is. */
export const usable = (room: RoomState): boolean => room.phase === 'ready' && keyHolders(room).length > 0;
