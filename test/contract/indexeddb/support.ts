/** What the IndexedDB tests share: fresh databases, and requests and transactions as promises. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  IDBDatabase, openIndexedDB, type IDBCursor, type IDBCursorWithValue, type IDBEvent, type IDBFactory, type IDBOpenDBRequest, type IDBRequest, type IDBTransaction,
  type OpenOptions, type SqliteIndexedDB,
} from '../../../src/adapters/crypto/indexeddb/mod.ts';

const open = new Set<SqliteIndexedDB>();
const folders: string[] = [];

/** A path in a folder of its own; `cleanUp` removes it. */
export function freshPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'indexeddb-'));
  folders.push(folder);
  return join(folder, 'store.db');
}

export function openFile(path: string = ':memory:', options: OpenOptions = {}): SqliteIndexedDB {
  const opened = openIndexedDB(path, options);
  open.add(opened);
  return opened;
}

/** For `afterEach`: closes what the test opened and removes its files. */
export async function cleanUp(): Promise<void> {
  await Promise.all([...open].map((opened) => opened.close()));
  open.clear();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
}

/** The request's result, or its error thrown. */
export function answer(request: IDBRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error ?? new Error('the request has no error')));
  });
}

/** As `answer`; the error is given instead of thrown, and kept from aborting the transaction. */
export function failure(request: IDBRequest): Promise<string> {
  return new Promise((resolve) => {
    request.addEventListener('success', () => resolve('success'));
    request.addEventListener('error', (event) => {
      event.preventDefault();
      event.stopPropagation();
      resolve(request.error?.name ?? 'no error');
    });
  });
}

/** 'complete', or 'abort' with the name of the transaction's error, if any. */
export function outcome(transaction: IDBTransaction): Promise<string> {
  return new Promise((resolve) => {
    transaction.addEventListener('complete', () => resolve('complete'));
    transaction.addEventListener('abort', () => resolve(transaction.error === null ? 'abort' : `abort ${transaction.error.name}`));
  });
}

/** Opens a database, making its schema in `upgrade`. */
export async function database(indexedDB: IDBFactory, upgrade: (db: IDBDatabase, transaction: IDBTransaction) => void = () => undefined, name = 'db', version?: number): Promise<IDBDatabase> {
  const request = indexedDB.open(name, version);
  request.onupgradeneeded = () => upgrade(upgrading(request), transactionOf(request));
  return toDatabase(await answer(request));
}

/** A database in a fresh file in memory. */
export function freshDatabase(upgrade: (db: IDBDatabase, transaction: IDBTransaction) => void): Promise<IDBDatabase> {
  return database(openFile().indexedDB, upgrade);
}

export function upgrading(request: IDBOpenDBRequest): IDBDatabase {
  return toDatabase(request.result);
}

export function transactionOf(request: IDBRequest): IDBTransaction {
  if (request.transaction === null) throw new Error('the request has no transaction');
  return request.transaction;
}

export function toDatabase(result: unknown): IDBDatabase {
  if (!(result instanceof IDBDatabase)) throw new Error('the request gave no database');
  return result;
}

/** The next event of a type. */
export function next(target: { addEventListener(type: string, callback: (event: IDBEvent) => void, options: { once: boolean }): void }, type: string): Promise<IDBEvent> {
  return new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));
}

/** What `work` throws: the name of the error, with TypeError by its own; 'nothing' if it returns. */
export function thrown(work: () => unknown): string {
  try {
    work();
    return 'nothing';
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

/** Walks a cursor to its end; `visit` moves it on (`continue()` if it says nothing). */
export function walk<T>(request: IDBRequest, visit: (cursor: IDBCursorWithValue) => T, onward: (cursor: IDBCursor) => void = (cursor) => cursor.continue()): Promise<T[]> {
  const seen: T[] = [];
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor === null) {
        resolve(seen);
        return;
      }
      try {
        seen.push(visit(cursor as IDBCursorWithValue));
        onward(cursor as IDBCursorWithValue);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    };
    request.onerror = () => reject(request.error ?? new Error('no error'));
  });
}

/** Resolves in a later task: what was pending in this one has run. */
export function later(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
