/** Both databases, each with a key file of its own, for suites that must hold on either. */
import { join } from 'node:path';
import { createKeyFile, openKeyFile } from '../../src/adapters/keys/keyfile.ts';
import { migrate, openPostgres, openSqlite, type Database } from '../../src/adapters/store/database.ts';
import { createStore } from '../../src/adapters/store/store.ts';
import type { KeyRing } from '../../src/ports/keys.ts';
import type { Store } from '../../src/ports/store.ts';
import { temporaryFolder } from './folders.ts';
import { sharedPostgres } from './postgres.ts';

export type OpenStore = { readonly store: Store; readonly database: Database; readonly keys: KeyRing; readonly folder: string; reopen(): Promise<Store> };

export const STORE_KINDS = ['sqlite', 'postgres'] as const;
export type StoreKind = (typeof STORE_KINDS)[number];

let count = 0;

/** `schema` names the last migration to apply, when it isn't the newest: a database of an earlier Aceso. */
export async function openTestStore(kind: StoreKind, now?: () => number, schema?: string): Promise<OpenStore> {
  const folder = temporaryFolder('store');
  const keyFile = join(folder, 'keys.json');
  createKeyFile(keyFile);
  const keys = openKeyFile(keyFile);
  count += 1;
  const url = kind === 'postgres' ? await (await sharedPostgres()).createDatabase(`store_${process.pid}_${count}`) : undefined;
  const open = (): Database => (url === undefined ? openSqlite(join(folder, 'aceso.db')) : openPostgres(url));
  const database = open();
  await migrate(database, schema);
  return { store: createStore(database, keys, now), database, keys, folder, reopen: async () => createStore(open(), keys, now) };
}

/** An empty PostgreSQL database of one's own; gives its URL. */
export async function openTestDatabase(): Promise<string> {
  count += 1;
  return (await sharedPostgres()).createDatabase(`store_${process.pid}_${count}`);
}
