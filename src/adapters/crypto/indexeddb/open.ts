import type { DatabaseSync } from 'node:sqlite';
import { StorageError } from './errors.ts';
import { IDBFactory } from './factory.ts';
import { classes, install } from './install.ts';
import { checkKey } from './keyCheck.ts';
import { aesGcmSeal, unsealed } from './seal.ts';
import { SqliteFile, type Fence, type Synchronous } from './sql.ts';
import { Storage } from './storage.ts';

export type OpenOptions = {
  /** 32 bytes: values are sealed under it with AES-256-GCM. Without it values are stored as they are. The bytes are copied. */
  readonly key?: Uint8Array;
  /** For IndexedDB transactions of durability `default`; 'FULL' (an fsync each commit) if not given. Barriers always fsync. */
  readonly synchronous?: Synchronous;
  /** Others may have the file open: the newest opening takes it, and those before it can't write any more. Without it, one opening at a time. */
  readonly fence?: Fence;
};

export type SqliteIndexedDB = {
  readonly indexedDB: IDBFactory;
  /** The interfaces by their global names, for `instanceof`. */
  readonly classes: typeof classes;
  /**
   * Runs `work` in a SQLite transaction of its own on the same file, in turn with the IndexedDB transactions that write and never
   * inside one; resolves with its answer when it and everything committed before is on the disk. For the caller's own tables;
   * names that start with `idb_` are this library's. Rejects, with everything rolled back, if `work` throws or gives a promise.
   */
  barrier<T>(work: (sql: DatabaseSync) => T): Promise<T>;
  /** The same, but it resolves once `work` is committed: it outlives the process, not the machine's power. */
  aside<T>(work: (sql: DatabaseSync) => T): Promise<T>;
  /** What `work` reads of the caller's own tables, and of nothing else; resolves when what it read is on the disk. */
  read<T>(work: (sql: DatabaseSync) => T): Promise<T>;
  /** Throws, with the fence's own error as its cause, when another opening has raised the fence: to be asked before something leaves the machine. */
  checkFence(): void;
  /** Closes the connections, lets running transactions and barriers end, and closes the file. */
  close(): Promise<void>;
  /** Puts `indexedDB` and the interfaces on globalThis, where libraries look for them. */
  install(): void;
};

/**
 * Opens the file at `path`, or makes it. It is this process's alone until `close`, or until another opening raises the fence. Throws with
 * what to do when the file is in use, when the key is wrong or missing, when there is a key but the file was made without, and when a
 * newer version wrote it; and what the fence throws.
 */
export function openIndexedDB(path: string, options: OpenOptions = {}): SqliteIndexedDB {
  const seal = options.key === undefined ? undefined : aesGcmSeal(options.key);
  const { fence } = options;
  const file = new SqliteFile(path, fence === undefined ? 'alone' : 'fenced');
  try {
    checkKey(file, seal);
    if (fence !== undefined) file.raise(fence); // before the catalog is read: afterwards nobody else can change it
    const storage = new Storage(file, seal ?? unsealed, options.synchronous ?? 'FULL');
    const indexedDB = new IDBFactory(storage);
    return {
      indexedDB,
      classes,
      barrier: (work) => storage.barrier(work),
      aside: (work) => storage.aside(work),
      read: (work) => storage.read(work),
      checkFence: () => fenceOf(file),
      close: () => storage.close(),
      install: () => install(indexedDB),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

function fenceOf(file: SqliteFile): void {
  try {
    file.checkFence();
  } catch (error) {
    throw error instanceof StorageError ? error.dom : error;
  }
}
