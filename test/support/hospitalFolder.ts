/** A hospital's folder as `aceso init` makes it, on either database: for tests of commands that need no server. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig, type LoadedConfig } from '../../src/config/load.ts';
import { openStore, type Opened } from '../../src/main/compose.ts';
import { init } from '../../src/main/init.ts';
import { temporaryFolder } from './folders.ts';
import { openTestDatabase, type StoreKind } from './stores.ts';

export type HospitalFolder = { readonly folder: string; readonly at: (name: string) => string; config(): LoadedConfig; open(): Promise<Opened>; edit(change: (text: string) => string): void };

export async function hospitalFolder(kind: StoreKind): Promise<HospitalFolder> {
  const folder = temporaryFolder('hospital');
  init(folder, { organisation: 'Mercy General', serverName: 'mercy.example', homeserverUrl: 'http://127.0.0.1:8008', url: 'http://127.0.0.1:9100' });
  const at = (name: string): string => join(folder, name);
  const edit = (change: (text: string) => string): void => writeFileSync(at('aceso.yaml'), change(readFileSync(at('aceso.yaml'), 'utf8')));
  if (kind === 'postgres') {
    writeFileSync(at('postgres-url'), await openTestDatabase(), { mode: 0o600 });
    edit((text) => `${text}store: { postgres_url_file: postgres-url }\n`);
  }
  const config = (): LoadedConfig => loadConfig(at('aceso.yaml'));
  return { folder, at, config, edit, open: () => openStore(config(), 'migrate') };
}
