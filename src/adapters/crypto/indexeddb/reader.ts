/** What stores and indexes have in common: reading (Indexed Database API 3.0, §4.5 and §4.6). */
import type { IndexMeta, StoreMeta } from './catalog.ts';
import { IDBCursor, IDBCursorWithValue } from './cursor.ts';
import { domError } from './errors.ts';
import { decodeKey, type Key } from './keys.ts';
import { IDBKeyRange, querySpan, requiredSpan, type KeySpan } from './keyRange.ts';
import { IDBRequest } from './request.ts';
import type { IDBIndex } from './index.ts';
import type { IDBObjectStore } from './objectStore.ts';
import { spanOf, type Found, type Source, type Wanted } from './source.ts';
import type { IDBTransaction } from './transaction.ts';
import { Walk, type CursorDirection } from './walk.ts';
import { UNSIGNED_LONG, enforceRange, enumeration } from './webidl.ts';

const DIRECTIONS = ['next', 'nextunique', 'prev', 'prevunique'] as const;

/** §4.5 IDBGetAllOptions. */
export type GetAllOptions = { readonly query?: unknown; readonly count?: number; readonly direction?: CursorDirection };

/** §4.8: what `getAllRecords` gives. */
export class IDBRecord {
  readonly #key: Key;
  readonly #primaryKey: Key;
  readonly #value: unknown;

  /** Not for callers. */
  constructor(key: Key, primaryKey: Key, value: unknown) {
    this.#key = key;
    this.#primaryKey = primaryKey;
    this.#value = value;
  }

  get key(): Key {
    return this.#key;
  }

  get primaryKey(): Key {
    return this.#primaryKey;
  }

  get value(): unknown {
    return this.#value;
  }

  get [Symbol.toStringTag](): string {
    return 'IDBRecord';
  }
}

type List = { readonly span: KeySpan; readonly limit: number; readonly direction: CursorDirection };

export abstract class Reader {
  readonly _transaction: IDBTransaction;
  readonly _store: StoreMeta;
  readonly _index: IndexMeta | null;
  readonly _source: Source;

  constructor(transaction: IDBTransaction, store: StoreMeta, index: IndexMeta | null) {
    this._transaction = transaction;
    this._store = store;
    this._index = index;
    this._source = transaction._execution.storage.records.source(store, index ?? undefined);
  }

  /** The first record's value, or undefined. Throws DataError without a key or range. */
  get(query: unknown): IDBRequest {
    this._checkUsable();
    const span = requiredSpan(query);
    return this._place(() => this.#list({ span, limit: 1, direction: 'next' }, 'values').map((found) => this._value(found))[0]);
  }

  /** The first record's primary key, or undefined. */
  getKey(query: unknown): IDBRequest {
    this._checkUsable();
    const span = requiredSpan(query);
    return this._place(() => this.#list({ span, limit: 1, direction: 'next' }, 'keys').map((found) => decodeKey(found.primaryKey))[0]);
  }

  getAll(query?: unknown, count?: number): IDBRequest {
    const limit = toLimit(count);
    this._checkUsable();
    const list = toList(query, limit);
    return this._place(() => this.#list(list, 'values').map((found) => this._value(found)));
  }

  getAllKeys(query?: unknown, count?: number): IDBRequest {
    const limit = toLimit(count);
    this._checkUsable();
    const list = toList(query, limit);
    return this._place(() => this.#list(list, 'keys').map((found) => decodeKey(found.primaryKey)));
  }

  getAllRecords(options: GetAllOptions = {}): IDBRequest {
    this._checkUsable();
    const list = fromOptions(options);
    return this._place(() => this.#list(list, 'values').map((found) => this.#record(found)));
  }

  count(query?: unknown): IDBRequest {
    this._checkUsable();
    const span = spanOf(querySpan(query));
    return this._place(() => this._source.count(span));
  }

  openCursor(query?: unknown, direction?: CursorDirection): IDBRequest {
    return this.#open(query, direction, 'values');
  }

  openKeyCursor(query?: unknown, direction?: CursorDirection): IDBRequest {
    return this.#open(query, direction, 'keys');
  }

  /** The error order of the specification: deleted, then inactive. */
  _checkUsable(): void {
    this._checkNotDeleted();
    this._checkActive();
  }

  _checkNotDeleted(): void {
    if (this._store.deleted || this._index?.deleted) throw domError('InvalidStateError', 'the store or index was deleted');
  }

  _checkActive(): void {
    if (this._transaction._execution.state !== 'active') throw domError('TransactionInactiveError', 'the transaction is not active');
  }

  _place(run: () => unknown): IDBRequest {
    const request = new IDBRequest(this._self(), this._transaction);
    this._transaction._execution.place(request, run);
    return request;
  }

  _value(found: Found): unknown {
    return this._transaction._execution.storage.records.value(this._store, found);
  }

  abstract _self(): IDBObjectStore | IDBIndex;

  #open(query: unknown, direction: CursorDirection | undefined, wanted: Wanted): IDBRequest {
    const way = enumeration(direction, DIRECTIONS, 'next', 'the direction');
    this._checkUsable();
    const walk = new Walk(this._transaction._execution.storage.file, this._source, spanOf(querySpan(query)), way, wanted);
    const request = new IDBRequest(this._self(), this._transaction);
    const Cursor = wanted === 'values' ? IDBCursorWithValue : IDBCursor;
    const cursor = new Cursor(this, request, walk, way);
    this._transaction._execution.place(request, () => cursor._step(undefined, 1));
    return request;
  }

  #list({ span, limit, direction }: List, wanted: Wanted): Found[] {
    return this._transaction._execution.storage.records.list(this._source, span, direction, limit, wanted);
  }

  #record(found: Found): IDBRecord {
    return new IDBRecord(decodeKey(found.key), decodeKey(found.primaryKey), this._value(found));
  }
}

/** `getAll(query, count)`, or the options form, `getAll({ query, count, direction })`. */
function toList(query: unknown, limit: number): List {
  return isOptions(query) ? fromOptions(query) : { span: querySpan(query), limit, direction: 'next' };
}

function fromOptions({ query, count, direction }: GetAllOptions): List {
  return { limit: toLimit(count), direction: enumeration(direction, DIRECTIONS, 'next', 'the direction'), span: querySpan(query) };
}

function toLimit(count: number | undefined): number {
  return count === undefined ? 0 : enforceRange(count, UNSIGNED_LONG, 'the count');
}

/** §2.9 "is a potentially valid key range": all that could be a key or a range is a query. */
function isOptions(query: unknown): query is GetAllOptions {
  if (typeof query !== 'object' || query === null || query instanceof IDBKeyRange) return false;
  return !(query instanceof Date || Array.isArray(query) || query instanceof ArrayBuffer || ArrayBuffer.isView(query));
}
