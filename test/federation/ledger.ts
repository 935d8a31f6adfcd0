/** What was tried so far, and what of it others may refer to. */
import type { Attempt } from './attempt.ts';
import type { Forged } from './forge.ts';
import { createTroubles, type Troubles } from './trouble.ts';

export type Fresh = { readonly sender: string; readonly eventId: string };

export type Ledger = {
  readonly attempts: readonly Attempt[];
  /** How long the policy server took to answer, as the hostile server saw it; ms. */
  readonly checks: number[];
  /** Forbidden events that the policy server put its signature under. */
  readonly signed: { readonly kind: string; readonly eventId: string }[];
  /** How often something allowed was sent again, since it couldn't be checked just then. */
  again: number;
  readonly troubles: Troubles;
  note(attempt: Attempt): void;
  /** An encrypted message that nobody has answered yet; each is given once. */
  takeFresh(roomId: string, may: (fresh: Fresh) => boolean): string | undefined;
  putFresh(roomId: string, sender: string, eventId: string): void;
  /** Forged events of before, for replays: the last of them. */
  readonly refused: readonly Forged[];
  readonly accepted: readonly Forged[];
  putForged(which: 'refused' | 'accepted', forged: Forged): void;
};

const MOST_FRESH = 200;
const MOST_FORGED = 200;

export function createLedger(troubles = createTroubles()): Ledger {
  const attempts: Attempt[] = [];
  const fresh = new Map<string, Fresh[]>();
  const forgedBefore = { refused: new Array<Forged>(), accepted: new Array<Forged>() };
  return {
    attempts, checks: [], signed: [], again: 0, troubles, ...forgedBefore,
    putForged(which, forged) {
      forgedBefore[which].push(forged);
      if (forgedBefore[which].length > MOST_FORGED) forgedBefore[which].shift();
    },
    note: (attempt) => void attempts.push(attempt),
    takeFresh(roomId, may) {
      const there = fresh.get(roomId) ?? [];
      const index = there.findIndex(may);
      return index < 0 ? undefined : there.splice(index, 1)[0]?.eventId;
    },
    putFresh(roomId, sender, eventId) {
      const there = fresh.get(roomId) ?? [];
      fresh.set(roomId, [...there.slice(1 - MOST_FRESH), { sender, eventId }]);
    },
  };
}
