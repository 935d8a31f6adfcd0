/**
 * What exists: databases, their stores, their indexes. Kept in memory, read from the file once. Each change writes the file and gives
 * back how to undo it in memory; the file's own undo is ROLLBACK.
 */
import type { SQLOutputValue } from 'node:sqlite';
import type { IDBDatabase } from './database.ts';
import type { KeyPath } from './keyPath.ts';
import { number, text, type SqliteFile } from './sql.ts';

export type IndexMeta = {
  readonly id: number;
  name: string;
  readonly keyPath: KeyPath;
  readonly unique: boolean;
  readonly multiEntry: boolean;
  deleted: boolean;
  isNew: boolean;
};

export type StoreMeta = {
  readonly id: number;
  name: string;
  readonly keyPath: KeyPath | null;
  readonly autoIncrement: boolean;
  /** As the caller sees them. */
  readonly indexes: Map<string, IndexMeta>;
  /** Those that a write maintains: an index is filled, or dropped, in its turn among the requests. */
  readonly maintained: Set<IndexMeta>;
  deleted: boolean;
  /** Made by the upgrade that is running: an abort does not give it back an earlier name. */
  isNew: boolean;
  /** What its sealed values belong to: the names of database and store. */
  belongsTo: Uint8Array;
};

export type DatabaseMeta = {
  readonly name: string;
  /** 0 until the transaction that makes it commits. */
  id: number;
  version: number;
  readonly stores: Map<string, StoreMeta>;
  readonly connections: Set<IDBDatabase>;
};

/** Undoes a change in memory. */
export type Undo = () => void;
export type Change = { readonly undo: Undo };

export class Catalog {
  readonly databases = new Map<string, DatabaseMeta>();
  readonly file: SqliteFile;

  constructor(file: SqliteFile) {
    this.file = file;
    this.#load();
  }

  /** The database, as a new one of version 0 if there is none; that is in memory only until `setVersion`. */
  database(name: string): DatabaseMeta {
    let database = this.databases.get(name);
    if (database === undefined) {
      database = { name, id: 0, version: 0, stores: new Map(), connections: new Set() };
      this.databases.set(name, database);
    }
    return database;
  }

  setVersion(database: DatabaseMeta, version: number): Change {
    const sql = 'INSERT INTO idb_database(name, version) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET version = excluded.version RETURNING id';
    const before = database.id;
    database.id = number(this.file.get(sql, JSON.stringify(database.name), version)?.id);
    return {
      undo: () => {
        database.id = before;
      },
    };
  }

  /** An upgrade has committed. */
  settle(database: DatabaseMeta, version: number): void {
    database.version = version;
    for (const store of database.stores.values()) {
      store.isNew = false;
      for (const index of store.indexes.values()) index.isNew = false;
    }
  }

  /** In the file only: no connection is left that could see it. */
  deleteDatabase(database: DatabaseMeta): void {
    for (const store of database.stores.values()) {
      this.eraseAll(store);
      this.file.run('DELETE FROM idb_index WHERE store_id = ?', store.id);
      this.file.run('DELETE FROM idb_store WHERE id = ?', store.id);
    }
    this.file.run('DELETE FROM idb_database WHERE id = ?', database.id);
  }

  createStore(database: DatabaseMeta, name: string, keyPath: KeyPath | null, autoIncrement: boolean): Change & { readonly store: StoreMeta } {
    const sql = 'INSERT INTO idb_store(database_id, name, key_path, auto_increment) VALUES(?, ?, ?, ?)';
    const { id } = this.file.run(sql, database.id, JSON.stringify(name), JSON.stringify(keyPath), Number(autoIncrement));
    if (autoIncrement) this.file.run('INSERT INTO idb_generator VALUES(?, 1)', id);
    const belongsTo = belonging(database.name, name);
    const store: StoreMeta = { id, name, keyPath, autoIncrement, indexes: new Map(), maintained: new Set(), deleted: false, isNew: true, belongsTo };
    database.stores.set(name, store);
    return {
      store,
      undo: () => {
        store.deleted = true;
        if (database.stores.get(store.name) === store) database.stores.delete(store.name);
      },
    };
  }

  /** Takes the store out of sight; its records go when `eraseAll` comes to its turn. */
  dropStore(database: DatabaseMeta, store: StoreMeta): Change {
    this.file.run('DELETE FROM idb_index WHERE store_id = ?', store.id);
    this.file.run('DELETE FROM idb_store WHERE id = ?', store.id);
    const { name } = store;
    database.stores.delete(name);
    store.deleted = true;
    return {
      undo: () => {
        store.deleted = false;
        database.stores.set(name, store);
      },
    };
  }

