/**
 * Events as DOM has them (https://dom.spec.whatwg.org/#events), with the path that IndexedDB needs: request → transaction → database.
 * Node's own EventTarget has no parents, hence this one. Members that start with `_` are for this folder only.
 */
export type EventInit = { readonly bubbles?: boolean | undefined; readonly cancelable?: boolean | undefined };
export type EventCallback = (event: IDBEvent) => unknown;
export type EventListenerObject = { readonly handleEvent: EventCallback };
export type ListenerOptions = { readonly capture?: boolean | undefined; readonly once?: boolean | undefined; readonly signal?: AbortSignal | undefined };

export class IDBEvent {
  readonly type: string;
  readonly bubbles: boolean;
  readonly cancelable: boolean;
  readonly isTrusted: boolean = true;
  readonly timeStamp: number = performance.now();
  target: EventNode | null = null;
  currentTarget: EventNode | null = null;
  eventPhase = 0;
  defaultPrevented = false;
  _stopped = false;
  _stoppedNow = false;
  _path: readonly EventNode[] = [];

  constructor(type: string, init: EventInit = {}) {
    this.type = type;
    this.bubbles = init.bubbles ?? false;
    this.cancelable = init.cancelable ?? false;
  }

  composedPath(): EventNode[] {
    return [...this._path];
  }

  preventDefault(): void {
    if (this.cancelable) this.defaultPrevented = true;
  }

  stopPropagation(): void {
    this._stopped = true;
  }

  stopImmediatePropagation(): void {
    this._stopped = true;
    this._stoppedNow = true;
  }
}

/** §4.2: `upgradeneeded`, `versionchange`, `blocked`, and the `success` of a deletion; versions in the database's own numbers. */
export class IDBVersionChangeEvent extends IDBEvent {
  readonly oldVersion: number;
  readonly newVersion: number | null;

  constructor(type: string, init: EventInit & { readonly oldVersion?: number; readonly newVersion?: number | null } = {}) {
    super(type, init);
    this.oldVersion = init.oldVersion ?? 0;
    this.newVersion = init.newVersion ?? null;
  }

  get [Symbol.toStringTag](): string {
    return 'IDBVersionChangeEvent';
  }
}

type Registration = { readonly type: string; readonly capture: boolean; readonly once: boolean; callback: EventCallback | EventListenerObject; removed: boolean };

export class EventNode {
  readonly #listeners: Registration[] = [];
  readonly #handlers = new Map<string, Registration>();

  addEventListener(type: string, callback: EventCallback | EventListenerObject | null, options: boolean | ListenerOptions = {}): void {
    const { capture = false, once = false, signal } = typeof options === 'boolean' ? { capture: options } : options;
    if (callback === null || signal?.aborted || this.#find(type, callback, capture) !== undefined) return;
    this.#listeners.push({ type, capture, once, callback, removed: false });
    signal?.addEventListener('abort', () => this.removeEventListener(type, callback, capture), { once: true });
  }

  removeEventListener(type: string, callback: EventCallback | EventListenerObject | null, options: boolean | ListenerOptions = {}): void {
    const capture = typeof options === 'boolean' ? options : (options.capture ?? false);
    const found = callback === null ? undefined : this.#find(type, callback, capture);
    if (found !== undefined) this.#remove(found);
  }

  /** For events made by the caller; the implementation's own go through `_dispatch`. Gives false if a listener prevented the default. */
  dispatchEvent(event: IDBEvent | Event): boolean {
    if (event instanceof IDBEvent) {
      this._dispatch(event);
      return !event.defaultPrevented;
    }
    const ours = new IDBEvent(event.type, event);
    this._dispatch(ours);
    if (ours.defaultPrevented) event.preventDefault();
    return !ours.defaultPrevented;
  }

  /** The next on the event's way up. */
  _parent(): EventNode | null {
    return null;
  }

  /** Gives whether a listener threw; what it threw becomes an uncaught exception, as with Node's EventTarget. */
  _dispatch(event: IDBEvent): boolean {
    const path: EventNode[] = [];
    for (let node: EventNode | null = this; node !== null; node = node._parent()) path.push(node); // eslint-disable-line @typescript-eslint/no-this-alias
    event.target = this;
    event._path = path;
    let threw = false;
    for (const node of path.toReversed()) threw = node.#invoke(event, true) || threw;
    for (const node of event.bubbles ? path : [this]) threw = node.#invoke(event, false) || threw;
    event.eventPhase = 0;
    event.currentTarget = null;
    event._path = [];
    return threw;
  }

  _handler(type: string): EventCallback | null {
    const callback = this.#handlers.get(type)?.callback;
    return typeof callback === 'function' ? callback : null;
  }

  /** HTML's "event handler attribute": keeps the place in the order that it was first given. */
  _setHandler(type: string, callback: EventCallback | null): void {
    const known = this.#handlers.get(type);
    if (typeof callback !== 'function') {
      if (known !== undefined) this.#remove(known);
      this.#handlers.delete(type);
    } else if (known !== undefined) known.callback = callback;
    else {
      const added: Registration = { type, capture: false, once: false, callback, removed: false };
      this.#listeners.push(added);
      this.#handlers.set(type, added);
    }
  }

  #invoke(event: IDBEvent, capture: boolean): boolean {
    if (event._stopped || this.#listeners.length === 0) return false;
    event.currentTarget = this;
    event.eventPhase = event.target === this ? 2 : capture ? 1 : 3;
    let threw = false;
    for (const listener of [...this.#listeners]) {
      if (listener.removed || listener.type !== event.type || listener.capture !== capture) continue;
      if (listener.once) this.#remove(listener);
      threw = this.#call(listener, event) || threw;
      if (event._stoppedNow) break;
    }
    return threw;
  }

  #call(listener: Registration, event: IDBEvent): boolean {
    try {
      if (typeof listener.callback !== 'function') listener.callback.handleEvent(event);
      else {
        const answer: unknown = Reflect.apply(listener.callback, this, [event]);
        if (answer === false && this.#handlers.get(event.type) === listener) event.preventDefault();
      }
      return false;
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
      return true;
    }
  }

  #find(type: string, callback: EventCallback | EventListenerObject, capture: boolean): Registration | undefined {
    return this.#listeners.find(
      (known) => known.type === type && known.callback === callback && known.capture === capture && this.#handlers.get(type) !== known,
    );
  }

  #remove(listener: Registration): void {
    listener.removed = true;
    const at = this.#listeners.indexOf(listener);
    if (at >= 0) this.#listeners.splice(at, 1);
  }
}
