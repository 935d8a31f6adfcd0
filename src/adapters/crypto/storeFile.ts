/** The file of a device's store, seen from outside, and the device at the homeserver: for who decides which device there is. */
import { existsSync, renameSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { createHomeserver, HomeserverError, pathOf } from './homeserver.ts';
import type { ThreadOptions } from './options.ts';
import { storeFile } from './store.ts';

/** What the file says of itself. A store of before stores had names has no id, and neither has one that is damaged. */
export type FoundStore = { readonly storeId: string | undefined; readonly generation: number };

/** SQLITE_CORRUPT and SQLITE_NOTADB (sqlite.org/rescode.html): no waiting mends it. */
const DAMAGED: ReadonlySet<number> = new Set([11, 26]);

/** Undefined: there is no file. Throws when there is one that can't be read now: its device may be as good as ever, and must not be followed by another. */
export function findStore(path: string): FoundStore | undefined {
  const file = storeFile(path);
  if (!existsSync(file)) return undefined;
  try {
    using sql = new DatabaseSync(file, { timeout: 200 });
    const named = sql.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'courier_fence'").get();
    const row = named && sql.prepare('SELECT store_id, generation FROM courier_fence').get();
    return { storeId: row ? String(row['store_id']) : undefined, generation: Number(row?.['generation'] ?? 0) };
  } catch (error) {
    const code = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : 0;
    if (DAMAGED.has(code)) return { storeId: undefined, generation: 0 };
    throw new Error(`${file} can't be read (SQLite says ${code}): see who owns it, its disk, and the process's file handles. It is tried again`, { cause: error });
  }
}

/** Puts the file where nothing opens it again: a device that is followed by another one must never encrypt any more. */
export function setStoreAside(path: string): void {
  const file = storeFile(path);
  const aside = `${file}.aside-${Date.now()}`;
  for (const part of ['', '-wal', '-shm']) if (existsSync(`${file}${part}`)) renameSync(`${file}${part}`, `${aside}${part}`);
}

/** Takes a device out of the homeserver: what it has in flight is refused from then on. Throws a HomeserverError when that can't be had. */
export async function removeDevice(options: Pick<ThreadOptions, 'homeserverUrl' | 'asToken' | 'userId' | 'deviceId'>): Promise<void> {
  const homeserver = createHomeserver(options);
  try {
    await homeserver.text({ method: 'DELETE', path: `client/v3/devices/${pathOf(options.deviceId)}`, as: 'user', body: '{}' });
  } catch (error) {
    if (!(error instanceof HomeserverError && (error.status === 404 || error.errcode === 'M_EXCLUSIVE'))) throw error;
  }
}
