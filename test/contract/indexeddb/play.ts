/** Runs a script on an implementation of IndexedDB and writes down all that can be seen: answers, errors, events in their order. */
import { inspect } from 'node:util';
import type { IDBCursor, IDBDatabase, IDBFactory, IDBIndex, IDBKeyRange, IDBObjectStore, IDBRequest, IDBTransaction } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { STORES, type Operation, type Part, type Place, type Range, type SchemaChange, type Script, type Step, type TransactionScript } from './scripts.ts';

export type Implementation = {
  readonly indexedDB: () => IDBFactory;
  readonly KeyRange: typeof IDBKeyRange;
  /** Called between the parts of a script, when no connection is open. */
  readonly between: () => Promise<void>;
};

type Log = string[];

/** What one script showed, line by line; a line of a transaction carries its number, and transactions follow one another in the log. */
export async function play(implementation: Implementation, name: string, parts: Script): Promise<string[]> {
  const log: Log = [];
  let version = 1;
  await upgrade(implementation, name, version, log, true, (db) => firstSchema(db));
  for (const part of parts) {
    await implementation.between();
    if (part.do === 'upgrade') version++;
    await playPart(implementation, name, version, part, log);
  }
  await dump(implementation, name, log);
  await new Promise((resolve) => (implementation.indexedDB().deleteDatabase(name).onsuccess = resolve));
  return log;
}

function firstSchema(db: IDBDatabase): void {
  for (const store of [
    db.createObjectStore('out'),
    db.createObjectStore('in', { keyPath: 'id' }),
    db.createObjectStore('auto', { autoIncrement: true }),
    db.createObjectStore('inauto', { keyPath: 'k.n', autoIncrement: true }),
  ]) {
    store.createIndex('tag', 'tag');
    store.createIndex('pair', ['x', 'tag']);
    store.createIndex('many', 'many', { multiEntry: true });
    store.createIndex('one', 'one', { unique: true });
  }
}

async function playPart(implementation: Implementation, name: string, version: number, part: Part, log: Log): Promise<void> {
  if (part.do === 'upgrade') {
    await upgrade(implementation, name, version, log, part.preventDefault, (db, transaction, place) => {
      for (const change of part.changes) place(change, db, transaction);
    });
    return;
  }
  const db = await connection(implementation, name);
  const logs = await Promise.all(part.transactions.map((script) => runTransaction(implementation, db, script)));
  db.close();
  for (const [number, lines] of logs.entries()) log.push(...lines.map((line) => `${number}: ${line}`));
}

function connection({ indexedDB }: Implementation, name: string): Promise<IDBDatabase> {
  const request = indexedDB().open(name);
  return new Promise((resolve) => (request.onsuccess = () => resolve(request.result as IDBDatabase)));
}

type Place2 = (change: SchemaChange | Operation, db: IDBDatabase, transaction: IDBTransaction) => void;

async function upgrade(
  implementation: Implementation, name: string, version: number, log: Log, preventDefault: boolean, work: (db: IDBDatabase, transaction: IDBTransaction, place: Place2) => void,
): Promise<void> {
  const request = implementation.indexedDB().open(name, version);
  await new Promise<void>((resolve) => {
    request.onupgradeneeded = () => {
      const db = request.result as IDBDatabase;
      const transaction = request.transaction;
      if (transaction === null) throw new Error('no upgrade transaction');
      const context = newContext(implementation, log, preventDefault);
      void listen(db, transaction, context);
      work(db, transaction, (change, where, within) => placeChange(context, change, where, within));
    };
    request.onsuccess = () => {
      (request.result as IDBDatabase).close();
      resolve();
    };
    request.onerror = (event) => {
      log.push(`upgrade failed: ${request.error?.name}`);
      event.preventDefault();
      resolve();
    };
  });
}

function runTransaction(implementation: Implementation, db: IDBDatabase, script: TransactionScript): Promise<Log> {
  const log: Log = [];
  let transaction: IDBTransaction;
  try {
    transaction = db.transaction(script.stores, script.mode);
  } catch (error) {
    return Promise.resolve([`transaction: ${nameOf(error)}`]);
  }
  const context = newContext(implementation, log, script.preventDefault);
  for (const name of script.stores) context.handles.set(name, transaction.objectStore(name));
  const ended = listen(null, transaction, context);
  if (script.chained) chain(context, transaction, [...script.operations]);
  else for (const operation of script.operations) placeOperation(context, operation, transaction);
  return ended.then(() => log);
}

