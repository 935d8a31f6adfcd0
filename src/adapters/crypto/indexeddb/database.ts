import { belonging, type DatabaseMeta, type StoreMeta } from './catalog.ts';
import { domError } from './errors.ts';
import { EventNode, type EventCallback } from './events.ts';
import { toKeyPath } from './keyPath.ts';
import { NameList } from './nameList.ts';
import type { IDBObjectStore } from './objectStore.ts';
import type { Storage } from './storage.ts';
import { IDBTransaction, type Durability } from './transaction.ts';
import { domString, enumeration } from './webidl.ts';

export type ObjectStoreParameters = { readonly keyPath?: string | readonly string[] | null; readonly autoIncrement?: boolean };
export type TransactionOptions = { readonly durability?: Durability };

/** IDBDatabase (Indexed Database API 3.0, §4.4): a connection. */
export class IDBDatabase extends EventNode {
  readonly name: string;
  readonly #storage: Storage;
  readonly #meta: DatabaseMeta;
  readonly #transactions = new Set<IDBTransaction>();
  readonly #closed: (() => void)[] = [];
  #version: number;
  #upgrade: IDBTransaction | null = null;
  #closing = false;
  #namesAtClose: NameList | null = null;

  /** Not for callers: `IDBFactory.open` makes them. */
  constructor(storage: Storage, meta: DatabaseMeta) {
    super();
    this.name = meta.name;
    this.#storage = storage;
    this.#meta = meta;
    this.#version = meta.version;
    meta.connections.add(this);
  }

  get version(): number {
    return this.#version;
  }

  get objectStoreNames(): NameList {
    return this.#namesAtClose ?? NameList.sorted(this.#meta.stores.keys());
  }

