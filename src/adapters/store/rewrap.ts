import { sql } from 'kysely';
import type { KeyRing } from '../../ports/keys.ts';
import type { Database } from './database.ts';

/** Tables whose rows are keys or secrets wrapped under the key ring: their name column, and what stands before it in what the wrapping is bound to. */
export const WRAPPED_TABLES = [{ table: 'subject_key', name: 'subject', prefix: '' }, { table: 'secret', name: 'name', prefix: 'secret:' }] as const;

/** How many rows are wrapped under each key. */
export async function wrappedUnder({ db }: Database): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const { table } of WRAPPED_TABLES) {
    for (const { key_id: keyId, n } of await db.selectFrom(table).select(['key_id', sql<number>`count(*)`.as('n')]).groupBy('key_id').execute()) counts.set(keyId, (counts.get(keyId) ?? 0) + n);
  }
  return counts;
}

/** Wraps up to `limit` rows again under the key in force, in one transaction; gives how many. Zero: all are under it. */
export async function rewrapSome(database: Database, ring: KeyRing, limit: number): Promise<number> {
  for (const wrapped of WRAPPED_TABLES) {
    const done = await rewrapTable(database, ring, wrapped, limit);
    if (done > 0) return done;
  }
  return 0;
}

async function rewrapTable({ db }: Database, ring: KeyRing, { table, name, prefix }: (typeof WRAPPED_TABLES)[number], limit: number): Promise<number> {
  return db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ readonly name: string; readonly key_id: string; readonly wrapped: Uint8Array }>`select ${sql.ref(name)} as name, key_id, wrapped from ${sql.table(table)} where key_id <> ${ring.keyId} limit ${limit}`.execute(tx);
    for (const row of rows) {
      const key = ring.unwrap(row.wrapped, `${prefix}${row.name}`, row.key_id);
      const keyId = ring.keyId;
      // The server may have written it anew meanwhile: then that stands.
      await sql`update ${sql.table(table)} set key_id = ${keyId}, wrapped = ${ring.wrap(key, `${prefix}${row.name}`)} where ${sql.ref(name)} = ${row.name} and key_id = ${row.key_id}`.execute(tx);
    }
    return rows.length;
  });
}

/** Opens every wrapped row; gives the names of the keys that can't be opened with, and how many rows each. */
export async function unopened({ db }: Database, ring: KeyRing, progress: (done: number) => void): Promise<ReadonlyMap<string, number>> {
  const closed = new Map<string, number>();
  let done = 0;
  for (const { table, name, prefix } of WRAPPED_TABLES) {
    for (let after = ''; ;) {
      const { rows } = await sql<{ readonly name: string; readonly key_id: string; readonly wrapped: Uint8Array }>`select ${sql.ref(name)} as name, key_id, wrapped from ${sql.table(table)} where ${sql.ref(name)} > ${after} order by ${sql.ref(name)} limit 500`.execute(db);
      for (const row of rows) {
        try {
          ring.unwrap(row.wrapped, `${prefix}${row.name}`, row.key_id);
        } catch {
          closed.set(row.key_id, (closed.get(row.key_id) ?? 0) + 1);
        }
      }
      done += rows.length;
      progress(done);
      const last = rows.at(-1);
      if (!last) break;
      after = last.name;
    }
  }
  return closed;
}