function chain(context: Context, transaction: IDBTransaction, operations: Operation[]): void {
  const operation = operations.shift();
  if (operation === undefined) return;
  const request = placeOperation(context, operation, transaction);
  if (request === null) {
    chain(context, transaction, operations);
    return;
  }
  let moved = false;
  const onward = (): void => {
    if (!moved) chain(context, transaction, operations);
    moved = true;
  };
  request.addEventListener('success', () => queueMicrotask(onward));
  // Not in a microtask: fake-indexeddb aborts before those run; a browser runs them first.
  request.addEventListener('error', onward);
}

function listen(db: IDBDatabase | null, transaction: IDBTransaction, { log, names }: Context): Promise<void> {
  const see = (who: string) => (event: { readonly target: unknown; readonly eventPhase: number }): void => {
    const name = names.get(event.target as object);
    if (name !== undefined) log.push(`${who} sees an error of ${name} in phase ${event.eventPhase}`);
  };
  transaction.addEventListener('error', see('transaction'));
  db?.addEventListener('error', see('database'));
  return new Promise((resolve) => {
    transaction.oncomplete = () => {
      log.push('complete');
      resolve();
    };
    transaction.onabort = () => {
      log.push(`abort ${transaction.error?.name ?? 'null'}`);
      resolve();
    };
  });
}

type Context = {
  readonly implementation: Implementation;
  readonly log: Log;
  readonly preventDefault: boolean;
  readonly names: WeakMap<object, string>;
  /** Taken when the transaction is made: fake-indexeddb refuses `objectStore()` once it is not active, the specification (§4.10) only once it is finished. */
  readonly handles: Map<string, IDBObjectStore>;
  /** Indexes that this upgrade deleted. */
  readonly deleted: Set<string>;
  /** `commit` or `abort` was called. */
  over: boolean;
  operation: number;
};

function newContext(implementation: Implementation, log: Log, preventDefault: boolean): Context {
  return { implementation, log, preventDefault, names: new WeakMap(), handles: new Map(), deleted: new Set(), over: false, operation: 0 };
}

function placeChange(context: Context, change: SchemaChange | Operation, db: IDBDatabase, transaction: IDBTransaction): void {
  const { log } = context;
  if (context.over) return;
  attempt(log, change.do, () => {
    switch (change.do) {
      case 'createStore':
        db.createObjectStore(change.store, { keyPath: change.keyPath as string | null, autoIncrement: change.autoIncrement });
        break;
      case 'deleteStore':
        db.deleteObjectStore(change.store);
        break;
      case 'renameStore':
        transaction.objectStore(change.store).name = change.to;
        break;
      case 'createIndex':
        transaction.objectStore(change.store).createIndex(change.index, change.keyPath as string, { unique: change.unique, multiEntry: change.multiEntry });
        break;
      case 'deleteIndex':
        deleteIndex(context, transaction.objectStore(change.store), change.index);
        break;
      default:
        placeOperation(context, change, transaction);
    }
    log.push(`stores ${[...db.objectStoreNames].join()}`);
  });
}

/** Once per upgrade and name: fake-indexeddb forgets the index only later, and would delete it a second time without NotFoundError (§4.5). */
function deleteIndex(context: Context, store: IDBObjectStore, index: string): void {
  if (context.deleted.has(index)) return;
  store.deleteIndex(index);
  context.deleted.add(index);
}

function placeOperation(context: Context, operation: Operation, transaction: IDBTransaction): IDBRequest | null {
  const number = ++context.operation;
  const name = `#${number} ${operation.do}`;
  return attempt(context.log, name, () => {
    if (operation.do === 'abort' || operation.do === 'commit') {
      transaction[operation.do]();
      context.over = true;
      context.log.push(`${name} called`);
      return null;
    }
    if (operation.do === 'cursor') return openCursor(context, operation, transaction, name);
    return watch(context, call(context, operation, transaction), name);
  });
}

function call(context: Context, operation: Exclude<Operation, { do: 'abort' | 'commit' | 'cursor' }>, transaction: IDBTransaction): IDBRequest {
  const { implementation } = context;
  switch (operation.do) {
    case 'put':
    case 'add': {
      const store = handle(context, transaction, operation.store);
      return operation.key === undefined ? store[operation.do](operation.value) : store[operation.do](operation.value, operation.key);
    }
    case 'clear':
      return handle(context, transaction, operation.store).clear();
    case 'delete':
      return handle(context, transaction, operation.at.store).delete(query(implementation, operation.range));
    case 'get':
    case 'getKey':
    case 'count':
      return source(context, transaction, operation.at)[operation.do](query(implementation, operation.range));
    case 'getAll':
    case 'getAllKeys':
      return source(context, transaction, operation.at)[operation.do](query(implementation, operation.range), operation.count);
    case 'getAllRecords':
      return source(context, transaction, operation.at).getAllRecords({ query: query(implementation, operation.range), count: operation.count, direction: operation.direction });
  }
}

