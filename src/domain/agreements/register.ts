import type { EffectId, Millis, PartyId, RoomId, UserId } from '../brand.ts';
import type { Agreement } from '../policy/agreement.ts';
import type { Conduct } from './conduct.ts';
import { beginOf, endOf, type Signatures, type Terms } from './terms.ts';

/** Why an agreement was ended early. Codes only: a text could name a patient. */
export const REVOCATION_REASONS = ['terminated', 'breach', 'key-lost', 'superseded', 'mistake'] as const;
export type RevocationReason = (typeof REVOCATION_REASONS)[number];

/** One agreement as it stands in the register. */
export type Entry = {
  readonly terms: Terms;
  readonly signatures: Signatures;
  readonly addedAt: Millis;
  readonly addedBy: string;
  readonly revoked?: { readonly at: Millis; readonly by: string; readonly reason: RevocationReason };
};

/** All that was agreed with one partner, and what was seen of its homeserver. What is not in it any more is not: entries are ended, never taken out. */
export type Register = {
  readonly server: string;
  /** Thumbprint (RFC 7638) of the one key by which the partner signs, as somebody confirmed it. Without one nothing was ever agreed by credential, and the configuration counts. */
  readonly key?: string;
  readonly agreements: readonly Entry[];
  /** Parties whose rooms its people are in: they are asked again when something begins or ends. */
  readonly rooms: readonly PartyId[];
  readonly conduct?: Conduct;
  /** Our rooms in which the partner's policy server judges, until they are taken back. */
  readonly handed?: Readonly<Record<RoomId, Handed>>;
  /** Invitations to stand by in the partner's rooms that are being followed. */
  readonly pending?: readonly EffectId[];
};

/** Why a room goes to the partner's policy server, or comes back. Codes only: a text could name a patient. */
export const HAND_OVER_REASONS = ['outage', 'maintenance', 'exercise', 'recovered', 'mistake'] as const;
export type HandOverReason = (typeof HAND_OVER_REASONS)[number];
/** `policyUser`: our own policy server's, which judges there again afterwards. */
export type Handed = { readonly at: Millis; readonly by: string; readonly reason: HandOverReason; readonly room: { readonly kind: 'room' | 'governed'; readonly id: string }; readonly policyUser: UserId };

/** So many at a time: what is beyond them the partner's guardian asks for again, a minute later. */
const MOST_PENDING = 200;
export const hasManyPending = ({ pending = [] }: Pick<Register, 'pending'>): boolean => pending.length >= MOST_PENDING;

export type Status = 'offered' | 'in-force' | 'expiring' | 'expired' | 'revoked';

const DAY_MS = 86_400_000;
/** Days before the end at which notice is given. */
export const NOTICES = [30, 7] as const;

/** `offered`: signed by both, and not begun. */
export function statusOf({ terms, revoked }: Entry, at: Millis): Status {
  if (revoked) return 'revoked';
  if (at < beginOf(terms)) return 'offered';
  if (endOf(terms) <= at) return 'expired';
  return endOf(terms) - at <= NOTICES[0] * DAY_MS ? 'expiring' : 'in-force';
}

export const isInForce = (entry: Entry, at: Millis): boolean => ['in-force', 'expiring'].includes(statusOf(entry, at));

/** As rules see them: one that was revoked ended then. */
export const agreementsOf = ({ agreements }: Pick<Register, 'agreements'>): readonly Agreement[] =>
  agreements.map(({ terms, revoked }) => ({ kind: terms.kind, from: beginOf(terms), until: revoked ? (Math.min(revoked.at, endOf(terms)) as Millis) : endOf(terms) }));

/** Those that end soon, and that no other of their kind outlasts: what somebody has to do something about. */
export const endingSoon = ({ agreements }: Pick<Register, 'agreements'>, at: Millis): readonly Entry[] =>
  agreements.filter((entry) => statusOf(entry, at) === 'expiring' && !agreements.some((other) => !other.revoked && other.terms.kind === entry.terms.kind && beginOf(other.terms) <= endOf(entry.terms) && endOf(entry.terms) < endOf(other.terms)));

export const noticeAt = (terms: Terms, days: number): Millis => (endOf(terms) - days * DAY_MS) as Millis;
