import type { Millis, UserId } from '../brand.ts';
import type { Organisation } from './agreement.ts';
import type { Verdict } from './verdict.ts';
import type { Action, Label, Posture, RecordsName, RoomKind } from './words.ts';

/** One person, by their one Matrix id (45 CFR 164.312(a)(2)(i)), with what is known of them. Nothing known is no role: nothing is allowed. */
export type Who = {
  readonly userId: UserId;
  readonly roles: readonly string[];
  readonly organisation: Organisation;
  readonly department?: string;
  /** The instant of their last security and privacy training. */
  readonly trainedAt?: Millis;
  /** Whether their account logs in with a second factor. */
  readonly mfa?: boolean;
  readonly posture: Posture;
};

/** A room of a kind; a result as it is read in a room of a kind; or records of the hospital. */
export type Target =
  | { readonly type: 'room'; readonly kind: RoomKind }
  | { readonly type: 'result'; readonly kind: RoomKind; readonly critical: boolean; readonly labels: readonly Label[] }
  | { readonly type: 'records'; readonly name: RecordsName };

/** What else counts. What isn't known is false: no rule may take silence for consent. */
export type Circumstances = {
  /** The result is theirs to act on: they ordered it, attend, cover, or are of the pool that answers for it. */
  readonly responsible: boolean;
  /** The patient is in their care (CareTeam, encounter), or it is about no patient. */
  readonly inCare: boolean;
  /** The patient's written consent covers this disclosure (42 CFR 2.31). */
  readonly consent: boolean;
  /** A medical emergency was declared (42 CFR 2.51). */
  readonly emergency: boolean;
  /** They gave a reason in writing. */
  readonly reason: boolean;
  /** A second person approved. */
  readonly approved: boolean;
};

export const NO_CIRCUMSTANCES: Circumstances = { responsible: false, inCare: false, consent: false, emergency: false, reason: false, approved: false };

export type Question = { readonly who: Who; readonly action: Action; readonly target: Target; readonly circumstances: Circumstances; readonly at: Millis };

/** The policy in force. Gives the same verdict for the same question, never throws, and denies what it can't answer. */
export type Judge = (question: Question) => Verdict;
