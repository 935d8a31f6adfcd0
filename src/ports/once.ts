import type { Millis } from '../domain/brand.ts';

/**
 * Remembers that something was seen, for all workers and over restarts. True the first time, false again until `until` is over; the name is kept as a
 * keyed hash. Rejects when the store can't answer: then nothing may be taken as seen for the first time.
 */
export type Remember = (name: string, until: Millis, now: Millis) => Promise<boolean>;
