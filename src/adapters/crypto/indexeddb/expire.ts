/** Old records of a store whose program never deletes them. Not part of IndexedDB; runs in a barrier, so that no transaction is under way. */
import type { DatabaseSync } from 'node:sqlite';

export type Expiry = {
  readonly database: string;
  readonly store: string;
  /** A table of the caller's: `(store TEXT, key BLOB, since INTEGER, PRIMARY KEY (store, key))`. It remembers since when each record is known. */
  readonly seen: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly before: number;
  readonly limit: number;
};

/**
 * Notes the records that are new, and deletes, with their index entries, at most `limit` of those that were noted before `before`; gives how many.
 * A record that is written again under the same key keeps its age.
 */
export function expire(sql: DatabaseSync, { database, store, seen, now, before, limit }: Expiry): number {
  const found = sql.prepare('SELECT s.id AS id FROM idb_store s JOIN idb_database d ON d.id = s.database_id WHERE d.name = ? AND s.name = ?').get(JSON.stringify(database), JSON.stringify(store));
  if (found === undefined) return 0;
  const id = Number(found['id']);
  sql.prepare(`DELETE FROM ${seen} WHERE store = ? AND key NOT IN (SELECT key FROM idb_record WHERE store_id = ?)`).run(store, id);
  sql.prepare(`INSERT OR IGNORE INTO ${seen} SELECT ?, key, ? FROM idb_record WHERE store_id = ?`).run(store, now, id);
  const old = `SELECT key FROM ${seen} WHERE store = ? AND since < ? ORDER BY since, key LIMIT ?`;
  sql.prepare(`DELETE FROM idb_entry WHERE index_id IN (SELECT id FROM idb_index WHERE store_id = ?) AND primary_key IN (${old})`).run(id, store, before, limit);
  return Number(sql.prepare(`DELETE FROM idb_record WHERE store_id = ? AND key IN (${old})`).run(id, store, before, limit).changes);
}
