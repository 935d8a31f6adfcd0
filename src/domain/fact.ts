import type { Seen, Trait } from './agreements/conduct.ts';
import type { Handed, RevocationReason } from './agreements/register.ts';
import type { Signatures, Terms } from './agreements/terms.ts';
import type { BlobId, DeliveryId, EffectId, EventId, FactId, Millis, PartyId, ReportId, RoomId, SourceId, SubjectId, UserId } from './brand.ts';
import type { Care } from './care/care.ts';
import type { RemoteFile } from './clinical/remoteFile.ts';
import type { ClinicalReport } from './clinical/report.ts';
import type { Consent, ConsentSaid } from './consent/consent.ts';
import type { EffectKind, EffectResult } from './effect.ts';
import type { EncryptedEvent } from './encryptedEvent.ts';
import type { Candidate } from './people/recipient.ts';
import type { Party } from './people/party.ts';
import type { Fed, StaffSaid } from './people/staff.ts';
import type { Label, RoomKind } from './policy/words.ts';
import type { Notice } from './rooms/notice.ts';
import type { OpenEdge } from './rooms/protection.ts';
import type { Sealed } from './sealed.ts';

/** What facts are about, and in whose order they are decided. A room's id is that of the party it serves, an agreement's the server of the partner; a governed one, in which people talk, has a key of its own; staff's is who says it, and whom of; that of a care team or a consent likewise; a patient's their pseudonym. */
export type AggregateKind = 'report' | 'delivery' | 'room' | 'party' | 'agreement' | 'governed' | 'staff' | 'care' | 'consent' | 'patient';
export type Aggregate = { readonly kind: AggregateKind; readonly id: string };

/** Something that happened. It can't be refused; what to make of it is decided once. */
export type Fact = {
  readonly id: FactId;
  readonly aggregate: Aggregate;
  readonly at: Millis;
  readonly body: FactBody;
};

export type Membership = 'wanted' | 'limited' | 'unreachable' | 'refused' | 'invited' | 'joined' | 'declined' | 'left';

/** The clinical words of one delivery before they are rendered for their reader. */
export type DeliveryContent = Readonly<Record<string, unknown>>;

/**
 * A file that is to be sent. Its name is ours and tells nothing; `content` is that of its event, without the uploaded file. One that is `awaited` is with its sender, and becomes
 * one that is here.
 */
export type DeliveryFile = FileHere | { readonly name: string; readonly awaited: Sealed<RemoteFile> };
export type FileHere = { readonly name: string; readonly blob: BlobId; readonly content: Sealed<DeliveryContent> };

