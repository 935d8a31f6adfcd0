import { IDBCursor, IDBCursorWithValue } from './cursor.ts';
import { IDBDatabase } from './database.ts';
import { IDBVersionChangeEvent } from './events.ts';
import { IDBFactory } from './factory.ts';
import { IDBIndex } from './index.ts';
import { IDBKeyRange } from './keyRange.ts';
import { IDBObjectStore } from './objectStore.ts';
import { IDBRecord } from './reader.ts';
import { IDBOpenDBRequest, IDBRequest } from './request.ts';
import { IDBTransaction } from './transaction.ts';

/** The interfaces by their global names. They are the same for every open file. */
export const classes = {
  IDBCursor,
  IDBCursorWithValue,
  IDBDatabase,
  IDBFactory,
  IDBIndex,
  IDBKeyRange,
  IDBObjectStore,
  IDBOpenDBRequest,
  IDBRecord,
  IDBRequest,
  IDBTransaction,
  IDBVersionChangeEvent,
} as const;

/** Sets the globals that a browser has; each can be set again, by another file's `install` or by the caller. */
export function install(indexedDB: IDBFactory): void {
  for (const [name, value] of Object.entries({ ...classes, indexedDB })) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  }
}
