/** §6.1–6.6: what requests do to records and index entries. Runs inside the transaction of the caller; touches nothing but the file. */
import type { IndexMeta, StoreMeta } from './catalog.ts';
import { deserialize, serialize } from './clone.ts';
import { StorageError, domError } from './errors.ts';
import { encodeKey, successor, type Key } from './keys.ts';
import { extractKey, extractMultiEntry, inject } from './keyPath.ts';
import { KEYS_ALL, type KeySpan } from './keyRange.ts';
import type { Seal } from './seal.ts';
import { indexSource, spanOf, storeSource, type Found, type Source, type Wanted } from './source.ts';
import { number, type SqliteFile } from './sql.ts';
import { Walk, type CursorDirection } from './walk.ts';

/** A value to store, cloned when the caller gave it. */
export class ClonedValue {
  #bytes: Uint8Array;
  #value: unknown = undefined;
  #read = false;

  constructor(value: unknown) {
    this.#bytes = serialize(value);
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** The clone itself: no getter of the caller runs when it is read. */
  get value(): unknown {
    if (!this.#read) this.#value = deserialize(this.#bytes);
    this.#read = true;
    return this.#value;
  }

  inject(path: string, key: Key): void {
    inject(this.value, path, key);
    this.#bytes = serialize(this.#value);
  }
}

const LAST_GENERATED = 2 ** 53;
const PAGE = 128;

export class Records {
  readonly file: SqliteFile;
  readonly #seal: Seal;

  constructor(file: SqliteFile, seal: Seal) {
    this.file = file;
    this.#seal = seal;
  }

  source(store: StoreMeta, index?: IndexMeta): Source {
    return index === undefined ? storeSource(this.file, store) : indexSource(this.file, store, index);
  }

  /** The value of a record that a scan found. */
  value(store: StoreMeta, found: Found): unknown {
    if (found.value === undefined) throw new Error('the scan was not asked for values');
    return deserialize(this.#opened(store, found.primaryKey, found.value));
  }

  /** Records in a span, in the direction's order; a limit of 0 is none. */
  list(source: Source, keys: KeySpan, direction: CursorDirection, limit: number, wanted: Wanted): Found[] {
    const span = spanOf(keys);
    const plain = direction === 'next' || direction === 'prev';
    if (plain || !source.repeats) return source.scan(span, direction === 'next' || direction === 'nextunique' ? 'next' : 'prev', limit === 0 ? -1 : limit, wanted);
    const walk = new Walk(this.file, source, span, direction, wanted);
    const all: Found[] = [];
    for (let at = walk.next(); at !== undefined; at = all.length === limit ? undefined : walk.next()) all.push(at);
    return all;
  }

  /** §6.1 "store a record": gives its key. Throws ConstraintError before anything is changed. */
  put(store: StoreMeta, value: ClonedValue, given: Key | undefined, mode: 'add' | 'put'): Key {
    const key = given ?? this.#generated(store, value);
    const primaryKey = encodeKey(key);
    const before = mode === 'add' || store.maintained.size > 0 ? this.#record(store, primaryKey) : undefined;
    if (mode === 'add' && before !== undefined) throw domError('ConstraintError', 'a record with this key exists');
    const entries = this.#entries(store, primaryKey, value);
    if (before !== undefined) this.#forget(store, primaryKey, before);
    if (store.autoIncrement) this.#advance(store, key);
    const sealed = this.#sealed(store, primaryKey, value.bytes);
    this.file.run('INSERT INTO idb_record VALUES(?, ?, ?) ON CONFLICT(store_id, key) DO UPDATE SET value = excluded.value', store.id, primaryKey, sealed);
    for (const { index, key: entry } of entries) this.#enter(index, entry, primaryKey);
    return key;
  }

  deleteOne(store: StoreMeta, primaryKey: Uint8Array): void {
    this.delete(store, { from: primaryKey, to: successor(primaryKey) });
  }

  delete(store: StoreMeta, { from, to }: KeySpan): void {
    if (store.maintained.size > 0) this.#forEach(store, { from, to }, (primaryKey, value) => this.#forget(store, primaryKey, value));
    this.file.run('DELETE FROM idb_record WHERE store_id = ? AND key >= ? AND key < ?', store.id, from, to);
  }

  /** Fills a new index from the store's records. Throws ConstraintError if it is unique and they are not. */
  fill(store: StoreMeta, index: IndexMeta): void {
    this.#forEach(store, KEYS_ALL, (primaryKey, stored) => {
      for (const key of keysFor(index, deserialize(stored))) {
        this.#checkUnique(index, key, primaryKey);
        this.#enter(index, key, primaryKey);
      }
    });
    store.maintained.add(index);
  }

  /** Seals a store's values anew for what they belong to from now on. */
  move(store: StoreMeta, belongsTo: Uint8Array): void {
    this.#forEach(store, KEYS_ALL, (primaryKey, value) => {
      const sealed = this.#seal.seal(value, Buffer.concat([belongsTo, primaryKey]));
      this.file.run('UPDATE idb_record SET value = ? WHERE store_id = ? AND key = ?', sealed, store.id, primaryKey);
    });
    store.belongsTo = belongsTo;
  }

  /** In pages, so that a range larger than memory passes. */
  #forEach(store: StoreMeta, keys: KeySpan, each: (primaryKey: Uint8Array, value: Uint8Array) => void): void {
    const source = this.source(store);
    let span = spanOf(keys);
    for (;;) {
      const page = source.scan(span, 'next', PAGE, 'values');
      for (const { primaryKey, value } of page) if (value !== undefined) each(primaryKey, this.#opened(store, primaryKey, value));
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return;
      span = { from: source.behind(last), to: span.to };
    }
  }

  #record(store: StoreMeta, primaryKey: Uint8Array): Uint8Array | undefined {
    const value = this.file.get('SELECT value FROM idb_record WHERE store_id = ? AND key = ?', store.id, primaryKey)?.value;
    return value instanceof Uint8Array ? this.#opened(store, primaryKey, value) : undefined;
  }

  #entries(store: StoreMeta, primaryKey: Uint8Array, value: ClonedValue): { readonly index: IndexMeta; readonly key: Uint8Array }[] {
    const entries: { index: IndexMeta; key: Uint8Array }[] = [];
    for (const index of store.maintained) {
      for (const key of keysFor(index, value.value)) {
        this.#checkUnique(index, key, primaryKey);
        entries.push({ index, key });
      }
    }
    return entries;
  }

  #checkUnique(index: IndexMeta, key: Uint8Array, primaryKey: Uint8Array): void {
    if (!index.unique) return;
    const taken = this.file.get('SELECT 1 AS n FROM idb_entry WHERE index_id = ? AND key = ? AND primary_key <> ? LIMIT 1', index.id, key, primaryKey);
    if (taken !== undefined) throw domError('ConstraintError', `the unique index "${index.name}" has this key already`);
  }

  #enter(index: IndexMeta, key: Uint8Array, primaryKey: Uint8Array): void {
    this.file.run('INSERT OR IGNORE INTO idb_entry VALUES(?, ?, ?)', index.id, key, primaryKey);
  }

  #forget(store: StoreMeta, primaryKey: Uint8Array, stored: Uint8Array): void {
    const value = deserialize(stored);
    for (const index of store.maintained) {
      for (const key of keysFor(index, value)) this.file.run('DELETE FROM idb_entry WHERE index_id = ? AND key = ? AND primary_key = ?', index.id, key, primaryKey);
    }
  }

  /** §2.11: the number that the store's key generator gives next, put into the value if the store has in-line keys. */
  #generated(store: StoreMeta, value: ClonedValue): number {
    const next = this.#nextKey(store);
    if (next > LAST_GENERATED) throw domError('ConstraintError', 'the key generator is exhausted (2^53)');
    if (typeof store.keyPath === 'string') value.inject(store.keyPath, next);
    return next;
  }

  /** After 2^53 comes 2^53 + 2, the next number there is; it says that the generator is exhausted. */
  #advance(store: StoreMeta, key: Key): void {
    if (typeof key !== 'number' || key < this.#nextKey(store)) return;
    const used = Math.floor(Math.min(key, LAST_GENERATED));
    this.file.run('UPDATE idb_generator SET next_key = ? WHERE store_id = ?', used === LAST_GENERATED ? used + 2 : used + 1, store.id);
  }

  #nextKey(store: StoreMeta): number {
    return number(this.file.get('SELECT next_key FROM idb_generator WHERE store_id = ?', store.id)?.next_key);
  }

  #sealed(store: StoreMeta, primaryKey: Uint8Array, bytes: Uint8Array): Uint8Array {
    return this.#seal.seal(bytes, Buffer.concat([store.belongsTo, primaryKey]));
  }

  #opened(store: StoreMeta, primaryKey: Uint8Array, stored: Uint8Array): Uint8Array {
    try {
      return this.#seal.open(stored, Buffer.concat([store.belongsTo, primaryKey]));
    } catch (error) {
      throw new StorageError(new Error(`a value of store "${store.name}" was changed outside, or is damaged`, { cause: error }));
    }
  }
}

function keysFor(index: IndexMeta, value: unknown): Uint8Array[] {
  if (index.multiEntry) return extractMultiEntry(value, index.keyPath);
  const key = extractKey(value, index.keyPath);
  return key === undefined ? [] : [encodeKey(key)];
}
