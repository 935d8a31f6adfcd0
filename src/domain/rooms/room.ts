import { as, type DeliveryId, type EffectId, type Millis, type RoomId, type ServerName, type UserId } from '../brand.ts';
import type { Ending } from './ending.ts';
import type { Membership } from '../fact.ts';
import type { Finding } from './assess.ts';
import { serversOf, type Party } from '../people/party.ts';
import type { WaitingNotice } from './notice.ts';
import type { Unprotected } from './underPolicy.ts';

/** The results room of one party: who is in it, who is on the way, and which deliveries wait for it or want to hear of it. */
export type RoomState = {
  readonly party: Party;
  readonly phase: 'creating' | 'ready';
  readonly roomId?: RoomId;
  /** The courier's seat that serves it (`seat.ts`): given when it is first wanted, and kept. 0 in rooms from before there were several. */
  readonly seat?: number;
  /** How many rooms the party has had, this one included. */
  readonly generation: number;
  /** The only servers that it admits, for as long as it exists. */
  readonly servers: readonly ServerName[];
  /** Its rooms of before: answers still come from there. */
  readonly former: readonly RoomId[];
  readonly members: Readonly<Record<string, Membership>>;
  /** Members of the party whom the policy doesn't let in: they aren't invited, and get no keys should they be in it. */
  readonly barred?: readonly UserId[];
  /** How often each member was invited: part of the invitation's effect id. */
  readonly invitations: Readonly<Record<string, number>>;
  /** Changes of membership that its device has not confirmed yet, the newest of each member: it is told of them before it encrypts. */
  readonly untold?: readonly MemberChange[];
  readonly waiting: readonly DeliveryId[];
  /** Told that the room can be used, newest last, at most `OPEN_LIMIT`: they are told of memberships too. */
  readonly open: readonly DeliveryId[];
  /** The room that the guardian replaced this one by, while it is looked at. */
  readonly successor?: RoomId;
  /** The agreement with some of its people is over: they are led out. */
  readonly ending?: Ending;
  /** Encrypted events of people that have not been read yet, by event id, oldest first. */
  readonly unread?: Readonly<Record<string, UnreadReply>>;
  /** Of a team: whether its messages wait for a member who hasn't accepted, or whose invitation can't be brought to them now (`missing.ts`). */
  readonly missing?: 'awaited' | 'given-up';
  /** What its members must be told of other rooms, oldest first; and the causes that were told of last. */
  readonly notices?: readonly WaitingNotice[];
  readonly told?: readonly string[];
  /** When it will be looked at: what changes until then needs no look of its own. */
  readonly lookAt?: Millis;
  /** What the last look found. */
  readonly looked?: { readonly at: Millis; readonly findings: readonly Finding[] };
  /** Why it isn't under the policy server, where it must be. */
  readonly unprotected?: Unprotected;
  /** Why the room can't be used at present; the effect that failed keeps trying. */
  readonly blocked?: { readonly code: string; readonly message: string };
};

export type MemberChange = { readonly effect: EffectId; readonly userId: UserId; readonly membership: 'invite' | 'join' | 'leave' | 'ban' };

/** `delivery`: what it answers, as far as its clear part says. `since`: when it couldn't be read. `told`: the delivery whose owner was told so. */
export type UnreadReply = { readonly sender: UserId; readonly delivery?: string; readonly since?: Millis; readonly told?: string };

export const OPEN_LIMIT = 200;

/** Whether a room can go on serving a party: it admits their servers, and a person's is for that one Matrix id. */
export const serves = (room: RoomState, party: Party): boolean =>
  party.kind === room.party.kind && serversOf(party).every((server) => room.servers.includes(server)) && (party.kind === 'team' || party.members.every((member) => room.party.members.includes(member)));

export const creationOf = ({ party, generation }: RoomState): EffectId => as<EffectId>(`create:${party.id}:${generation}`);

export const seatOf = ({ seat = 0 }: RoomState): number => seat;

/** The latest invitation of a member. */
export const invitationOf = ({ party, invitations }: RoomState, userId: UserId): EffectId => as<EffectId>(`invite:${party.id}:${userId}:${invitations[userId] ?? 0}`);

export const roomLane = (party: Party): string => `room:${party.id}`;

const inRoom = (membership: Membership | undefined): boolean => membership === 'joined' || membership === 'invited';

/** The party's own members whom the policy lets in. */
export const entitled = ({ party, barred = [] }: RoomState): readonly UserId[] => (barred.length === 0 ? party.members : party.members.filter((member) => !barred.includes(member)));

/** Those of them who may get room keys now. Anybody else who may have come in gets none. */
export const keyHolders = (room: RoomState): readonly UserId[] => entitled(room).filter((member) => inRoom(room.members[member]));

/** Those of them who are neither in the room nor invited. */
export const outside = (room: RoomState): readonly UserId[] => entitled(room).filter((member) => !inRoom(room.members[member]));

/** Whether an invitation is on its way, or is tried again. */
export const isComing = (membership: Membership | undefined): boolean => membership === 'wanted' || membership === 'limited' || membership === 'unreachable';

/** Whether somebody's invitation has no outcome yet: a message sent now would pass them by. */
export const isInviting = (room: RoomState): boolean => entitled(room).some((member) => room.members[member] === 'wanted');

/** Whether somebody who hasn't accepted yet, or can't be invited at this moment, is waited for. */
const isAwaiting = (room: RoomState): boolean => room.missing === 'awaited' && entitled(room).some((member) => room.members[member] === 'unreachable' || room.members[member] === 'invited');

/**
 * A person's room can be used once they are in it; a team's once one of its members is, and no other is about to be. Not on the invitation: what
 * is sent before the join rings nobody's phone, and their server may show it only to who looks back (decision 16).
 */
export const usable = (room: RoomState): boolean => room.phase === 'ready' && !room.unprotected && entitled(room).some((member) => room.members[member] === 'joined') && !isInviting(room) && !isAwaiting(room);
