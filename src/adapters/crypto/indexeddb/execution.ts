/**
 * The life of one transaction (Indexed Database API 3.0, §2.7.1 and §5.4–5.11): its operations one after another, each in a task of its
 * own, active while its events are handled, committed when it runs dry, rolled back when it fails. SQLite's COMMIT is before `complete`.
 */
import type { StoreMeta, Undo } from './catalog.ts';
import { StorageError, asDomException, domError } from './errors.ts';
import { IDBEvent, type EventNode } from './events.ts';
import { Queue } from './queue.ts';
import type { IDBRequest } from './request.ts';
import type { Unit } from './scheduler.ts';
import type { Synchronous } from './sql.ts';
import type { Storage } from './storage.ts';
import { afterMicrotasks, queueTask } from './tasks.ts';

export type State = 'active' | 'inactive' | 'committing' | 'finished';

/** One thing to do in its turn. Without a request it is the schema's own work (an index to fill): it fires no event but can abort. */
type Operation = { readonly request: IDBRequest | null; readonly run: () => unknown };

export type Plan = {
  /** Where `complete` and `abort` are fired. */
  readonly target: EventNode;
  readonly stores: Iterable<StoreMeta>;
  readonly writes: boolean;
  readonly synchronous: Synchronous;
  /** Called when it is over, before its last event. */
  readonly over: () => void;
};

export class Execution {
  readonly storage: Storage;
  readonly #plan: Plan;
  readonly #unit: Unit;
  readonly #undo: Undo[] = [];
  readonly #operations = new Queue<Operation>();
  #state: State;
  #started = false;
  #scheduled = false;
  #begun = false;
  #committed = false;
  #error: DOMException | null = null;

  constructor(storage: Storage, plan: Plan, state: 'active' | 'inactive') {
    this.storage = storage;
    this.#plan = plan;
    this.#state = state;
    this.#unit = { writes: plan.writes, scope: new Set(Array.from(plan.stores, (store) => store.id)), start: () => this.#start() };
  }

  get state(): State {
    return this.#state;
  }

  get committed(): boolean {
    return this.#committed;
  }

  get error(): DOMException | null {
    return this.#error;
  }

