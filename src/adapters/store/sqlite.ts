import { closeSync, fdatasync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler, type CompiledQuery, type DatabaseConnection, type Dialect, type Driver, type QueryResult } from 'kysely';
import { GroupCommit, type Manner } from './groupCommit.ts';

/** Kysely writes the same texts again and again: this many stay prepared. */
const PREPARED = 200;

/** How long a write waits for another program's with everything else standing still; the group waits longer, without (groupCommit.ts). Milliseconds. */
const BUSY_MS = 50;

/** Resolves when all that was written to the open file is on the disk. */
export type SyncFile = (file: number) => Promise<void>;

const syncFile: SyncFile = (file) => new Promise((resolve, reject) => {
  fdatasync(file, (error) => (error ? reject(error) : resolve()));
});

type Prepared = { readonly statement: StatementSync; readonly returnsRows: boolean };

/**
 * Kysely over one file of `node:sqlite`, whose transactions are committed in groups. `synchronous=NORMAL` and a sync of our own of the
 * write-ahead log after each group are together what `FULL` is, with the waiting outside of the main thread.
 */
export function sqliteDialects(path: string, sync: SyncFile = syncFile): Readonly<Record<Manner, Dialect>> {
  let open: SqliteFile | undefined;
  const dialect = (manner: Manner): Dialect => ({
    createDriver: () => new SqliteDriver(() => (open ??= new SqliteFile(path, sync)), manner),
    createQueryCompiler: () => new SqliteQueryCompiler(), createAdapter: () => new SqliteAdapter(), createIntrospector: (db) => new SqliteIntrospector(db),
  });
  return { durable: dialect('durable'), relaxed: dialect('relaxed'), early: dialect('early') };
}

class SqliteFile {
  readonly #file: DatabaseSync;
  readonly #group: GroupCommit;
  readonly #prepared = new Map<string, Prepared>();
  readonly #logPath: string;
  readonly #syncFile: SyncFile;
  #log: number | undefined;
  /** `unsure` after the log could not be synced: what of it is on the disk, nobody knows. */
  #logIs: 'synced' | 'unsure' = 'synced';

  constructor(path: string, sync: SyncFile) {
    this.#syncFile = sync;
    this.#logPath = `${path}-wal`;
    this.#file = new DatabaseSync(path, { timeout: BUSY_MS, enableForeignKeyConstraints: true });
    this.#file.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;');
    const file = this.#file;
    this.#group = new GroupCommit({ exec: (sql) => file.exec(sql), get isTransaction() { return file.isTransaction; }, sync: () => this.#sync() });
  }

  connect = (manner: Manner): SqliteConnection => new SqliteConnection(this.#group, (query) => this.#run(query), manner);

  async close(): Promise<void> {
    await this.#group.finish();
    if (this.#log !== undefined) closeSync(this.#log);
    this.#prepared.clear();
    this.#file.close();
  }

  #run({ sql, parameters }: CompiledQuery): QueryResult<never> {
    const { statement, returnsRows } = this.#prepare(sql);
    if (returnsRows) return { rows: statement.all(...(parameters as SQLInputValue[])) as never[] };
    const { changes, lastInsertRowid } = statement.run(...(parameters as SQLInputValue[]));
    return { numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid), rows: [] };
  }

  #prepare(text: string): Prepared {
    const known = this.#prepared.get(text);
    if (known) return known;
    if (this.#prepared.size >= PREPARED) this.#prepared.clear();
    const statement = this.#file.prepare(text);
    const made = { statement, returnsRows: statement.columns().length > 0 };
    this.#prepared.set(text, made);
    return made;
  }

  /**
   * The log stays the same file for as long as this connection is open. A system tells of what it couldn't write once, and then takes it for
   * written: after a failed sync the next one proves nothing, and only what a checkpoint has brought into the database file, synced, is safe.
   */
  async #sync(): Promise<void> {
    try {
      if (this.#logIs === 'unsure') this.#checkpoint();
      this.#log ??= openSync(this.#logPath, 'r+');
      await this.#syncFile(this.#log);
      this.#logIs = 'synced';
    } catch (error) {
      this.#logIs = 'unsure';
      throw error;
    }
  }

  #checkpoint(): void {
    const { busy, log, checkpointed } = this.#file.prepare('PRAGMA wal_checkpoint(PASSIVE)').get() ?? {};
    if (busy !== 0 || log !== checkpointed) throw new Error('the write-ahead log could not be synced, and is not yet in the database file');
  }
}

/** The durable one opens and closes the file. */
class SqliteDriver implements Driver {
  readonly #file: () => SqliteFile;
  readonly #manner: Manner;

  constructor(file: () => SqliteFile, manner: Manner) {
    this.#file = file;
    this.#manner = manner;
  }

  init = async (): Promise<void> => void this.#file();

  acquireConnection = async (): Promise<SqliteConnection> => this.#file().connect(this.#manner);

  beginTransaction = (connection: DatabaseConnection): Promise<void> => unitOf(connection).begin();

  commitTransaction = (connection: DatabaseConnection): Promise<void> => unitOf(connection).commit();

  rollbackTransaction = async (connection: DatabaseConnection): Promise<void> => unitOf(connection).rollback();

  releaseConnection = async (): Promise<void> => undefined;

  async destroy(): Promise<void> {
    if (this.#manner === 'durable') await this.#file().close();
  }
}

/** One transaction, or one statement by itself. */
class SqliteConnection implements DatabaseConnection {
  readonly #group: GroupCommit;
  readonly #run: (query: CompiledQuery) => QueryResult<never>;
  readonly #manner: Manner;
  #isInUnit = false;

  constructor(group: GroupCommit, run: (query: CompiledQuery) => QueryResult<never>, manner: Manner) {
    this.#group = group;
    this.#run = run;
    this.#manner = manner;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#isInUnit) return this.#run(query);
    if (query.query.kind === 'SelectQueryNode') return this.#group.read(() => this.#run(query), this.#manner);
    await this.begin();
    try {
      const result = this.#run(query);
      await this.commit();
      return result;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('results are not streamed');
  }

  async begin(): Promise<void> {
    await this.#group.begin();
    this.#isInUnit = true;
  }

  async commit(): Promise<void> {
    const written = this.#group.commit(this.#manner);
    this.#isInUnit = false;
    await written;
  }

  /** Does nothing once the unit has ended: what was asked to be committed is on the disk, or is not there at all. */
  rollback(): void {
    if (!this.#isInUnit) return;
    this.#isInUnit = false;
    this.#group.rollback();
  }
}

function unitOf(connection: DatabaseConnection): SqliteConnection {
  if (connection instanceof SqliteConnection) return connection;
  throw new Error('a connection of another database');
}
