import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { openKeyFile } from '../adapters/keys/keyfile.ts';
import { migrate, openPostgres, openSqlite, type Database } from '../adapters/store/database.ts';
import { createStore } from '../adapters/store/store.ts';
import { ConfigError, type LoadedConfig } from '../config/load.ts';
import { as, type UserId } from '../domain/brand.ts';
import type { Settings } from '../domain/decision.ts';
import type { Party } from '../domain/people/party.ts';
import { NPI } from '../domain/people/recipient.ts';
import type { KeyRing } from '../ports/keys.ts';
import type { Store } from '../ports/store.ts';

export type Opened = { readonly keys: KeyRing; readonly store: Store; readonly migrated: readonly string[] };

/** Opens the keys and the database, and brings its schema up to date. For the server and for every command. */
export async function openStore(config: LoadedConfig): Promise<Opened> {
  const keys = openKeyFile(config.at(config.keys_file));
  const database = openDatabase(config);
  const migrated = await migrate(database);
  return { keys, store: createStore(database, keys), migrated };
}

function openDatabase(config: LoadedConfig): Database {
  const { postgres_url_file: urlFile } = config.store;
  if (urlFile !== undefined) return openPostgres(readText(config, 'store.postgres_url_file', urlFile).trim());
  const folder = config.at(config.data_dir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return openSqlite(join(folder, 'aceso.db'));
}

function readText(config: LoadedConfig, name: string, path: string): string {
  const file = config.at(path);
  if (!existsSync(file)) throw new ConfigError(config.path, [`${name}: ${file} is not there. Create it, or change the path.`]);
  return readFileSync(file, 'utf8');
}

export type Tokens = { readonly asToken: string; readonly hsToken: string };

/** Tokens of the registration file that the homeserver has too. */
export function readRegistration(config: LoadedConfig): Tokens {
  const content = parse(readText(config, 'appservice.registration_file', config.appservice.registration_file)) as { readonly as_token?: unknown; readonly hs_token?: unknown };
  const { as_token: asToken, hs_token: hsToken } = content;
  if (typeof asToken !== 'string' || typeof hsToken !== 'string') throw new ConfigError(config.path, ['appservice.registration_file: has no as_token and hs_token. Make a new one with `aceso registration --renew`.']);
  return { asToken, hsToken };
}

export const guardianLocalpart = (config: LoadedConfig): string => `${config.appservice.prefix}guardian`;
export const courierLocalpart = (config: LoadedConfig): string => `${config.appservice.prefix}courier`;

export function settingsOf(config: LoadedConfig): Settings {
  return {
    organisation: config.organisation.name,
    recipientOrder: config.recipients.order,
    agreedServers: [config.homeserver.server_name, ...config.partners.map(({ server_name: name }) => name)],
    ownServer: config.homeserver.server_name,
    courierSeats: 1,
    invitationPatienceMs: config.invitations.patience_minutes * 60_000,
  };
}

/** The people and teams of the configuration, as the directory keeps them. */
export function partiesOf({ directory }: LoadedConfig): readonly Party[] {
  return [
    ...directory.people.map(({ id, name, user_id: userId, npi, identifiers }): Party => ({
      id: as(id), kind: 'person', name, members: [as<UserId>(userId)], identifiers: [...(npi === undefined ? [] : [{ system: NPI, value: npi }]), ...identifiers],
    })),
    ...directory.teams.map(({ id, name, members, identifiers }): Party => ({ id: as(id), kind: 'team', name, members: members.map((member) => as<UserId>(member)), identifiers })),
  ];
}
