/**
 * What the homeserver still knows of the guardian's rooms: for after a restore, or when transactions were lost. Everything is given as the
 * application service would have got it, so that it goes through the same intake, which takes each event once.
 */
import type { Millis, RoomId } from '../domain/brand.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { HomeserverFailure, MatrixTransaction, RoomEvent } from './homeserver.ts';

export type History = {
  /** Every room that the guardian is in. */
  rooms(): Promise<Outcome<readonly RoomId[], HomeserverFailure>>;
  /** What was sent in a room since then, the oldest first, up to a hundred at a time. Gives how many. */
  since(roomId: RoomId, since: Millis, take: (events: readonly RoomEvent[]) => Promise<void>): Promise<Outcome<number, HomeserverFailure>>;
  /** The memberships as they are now. */
  members(roomId: RoomId): Promise<Outcome<readonly RoomEvent[], HomeserverFailure>>;
  /** The newest public receipt of each member of these rooms. */
  receipts(roomIds: readonly RoomId[]): Promise<Outcome<MatrixTransaction['ephemeral'], HomeserverFailure>>;
};

/** Messages of ours that were found in rooms, by the mark that each carries beside its ciphertext. */
export type FoundEvents = {
  save(events: readonly FoundEvent[]): Promise<void>;
  find(mark: string): Promise<FoundEvent | undefined>;
  count(): Promise<number>;
};

export type FoundEvent = { readonly mark: string; readonly roomId: RoomId; readonly eventId: RoomEvent['event_id']; readonly sentAt: Millis };
