import type { EffectId, FactId } from '../domain/brand.ts';

/**
 * How long a claim holds without a sign of life. What a worker that was killed had in hand is another's after this; a living one renews what
 * it is at work on well before. Milliseconds.
 */
export const LEASE_MS = 3000;
export const RENEW_EVERY_MS = 1000;

/** What this worker is at work on. What it let go without recording the outcome isn't here: its lease runs out, and it is done again. */
export type Hands = { readonly facts: Set<FactId>; readonly effects: Set<EffectId> };
