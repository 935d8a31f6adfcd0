/** Chance that can be had again: the same seed and name give the same sequence, on every machine. */
import { createHash } from 'node:crypto';

export type Random = {
  /** At least 0, less than 1. */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  pick<T>(from: readonly T[]): T;
  /** Each with its weight. */
  weighted<T>(from: readonly (readonly [T, number])[]): T;
  chance(probability: number): boolean;
};

/** `name` keeps sequences apart: one more draw for the victims changes nothing about the results. */
export function randomOf(seed: number, name: string): Random {
  let state = createHash('sha256').update(`${seed}/${name}`).digest().readUInt32LE(0);
  /** Mulberry32 (public domain, T. Ettinger). */
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  const weighted = <T>(from: readonly (readonly [T, number])[]): T => {
    let left = next() * from.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [each, weight] of from) {
      left -= weight;
      if (left < 0) return each;
    }
    const last = from.at(-1);
    if (!last) throw new Error('nothing to choose from');
    return last[0];
  };
  return { next, between, weighted, pick: (from) => weighted(from.map((each) => [each, 1] as const)), chance: (probability) => next() < probability };
}
