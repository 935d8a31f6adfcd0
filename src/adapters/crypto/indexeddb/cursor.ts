import { domError } from './errors.ts';
import { compareBytes, decodeKey, encodeKey, toKey, type Key } from './keys.ts';
import { extractKey } from './keyPath.ts';
import { ClonedValue } from './records.ts';
import { IDBRequest } from './request.ts';
import type { IDBIndex } from './index.ts';
import type { IDBObjectStore } from './objectStore.ts';
import type { Reader } from './reader.ts';
import type { Found } from './source.ts';
import type { CursorDirection, Seek, Walk } from './walk.ts';
import { UNSIGNED_LONG, enforceRange } from './webidl.ts';

/** IDBCursor (Indexed Database API 3.0, §4.9): keys only; `IDBCursorWithValue` has the value too. */
export class IDBCursor {
  readonly #direction: CursorDirection;
  readonly #request: IDBRequest;
  readonly #reader: Reader;
  readonly #walk: Walk;
  #at: Found | undefined;
  #key: Key | undefined;
  #primaryKey: Key | undefined;
  /** The specification's "got value flag": false while the next record is on its way and at the end. */
  #arrived = false;

  /** Not for callers: `openCursor` and `openKeyCursor` give them. */
  constructor(reader: Reader, request: IDBRequest, walk: Walk, direction: CursorDirection) {
    this.#reader = reader;
    this.#request = request;
    this.#walk = walk;
    this.#direction = direction;
  }

  get source(): IDBObjectStore | IDBIndex {
    return this.#reader._self();
  }

  get direction(): CursorDirection {
    return this.#direction;
  }

  get request(): IDBRequest {
    return this.#request;
  }

  get key(): Key | undefined {
    return this.#key;
  }

  get primaryKey(): Key | undefined {
    return this.#primaryKey;
  }

  /** To the next record, or to the first at or behind `key`. Throws DataError if `key` isn't ahead. */
  continue(key?: unknown): void {
    this.#checkReady();
    if (key === undefined) {
      this.#go(undefined, 1);
      return;
    }
    const wanted = encodeKey(toKey(key));
    if (this.#ahead(wanted, this.#place().key) <= 0) throw domError('DataError', 'the key is not ahead of the cursor');
    this.#go({ key: wanted, primaryKey: undefined }, 1);
  }

  /** In an index: to the first record at or behind (key, primaryKey). Throws InvalidAccessError elsewhere, DataError if it isn't ahead. */
  continuePrimaryKey(key: unknown, primaryKey: unknown): void {
    this.#checkUsable();
    if (this.#reader._index === null) throw domError('InvalidAccessError', 'continuePrimaryKey is for cursors over an index');
    if (this.direction !== 'next' && this.direction !== 'prev') throw domError('InvalidAccessError', 'continuePrimaryKey is for the directions next and prev');
    this.#checkArrived();
    const wanted = encodeKey(toKey(key));
    const wantedPrimary = encodeKey(toKey(primaryKey));
    const here = this.#place();
    const order = this.#ahead(wanted, here.key);
    if (order < 0 || (order === 0 && this.#ahead(wantedPrimary, here.primaryKey) <= 0)) throw domError('DataError', 'the keys are not ahead of the cursor');
    this.#go({ key: wanted, primaryKey: wantedPrimary }, 1);
  }

  /** `count` records further. Throws TypeError for 0. */
  advance(count: number): void {
    const steps = enforceRange(count, UNSIGNED_LONG, 'the count');
    if (steps === 0) throw new TypeError('the count must be at least 1');
    this.#checkReady();
    this.#go(undefined, steps);
  }

  /** Throws DataError if the value's in-line key is not the record's, ReadOnlyError, InvalidStateError for a cursor of keys. */
  update(value: unknown): IDBRequest {
    this.#checkWritable();
    const { _transaction: transaction, _store: store } = this.#reader;
    const cloned = transaction._execution.inactively(() => new ClonedValue(value));
    const primaryKey = this.#place().primaryKey;
    const key = decodeKey(primaryKey);
    if (store.keyPath !== null) {
      const inLine = extractKey(cloned.value, store.keyPath);
      if (inLine === undefined || compareBytes(encodeKey(inLine), primaryKey) !== 0) throw domError('DataError', "the value's key is not that of the record");
    }
    const { records } = transaction._execution.storage;
    return this.#write(() => records.put(store, cloned, key, 'put'));
  }

  /** Throws ReadOnlyError, InvalidStateError for a cursor of keys. */
  delete(): IDBRequest {
    this.#checkWritable();
    const { _transaction: transaction, _store: store } = this.#reader;
    const from = this.#place().primaryKey;
    const { records } = transaction._execution.storage;
    return this.#write(() => records.deleteOne(store, from));
  }

  get [Symbol.toStringTag](): string {
    return 'IDBCursor';
  }

  /** Walks on by `count`; gives the cursor, or null at the end: the request's result. */
  _step(seek: Seek | undefined, count: number): this | null {
    let found = this.#walk.next(seek);
    for (let n = 1; n < count && found !== undefined; n++) found = this.#walk.next();
    this.#at = found;
    this.#key = found === undefined ? undefined : decodeKey(found.key);
    this.#primaryKey = found === undefined ? undefined : decodeKey(found.primaryKey);
    this._take(found === undefined || found.value === undefined ? undefined : this.#reader._value(found));
    this.#arrived = found !== undefined;
    return found === undefined ? null : this;
  }

  /** Whether it has values; with `_take` the part that differs in `IDBCursorWithValue`. */
  get _keysOnly(): boolean {
    return true;
  }

  _take(_value: unknown): void {
    // Without values there is nothing to take.
  }

  #go(seek: Seek | undefined, count: number): void {
    this.#arrived = false;
    this.request._await();
    this.#reader._transaction._execution.place(this.request, () => this._step(seek, count));
  }

  #write(run: () => unknown): IDBRequest {
    const { _transaction: transaction } = this.#reader;
    const request = new IDBRequest(this, transaction);
    transaction._execution.place(request, () => {
      transaction._execution.write();
      return run();
    });
    return request;
  }

  /** Positive if `wanted` lies ahead of `here` in the direction of the cursor. */
  #ahead(wanted: Uint8Array, here: Uint8Array): number {
    const order = compareBytes(wanted, here);
    return this.direction === 'next' || this.direction === 'nextunique' ? order : -order;
  }

  #place(): Found {
    if (this.#at === undefined) throw domError('InvalidStateError', 'the cursor is at its end');
    return this.#at;
  }

  #checkUsable(): void {
    this.#reader._checkActive();
    this.#reader._checkNotDeleted();
  }

  #checkArrived(): void {
    if (!this.#arrived) throw domError('InvalidStateError', 'the cursor is on its way or at its end');
  }

  #checkReady(): void {
    this.#checkUsable();
    this.#checkArrived();
  }

  #checkWritable(): void {
    this.#reader._checkActive();
    if (this.#reader._transaction.mode === 'readonly') throw domError('ReadOnlyError', 'the transaction is read-only');
    this.#reader._checkNotDeleted();
    this.#checkArrived();
    if (this._keysOnly) throw domError('InvalidStateError', 'a cursor of keys can not change records');
  }
}

export class IDBCursorWithValue extends IDBCursor {
  #value: unknown = undefined;

  get value(): unknown {
    return this.#value;
  }

  override get _keysOnly(): boolean {
    return false;
  }

  override _take(value: unknown): void {
    this.#value = value;
  }

  override get [Symbol.toStringTag](): string {
    return 'IDBCursorWithValue';
  }
}
