import type { IndexMeta } from './catalog.ts';
import { domError } from './errors.ts';
import { IDBIndex } from './index.ts';
import { canInject, copyOf, extractKey, isMissing, toKeyPath, type KeyPath } from './keyPath.ts';
import { requiredSpan } from './keyRange.ts';
import { toKey, type Key } from './keys.ts';
import { NameList } from './nameList.ts';
import { Reader } from './reader.ts';
import { ClonedValue } from './records.ts';
import type { IDBRequest } from './request.ts';
import type { IDBTransaction } from './transaction.ts';
import { domString } from './webidl.ts';

export type IndexParameters = { readonly unique?: boolean; readonly multiEntry?: boolean };

/** IDBObjectStore (Indexed Database API 3.0, §4.5). */
export class IDBObjectStore extends Reader {
  readonly #keyPath: KeyPath | null = copyOf(this._store.keyPath);
  #atEnd: { readonly name: string; readonly indexNames: NameList } | null = null;
  readonly #indexes = new Map<IndexMeta, IDBIndex>();

  get name(): string {
    return this.#atEnd?.name ?? this._store.name;
  }

  /** In an upgrade only. Throws InvalidStateError, ConstraintError if the name is taken. */
  set name(value: string) {
    const name = domString(value);
    this._checkNotDeleted();
    this.#checkUpgrade();
    this._checkActive();
    if (name !== this._store.name) this._transaction.db._renameStore(this._transaction, this._store, name);
  }

  get keyPath(): KeyPath | null {
    return this.#keyPath;
  }

  get autoIncrement(): boolean {
    return this._store.autoIncrement;
  }

  get indexNames(): NameList {
    if (this.#atEnd !== null) return this.#atEnd.indexNames;
    return NameList.sorted(this._store.deleted ? [] : this._store.indexes.keys());
  }

  get transaction(): IDBTransaction {
    return this._transaction;
  }

  /** Stores a value, over an older one with its key. Throws DataError, DataCloneError, ReadOnlyError, TransactionInactiveError. */
  put(value: unknown, key?: unknown): IDBRequest {
    return this.#store(value, key, 'put');
  }

  /** As `put`; the request fails with ConstraintError if the key is taken. */
  add(value: unknown, key?: unknown): IDBRequest {
    return this.#store(value, key, 'add');
  }

  /** Throws DataError without a key or range, ReadOnlyError. */
  delete(query: unknown): IDBRequest {
    this.#checkWritable();
    const span = requiredSpan(query);
    return this.#write(() => this._transaction._execution.storage.records.delete(this._store, span));
  }

  clear(): IDBRequest {
    this.#checkWritable();
    return this.#write(() => this._transaction._execution.storage.catalog.erase(this._store));
  }

  /** Throws InvalidStateError when the transaction has finished, NotFoundError. */
  index(name: string): IDBIndex {
    this._checkNotDeleted();
    if (this._transaction._execution.state === 'finished') throw domError('InvalidStateError', 'the transaction has finished');
    const index = this._store.indexes.get(domString(name));
    if (index === undefined) throw domError('NotFoundError', `there is no index "${name}"`);
    let handle = this.#indexes.get(index);
    if (handle === undefined) {
      handle = new IDBIndex(this, index);
      this.#indexes.set(index, handle);
    }
    return handle;
  }

  /**
   * In an upgrade only. Throws ConstraintError if the name is taken, SyntaxError for an invalid key path, InvalidAccessError for a
   * multiEntry index over several paths. A unique index over records that are not aborts the upgrade with ConstraintError.
   */
  createIndex(indexName: string, keyPath: string | readonly string[], options: IndexParameters | null = {}): IDBIndex {
    this.#checkUpgrade();
    this._checkUsable();
    const name = domString(indexName);
    if (this._store.indexes.has(name)) throw domError('ConstraintError', `there is an index "${name}" already`);
    const path = toKeyPath(keyPath);
    const multiEntry = Boolean(options?.multiEntry);
    if (multiEntry && typeof path !== 'string') throw domError('InvalidAccessError', 'a multiEntry index has one key path');
    const execution = this._transaction._execution;
    const { catalog, records } = execution.storage;
    const { index } = execution.change(() => catalog.createIndex(this._store, name, path, Boolean(options?.unique), multiEntry));
    execution.place(null, () => records.fill(this._store, index));
    return this.index(name);
  }

  /** In an upgrade only. Throws NotFoundError. */
  deleteIndex(name: string): void {
    this.#checkUpgrade();
    this._checkUsable();
    const index = this._store.indexes.get(domString(name));
    if (index === undefined) throw domError('NotFoundError', `there is no index "${name}"`);
    const execution = this._transaction._execution;
    const { catalog } = execution.storage;
    execution.change(() => catalog.dropIndex(this._store, index));
    execution.place(null, () => {
      this._store.maintained.delete(index);
      catalog.eraseIndex(index);
    });
  }

  get [Symbol.toStringTag](): string {
    return 'IDBObjectStore';
  }

  override _self(): this {
    return this;
  }

  /** The transaction is over: what a later upgrade does is not seen through this handle. */
  _freeze(): void {
    this.#atEnd = { name: this.name, indexNames: this.indexNames };
    for (const index of this.#indexes.values()) index._freeze();
  }

  /** §4.5 "add or put". */
  #store(value: unknown, key: unknown, mode: 'add' | 'put'): IDBRequest {
    const store = this._store;
    this.#checkWritable();
    if (store.keyPath !== null && key !== undefined) throw domError('DataError', 'the store takes its keys from the values: give none');
    if (store.keyPath === null && !store.autoIncrement && key === undefined) throw domError('DataError', 'the store needs a key');
    const given = key === undefined ? undefined : toKey(key);
    const execution = this._transaction._execution;
    const cloned = execution.inactively(() => new ClonedValue(value));
    const known = store.keyPath === null ? given : this.#inLineKey(cloned, store.keyPath);
    return this.#write(() => execution.storage.records.put(store, cloned, known, mode));
  }

  /** Undefined where the key generator will make one. */
  #inLineKey(cloned: ClonedValue, keyPath: KeyPath): Key | undefined {
    const found = extractKey(cloned.value, keyPath);
    if (found !== undefined) return found;
    const generates = this._store.autoIncrement && typeof keyPath === 'string' && isMissing(cloned.value, keyPath);
    if (!generates) throw domError('DataError', 'the value has no valid key at the key path');
    if (!canInject(cloned.value, keyPath)) throw domError('DataError', 'the generated key can not be put into the value');
    return undefined;
  }

  #write(run: () => unknown): IDBRequest {
    return this._place(() => {
      this._transaction._execution.write();
      return run();
    });
  }

  #checkWritable(): void {
    this._checkUsable();
    if (this._transaction.mode === 'readonly') throw domError('ReadOnlyError', 'the transaction is read-only');
  }

  #checkUpgrade(): void {
    if (this._transaction.mode !== 'versionchange') throw domError('InvalidStateError', 'the schema changes in an upgrade only');
  }
}
