/**
 * The encrypting device: one first-class, cross-signed Matrix device of the courier, which sends results and reads replies.
 * Contract (test/contract/courier): every method may be called again with the same arguments after a crash at any instant and gives the
 * same answer; nothing is sent twice. Facts on the wire: Matrix client-server API §11.12 (end-to-end encryption), §11.12.4 (Megolm).
 */
import type { EffectId, EventId, Millis, RoomId, UserId } from '../domain/brand.ts';
import type { EncryptedEvent } from '../domain/encryptedEvent.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Sealed } from '../domain/sealed.ts';

export type Courier = {
  readonly userId: UserId;
  readonly deviceId: string;
  /**
   * Encrypts and sends one event. Keys reach every entitled device of every recipient before the event leaves; the ciphertext is journalled
   * before it is sent, and sent with the transaction id `id` and the same device id, so that a repeat gives the same event.
   */
  send(message: OutgoingMessage): Promise<Outcome<Sent, SendFailure>>;
  /** Decrypts an `m.room.encrypted` event from a room. `keys-missing` may succeed later: `onKeys` tells when to try again. */
  decrypt(roomId: RoomId, event: EncryptedEvent): Promise<Outcome<Decrypted, 'keys-missing' | 'undecryptable' | 'unavailable'>>;
  /** A member came, left, or was invited: fed to the engine as a device-list change, since a filtered sync loses it (docs/decisions). */
  memberChanged(roomId: RoomId, userId: UserId, membership: 'join' | 'invite' | 'leave' | 'ban'): Promise<void>;
  /** Called when room keys arrived, or a person's devices changed: what waited for them is worth another try. */
  onKeys(listener: (change: { readonly kind: 'room-keys' | 'devices'; readonly userIds: readonly UserId[] }) => void): void;
  /** What the device knows of a person's devices: for `aceso people list` and the reason of a hold. */
  devices(userId: UserId): Promise<Outcome<{ readonly entitled: number; readonly unsigned: number }, 'unavailable'>>;
  /** A person, asked by telephone, confirms that the identity they have now is theirs: their devices may get keys again. */
  acceptIdentity(userId: UserId): Promise<Outcome<void, 'unavailable'>>;
  /** `ready` once identity and keys are published and the first sync is done; `lost` when another process took the device over, `removed` when the homeserver doesn't know it any more, each for good. `problem`: what keeps it from syncing now, and what to do, for a person. */
  status(): CourierStatus;
  /** Forgets what is older than `before` (milliseconds since the epoch): messages that were sent, which can't be asked for again, and keys that nothing needs any more. Gives how many rows. */
  prune(before: number): Promise<number>;
  stop(): Promise<void>;
};

export type CourierStatus = { readonly state: 'starting' | 'ready' | 'recovering' | 'lost' | 'removed' | 'stopped'; readonly restarts: number; readonly lastSyncAt?: number; readonly problem?: string };

/** Whether the device is none any more: whoever sits on its seat next does what was asked of it. */
export const isGone = ({ state }: Pick<CourierStatus, 'state'>): boolean => state === 'stopped' || state === 'lost' || state === 'removed';

/** The courier's devices, each on a seat of its own; this worker has those whose seats it holds. A room's messages go by the device on its seat. */
export type Couriers = {
  /** Seats whose device is here and may send, in order. */
  held(): readonly number[];
  at(seat: number): Courier | undefined;
  /** As each device's own. */
  onKeys: Courier['onKeys'];
  /** As if they were one: `ready` when each seat's device is ready here, or with another worker. */
  status(): CourierStatus & { readonly seats: readonly SeatStatus[] };
  prune(before: number): Promise<void>;
  stop(): Promise<void>;
};

/** `elsewhere`: another worker has it. `free`: nobody has; this worker takes it as soon as it may. The others are states of the device here. */
export type SeatStatus = {
  readonly seat: number;
  readonly state: 'elsewhere' | 'free' | 'opening' | CourierStatus['state'];
  /** The worker that has it. */
  readonly holder?: string;
  readonly deviceId?: string;
  readonly problem?: string;
  /** There are fewer seats than there were: this one is kept until nothing waits for its device any more. */
  readonly leaving?: { readonly waiting: number };
};

export type OutgoingMessage = {
  readonly id: EffectId;
  /** When it was first to be sent: a device that is younger looks in the room before it encrypts it, because the device before it may have sent it. */
  readonly createdAt: Millis;
  /** Opaque and unique, one for `id`: stands beside the ciphertext (`org.aceso.txn`), where a later device finds it. */
  readonly mark: string;
  readonly roomId: RoomId;
  /** Joined and invited members other than the courier itself: who gets the keys. */
  readonly members: readonly UserId[];
  /** Whose absence of usable devices holds the message: the responsible people. A subset of `members`. */
  readonly recipients: readonly UserId[];
  readonly type: string;
  /** Event content. What is larger than an event may be (64 KiB) goes as encrypted media. */
  readonly content: Sealed<Readonly<Record<string, unknown>>>;
  /** A file that goes with it: uploaded as encrypted media, once, and put into the content as `file` (an EncryptedFile). */
  readonly file?: Sealed<Uint8Array>;
  /** Rotation as the room's `m.room.encryption` state says. */
  readonly rotation: { readonly periodMs: number; readonly messages: number };
};

/** `devices` and `withheld` are 0 when it was found in the room: how many the device before it reached isn't known. */
export type Sent = { readonly eventId: EventId; readonly devices: number; readonly withheld: number };

/** `no-device`: a recipient has no device that may get keys. `server-away`: their server doesn't say which they have. `identity-changed`: all they have is signed by another identity than before. `forbidden`/`not-found`: the room refuses it. `too-large`: beyond what media take. `in-doubt`: it may have been sent, and the room can't be read now. */
export type SendFailure = 'no-device' | 'server-away' | 'identity-changed' | 'unavailable' | 'limited' | 'forbidden' | 'too-large' | 'in-doubt' | 'engine';

export type { EncryptedEvent };

export type Decrypted = {
  readonly type: string;
  readonly content: Readonly<Record<string, unknown>>;
  readonly sender: UserId;
  /** The device the event was encrypted on, and whether its owner signed it: an answer counts only from such a one. */
  readonly senderDevice?: string;
  readonly signedByOwner: boolean;
};
