import { sql, type Kysely, type RawBuilder, type SelectQueryBuilder } from 'kysely';
import type { Tables } from './tables.ts';

/** The few words in which the two databases differ. */
export type Dialect = {
  readonly name: 'sqlite' | 'postgres';
  readonly integer: 'integer' | 'bigint';
  readonly bytes: 'blob' | 'bytea';
  /** Rows of `table` that this statement will change: those that somebody else is changing are left out, not waited for. */
  readonly locked: <DB, T extends keyof DB, Row>(query: SelectQueryBuilder<DB, T, Row>, table: T) => SelectQueryBuilder<DB, T, Row>;
  /** Makes whoever else wants one of these names wait till the end of the transaction. */
  readonly lockNames: (tx: Kysely<Tables>, names: readonly string[]) => Promise<void>;
  /** The time by which all workers go, in milliseconds since the epoch, within a statement. */
  readonly now: (own: () => number) => RawBuilder<number>;
  /** The same, asked for by itself. */
  readonly clock: (db: Kysely<Tables>, own: () => number) => Promise<number>;
};

/** One writer at a time by itself: nothing is left to lock, and its clock is the machine's. */
export const sqlite: Dialect = { name: 'sqlite', integer: 'integer', bytes: 'blob', locked: (query) => query, lockNames: async () => undefined, now: (own) => sql<number>`${own()}`, clock: async (_, own) => own() };

const POSTGRES_NOW = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`;

export const postgres: Dialect = {
  name: 'postgres', integer: 'bigint', bytes: 'bytea',
  locked: (query, table) => query.forUpdate(table as never).skipLocked(),
  async lockNames(tx, names) {
    // In one order for all, so that two who want the same names don't wait for each other.
    for (const name of [...new Set(names)].sort()) await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(tx);
  },
  now: () => POSTGRES_NOW,
  async clock(db) {
    const { rows: [row] } = await sql<{ readonly ms: number }>`select ${POSTGRES_NOW} as ms`.execute(db);
    if (!row) throw new Error('the database did not tell its time');
    return row.ms;
  },
};
