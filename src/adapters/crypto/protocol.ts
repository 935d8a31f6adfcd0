/** What the courier and its engine's thread say to each other. Everything here is cloned from one to the other. */
import type { EffectId, RoomId, UserId } from '../../domain/brand.ts';
import type { Outcome } from '../../domain/outcome.ts';
import type { Decrypted, EncryptedEvent, OutgoingMessage, SendFailure, Sent } from '../../ports/courier.ts';
import type { CourierLog, FaultPoint, WhenServerAway } from './options.ts';

export type Membership = 'join' | 'invite' | 'leave' | 'ban';

/** An outgoing message whose content is revealed: it exists in the memory of this process only. */
export type PlainMessage = Omit<OutgoingMessage, 'content' | 'file'> & { readonly id: EffectId; readonly content: Readonly<Record<string, unknown>>; readonly file?: Uint8Array; readonly whenServerAway: WhenServerAway };

export type DeviceCounts = { readonly entitled: number; readonly unsigned: number };

export type Calls = {
  readonly send: { readonly ask: PlainMessage; readonly answer: Outcome<Sent, SendFailure> };
  readonly decrypt: { readonly ask: { readonly roomId: RoomId; readonly event: EncryptedEvent }; readonly answer: Outcome<Decrypted, DecryptFailure> };
  readonly memberChanged: { readonly ask: { readonly roomId: RoomId; readonly userId: UserId; readonly membership: Membership }; readonly answer: Outcome<void, 'unavailable'> };
  readonly devices: { readonly ask: { readonly userId: UserId; readonly whenServerAway: WhenServerAway }; readonly answer: Outcome<DeviceCounts, 'unavailable'> };
  readonly acceptIdentity: { readonly ask: { readonly userId: UserId }; readonly answer: Outcome<void, 'unavailable'> };
  readonly prune: { readonly ask: { readonly before: number }; readonly answer: Outcome<number, 'unavailable'> };
  readonly stop: { readonly ask: null; readonly answer: Outcome<void, never> };
};

export type DecryptFailure = 'keys-missing' | 'undecryptable' | 'unavailable';

/** One call with what it is asked, e.g. `{ call: 'devices', ask: { userId } }`. */
export type Ask = { readonly [Name in keyof Calls]: { readonly call: Name; readonly ask: Calls[Name]['ask'] } }[keyof Calls];

export type ToThread =
  | { readonly kind: 'ask'; readonly id: number; readonly ask: Ask }
  | { readonly kind: 'fault-passed'; readonly id: number; readonly action: 'go' | 'panic' | 'hang' | 'block' }
  | { readonly kind: 'identity-answer'; readonly id: number; readonly answer: IdentityAnswer };

/** What the keeper of the identity is asked, and says. */
export type IdentityAsk = { readonly call: 'recall' } | { readonly call: 'keep'; readonly identity: Uint8Array };
export type IdentityAnswer = { readonly is: 'kept'; readonly identity: Uint8Array } | { readonly is: 'none' } | { readonly is: 'refused' };

export type FromThread =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Calls[keyof Calls]['answer'] }
  /** The store is open; calls are taken. */
  | { readonly kind: 'opened' }
  /** Identity and keys are published, and a sync came back. */
  | { readonly kind: 'synced'; readonly at: number }
  /** Why it isn't ready, for a person; it goes on trying. */
  | { readonly kind: 'problem'; readonly message: string }
  /** Another holder has the device: this thread ends, and none may follow it. */
  | { readonly kind: 'fenced' }
  /** The homeserver doesn't know the device any more. What is under way may end. */
  | { readonly kind: 'removed' }
  | { readonly kind: 'identity'; readonly id: number; readonly ask: IdentityAsk }
  /** It can't run with what it was given; for a person. */
  | { readonly kind: 'fatal'; readonly message: string }
  | { readonly kind: 'keys'; readonly change: { readonly kind: 'room-keys' | 'devices'; readonly userIds: readonly UserId[] } }
  | { readonly kind: 'log'; readonly event: CourierLog }
  | { readonly kind: 'fault'; readonly id: number; readonly name: FaultPoint };