  renameStore(database: DatabaseMeta, store: StoreMeta, name: string): Change {
    this.file.run('UPDATE idb_store SET name = ? WHERE id = ?', JSON.stringify(name), store.id);
    const before = store.name;
    rename(database.stores, store, name);
    return { undo: () => (store.isNew ? undefined : rename(database.stores, store, before)) };
  }

  /** Removes what is left of a dropped store. */
  eraseAll(store: StoreMeta): void {
    this.erase(store);
    this.file.run('DELETE FROM idb_generator WHERE store_id = ?', store.id);
  }

  /** Removes every record and index entry of a store. */
  erase(store: StoreMeta): void {
    for (const index of store.maintained) this.eraseIndex(index);
    this.file.run('DELETE FROM idb_record WHERE store_id = ?', store.id);
  }

  createIndex(store: StoreMeta, name: string, keyPath: KeyPath, unique: boolean, multiEntry: boolean): Change & { readonly index: IndexMeta } {
    const sql = 'INSERT INTO idb_index(store_id, name, key_path, is_unique, multi_entry) VALUES(?, ?, ?, ?, ?)';
    const { id } = this.file.run(sql, store.id, JSON.stringify(name), JSON.stringify(keyPath), Number(unique), Number(multiEntry));
    const index: IndexMeta = { id, name, keyPath, unique, multiEntry, deleted: false, isNew: true };
    store.indexes.set(name, index);
    return {
      index,
      undo: () => {
        index.deleted = true;
        store.maintained.delete(index);
        if (store.indexes.get(index.name) === index) store.indexes.delete(index.name);
      },
    };
  }

  dropIndex(store: StoreMeta, index: IndexMeta): Change {
    this.file.run('DELETE FROM idb_index WHERE id = ?', index.id);
    const { name } = index;
    store.indexes.delete(name);
    index.deleted = true;
    return {
      undo: () => {
        index.deleted = false;
        store.indexes.set(name, index);
        store.maintained.add(index);
      },
    };
  }

  renameIndex(store: StoreMeta, index: IndexMeta, name: string): Change {
    this.file.run('UPDATE idb_index SET name = ? WHERE id = ?', JSON.stringify(name), index.id);
    const before = index.name;
    rename(store.indexes, index, name);
    return { undo: () => (index.isNew ? undefined : rename(store.indexes, index, before)) };
  }

  eraseIndex(index: IndexMeta): void {
    this.file.run('DELETE FROM idb_entry WHERE index_id = ?', index.id);
  }

  #load(): void {
    for (const row of this.file.all('SELECT id, name, version FROM idb_database')) {
      const database = this.database(parse(row.name) as string);
      database.id = number(row.id);
      database.version = number(row.version);
      for (const store of this.file.all('SELECT id, name, key_path, auto_increment FROM idb_store WHERE database_id = ?', database.id)) {
        const name = parse(store.name) as string;
        const indexes = this.#loadIndexes(number(store.id));
        database.stores.set(name, {
          id: number(store.id),
          name,
          keyPath: parse(store.key_path) as KeyPath | null,
          autoIncrement: store.auto_increment === 1,
          indexes: new Map(indexes.map((index) => [index.name, index])),
          maintained: new Set(indexes),
          deleted: false,
          isNew: false,
          belongsTo: belonging(database.name, name),
        });
      }
    }
  }

  #loadIndexes(storeId: number): IndexMeta[] {
    return this.file.all('SELECT id, name, key_path, is_unique, multi_entry FROM idb_index WHERE store_id = ?', storeId).map((row) => ({
      id: number(row.id),
      name: parse(row.name) as string,
      keyPath: parse(row.key_path) as KeyPath,
      unique: row.is_unique === 1,
      multiEntry: row.multi_entry === 1,
      deleted: false,
      isNew: false,
    }));
  }
}

export function belonging(database: string, store: string): Uint8Array {
  return Buffer.from(JSON.stringify([database, store]));
}

function rename<T extends { name: string }>(map: Map<string, T>, one: T, name: string): void {
  if (map.get(one.name) === one) map.delete(one.name);
  map.set(name, one);
  one.name = name;
}

function parse(column: SQLOutputValue | undefined): unknown {
  return JSON.parse(text(column));
}
