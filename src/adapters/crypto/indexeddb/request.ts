import { domError } from './errors.ts';
import { EventNode, type EventCallback } from './events.ts';
import type { IDBCursor } from './cursor.ts';
import type { IDBIndex } from './index.ts';
import type { IDBObjectStore } from './objectStore.ts';
import type { IDBTransaction } from './transaction.ts';

export type RequestSource = IDBObjectStore | IDBIndex | IDBCursor | null;

/** IDBRequest (Indexed Database API 3.0, §4.1). */
export class IDBRequest extends EventNode {
  readonly source: RequestSource;
  #transaction: IDBTransaction | null;
  #done = false;
  #result: unknown = undefined;
  #error: DOMException | null = null;

  /** Not for callers. */
  constructor(source: RequestSource, transaction: IDBTransaction | null) {
    super();
    this.source = source;
    this.#transaction = transaction;
  }

  get transaction(): IDBTransaction | null {
    return this.#transaction;
  }

  get readyState(): 'pending' | 'done' {
    return this.#done ? 'done' : 'pending';
  }

  /** Throws InvalidStateError while pending. */
  get result(): unknown {
    if (!this.#done) throw domError('InvalidStateError', 'the request is not done yet');
    return this.#result;
  }

  /** Throws InvalidStateError while pending. */
  get error(): DOMException | null {
    if (!this.#done) throw domError('InvalidStateError', 'the request is not done yet');
    return this.#error;
  }

  get onsuccess(): EventCallback | null {
    return this._handler('success');
  }

  set onsuccess(callback: EventCallback | null) {
    this._setHandler('success', callback);
  }

  get onerror(): EventCallback | null {
    return this._handler('error');
  }

  set onerror(callback: EventCallback | null) {
    this._setHandler('error', callback);
  }

  get [Symbol.toStringTag](): string {
    return 'IDBRequest';
  }

  override _parent(): EventNode | null {
    return this.#transaction;
  }

  _succeed(result: unknown): void {
    this.#done = true;
    this.#result = result;
    this.#error = null;
  }

  _fail(error: DOMException): void {
    this.#done = true;
    this.#result = undefined;
    this.#error = error;
  }

  /** Back to pending: a cursor's next step, or an open request after its upgrade. */
  _await(): void {
    this.#done = false;
  }

  _setTransaction(transaction: IDBTransaction | null): void {
    this.#transaction = transaction;
  }
}

/** IDBOpenDBRequest (§4.1): what `open` and `deleteDatabase` give. */
export class IDBOpenDBRequest extends IDBRequest {
  /** Not for callers. */
  constructor() {
    super(null, null);
  }

  get onupgradeneeded(): EventCallback | null {
    return this._handler('upgradeneeded');
  }

  set onupgradeneeded(callback: EventCallback | null) {
    this._setHandler('upgradeneeded', callback);
  }

  get onblocked(): EventCallback | null {
    return this._handler('blocked');
  }

  set onblocked(callback: EventCallback | null) {
    this._setHandler('blocked', callback);
  }

  override get [Symbol.toStringTag](): string {
    return 'IDBOpenDBRequest';
  }

  /** An open request's events end at itself, also while it has an upgrade transaction. */
  override _parent(): null {
    return null;
  }
}