  /** From now on waits for its turn. A transaction of the caller's is active until control returns to the event loop. */
  enter(): void {
    this.storage.scheduler.add(this.#unit);
    if (this.#state === 'active') afterMicrotasks(() => this.#deactivate());
  }

  /** Runs caller's code (getters, while cloning) with the transaction inactive, as §5.11 wants it. It may have aborted: TransactionInactiveError. */
  inactively<T>(work: () => T): T {
    this.#state = 'inactive';
    try {
      const result = work();
      if (!this.#isIn('inactive')) throw domError('TransactionInactiveError', 'the transaction was aborted by a getter of the value');
      return result;
    } finally {
      if (this.#isIn('inactive')) this.#state = 'active';
    }
  }

  /** §5.6 "asynchronously execute a request". The caller has checked that the transaction is active. */
  place(request: IDBRequest | null, run: () => unknown): void {
    this.#operations.add({ request, run });
    this.#proceed();
  }

  /** Begins SQLite's transaction at the first write. */
  write(): void {
    if (this.#begun) return;
    this.storage.file.begin(this.#plan.synchronous);
    this.#begun = true;
  }

  /** A change of the schema: written now, undone with the transaction. A failing file aborts it. */
  change<T extends { readonly undo: Undo }>(work: () => T): T {
    try {
      this.write();
      const result = work();
      this.#undo.push(result.undo);
      return result;
    } catch (error) {
      const exception = asDomException(error);
      this.abort(exception);
      throw exception;
    }
  }

  /** No more requests; what is placed still runs, then it commits. */
  commit(): void {
    this.#state = 'committing';
    this.#proceed();
  }

  /** §5.5 "abort a transaction": all is as it was before, in the file and in memory; `running` and pending requests fail with AbortError. */
  abort(error: DOMException | null, running: readonly IDBRequest[] = []): void {
    if (this.#state === 'finished') return;
    this.#state = 'finished';
    this.#error = error;
    for (const undo of this.#undo.reverse()) undo();
    this.#rollback();
    const pending = this.#operations.takeAll().map(({ request }) => request);
    for (const request of [...running, ...pending]) if (request !== null) queueTask(() => fireAborted(request));
    queueTask(() => this.#end(new IDBEvent('abort', { bubbles: true })));
    this.storage.scheduler.remove(this.#unit);
  }

  /**
   * Dispatches with the transaction active until the microtasks are through; a listener that throws aborts it, and so does an error
   * that `failure` gives then.
   */
  fire(dispatch: () => boolean, failure: () => DOMException | null = () => null): void {
    if (this.#state === 'inactive') this.#state = 'active';
    const threw = dispatch();
    afterMicrotasks(() => {
      const error = threw && this.#state === 'active' ? domError('AbortError', 'a listener threw') : failure();
      if (error !== null) this.abort(error);
      this.#deactivate();
    });
  }

  #isIn(state: State): boolean {
    return this.#state === state;
  }

  #start(): void {
    this.#started = true;
    this.#proceed();
  }

  #deactivate(): void {
    if (this.#state === 'active') this.#state = 'inactive';
    if (this.#started && !this.#scheduled && this.#operations.isEmpty) this.#commitIfDone();
    else this.#proceed();
  }

  /** Looks what comes next: the first operation, or the commit when there is none and none can come. */
  #proceed(): void {
    if (!this.#started || this.#scheduled || this.#state === 'finished') return;
    if (this.#operations.isEmpty && this.#state === 'active') return;
    this.#scheduled = true;
    queueTask(() => {
      this.#scheduled = false;
      this.#runNext();
    });
  }

  #runNext(): void {
    const operation = this.#operations.take();
    if (operation === undefined) this.#commitIfDone();
    else if (operation.request === null) this.#runUnseen(operation.run);
    else this.#run(operation.request, operation.run);
  }

  #run(request: IDBRequest, run: () => unknown): void {
    try {
      request._succeed(run());
    } catch (error) {
      // §5.6: once it is committing no listener can prevent the abort, and the request is one of those that fail with it.
      if (this.#isIn('committing')) this.abort(asDomException(error), [request]);
      else this.#failed(request, error);
      return;
    }
    this.fire(() => request._dispatch(new IDBEvent('success')));
  }

  #runUnseen(run: () => unknown): void {
    try {
      run();
      this.#proceed();
    } catch (error) {
      this.abort(asDomException(error));
    }
  }

  /** §5.10 "fire an error event": aborts unless a listener prevents it; over a failing file nothing can go on. */
  #failed(request: IDBRequest, error: unknown): void {
    const exception = asDomException(error);
    request._fail(exception);
    const event = new IDBEvent('error', { bubbles: true, cancelable: true });
    const fatal = error instanceof StorageError;
    this.fire(() => request._dispatch(event), () => (fatal || !event.defaultPrevented ? exception : null));
  }

  #commitIfDone(): void {
    if (this.#state !== 'inactive' && this.#state !== 'committing') return;
    try {
      if (this.#begun) this.storage.file.commit();
    } catch (error) {
      this.abort(asDomException(error));
      return;
    }
    this.#state = 'finished';
    this.#committed = true;
    this.storage.scheduler.remove(this.#unit);
    this.#end(new IDBEvent('complete'));
  }

  #rollback(): void {
    try {
      if (this.#begun) this.storage.file.rollback();
    } catch (error) {
      this.#error ??= asDomException(error);
    }
  }

  #end(event: IDBEvent): void {
    this.#plan.over();
    this.#plan.target._dispatch(event);
  }
}

function fireAborted(request: IDBRequest): void {
  request._fail(domError('AbortError', 'the transaction was aborted'));
  request._dispatch(new IDBEvent('error', { bubbles: true, cancelable: true }));
}
