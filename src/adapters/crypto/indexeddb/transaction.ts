import type { StoreMeta } from './catalog.ts';
import type { IDBDatabase } from './database.ts';
import { domError } from './errors.ts';
import { EventNode, type EventCallback } from './events.ts';
import { Execution } from './execution.ts';
import { NameList } from './nameList.ts';
import { IDBObjectStore } from './objectStore.ts';
import type { Storage } from './storage.ts';
import type { Synchronous } from './sql.ts';
import { domString } from './webidl.ts';

export type TransactionMode = 'readonly' | 'readwrite' | 'versionchange';
export type Durability = 'default' | 'strict' | 'relaxed';

/** IDBTransaction (Indexed Database API 3.0, §4.10). */
export class IDBTransaction extends EventNode {
  readonly db: IDBDatabase;
  readonly mode: TransactionMode;
  readonly durability: Durability;
  readonly _execution: Execution;
  /** An upgrade's opening waits here. Called before the last event, so that its own comes right after. */
  _whenOver: () => void = () => undefined;
  readonly #stores: Map<string, StoreMeta>;
  #namesAtEnd: NameList | null = null;
  readonly #handles = new Map<StoreMeta, IDBObjectStore>();

  /** Not for callers: `IDBDatabase.transaction` makes them. An upgrade's `stores` are those of the database, which it changes. */
  constructor(db: IDBDatabase, storage: Storage, stores: Map<string, StoreMeta>, mode: TransactionMode, durability: Durability) {
    super();
    this.db = db;
    this.mode = mode;
    this.durability = durability;
    this.#stores = stores;
    this._execution = new Execution(
      storage,
      {
        target: this,
        stores: stores.values(),
        writes: mode !== 'readonly',
        synchronous: synchronousFor(durability, storage.synchronous),
        over: () => this.#over(),
      },
      mode === 'versionchange' ? 'inactive' : 'active',
    );
  }

  get objectStoreNames(): NameList {
    return this.#namesAtEnd ?? NameList.sorted(this.#stores.keys());
  }

  get error(): DOMException | null {
    return this._execution.error;
  }

  /** Throws InvalidStateError when finished, NotFoundError for a store out of scope. */
  objectStore(name: string): IDBObjectStore {
    if (this._execution.state === 'finished') throw domError('InvalidStateError', 'the transaction has finished');
    const store = this.#stores.get(domString(name));
    if (store === undefined) throw domError('NotFoundError', `"${name}" is not in the scope of the transaction`);
    return this._handle(store);
  }

  /** Ends the transaction without waiting for it to run dry. Throws InvalidStateError unless it is active. */
  commit(): void {
    if (this._execution.state !== 'active') throw domError('InvalidStateError', 'the transaction is not active');
    this._execution.commit();
  }

  /** Throws InvalidStateError once it is committing or finished. */
  abort(): void {
    const { state } = this._execution;
    if (state === 'committing' || state === 'finished') throw domError('InvalidStateError', 'the transaction is committing or has finished');
    this._execution.abort(null);
  }

  get oncomplete(): EventCallback | null {
    return this._handler('complete');
  }

  set oncomplete(callback: EventCallback | null) {
    this._setHandler('complete', callback);
  }

  get onabort(): EventCallback | null {
    return this._handler('abort');
  }

  set onabort(callback: EventCallback | null) {
    this._setHandler('abort', callback);
  }

  get onerror(): EventCallback | null {
    return this._handler('error');
  }

  set onerror(callback: EventCallback | null) {
    this._setHandler('error', callback);
  }

  get [Symbol.toStringTag](): string {
    return 'IDBTransaction';
  }

  override _parent(): EventNode {
    return this.db;
  }

  #over(): void {
    this.#namesAtEnd = this.objectStoreNames;
    for (const handle of this.#handles.values()) handle._freeze();
    this.db._over(this);
    this._whenOver();
  }

  /** One handle per store and transaction (§4.10: the same object each time). */
  _handle(store: StoreMeta): IDBObjectStore {
    let handle = this.#handles.get(store);
    if (handle === undefined) {
      handle = new IDBObjectStore(this, store, null);
      this.#handles.set(store, handle);
    }
    return handle;
  }
}

function synchronousFor(durability: Durability, otherwise: Synchronous): Synchronous {
  switch (durability) {
    case 'strict':
      return 'FULL';
    case 'relaxed':
      return 'NORMAL';
    case 'default':
      return otherwise;
  }
}
