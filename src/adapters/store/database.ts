import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { Kysely, Migrator, PostgresDialect, SqliteDialect, type SqliteDatabase, type SqliteStatement } from 'kysely';
import pg from 'pg';
import { migrations, type Dialect } from './migrations.ts';
import type { Tables } from './tables.ts';

export type Database = { readonly db: Kysely<Tables>; readonly dialect: Dialect };

/** One file, WAL, every commit on the disk before it counts (`synchronous=FULL`). */
export function openSqlite(path: string): Database {
  const file = new DatabaseSync(path, { timeout: 10_000, enableForeignKeyConstraints: true });
  file.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;');
  return { db: new Kysely<Tables>({ dialect: new SqliteDialect({ database: kyselyOver(file) }) }), dialect: { name: 'sqlite', integer: 'integer', bytes: 'blob' } };
}

/** Kysely writes the same texts again and again: this many stay prepared. */
const PREPARED = 200;

/** Gives `node:sqlite` the shape that Kysely asks of a SQLite driver. */
function kyselyOver(file: DatabaseSync): SqliteDatabase {
  const prepared = new Map<string, SqliteStatement>();
  return {
    close: () => { file.close(); },
    prepare(text) {
      const known = prepared.get(text);
      if (known) return known;
      if (prepared.size >= PREPARED) prepared.clear();
      const statement = prepare(file, text);
      prepared.set(text, statement);
      return statement;
    },
  };
}

function prepare(file: DatabaseSync, text: string): SqliteStatement {
  // A deferred transaction that reads and then writes fails at once when another process wrote in between; an immediate one waits its turn.
  const statement = file.prepare(text === 'begin' ? 'begin immediate' : text);
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
    run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])) as IterableIterator<unknown>,
  };
}

/** Several workers may share it. `url` is a `postgres://` address; its password is never logged. */
export function openPostgres(url: string): Database {
  pg.types.setTypeParser(pg.types.builtins.INT8, Number);
  const pool = new pg.Pool({ connectionString: url, max: 10, connectionTimeoutMillis: 10_000, application_name: 'aceso' });
  // An idle connection that breaks is replaced by the pool; the query that needed it fails by itself.
  pool.on('error', () => undefined);
  return { db: new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }), dialect: { name: 'postgres', integer: 'bigint', bytes: 'bytea' } };
}

/** Brings the schema up to date (or, for tests, up to `last`), under the migrator's lock; gives the names of what was applied. */
export async function migrate({ db, dialect }: Database, last?: string): Promise<readonly string[]> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations(dialect) } });
  const { error, results } = await (last === undefined ? migrator.migrateToLatest() : migrator.migrateTo(last));
  if (error !== undefined) throw new Error('the database could not be migrated; it was left as it was', { cause: error });
  return (results ?? []).map(({ migrationName }) => migrationName);
}
