/** A durable IndexedDB for Node, over `node:sqlite`. Start with README.md. */
export { openIndexedDB, type OpenOptions, type SqliteIndexedDB } from './open.ts';
export { expire, type Expiry } from './expire.ts';
export type { Fence, Synchronous } from './sql.ts';
export { IDBCursor, IDBCursorWithValue } from './cursor.ts';
export { IDBDatabase, type ObjectStoreParameters, type TransactionOptions } from './database.ts';
export { IDBVersionChangeEvent, type EventCallback, type IDBEvent } from './events.ts';
export { IDBFactory, type DatabaseInfo } from './factory.ts';
export { IDBIndex } from './index.ts';
export { IDBKeyRange } from './keyRange.ts';
export type { Key } from './keys.ts';
export type { KeyPath } from './keyPath.ts';
export { IDBObjectStore, type IndexParameters } from './objectStore.ts';
export { IDBRecord, type GetAllOptions } from './reader.ts';
export { IDBOpenDBRequest, IDBRequest } from './request.ts';
export { IDBTransaction, type Durability, type TransactionMode } from './transaction.ts';
export type { CursorDirection } from './walk.ts';
