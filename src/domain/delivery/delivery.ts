import type { DeliveryId, EventId, Millis, ReportId, RoomId, SourceId } from '../brand.ts';
import type { Refusal } from '../clinical/attachment.ts';
import type { DeliveryContent, DeliveryFile, Membership } from '../fact.ts';
import type { Party } from '../people/party.ts';
import type { Label } from '../policy/words.ts';
import type { Sealed } from '../sealed.ts';

/** One clinical message on its way to one responsible party. */
export type DeliveryState = {
  readonly id: DeliveryId;
  readonly report: ReportId;
  readonly source: SourceId;
  readonly news: 'first' | 'more' | 'correction';
  readonly critical: boolean;
  readonly labels?: Sealed<readonly Label[]>;
  readonly supersedes?: DeliveryId;
  /** The correction that took its place: it is not sent by hand any more. */
  readonly supersededBy?: DeliveryId;
  readonly party?: Party;
  /** How the party was found: `requester`, `attending`, `pool`, `assigned by …`. */
  readonly rule?: string;
  readonly phase: DeliveryPhase;
  /** The agreement with whose people got it is over, and they stay until it is closed: answered, by hand, or by another who took it over. */
  readonly keepsRoom?: 'open' | 'closed';
  /** The rules keep it back, or are being asked again whether they do: nothing of it is sent, whatever becomes of `held`, until they let it go. */
  readonly keptBack?: true;
  /** Set while it can't proceed, whatever its phase: why, and which human answers for it. */
  readonly held?: Hold;
  /** Who answers for it when it is held. */
  readonly owner: string;
  readonly members: Readonly<Record<string, Membership>>;
  readonly roomId?: RoomId;
  /** The courier's seat that speaks in its room. */
  readonly seat?: number;
  readonly eventId?: EventId;
  /** Replies to it, newest last, at most `ANSWER_LIMIT`: an answer to one of them, or an edit of one, is about it too. */
  readonly answers?: readonly EventId[];
  /** Answers that can't be read, and that nobody has asked for yet. */
  readonly unread?: readonly EventId[];
  readonly content: Sealed<DeliveryContent>;
  /** Its attachments. The delivery is `sent` when its message is; each of these says for itself whether it is too. */
  readonly files?: readonly FileState[];
  readonly acceptedAt: Millis;
  readonly sentAt?: Millis;
  readonly history: readonly Evidence[];
};

/**
 * Sent once it has an `eventId`; `failed`: it can't be, `refused`: it was fetched and isn't sent on, and `noticeId` is the message that says so to
 * its readers. `missed`: its sender did not give it out while its message was still to be sent.
 */
export type FileState = DeliveryFile & { readonly eventId?: EventId; readonly failed?: string; readonly missed?: string; readonly refused?: Refusal; readonly noticeId?: EventId };

export const ANSWER_LIMIT = 100;

/** Held by: the rules. */
export const POLICY = 'policy';

/** What was stored before this was noted is so by its hold. */
export const isKeptBack = ({ keptBack, held }: Pick<DeliveryState, 'keptBack' | 'held'>): boolean => keptBack === true || held?.code === POLICY;

/** accepted → addressed → sending → sent → seen → answered. `sent`: its message is in the room; its files may still follow. */
export type DeliveryPhase = 'accepted' | 'addressed' | 'sending' | 'sent' | 'seen' | 'answered';

export type Hold = { readonly code: string; readonly reason: string; readonly owner: string; readonly since: Millis };

/** What happened, when, and what proves it. No PHI. */
export type Evidence = { readonly at: Millis; readonly what: string; readonly by?: string; readonly proof?: string };
