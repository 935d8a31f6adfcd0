/** One SQLite file with all that the device must not lose: the engine's IndexedDB, and beside it the journal of what is sent. */
import { hkdfSync } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { createFence, fencedBy } from './fence.ts';
import { openIndexedDB } from './indexeddb/mod.ts';
import type { ThreadOptions } from './options.ts';

export type Store = {
  /** Runs `work` in a transaction of its own. Resolves when it, and all that was committed before it, is on the disk. Rejects with Fenced when it is another's. */
  durable<T>(work: (sql: DatabaseSync) => T): Promise<T>;
  /** The same, but it resolves before the disk has it: for what may be lost with the machine's power, since it is found out again. */
  noted<T>(work: (sql: DatabaseSync) => T): Promise<T>;
  /** What `work` reads of the courier's own tables. What it gives is on the disk. */
  read<T>(work: (sql: DatabaseSync) => T): Promise<T>;
  /** Throws Fenced when the store is another's now: to be asked before anything leaves. */
  checkFence(): void;
  close(): Promise<void>;
};

/** Opens the file, takes it from whoever had it, makes the tables, and puts the IndexedDB in place for the engine. `fenced`: somebody took it from us. */
export async function openStore(options: Pick<ThreadOptions, 'storePath' | 'storeKey' | 'generation' | 'storeId'>, fenced: () => void): Promise<Store> {
  const file = storeFile(options.storePath);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // NORMAL: a commit survives a killed process, and `durable` makes it survive a power cut before anything leaves the machine.
  const database = openIndexedDB(file, { key: subkey(options.storeKey, 'indexeddb'), synchronous: 'NORMAL', fence: createFence(options, fenced) });
  database.install();
  const orFenced = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      throw fencedBy(error) ?? error;
    }
  };
  const durable: Store['durable'] = (work) => orFenced(database.barrier(work));
  await durable((sql) => sql.exec(tables));
  return {
    durable,
    noted: (work) => orFenced(database.aside(work)),
    read: (work) => orFenced(database.read(work)),
    checkFence() {
      try {
        database.checkFence();
      } catch (error) {
        throw fencedBy(error) ?? error;
      }
    },
    close: () => database.close(),
  };
}

/** A path without an extension is a folder. */
export const storeFile = (path: string): string => (extname(path) === '' ? join(path, 'courier.sqlite') : path);

/** A key for one purpose, from the key of the store (RFC 5869). */
export function subkey(storeKey: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', storeKey, new Uint8Array(), `aceso courier ${purpose}`, 32));
}

const tables = `
  CREATE TABLE IF NOT EXISTS courier_fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS courier_message (
    id TEXT PRIMARY KEY, room_id TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('media', 'ready', 'sent')), created_at INTEGER NOT NULL,
    media BLOB, ciphertext TEXT, devices INTEGER, withheld INTEGER, event_id TEXT, sent_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS courier_message_sent ON courier_message (sent_at) WHERE sent_at IS NOT NULL;
  CREATE TABLE IF NOT EXISTS courier_reached (device TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS courier_shared_room (user_id TEXT, room_id TEXT, PRIMARY KEY (user_id, room_id)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS courier_seen (store TEXT, key BLOB, since INTEGER NOT NULL, PRIMARY KEY (store, key)) STRICT, WITHOUT ROWID;`;
