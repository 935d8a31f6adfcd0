/**
 * One holder of a device at a time, whatever became of those before: the store's own file says which generation holds it, and every
 * transaction that writes there checks it under the file's write lock. A holder that was only paused wakes up unable to write, so nothing that
 * it encrypts then can be journalled, and what isn't journalled doesn't leave (invariants 9 and 10).
 */
import type { StatementSync } from 'node:sqlite';
import type { Fence } from './indexeddb/mod.ts';
import type { ThreadOptions } from './options.ts';

/** Somebody else holds the device's store. */
export class Fenced extends Error {
  constructor(holder: number, ours: number) {
    super(`generation ${holder} has taken the courier's store; this process holds generation ${ours}`);
    this.name = 'Fenced';
  }
}

/** `fenced` is called once, at the first refusal after the opening. Raising it throws {@link Fenced} when a later generation holds the file. */
export function createFence({ generation, storeId }: Pick<ThreadOptions, 'generation' | 'storeId'>, fenced: () => void): Fence {
  let holder: StatementSync | undefined;
  let told = false;
  return {
    raise(sql) {
      sql.exec(table);
      const row = sql.prepare('SELECT generation, store_id FROM courier_fence').get();
      if (row && row['store_id'] !== storeId) throw new Error(`the file is the store ${String(row['store_id'])}, not ${storeId}`);
      if (row && Number(row['generation']) > generation) throw new Fenced(Number(row['generation']), generation);
      sql.prepare('INSERT OR REPLACE INTO courier_fence VALUES (1, ?, ?)').run(generation, storeId);
    },
    check(sql) {
      const row = (holder ??= sql.prepare('SELECT generation FROM courier_fence')).get();
      if (row?.['generation'] === generation) return;
      if (!told) fenced();
      told = true;
      throw new Fenced(Number(row?.['generation']), generation);
    },
  };
}

/** The error itself when it is, or was caused by, a raised fence. */
export const fencedBy = (error: unknown): Fenced | undefined => (error instanceof Fenced ? error : error instanceof Error && error.cause instanceof Fenced ? error.cause : undefined);

/** A store of before has none, and takes the id it is opened with. */
const table = 'CREATE TABLE IF NOT EXISTS courier_fence (one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL, store_id TEXT NOT NULL) STRICT';