export type FactBody =
  /** A laboratory or EHR handed over a clinical thing; the sender has its 2xx. The clock of the delivery starts here. */
  | {
      readonly type: 'result.received';
      readonly source: SourceId;
      readonly resourceType: string;
      readonly report: Sealed<ClinicalReport>;
      readonly resource: Sealed<string>;
      /** Where the bytes of its attachments are kept, by the attachment's key. */
      readonly files?: Sealed<Readonly<Record<string, BlobId>>>;
      readonly candidates: readonly Candidate[];
      /** Who answers for what can't be delivered from this source. */
      readonly owner: string;
    }
  /** A report has something to tell a party; `party` is absent when nobody could be resolved. */
  | {
      readonly type: 'delivery.requested';
      readonly report: ReportId;
      readonly source: SourceId;
      readonly party?: Party;
      readonly rule?: string;
      readonly why?: string;
      readonly news: 'first' | 'more' | 'correction';
      readonly critical: boolean;
      /** Security labels that rules look at, when it has any: what they are tells something of the patient. */
      readonly labels?: Sealed<readonly Label[]>;
      readonly supersedes?: DeliveryId;
      readonly content: Sealed<DeliveryContent>;
      /** Sent after the message, in this order. */
      readonly files?: readonly DeliveryFile[];
      /** When the sender had its 2xx: the clock of the delivery. */
      readonly acceptedAt: Millis;
      readonly owner: string;
    }
  /** A delivery, an enrolment, or a notice that a member of the party must be told, needs the party's results room. */
  | { readonly type: 'room.wanted'; readonly party: Party; readonly delivery?: DeliveryId; readonly notice?: Notice }
  /** `party` as the room serves it now: the directory may have changed since the delivery was addressed. */
  | { readonly type: 'room.ready'; readonly roomId: RoomId; readonly party: Party; readonly members: Readonly<Record<string, Membership>>; /** 0 when it was told before there were several. */ readonly seat?: number }
  | { readonly type: 'room.blocked'; readonly code: string; readonly message: string; readonly members: Readonly<Record<string, Membership>> }
  /** `m.room.member` as the homeserver pushed it. `actor`: the sender is our guardian. `of`: it is about the guardian or the courier itself. */
  | { readonly type: 'room.member'; readonly roomId: RoomId; readonly userId: UserId; readonly of?: 'ours'; readonly membership: 'invite' | 'join' | 'leave' | 'ban' | 'knock'; readonly sender: UserId; readonly actor?: 'guardian'; readonly eventId: EventId }
  /** `m.room.tombstone`: somebody says that the room is replaced by another. */
  | { readonly type: 'room.tombstone'; readonly roomId: RoomId; readonly eventId: EventId; readonly sender: UserId; readonly by: 'guardian' | 'another'; readonly successor?: RoomId }
  /** A room that the policy server guards may have come out from under it; `start`: it may never have been under this one. */
  | { readonly type: 'room.unprotected'; readonly roomId: RoomId; readonly edge: OpenEdge | 'start'; readonly by: UserId; readonly actor?: 'guardian' }
  /** What somebody of another server did, as it was pushed: their own server may have refused or removed them, and it counts once ours shows it (`rooms/claimed.ts`). */
  | { readonly type: 'room.claimed'; readonly roomId: RoomId; readonly eventId: EventId; readonly sender: UserId; readonly said: Claimed }
  | { readonly type: 'recipient.membership'; readonly userId: UserId; readonly membership: Membership }
  /** An encrypted event of somebody else in a results room: ciphertext only. */
  | { readonly type: 'room.encrypted'; readonly roomId: RoomId; readonly event: EncryptedEvent }
  /** A message in clear in a results room: its text is not kept. */
  | { readonly type: 'room.clear-text'; readonly roomId: RoomId; readonly eventId: EventId; readonly sender: UserId }
  | { readonly type: 'reply.received'; readonly eventId: EventId; readonly sender: UserId; readonly signedByOwner: boolean; readonly content: Sealed<Readonly<Record<string, unknown>>> }
  /** An answer that can't be read, and by now a person must ask for; and the same one, read after all. */
  | { readonly type: 'reply.unread'; readonly eventId: EventId; readonly sender: UserId }
  | { readonly type: 'reply.readable'; readonly eventId: EventId }
  /** In clear, and a homeserver can forge them: they prove `seen` at most. */
  | { readonly type: 'room.reaction'; readonly eventId: EventId; readonly sender: UserId; readonly relatesTo: EventId }
  | { readonly type: 'room.receipt'; readonly userId: UserId; readonly eventId: EventId; readonly seenAt: Millis }
  | { readonly type: 'reaction.received'; readonly eventId: EventId; readonly sender: UserId }
  | { readonly type: 'receipt.seen'; readonly eventId: EventId; readonly userId: UserId; readonly seenAt: Millis }
  | { readonly type: 'effect.done'; readonly effect: EffectId; readonly kind: EffectKind; readonly result: EffectResult }
  | { readonly type: 'effect.failed'; readonly effect: EffectId; readonly kind: EffectKind; readonly code: string; readonly message: string; readonly final: boolean }
  | { readonly type: 'timer.due'; readonly name: string }
  | { readonly type: 'party.changed'; readonly party: Party; readonly by: string; readonly room: 'now' | 'on-demand'; /** What sources said of somebody whom the directory didn't know, and who may be they. */ readonly waiting?: readonly string[] }
  /** A source that may change the directory says something of somebody. */
  | ({ readonly type: 'staff.said' } & StaffSaid)
  /** A source says who cares for a patient together. */
  | { readonly type: 'care.said'; readonly care: Care; readonly patients: readonly SubjectId[]; readonly writtenAt?: Millis }
  /** For a patient: the team as it is now; without it, it has them in care no more. */
  | { readonly type: 'patient.care'; readonly team: string; readonly care?: Care }
  /** A source says what a patient consented to, or that they took it back. */
  | ({ readonly type: 'consent.said' } & ConsentSaid)
  /** For a patient: the consent as it is now; without it, there is none any more. */
  | { readonly type: 'patient.consent'; readonly consent: string; readonly said?: Consent }
  /** For a patient: the rules keep a delivery back, by what was known of them then. */
  | { readonly type: 'patient.waits'; readonly delivery: DeliveryId; readonly version: number }
  /** For a patient: everything of a delivery has left, and it needs to be told of nothing more. */
  | { readonly type: 'patient.settled'; readonly delivery: DeliveryId }
  /** For a delivery that waits: something that is known of its patient has changed. */
  | { readonly type: 'patient.changed' }
  /** A post is somebody else's by now. `next`: what is said of them, once it is free. */
  | { readonly type: 'staff.left'; readonly post: string; readonly next: { readonly type: 'staff.said' } & StaffSaid }
  /** The directory, or what the source's words mean, may have changed. */
  | { readonly type: 'staff.asked'; readonly by: string }
  /** What it said is taken back here, by a person: it counts again when the source says something new. */
  | { readonly type: 'staff.forgotten'; readonly by: string }
  | { readonly type: 'party.unfed'; readonly entry: string; readonly by: string }
  /**
   * What counts of it for a person. `made`: whom to enter, when the directory doesn't have them. `userId`: theirs, as the source has it. `alone`: another of that source's people is
   * somebody else, whatever they share.
   */
  | { readonly type: 'party.fed'; readonly entry: string; readonly fed: Fed; readonly by: SourceId; readonly made?: { readonly name: string; readonly userId: UserId }; readonly userId?: UserId; readonly alone?: true }
  /** The directory didn't take it: they are not that person. */
  | { readonly type: 'staff.refused'; readonly party: PartyId; readonly because: string }
  /** A room of a kind is wanted, with these people; again, for those who are not in it. `inCare`: whoever asks says that the patient is in their care. `patient`: whom it is about, so that sources say in whose care they are. */
  | { readonly type: 'operator.open'; readonly by: string; readonly template: RoomKind; readonly members: readonly UserId[]; readonly inCare?: 'attested'; readonly patient?: SubjectId }
  /** Another room of this version is to take its place. */
  | { readonly type: 'operator.upgrade'; readonly by: string; readonly to: string }
  /** Something of the room was changed, or may have been: it is looked at. `what`: the type of the event, or who asks. `actor`: it was our guardian. */
  | { readonly type: 'room.changed'; readonly roomId: RoomId; readonly what: string; readonly by: string; readonly actor?: 'guardian' }
  /** Other rules are in force, or other agreements: who may be in the room is asked again. */
  | { readonly type: 'policy.changed'; readonly revision: string }
  /** A credential that both signed. `pin`: whether its key is the partner's because the register says so, or because somebody confirmed it now. `rooms`: those its people are in. */
  | { readonly type: 'agreement.added'; readonly terms: Terms; readonly signatures: Signatures; readonly key: string; readonly pin: 'known' | 'confirmed'; readonly rooms: readonly PartyId[]; readonly by: string }
  | { readonly type: 'agreement.revoked'; readonly agreement: string; readonly by: string; readonly reason: RevocationReason }
  /** What a partner's homeserver did, or didn't do, when it was looked at. `rooms`: those its people are in, where they may not be known yet. */
  | { readonly type: 'partner.seen'; readonly trait: Trait; readonly honoured: Seen['honoured']; readonly source: Seen['source']; readonly by?: string; readonly event?: EventId; readonly rooms: readonly PartyId[] }
  /** A room of ours is to be judged by the partner's policy server, or by our own again. */
  | ({ readonly type: 'operator.hand-over' } & Handing) | ({ readonly type: 'operator.take-back' } & Handing)
  /** The partner's guardian invites ours, or our policy server, to stand by in a room of theirs. */
  | { readonly type: 'standby.invited'; readonly roomId: RoomId }
  /** A room relies on it: it is told of what changes. */
  | { readonly type: 'agreement.used'; readonly party: PartyId }
  /** The agreement with whose people are in its room is over, and they go when it lets them; or there is one again. */
  | { readonly type: 'room.ending'; readonly server: string }
  | { readonly type: 'room.kept' }
  /** A delivery needs the memberships that are to end no more. */
  | { readonly type: 'room.released'; readonly delivery: DeliveryId }
  /** A correction of it was requested: what has not been sent by hand must not be any more. */
  | { readonly type: 'delivery.superseded'; readonly by: DeliveryId }
  /** A held delivery was given to somebody: the report tells them of corrections too. */
  | { readonly type: 'delivery.assigned'; readonly delivery: DeliveryId; readonly party: Party }
  | { readonly type: 'operator.retry'; readonly by: string }
  /** A person answers for what it is held for: they called. */
  | { readonly type: 'operator.close'; readonly by: string }
  /** A person was called, and the identity they have now is theirs. */
  | { readonly type: 'operator.accept'; readonly by: string; readonly userId: UserId }
  | { readonly type: 'operator.assign'; readonly by: string; readonly party: Party };

type Handing = Omit<Handed, 'at'> & { readonly roomId: RoomId };

export type FactType = FactBody['type'];
export type FactOf<T extends FactType> = Extract<FactBody, { readonly type: T }>;

/** What an event of somebody of another server says. That settings changed, or something came in clear, is not among it: it makes the guardian look, or take it out. */
export type Claimed = FactOf<'room.member' | 'room.tombstone' | 'room.encrypted' | 'room.reaction'>;

/** A fact that a decision makes happen in another aggregate; it is stored in the same transaction. */
export type RaisedFact = { readonly aggregate: Aggregate; readonly body: FactBody };
