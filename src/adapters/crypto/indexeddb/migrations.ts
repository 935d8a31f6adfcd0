/** The tables, and the way from each earlier format to this one. Forward only; runs inside the opening transaction. */
import type { DatabaseSync } from 'node:sqlite';

/** `PRAGMA user_version` of a file in the present format. */
export const FORMAT = 1;

const STEPS: readonly string[] = [
  // 0 → 1. Names and key paths are JSON: they may hold any UTF-16. Ids are never used again, so a sealed value can't be carried over.
  `CREATE TABLE idb_meta(name TEXT PRIMARY KEY, value ANY) STRICT;
   INSERT INTO idb_meta VALUES('barriers', 0);
   CREATE TABLE idb_database(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, version INTEGER NOT NULL) STRICT;
   CREATE TABLE idb_store(id INTEGER PRIMARY KEY AUTOINCREMENT, database_id INTEGER NOT NULL, name TEXT NOT NULL, key_path TEXT NOT NULL,
     auto_increment INTEGER NOT NULL, UNIQUE(database_id, name)) STRICT;
   CREATE TABLE idb_generator(store_id INTEGER PRIMARY KEY, next_key REAL NOT NULL) STRICT;
   CREATE TABLE idb_index(id INTEGER PRIMARY KEY AUTOINCREMENT, store_id INTEGER NOT NULL, name TEXT NOT NULL, key_path TEXT NOT NULL,
     is_unique INTEGER NOT NULL, multi_entry INTEGER NOT NULL, UNIQUE(store_id, name)) STRICT;
   CREATE TABLE idb_record(store_id INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY(store_id, key)) STRICT, WITHOUT ROWID;
   CREATE TABLE idb_entry(index_id INTEGER NOT NULL, key BLOB NOT NULL, primary_key BLOB NOT NULL, PRIMARY KEY(index_id, key, primary_key)) STRICT, WITHOUT ROWID;`,
];

/** Throws when a newer version wrote the file, or when the number belongs to another program. */
export function migrate(sql: DatabaseSync, path: string): void {
  const found = Number(sql.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (found > FORMAT) throw new Error(`${path}: format ${found} is newer than the ${FORMAT} this version knows. Use the version that wrote it, or a later one`);
  for (const step of STEPS.slice(found)) sql.exec(step);
  if (found !== FORMAT) sql.exec(`PRAGMA user_version=${FORMAT}`);
}
