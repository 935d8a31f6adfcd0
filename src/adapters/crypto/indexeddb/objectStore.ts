import { IDBCursor, IDBCursorWithValue } from './cursor.ts';
import type { StoreMeta } from './catalog.ts';
import { domError } from './errors.ts';
import { IDBIndex } from './index.ts';
import { canInject, extractKey, toKeyPath, type KeyPath } from './keyPath.ts';
import { toKey, type Key } from './keys.ts';
import { requiredSpan } from './keyRange.ts';
import { NameList } from './nameList.ts';
import { Reader } from './reader.ts';
import { ClonedValue } from './records.ts';
import { IDBRequest, type RequestSource } from './request.ts';
import type { GetAllOptions } from './reader.ts';
import type { IDBTransaction } from './transaction.ts';
import type { CursorDirection } from './walk.ts';

export type IndexParameters = { readonly unique?: boolean; readonly multiEntry?: boolean };

/** IDBObjectStore (Indexed Database API 3.0, §4.5). */
export class IDBObjectStore {
  readonly transaction: IDBTransaction;
  readonly _store: StoreMeta;
  readonly #reader: Reader;

  /** Not for callers: `IDBTransaction.objectStore` gives them. */
  constructor(transaction: IDBTransaction, store: StoreMeta) {
    this.transaction = transaction;
    this._store = store;
    this.#reader = new Reader(this, transaction, store, null);
  }
}
