import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { troubleOf } from './trouble.ts';

/** How long a process that is just ending is waited for. Milliseconds. */
const ENDING_MS = 2000;

/** What the lock leaves in the folder. */
export const LOCK_FILES: readonly string[] = ['aceso.lock', 'aceso.pid'];

/** One process holds it, for as long as it lives. */
export type FolderLock = { release(): void };

/** Runs `run` under it. */
export async function alone<T>(folder: string, run: () => Promise<T>): Promise<T> {
  const lock = lockFolder(folder);
  return run().finally(() => lock.release());
}

/** Another process has the folder. `pid` as that process wrote it down; it may have failed to. */
export class FolderTaken extends Error {
  override readonly name = 'FolderTaken';
  readonly pid: number | undefined;

  constructor(folder: string, pid: number | undefined) {
    super(`another Aceso${pid === undefined ? '' : ` (process ${pid})`} has ${folder}: on SQLite one process does everything. Stop that one first; several need PostgreSQL (store.postgres_url_file).`);
    this.pid = pid;
  }
}

/**
 * The right to be the only server on a folder's SQLite, or to change it whole. It is an exclusive transaction on a small database beside the real one, so that the operating system ends it with
 * the process, also at kill -9; the number of the process stands in a file of its own, for the message only. Other commands don't take it: they share the real database.
 */
export function lockFolder(folder: string, withinMs = ENDING_MS): FolderLock {
  const [lockFile, pidFile] = [join(folder, 'aceso.lock'), join(folder, 'aceso.pid')];
  let lock: DatabaseSync | undefined;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    lock = new DatabaseSync(lockFile, { timeout: withinMs });
    // Nothing is ever written to it, so that it needs no journal beside it, and no room on the disk.
    lock.exec('PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    lock?.close();
    const { error: trouble } = troubleOf(error);
    if (trouble.code === 'locked') throw new FolderTaken(folder, pidIn(pidFile));
    throw new Error(`${folder} can't be locked: see that it is there, can be written and is this user's [${trouble.code}]`, { cause: error });
  }
  const held = lock;
  // On a full disk it stays empty.
  attempt(() => writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 }));
  return {
    release() {
      attempt(() => rmSync(pidFile, { force: true }));
      held.close();
    },
  };
}

function pidIn(file: string): number | undefined {
  const pid = Number(attempt(() => readFileSync(file, 'utf8')));
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}
