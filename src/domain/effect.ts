import type { BlobId, DeliveryId, EffectId, EventId, PartyId, RoomId, ServerName, SourceId, UserId } from './brand.ts';
import type { FileFacts, Refusal } from './clinical/attachment.ts';
import type { RemoteFile } from './clinical/remoteFile.ts';
import type { EncryptedEvent } from './encryptedEvent.ts';
import type { Claimed } from './fact.ts';
import type { Party } from './people/party.ts';
import type { RoomKind } from './policy/words.ts';
import type { Finding, RoomRule } from './rooms/assess.ts';
import type { Sealed } from './sealed.ts';

/**
 * Something to be done outside. Idempotent by its id, which is the Matrix transaction id or the alias of a room: an executor may run it
 * any number of times, and the world changes once. Effects of one lane are done in order, one at a time.
 */
export type Effect = {
  readonly id: EffectId;
  readonly lane: string;
  readonly body: EffectBody;
  /** The courier's seat whose device it needs (`rooms/seat.ts`); without one, any sender may do it. */
  readonly seat?: number;
  /** Another server that it keeps busy, or is kept waiting by. */
  readonly destination?: ServerName;
};

export type EffectBody =
  /** Makes the party's results room from its template, with the courier in it. */
  | { readonly type: 'room.create'; readonly party: Party }
  /** Makes a room in which people talk, from its template; in place of another, in the version that is asked for. */
  | { readonly type: 'room.open'; readonly template: RoomKind; readonly servers: readonly ServerName[]; readonly speakers: readonly UserId[]; readonly replaces?: RoomId; readonly version?: string }
  /** Leads from a room to its successor, and lets nobody write in it any more. */
  | { readonly type: 'room.close'; readonly roomId: RoomId; readonly successor: RoomId }
  /** Holds a room to its template and the policy, as they are when it is done. */
  | { readonly type: 'room.repair'; readonly roomId: RoomId; readonly room: { readonly kind: 'room' | 'governed'; readonly id: string } }
  | { readonly type: 'room.invite'; readonly roomId: RoomId; readonly userId: UserId }
  /** Sees whether the room that replaces `from` is the guardian's and as strict, and brings the courier there. */
  | { readonly type: 'room.follow'; readonly party: Party; readonly from: RoomId; readonly to: RoomId }
  /** With a `blob`, its bytes go up as encrypted media and the content gets their `file`. `byConsent`: of a delivery that needs a patient's consent, it isn't done while the rules keep that back. */
  | { readonly type: 'room.send'; readonly roomId: RoomId; readonly party: PartyId; readonly recipients: readonly UserId[]; readonly content: Sealed<Readonly<Record<string, unknown>>>; readonly blob?: BlobId; readonly byConsent?: DeliveryId }
  /** Asks the homeserver whether it shows an event of another server to those in the room. `again`: a membership, since it was heard meanwhile that it ended. */
  | { readonly type: 'event.confirm'; readonly roomId: RoomId; readonly eventId: EventId; readonly sender: UserId; readonly said: Claimed; readonly again?: true }
  | { readonly type: 'event.decrypt'; readonly roomId: RoomId; readonly event: EncryptedEvent }
  /** Asks a source's own server for a file, looks at what it is, and keeps it. */
  | { readonly type: 'file.fetch'; readonly source: SourceId; readonly file: Sealed<RemoteFile> }
  /** Tells the room's device that somebody's devices may have changed unseen (`Courier.memberChanged`). */
  | { readonly type: 'courier.member'; readonly roomId: RoomId; readonly userId: UserId; readonly membership: 'invite' | 'join' | 'leave' | 'ban' }
  /** A person's new identity was confirmed: their devices may get keys again. */
  | { readonly type: 'courier.accept'; readonly userId: UserId }
  /** Puts the room under the policy server, or back under it. */
  | { readonly type: 'room.protect'; readonly roomId: RoomId; /** Results rooms when left out. */ readonly template?: RoomKind }
  /** Goes into a partner's room, as guardian and as policy server, to stand by there, for as long as an agreement says so. */
  | { readonly type: 'room.standBy'; readonly roomId: RoomId; readonly partner: ServerName }
  /** Ends somebody's membership, as the guardian. */
  | { readonly type: 'member.remove'; readonly roomId: RoomId; readonly userId: UserId; readonly reason: string }
  /** Takes an event's content out of the room, as the guardian. */
  | { readonly type: 'room.redact'; readonly roomId: RoomId; readonly eventId: EventId; readonly reason: string };

export type EffectKind = EffectBody['type'];

export type EffectResult =
  | { readonly type: 'file.fetch'; readonly blob: BlobId; readonly facts: Sealed<FileFacts> }
  /** It is not sent on, and asking again would not change that. */
  | { readonly type: 'file.fetch'; readonly refused: Refusal }
  | { readonly type: 'room.redact'; readonly eventId: EventId }
  /** `overtaken`: a membership that is another by now, which its own event tells. `unknown`: the guardian has long been out of the room, and is shown nothing of it. */
  | { readonly type: 'event.confirm'; readonly eventId: EventId; readonly sender: UserId; readonly said: Claimed; readonly shown: 'yes' | 'no' | 'overtaken' | 'unknown'; readonly again?: true }
  | { readonly type: 'member.remove'; readonly userId: UserId }
  | { readonly type: 'room.create'; readonly roomId: RoomId }
  | { readonly type: 'room.open'; readonly roomId: RoomId }
  | { readonly type: 'room.close'; readonly roomId: RoomId }
  /** `repaired`: rules that were put back. */
  | { readonly type: 'room.repair'; readonly roomId: RoomId; readonly findings: readonly Finding[]; readonly repaired: readonly RoomRule[] }
  | { readonly type: 'room.invite'; readonly userId: UserId }
  /** `steps`: what was missing. */
  | { readonly type: 'room.protect'; readonly roomId: RoomId; readonly steps: number }
  | { readonly type: 'room.standBy'; readonly roomId: RoomId }
  | { readonly type: 'room.follow'; readonly roomId: RoomId }
  | { readonly type: 'courier.member'; readonly userId: UserId }
  | { readonly type: 'courier.accept'; readonly userId: UserId }
  /** `unreached`: recipients who have no device that may read it, when others have one. */
  | { readonly type: 'room.send'; readonly eventId: EventId; readonly devices: number; readonly withheld: number; readonly unreached?: readonly UserId[] }
  /** `relatesTo`: the events that it answers, the nearest first: what it replies to, then the root of the thread. */
  | { readonly type: 'event.decrypt'; readonly eventId: EventId; readonly eventType: string; readonly sender: UserId; readonly signedByOwner: boolean; readonly relatesTo: readonly EventId[]; readonly content: Sealed<Readonly<Record<string, unknown>>> };
