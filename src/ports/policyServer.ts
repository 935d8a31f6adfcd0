import type { EventId, RoomId, ServerName, UserId } from '../domain/brand.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { HomeserverFailure, RoomEvent } from './homeserver.ts';

/** The policy server as the loop sees it: whom to invite, what to put into `m.room.policy`, and the way in. */
export type PolicyServer = {
  readonly serverName: ServerName;
  readonly userId: UserId;
  /** Unpadded base64 of the key by which it lets events pass. */
  readonly publicKey: string;
  /** Joins, as a server of its own, a room that it is invited to. Joining again changes nothing. */
  join(roomId: RoomId): Promise<Outcome<void, HomeserverFailure>>;
};

/** What the homeserver holds for true of the rooms that the guardian is in. */
export type RoomSource = {
  /** The current state, whole events. */
  state(roomId: RoomId): Promise<Outcome<readonly RoomEvent[], HomeserverFailure>>;
  /** An event that the homeserver accepted. `not-found`: it has none, or holds it back from its users. */
  event(roomId: RoomId, eventId: EventId): Promise<Outcome<RoomEvent, HomeserverFailure>>;
};
