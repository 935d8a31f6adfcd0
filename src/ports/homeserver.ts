/**
 * What the guardian and the courier ask of their homeserver, in the words of the Matrix client-server API. Both users are registered, and
 * named, before the first request as them, whenever the homeserver lets that happen. Every operation is safe to repeat. Errors are Matrix error codes folded into a few that the loop can act on.
 */
import type { EventId, Millis, RoomId, ServerName, UserId } from '../domain/brand.ts';
import type { Outcome } from '../domain/outcome.ts';

/** `unauthorized`: it doesn't know our token (any more). */
export type HomeserverFailure = 'limited' | 'unauthorized' | 'forbidden' | 'not-found' | 'in-use' | 'unavailable' | 'invalid';

export type StateEvent = { readonly type: string; readonly stateKey: string; readonly content: Readonly<Record<string, unknown>>; readonly sender?: UserId };

export type RoomToCreate = {
  /** Local part of the alias that makes creation safe to repeat: opaque, unique to the room's purpose. */
  readonly aliasLocalpart: string;
  readonly version: string;
  readonly federated: boolean;
  /** The room that it takes the place of. */
  readonly predecessor?: RoomId;
  readonly name: string;
  readonly topic: string;
  readonly initialState: readonly StateEvent[];
  readonly powerLevels: Readonly<Record<string, unknown>>;
};

export type Homeserver = {
  readonly serverName: ServerName;
  readonly guardian: UserId;
  readonly courier: UserId;
  /** As the guardian. A repeat finds the room by its alias and checks that it is whole. */
  createRoom(room: RoomToCreate): Promise<Outcome<RoomId, HomeserverFailure>>;
  /** Invites as the guardian; already invited or joined is ok. */
  invite(roomId: RoomId, userId: UserId): Promise<Outcome<void, HomeserverFailure>>;
  /** Ends a membership or an invitation as the guardian; one who isn't there is ok. */
  remove(roomId: RoomId, userId: UserId, reason: string): Promise<Outcome<void, HomeserverFailure>>;
  /** Joins as the courier. */
  joinAsCourier(roomId: RoomId): Promise<Outcome<void, HomeserverFailure>>;
  /** Joins, as the guardian, a room of another hospital that it is invited to. */
  joinAsGuardian(roomId: RoomId): Promise<Outcome<void, HomeserverFailure>>;
  /** Redacts as the guardian. `id` is the transaction id; redacting twice changes nothing more. */
  redact(roomId: RoomId, eventId: EventId, id: string, reason: string): Promise<Outcome<void, HomeserverFailure>>;
  /** Sets a state event as the guardian. */
  setState(roomId: RoomId, event: Pick<StateEvent, 'type' | 'stateKey' | 'content'>): Promise<Outcome<void, HomeserverFailure>>;
  state(roomId: RoomId): Promise<Outcome<readonly StateEvent[], HomeserverFailure>>;
  /** Whether it shows an event to the guardian, who sees all of its rooms: not what it refused, or took and shows to nobody. Fails (`forbidden`), to be asked again, where the guardian isn't in the room. */
  shows(roomId: RoomId, eventId: EventId): Promise<Outcome<boolean, HomeserverFailure>>;
  /** What somebody is in a room now, as the guardian sees it; undefined: they never were anything. */
  membership(roomId: RoomId, userId: UserId): Promise<Outcome<string | undefined, HomeserverFailure>>;
  /** Whether it answers, and takes our token. */
  ping(): Promise<Outcome<{ readonly versions: readonly string[] }, HomeserverFailure>>;
};

/** An event as the homeserver pushes it to an application service (application service API §4.1). */
export type RoomEvent = {
  readonly event_id: EventId;
  readonly room_id: RoomId;
  readonly sender: UserId;
  readonly type: string;
  readonly state_key?: string;
  readonly origin_server_ts: number;
  readonly content: Readonly<Record<string, unknown>>;
  readonly unsigned?: Readonly<Record<string, unknown>>;
};

export type ReadReceipt = { readonly eventId: EventId; readonly userId: UserId; readonly at: Millis };

/** One application service transaction, already checked for shape. */
export type MatrixTransaction = { readonly events: readonly RoomEvent[]; readonly ephemeral: readonly { readonly room_id: RoomId; readonly receipts: readonly ReadReceipt[] }[] };
