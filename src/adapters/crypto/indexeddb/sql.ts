/**
 * The SQLite file: WAL, prepared statements kept; opened for this process alone, or fenced. The only place that says BEGIN, COMMIT and ROLLBACK.
 * Every error of SQLite leaves as StorageError.
 */
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { StorageError, sqliteCode } from './errors.ts';
import { LogSync } from './logSync.ts';
import { migrate } from './migrations.ts';

/** FULL: each commit is on the disk when it is reported. NORMAL: a commit outlives the process, not the machine's power. */
export type Synchronous = 'FULL' | 'NORMAL';

export type Row = Readonly<Record<string, SQLOutputValue>>;

/**
 * Lets several processes have the file open, of which the last one alone may write. Both functions run on the file's own connection; what
 * they throw is the `cause` of the error that the caller gets.
 */
export type Fence = {
  /** At the opening, in a transaction of its own, before anything is read: shuts out whoever has the file, or throws to be shut out. */
  readonly raise: (sql: DatabaseSync) => void;
  /** At the beginning of every transaction that writes, once it has the file's only write lock, before the caller's own reads, and whenever it asks. Throws when another opening raised it. */
  readonly check: (sql: DatabaseSync) => void;
};

const SQLITE_BUSY = 5;
/** How long a fenced opening waits for a transaction of the one that it shuts out. Milliseconds. */
const FENCED_TIMEOUT = 2000;

export class SqliteFile {
  readonly path: string;
  readonly #sql: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #log: LogSync;
  #synchronous: Synchronous = 'FULL';
  #changes = 0;
  #fence: Fence | undefined;

  /** Throws when another process or another opening holds the file, when it is no database, or when a newer version wrote it. */
  constructor(path: string, sharing: 'alone' | 'fenced' = 'alone') {
    this.path = path;
    this.#sql = opened(path, sharing === 'alone' ? 0 : FENCED_TIMEOUT);
    this.#log = new LogSync(path);
    try {
      this.#sql.exec(`PRAGMA locking_mode=${sharing === 'alone' ? 'EXCLUSIVE' : 'NORMAL'}; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16000; BEGIN IMMEDIATE`);
      migrate(this.#sql, path);
      this.#sql.exec('COMMIT');
    } catch (error) {
      this.#sql.close();
      if (sqliteCode(error) === undefined) throw error;
      if (sqliteCode(error) !== SQLITE_BUSY) throw new Error(`${path}: can not be used as a database (${messageOf(error)}). Restore it from a copy, or name another file`, { cause: error });
      if (sharing === 'fenced') throw new Error(`${path}: in use. A process that has it open is in the middle of a transaction and doesn't end it; end that process`, { cause: error });
      throw new Error(`${path}: in use. One process at a time may open it; stop the other one, or close the other opening in this one`, { cause: error });
    }
  }

  /** Grows with every change to records or index entries: what was read before may be stale after. */
  get changes(): number {
    return this.#changes;
  }

  all(text: string, ...parameters: SQLInputValue[]): Row[] {
    return storage(() => this.#statement(text).all(...parameters));
  }

  get(text: string, ...parameters: SQLInputValue[]): Row | undefined {
    return storage(() => this.#statement(text).get(...parameters));
  }

  run(text: string, ...parameters: SQLInputValue[]): { readonly changes: number; readonly id: number } {
    this.#changes++;
    const { changes, lastInsertRowid } = storage(() => this.#statement(text).run(...parameters));
    return { changes: Number(changes), id: Number(lastInsertRowid) };
  }

  /** Raises the fence: from now on nobody else writes, and we do until somebody raises it again. Throws what `raise` throws. */
  raise(fence: Fence): void {
    this.apart((sql) => fence.raise(sql), 'FULL');
    this.#fence = fence;
  }

  /** Throws a StorageError, with what the fence threw as its cause, when we may not write any more. */
  checkFence(): void {
    const fence = this.#fence;
    if (fence !== undefined) storage(() => fence.check(this.#sql));
  }

  /** Throws, with nothing begun, when the file can't be locked or the fence is raised. */
  begin(synchronous: Synchronous): void {
    storage(() => {
      if (this.#synchronous !== synchronous) {
        this.#sql.exec(`PRAGMA synchronous=${synchronous}`);
        this.#synchronous = synchronous;
      }
      this.#statement('BEGIN IMMEDIATE').run();
    });
    try {
      this.checkFence();
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  commit(): void {
    storage(() => this.#statement('COMMIT').run());
  }

  /** Does nothing when SQLite has already rolled back by itself, as it does on a full disk. */
  rollback(): void {
    this.#changes++;
    if (this.#sql.isTransaction) storage(() => this.#sql.exec('ROLLBACK'));
  }

  /** `work` in a transaction of its own, committed: `synced` says when it is on the disk. */
  apart<T>(work: (sql: DatabaseSync) => T, synchronous: Synchronous = 'NORMAL'): T {
    this.begin(synchronous);
    try {
      const result = work(this.#sql);
      if (result instanceof Promise) throw new TypeError('the work of a barrier must be synchronous: it gave a promise');
      if (!this.#sql.isTransaction) throw new Error('the work of a barrier must not end its transaction: it ran COMMIT or ROLLBACK');
      this.commit();
      return result;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /** Resolves when all that was committed before is on the disk; waits beside this thread. With NORMAL, together they are what FULL is. */
  synced(): Promise<void> {
    return this.#log.sync();
  }

  /** `work` on what is committed, or about to be; resolves when it is on the disk. Nothing of an IndexedDB transaction may be read so. */
  async read<T>(work: (sql: DatabaseSync) => T): Promise<T> {
    this.checkFence();
    const result = storage(() => work(this.#sql));
    await this.#log.settled();
    return result;
  }

  close(): void {
    this.#statements.clear();
    this.#log.close();
    this.#sql.close();
  }

  #statement(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#sql.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }
}

export function blob(value: SQLOutputValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new StorageError(new Error('the file is damaged: a BLOB column holds something else'));
}

export function text(value: SQLOutputValue | undefined): string {
  if (typeof value === 'string') return value;
  throw new StorageError(new Error('the file is damaged: a TEXT column holds something else'));
}

export function number(value: SQLOutputValue | undefined): number {
  if (typeof value === 'number') return value;
  throw new StorageError(new Error('the file is damaged: a number column holds something else'));
}

function opened(path: string, timeout: number): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout, enableForeignKeyConstraints: false });
  } catch (error) {
    throw new Error(`${path}: can not be opened (${messageOf(error)}). Create its folder, or let this process read and write there`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function storage<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof StorageError ? error : new StorageError(error);
  }
}
