/** §5.1–5.7: opening, upgrading and deleting databases, once it is the request's turn. */
import type { DatabaseMeta } from './catalog.ts';
import { IDBDatabase } from './database.ts';
import { domError } from './errors.ts';
import { IDBVersionChangeEvent, type EventNode } from './events.ts';
import type { IDBOpenDBRequest } from './request.ts';
import type { Storage } from './storage.ts';
import { nextTask, queueTask } from './tasks.ts';

/** §5.1 "open a database connection". Throws VersionError, or AbortError when the upgrade failed or the connection was closed in it. */
export async function connect(storage: Storage, name: string, version: number | undefined, request: IDBOpenDBRequest): Promise<IDBDatabase> {
  await nextTask();
  storage.checkOpen();
  const meta = storage.catalog.database(name);
  const wanted = version ?? (meta.version === 0 ? 1 : meta.version);
  if (wanted < meta.version) throw domError('VersionError', `version ${wanted} is asked for, but the database has version ${meta.version}`);
  if (wanted > meta.version) {
    await othersClosed(meta, wanted, request);
    storage.checkOpen();
    return upgrade(storage, meta, wanted, request);
  }
  return new IDBDatabase(storage, meta);
}

/** §5.3 "delete a database": gives the version it had, 0 if there was none. */
export async function remove(storage: Storage, name: string, request: IDBOpenDBRequest): Promise<number> {
  await nextTask();
  storage.checkOpen();
  const meta = storage.catalog.databases.get(name);
  if (meta === undefined) return 0;
  await othersClosed(meta, null, request);
  const { version } = meta;
  await storage.barrier(() => storage.catalog.deleteDatabase(meta));
  storage.catalog.databases.delete(name);
  return version;
}

/** Asks the open connections to close by `versionchange`, tells the request that it is `blocked` if they don't, and waits for them. */
async function othersClosed(meta: DatabaseMeta, newVersion: number | null, request: IDBOpenDBRequest): Promise<void> {
  const others = [...meta.connections];
  const tell = async (type: string, target: EventNode): Promise<void> => {
    await nextTask();
    target._dispatch(new IDBVersionChangeEvent(type, { oldVersion: meta.version, newVersion }));
  };
  for (const other of others) if (!other._closing) await tell('versionchange', other);
  await nextTask();
  if (others.some((other) => !other._closing)) await tell('blocked', request);
  await Promise.all(others.map((other) => other._whenClosed()));
}

/** §5.7 "upgrade a database". */
async function upgrade(storage: Storage, meta: DatabaseMeta, version: number, request: IDBOpenDBRequest): Promise<IDBDatabase> {
  const oldVersion = meta.version;
  const database = new IDBDatabase(storage, meta);
  const transaction = database._beginUpgrade();
  const execution = transaction._execution;
  const over = new Promise<void>((resolve) => {
    transaction._whenOver = () => queueTask(resolve);
  });
  execution.place(null, () => {
    execution.change(() => storage.catalog.setVersion(meta, version));
    database._setVersion(version);
    execution.change(() => ({ undo: () => database._setVersion(oldVersion) }));
    request._succeed(database);
    request._setTransaction(transaction);
    execution.fire(() => request._dispatch(new IDBVersionChangeEvent('upgradeneeded', { oldVersion, newVersion: version })));
  });
  execution.enter();
  await over;
  request._setTransaction(null);
  if (execution.committed && !database._closing) return database;
  database.close();
  if (execution.committed) throw domError('AbortError', 'the connection was closed during its upgrade');
  request._await();
  if (oldVersion === 0) storage.catalog.databases.delete(meta.name);
  throw domError('AbortError', 'the upgrade was aborted');
}
