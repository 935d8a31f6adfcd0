import type { IndexMeta } from './catalog.ts';
import { domError } from './errors.ts';
import { copyOf, type KeyPath } from './keyPath.ts';
import type { IDBObjectStore } from './objectStore.ts';
import { Reader } from './reader.ts';
import { domString } from './webidl.ts';

/** IDBIndex (Indexed Database API 3.0, §4.6). */
export class IDBIndex extends Reader {
  readonly objectStore: IDBObjectStore;
  readonly #meta: IndexMeta;
  readonly #keyPath: KeyPath;
  #nameAtEnd: string | null = null;

  /** Not for callers: `IDBObjectStore.index` and `createIndex` give them. */
  constructor(objectStore: IDBObjectStore, index: IndexMeta) {
    super(objectStore.transaction, objectStore._store, index);
    this.objectStore = objectStore;
    this.#meta = index;
    this.#keyPath = copyOf(index.keyPath);
  }

  get name(): string {
    return this.#nameAtEnd ?? this.#meta.name;
  }

  /** In an upgrade only. Throws InvalidStateError, ConstraintError if the name is taken. */
  set name(value: string) {
    const name = domString(value);
    if (this._transaction.mode !== 'versionchange') throw domError('InvalidStateError', 'the schema changes in an upgrade only');
    this._checkActive();
    this._checkNotDeleted();
    if (name === this.#meta.name) return;
    if (this._store.indexes.has(name)) throw domError('ConstraintError', `there is an index "${name}" already`);
    const execution = this._transaction._execution;
    execution.change(() => execution.storage.catalog.renameIndex(this._store, this.#meta, name));
  }

  get keyPath(): KeyPath {
    return this.#keyPath;
  }

  get unique(): boolean {
    return this.#meta.unique;
  }

  get multiEntry(): boolean {
    return this.#meta.multiEntry;
  }

  get [Symbol.toStringTag](): string {
    return 'IDBIndex';
  }

  _freeze(): void {
    this.#nameAtEnd = this.#meta.name;
  }

  override _self(): this {
    return this;
  }
}