  /**
   * Throws InvalidStateError during an upgrade or after `close`, NotFoundError for an unknown store, InvalidAccessError for no store,
   * TypeError for another mode. `durability` 'strict' commits with an fsync, 'relaxed' without, 'default' as the file was opened.
   */
  transaction(names: string | Iterable<string>, mode: 'readonly' | 'readwrite' = 'readonly', options: TransactionOptions = {}): IDBTransaction {
    const wantedNames = toNames(names);
    const wantedMode = enumeration(mode, ['readonly', 'readwrite', 'versionchange'], 'readonly', 'the mode');
    const durability = enumeration(options.durability, ['default', 'strict', 'relaxed'], 'default', 'the durability');
    if (this.#upgrade !== null) throw domError('InvalidStateError', 'an upgrade transaction is running');
    if (this.#closing) throw domError('InvalidStateError', 'the connection is closed');
    const scope = new Map<string, StoreMeta>();
    for (const name of wantedNames) {
      const store = this.#meta.stores.get(name);
      if (store === undefined) throw domError('NotFoundError', `there is no store "${name}"`);
      scope.set(name, store);
    }
    if (scope.size === 0) throw domError('InvalidAccessError', 'a transaction needs at least one store');
    if (wantedMode === 'versionchange') throw new TypeError('the mode must be readonly or readwrite');
    const transaction = new IDBTransaction(this, this.#storage, scope, wantedMode, durability);
    this.#transactions.add(transaction);
    transaction._execution.enter();
    return transaction;
  }

  /** In an upgrade only (InvalidStateError). Throws ConstraintError if the name is taken, InvalidAccessError for a generator that can't fill the key path. */
  createObjectStore(storeName: string, options: ObjectStoreParameters | null = {}): IDBObjectStore {
    const name = domString(storeName);
    const { transaction, storage } = this.#inUpgrade();
    const keyPath = options?.keyPath === undefined || options.keyPath === null ? null : toKeyPath(options.keyPath);
    const autoIncrement = Boolean(options?.autoIncrement);
    if (this.#meta.stores.has(name)) throw domError('ConstraintError', `there is a store "${name}" already`);
    if (autoIncrement && keyPath !== null && (keyPath === '' || typeof keyPath !== 'string')) {
      throw domError('InvalidAccessError', 'a key generator needs a key path that is one non-empty string');
    }
    const { store } = transaction._execution.change(() => storage.catalog.createStore(this.#meta, name, keyPath, autoIncrement));
    return transaction._handle(store);
  }

  /** In an upgrade only (InvalidStateError). Throws NotFoundError. */
  deleteObjectStore(name: string): void {
    const { transaction, storage } = this.#inUpgrade();
    const store = this.#meta.stores.get(domString(name));
    if (store === undefined) throw domError('NotFoundError', `there is no store "${name}"`);
    transaction._execution.change(() => storage.catalog.dropStore(this.#meta, store));
    transaction._execution.place(null, () => storage.catalog.eraseAll(store));
  }

  /** Waits, unseen, for running transactions; no new one can be made. */
  close(): void {
    this.#closing = true;
    this.#closeIfIdle();
  }

  get onversionchange(): EventCallback | null {
    return this._handler('versionchange');
  }

  set onversionchange(callback: EventCallback | null) {
    this._setHandler('versionchange', callback);
  }

  get onclose(): EventCallback | null {
    return this._handler('close');
  }

  set onclose(callback: EventCallback | null) {
    this._setHandler('close', callback);
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
    return 'IDBDatabase';
  }

  get _closing(): boolean {
    return this.#closing;
  }

  /** Resolves when it is closed and its last transaction is over. */
  _whenClosed(): Promise<void> {
    return this.#meta.connections.has(this) ? new Promise((resolve) => this.#closed.push(resolve)) : Promise.resolve();
  }

  _over(transaction: IDBTransaction): void {
    this.#transactions.delete(transaction);
    if (this.#upgrade === transaction) {
      this.#upgrade = null;
      if (transaction._execution.committed) this.#storage.catalog.settle(this.#meta, this.#version);
    }
    this.#closeIfIdle();
  }

  /** §5.7: the upgrade transaction, whose scope is every store of the database, now and as they change. */
  _beginUpgrade(): IDBTransaction {
    const transaction = new IDBTransaction(this, this.#storage, this.#meta.stores, 'versionchange', 'default');
    this.#upgrade = transaction;
    this.#transactions.add(transaction);
    return transaction;
  }

  _setVersion(version: number): void {
    this.#version = version;
  }

  /** §4.5, the `name` setter: the store's values are sealed anew, because their seal binds the name. */
  _renameStore(transaction: IDBTransaction, store: StoreMeta, name: string): void {
    const { catalog, records } = this.#storage;
    if (this.#meta.stores.has(name)) throw domError('ConstraintError', `there is a store "${name}" already`);
    transaction._execution.change(() => catalog.renameStore(this.#meta, store, name));
    const before = store.belongsTo;
    transaction._execution.change(() => ({ undo: () => (store.belongsTo = before) }));
    transaction._execution.place(null, () => records.move(store, belonging(this.name, name)));
  }

  #inUpgrade(): { readonly transaction: IDBTransaction; readonly storage: Storage } {
    const transaction = this.#upgrade;
    if (transaction === null) throw domError('InvalidStateError', 'stores are made and deleted in an upgrade only');
    if (transaction._execution.state !== 'active') throw domError('TransactionInactiveError', 'the upgrade transaction is not active');
    return { transaction, storage: this.#storage };
  }

  #closeIfIdle(): void {
    if (!this.#closing || this.#transactions.size > 0) return;
    this.#namesAtClose ??= this.objectStoreNames;
    this.#meta.connections.delete(this);
    for (const resolve of this.#closed.splice(0)) resolve();
  }
}

/** (DOMString or sequence<DOMString>) */
function toNames(names: unknown): string[] {
  return typeof names === 'object' && names !== null && Symbol.iterator in names ? Array.from(names as Iterable<unknown>, domString) : [domString(names)];
}
