import { Kysely, Migrator } from 'kysely';
import { postgres, sqlite, type Dialect } from './dialect.ts';
import { migrations } from './migrations.ts';
import { postgresPool, type Limits } from './postgres.ts';
import { refuseNewer, schemaState } from './schema.ts';
import { sqliteDialects } from './sqlite.ts';
import type { Tables } from './tables.ts';

export type Database = {
  readonly db: Kysely<Tables>;
  /** For claims and the like: what is committed through it need not be on the disk, because losing it costs work done twice and nothing else. */
  readonly relaxed: Kysely<Tables>;
  /** For what a decision is made on: it need not be on the disk yet, because the decision's own commit gets there after it. */
  readonly early: Kysely<Tables>;
  /** For what can't wait its turn: named leases, which are lost when they aren't renewed in time, the clock, and who is at work. Its connections are its own; durable as `db`. */
  readonly vital: Kysely<Tables>;
  /** For what takes as long as there are rows, migrations and restores: its connection has no limit of time. */
  readonly unhurried: <T>(run: (db: Kysely<Tables>) => Promise<T>) => Promise<T>;
  readonly dialect: Dialect;
};

/** Where a database is: a file, or a `postgres://` address, whose password is never logged. */
export type DatabaseLocation = { readonly kind: 'sqlite'; readonly file: string } | { readonly kind: 'postgres'; readonly url: string };

export const openDatabase = (location: DatabaseLocation): Database => (location.kind === 'sqlite' ? openSqlite(location.file) : openPostgres(location.url));

/** One file, WAL, every commit on the disk before it counts: but for the relaxed, which wait only for what was there before them. */
export function openSqlite(path: string): Database {
  const dialects = sqliteDialects(path);
  const db = new Kysely<Tables>({ dialect: dialects.durable });
  return { db, relaxed: new Kysely<Tables>({ dialect: dialects.relaxed }), early: new Kysely<Tables>({ dialect: dialects.early }), vital: db, unhurried: (run) => run(db), dialect: sqlite };
}

/** Several workers may share it. `url` is a `postgres://` address; its password is never logged. */
export function openPostgres(url: string, limits?: Limits): Database {
  const limit = limits === undefined ? {} : { limits };
  const db = postgresPool({ url, max: 10, ...limit });
  return {
    db, early: db, relaxed: postgresPool({ url, max: 3, synchronousCommit: 'off', ...limit }), vital: postgresPool({ url, max: 2, ...limit }), dialect: postgres,
    async unhurried(run) {
      const db = postgresPool({ url, max: 1, limits: 'none' });
      return run(db).finally(() => db.destroy());
    },
  };
}

/**
 * Brings the schema up to date (or up to `last`), under the migrator's lock; gives the names of what was applied. A database newer than this Aceso
 * is refused before anything is written.
 */
export async function migrate(database: Database, last?: string): Promise<readonly string[]> {
  const { dialect } = database;
  const state = await schemaState(database);
  refuseNewer(state);
  if (state.pending.length === 0) return [];
  const { error, results } = await database.unhurried((db) => {
    const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations(dialect) } });
    return last === undefined ? migrator.migrateToLatest() : migrator.migrateTo(last);
  });
  if (error !== undefined) throw new Error('the database could not be migrated; it was left as it was', { cause: error });
  return (results ?? []).map(({ migrationName }) => migrationName);
}
