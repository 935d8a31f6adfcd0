import { Kysely, Migrator, PostgresDialect } from 'kysely';
import pg from 'pg';
import { postgres, sqlite, type Dialect } from './dialect.ts';
import { migrations } from './migrations.ts';
import { refuseNewer, schemaState } from './schema.ts';
import { sqliteDialects } from './sqlite.ts';
import type { Tables } from './tables.ts';

export type Database = {
  readonly db: Kysely<Tables>;
  /** For claims and the like: what is committed through it need not be on the disk, because losing it costs work done twice and nothing else. */
  readonly relaxed: Kysely<Tables>;
  readonly dialect: Dialect;
};

/** Where a database is: a file, or a `postgres://` address, whose password is never logged. */
export type DatabaseLocation = { readonly kind: 'sqlite'; readonly file: string } | { readonly kind: 'postgres'; readonly url: string };

export const openDatabase = (location: DatabaseLocation): Database => (location.kind === 'sqlite' ? openSqlite(location.file) : openPostgres(location.url));

/** One file, WAL, every commit on the disk before it counts: but for the relaxed, which wait only for what was there before them. */
export function openSqlite(path: string): Database {
  const dialects = sqliteDialects(path);
  return { db: new Kysely<Tables>({ dialect: dialects.durable }), relaxed: new Kysely<Tables>({ dialect: dialects.relaxed }), dialect: sqlite };
}

/** Several workers may share it. `url` is a `postgres://` address; its password is never logged. */
export function openPostgres(url: string): Database {
  pg.types.setTypeParser(pg.types.builtins.INT8, Number);
  return { db: pooled({ connectionString: url, max: 10 }), relaxed: pooled({ connectionString: url, max: 3, options: '-c synchronous_commit=off' }), dialect: postgres };
}

function pooled(settings: pg.PoolConfig): Kysely<Tables> {
  const pool = new pg.Pool({ ...settings, connectionTimeoutMillis: 10_000, application_name: 'aceso' });
  // An idle connection that breaks is replaced by the pool; the query that needed it fails by itself.
  pool.on('error', () => undefined);
  // One that breaks while somebody has it tells its query, and itself too; unheard, that would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

/**
 * Brings the schema up to date (or up to `last`), under the migrator's lock; gives the names of what was applied. A database newer than this Aceso
 * is refused before anything is written.
 */
export async function migrate(database: Database, last?: string): Promise<readonly string[]> {
  const { db, dialect } = database;
  refuseNewer(await schemaState(database));
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations(dialect) } });
  const { error, results } = await (last === undefined ? migrator.migrateToLatest() : migrator.migrateTo(last));
  if (error !== undefined) throw new Error('the database could not be migrated; it was left as it was', { cause: error });
  return (results ?? []).map(({ migrationName }) => migrationName);
}
