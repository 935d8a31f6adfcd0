import type { Millis } from '../domain/brand.ts';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Keys come within seconds or by luck: trying each minute finds nothing that the wake, when keys come, doesn't find. After a month the
 * courier's own store has forgotten what it would need (courier.keep_days), and the answer has long been asked for (`reply-unreadable`).
 */
const RARE: ReadonlyMap<string, { readonly longestMs: number; readonly endMs: number }> = new Map([
  ['keys-missing', { longestMs: 6 * HOUR_MS, endMs: 30 * DAY_MS }],
  // Its reader was told that a file follows, and must not wait for it much longer.
  ['source-away', { longestMs: LONGEST_WAIT_MS, endMs: HOUR_MS }],
  ['source-refuses', { longestMs: LONGEST_WAIT_MS, endMs: HOUR_MS }],
  // Whoever invited a policy server, and lets it not in for so long, doesn't want it there.
  ['not-let-in', { longestMs: LONGEST_WAIT_MS, endMs: DAY_MS }],
]);

/** How long to wait before the next try; undefined: it isn't tried any more. Each wait is twice the one before, up to a minute, or up to hours where waiting ends by itself, counted from when it was asked for last. */
export function nextWait(code: string, attempts: number, askedAt: Millis, now: Millis): number | undefined {
  const rare = RARE.get(code);
  if (rare && now - askedAt >= rare.endMs) return undefined;
  return Math.min(FIRST_WAIT_MS * 2 ** Math.min(attempts, 20), rare?.longestMs ?? LONGEST_WAIT_MS);
}
