import { setTimeout as pause } from 'node:timers/promises';
import type { Millis } from '../../domain/brand.ts';

/** It is read again after this long (as rooms are), and waited for only so long: messages must not wait for a database. What was known last counts so long without it. */
const AGES_MS = 60_000;
const WAITS_MS = 200;
const LASTS_MS = 300_000;
const MOST = 50_000;

/** What the database says of each key, from memory; `away`: it can't be asked, and what it said last is too old. `agesMs`: of a question whose answer may have changed just now. */
export function createKept<Key, T extends object>(load: (key: Key) => Promise<T>, now: () => Millis): (key: Key, agesMs?: number) => Promise<T | 'away'> {
  const kept = new Map<Key, { readonly value: T; readonly at: Millis }>();
  const reading = new Map<Key, Promise<T | 'away'>>();

  function read(key: Key): Promise<T | 'away'> {
    const done = load(key).then((value) => {
      if (kept.size >= MOST) kept.clear();
      kept.set(key, { value, at: now() });
      return value;
    }).catch(() => 'away' as const).finally(() => reading.delete(key));
    reading.set(key, done);
    return done;
  }

  return async (key, agesMs = AGES_MS) => {
    const known = kept.get(key);
    if (known && now() - known.at <= agesMs) return known.value;
    const asked = reading.get(key) ?? read(key);
    const value = known ? await Promise.race([asked, pause(WAITS_MS, 'away' as const, { ref: false })]) : await asked;
    return value === 'away' && known && now() - known.at <= LASTS_MS ? known.value : value;
  };
}
