import { connect, remove } from './connect.ts';
import { asDomException } from './errors.ts';
import { IDBEvent, IDBVersionChangeEvent } from './events.ts';
import { compareKeys, toKey } from './keys.ts';
import { IDBOpenDBRequest } from './request.ts';
import type { Storage } from './storage.ts';
import { UNSIGNED_LONG_LONG, domString, enforceRange } from './webidl.ts';

export type DatabaseInfo = { readonly name: string; readonly version: number };

/** IDBFactory (Indexed Database API 3.0, §4.3). */
export class IDBFactory {
  readonly #storage: Storage;
  /** Per name: requests are handled in the order they were made (§2.8.2 "connection queues"). */
  readonly #queues = new Map<string, Promise<void>>();

  /** Not for callers: `openIndexedDB` makes one per file. */
  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Throws TypeError for a version that is not a positive integer. */
  open(databaseName: string, version?: number): IDBOpenDBRequest {
    const name = domString(databaseName);
    const wanted = version === undefined ? undefined : enforceRange(version, UNSIGNED_LONG_LONG, 'the version');
    if (wanted === 0) throw new TypeError('the version must be at least 1');
    const request = new IDBOpenDBRequest();
    this.#enqueue(name, request, async () => {
      const database = await connect(this.#storage, name, wanted, request);
      return { result: database, event: new IDBEvent('success') };
    });
    return request;
  }

  deleteDatabase(databaseName: string): IDBOpenDBRequest {
    const name = domString(databaseName);
    const request = new IDBOpenDBRequest();
    this.#enqueue(name, request, async () => {
      const oldVersion = await remove(this.#storage, name, request);
      return { result: undefined, event: new IDBVersionChangeEvent('success', { oldVersion, newVersion: null }) };
    });
    return request;
  }

  /** Those that exist; one that is being made is not among them yet. */
  async databases(): Promise<DatabaseInfo[]> {
    const all = [...this.#storage.catalog.databases.values()];
    return all.filter(({ version }) => version > 0).map(({ name, version }) => ({ name, version }));
  }

  /** -1, 0 or 1. Throws DataError for what is no key. */
  cmp(first: unknown, second: unknown): -1 | 0 | 1 {
    return compareKeys(toKey(first), toKey(second));
  }

  get [Symbol.toStringTag](): string {
    return 'IDBFactory';
  }

  #enqueue(name: string, request: IDBOpenDBRequest, work: () => Promise<{ readonly result: unknown; readonly event: IDBEvent }>): void {
    const turn = (this.#queues.get(name) ?? Promise.resolve()).then(async () => {
      try {
        const { result, event } = await work();
        request._succeed(result);
        request._dispatch(event);
      } catch (error) {
        request._fail(asDomException(error));
        request._dispatch(new IDBEvent('error', { bubbles: true, cancelable: true }));
      }
    });
    this.#queues.set(name, turn);
    void turn.then(() => {
      if (this.#queues.get(name) === turn) this.#queues.delete(name);
    });
  }
}