function handle(context: Context, transaction: IDBTransaction, name: string): IDBObjectStore {
  const known = context.handles.get(name);
  if (known !== undefined) return known;
  if (context.over) throw new Error('not asked: the transaction is over');
  return transaction.objectStore(name);
}

function source(context: Context, transaction: IDBTransaction, { store, index }: Place): IDBObjectStore | IDBIndex {
  const objectStore = handle(context, transaction, store);
  return index === null ? objectStore : objectStore.index(index);
}

function query({ KeyRange }: Implementation, { kind, a, b, openA, openB }: Range): unknown {
  switch (kind) {
    case 'none':
      return undefined;
    case 'key':
      return a;
    case 'only':
      return KeyRange.only(a);
    case 'lower':
      return KeyRange.lowerBound(a, openA);
    case 'upper':
      return KeyRange.upperBound(a, openA);
    case 'bound':
      return KeyRange.bound(a, b, openA, openB);
  }
}

function watch(context: Context, request: IDBRequest, name: string): IDBRequest {
  request.addEventListener('success', () => context.log.push(`${name} gives ${show(request.result)}`));
  watchErrors(context, request, name);
  return request;
}

function watchErrors(context: Context, request: IDBRequest, name: string): void {
  context.names.set(request, name);
  request.addEventListener('error', (event) => {
    // After commit() the specification (§5.6) aborts at once, and the request fails with AbortError; fake-indexeddb shows its own error.
    context.log.push(context.over ? `${name} fails` : `${name} fails with ${request.error?.name}`);
    if (context.preventDefault && !context.over) event.preventDefault();
  });
}

function openCursor(context: Context, operation: Extract<Operation, { do: 'cursor' }>, transaction: IDBTransaction, name: string): IDBRequest {
  const from = source(context, transaction, operation.at);
  const range = query(context.implementation, operation.range);
  const request = operation.keysOnly ? from.openKeyCursor(range, operation.direction) : from.openCursor(range, operation.direction);
  const steps = [...operation.steps];
  request.addEventListener('success', () => {
    const cursor = request.result as IDBCursor | null;
    if (cursor === null) {
      context.log.push(`${name} ends`);
      return;
    }
    context.log.push(`${name} at ${show([cursor.key, cursor.primaryKey, 'value' in cursor ? cursor.value : 'no value'])}`);
    for (let step = steps.shift(); step !== undefined; step = steps.shift()) if (take(context, cursor, step, transaction, operation.at.store, name)) return;
  });
  watchErrors(context, request, name);
  return request;
}

/** Gives whether the cursor is on its way. */
function take(context: Context, cursor: IDBCursor, step: Step, transaction: IDBTransaction, store: string, name: string): boolean {
  return attempt(context.log, `${name} ${step.do}`, () => {
    switch (step.do) {
      case 'continue':
        cursor.continue();
        return true;
      case 'continueTo':
        cursor.continue(step.key);
        return true;
      case 'continuePrimary':
        cursor.continuePrimaryKey(step.key, step.primaryKey);
        return true;
      case 'advance':
        cursor.advance(step.count);
        return true;
      case 'update':
        watch(context, cursor.update(step.value), `${name} update`);
        return null;
      case 'delete':
        watch(context, cursor.delete(), `${name} delete`);
        return null;
      case 'put': {
        const target = handle(context, transaction, store);
        watch(context, step.key === undefined ? target.put(step.value) : target.put(step.value, step.key), `${name} put`);
        return null;
      }
    }
  }) === true;
}

function attempt<T>(log: Log, name: string, work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    log.push(`${name} throws ${nameOf(error)}`);
    return null;
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error);
}

function show(value: unknown): string {
  return inspect(plain(value), { depth: 10, breakLength: Infinity, maxStringLength: null, maxArrayLength: null });
}

/** Records and views of either implementation look alike. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof ArrayBuffer) return ['binary', ...new Uint8Array(value)];
  if (typeof value === 'object' && value !== null && 'primaryKey' in value && 'key' in value && 'value' in value) return ['record', plain(value.key), plain(value.primaryKey), value.value];
  return value;
}

/** Everything that the database holds at the end. */
async function dump(implementation: Implementation, name: string, log: Log): Promise<void> {
  const db = await connection(implementation, name);
  for (const storeName of db.objectStoreNames) {
    const transaction = db.transaction(storeName);
    const store = transaction.objectStore(storeName);
    const context = newContext(implementation, log, false);
    log.push(`${storeName}: ${show([store.keyPath, store.autoIncrement, [...store.indexNames]])}`);
    watch(context, store.getAllRecords(), storeName);
    for (const index of store.indexNames) watch(context, store.index(index).getAllRecords(), `${storeName}.${index}`);
    await listen(null, transaction, context);
  }
  log.push(`stores ${[...db.objectStoreNames].join()} of ${STORES.length}`);
  db.close();
}
