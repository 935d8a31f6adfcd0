import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { openKeyFile } from '../adapters/keys/keyfile.ts';
import { migrate, openDatabase, type Database, type DatabaseLocation } from '../adapters/store/database.ts';
import { createNotes } from '../adapters/store/notes.ts';
import { createPolicyHistory } from '../adapters/store/policyHistory.ts';
import { schemaState } from '../adapters/store/schema.ts';
import { createStore } from '../adapters/store/store.ts';
import { troubleOf, type StoreTrouble } from '../adapters/store/trouble.ts';
import { ConfigError, loadTemplate, type LoadedConfig } from '../config/load.ts';
import type { PersonConfig } from '../config/schema.ts';
import { as, type Millis, type SourceId, type UserId } from '../domain/brand.ts';
import type { FeedTerms, Settings } from '../domain/decision.ts';
import type { Failure } from '../domain/outcome.ts';
import type { Organisation } from '../domain/policy/agreement.ts';
import type { Party } from '../domain/people/party.ts';
import { NPI } from '../domain/people/recipient.ts';
import { ROOM_KINDS, type RoomKind } from '../domain/policy/words.ts';
import type { RoomTemplate, RoomTemplates } from '../domain/rooms/template.ts';
import type { KeyRing } from '../ports/keys.ts';
import type { Notes } from '../ports/notes.ts';
import type { PolicyHistory } from '../ports/policyHistory.ts';
import type { Store } from '../ports/store.ts';

export type Opened = { readonly keys: KeyRing; readonly store: Store; readonly notes: Notes; readonly policies: PolicyHistory; readonly database: Database; readonly migrated: readonly string[] };

/**
 * Opens the keys and the database. `migrate` brings its schema up to date: for the server, and the command that is there for it. Other commands take it
 * `as-is`: a newer version's must not change what an older server works on. What was never used is made, by either. A database newer than this
 * Aceso is refused.
 */
export async function openStore(config: LoadedConfig, schema: 'migrate' | 'as-is'): Promise<Opened> {
  const keys = openKeyFile(config.at(config.keys_file));
  let database: Database | undefined;
  try {
    database = openHospital(config);
    const migrated = await bringSchema(database, schema);
    return { keys, store: createStore(database, keys), notes: createNotes(database.db), policies: createPolicyHistory(database.db), database, migrated };
  } catch (error) {
    await database?.db.destroy().catch(() => undefined);
    throw explained(error);
  }
}

/** The database can't be used. Says what to do, not what its driver says. */
export class DatabaseTrouble extends Error {
  override readonly name = 'DatabaseTrouble';
  readonly trouble: Failure<StoreTrouble>;

  constructor(trouble: Failure<StoreTrouble>, cause: unknown) {
    super(`the database can't be used: ${trouble.message} [${trouble.code}]`, { cause });
    this.trouble = trouble;
  }
}

/** What an error means when it is the database's; any other as it is. */
export function explained(error: unknown): unknown {
  const root = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { error: trouble } = troubleOf(root);
  return error instanceof DatabaseTrouble || trouble.code === 'unavailable' ? error : new DatabaseTrouble(trouble, error);
}

export async function bringSchema(database: Database, schema: 'migrate' | 'as-is'): Promise<readonly string[]> {
  const { applied, pending } = await schemaState(database);
  if (schema === 'as-is' && applied.length > 0 && pending.length > 0) throw new Error(`the database is older than this Aceso (${pending.join(', ')} to apply). Back it up, then run \`aceso migrate\`, or start the server, which does it too.`);
  return migrate(database);
}

/** Opens the database as it is, and writes nothing. */
export function openHospital(config: LoadedConfig): Database {
  const location = locationOf(config);
  if (location.kind === 'sqlite') mkdirSync(dirname(location.file), { recursive: true, mode: 0o700 });
  return openDatabase(location);
}

/** Where the configuration says that the database is. */
export function locationOf(config: LoadedConfig): DatabaseLocation {
  const { postgres_url_file: urlFile } = config.store;
  return urlFile === undefined ? { kind: 'sqlite', file: join(config.at(config.data_dir), 'aceso.db') } : { kind: 'postgres', url: readText(config, 'store.postgres_url_file', urlFile).trim() };
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
  const partners = config.agreements.required ? [] : config.partners;
  return {
    organisation: config.organisation.name,
    recipientOrder: config.recipients.order,
    agreedServers: [config.homeserver.server_name, ...partners.map(({ server_name: name }) => name)],
    ownServer: config.homeserver.server_name,
    organisations: organisationsOf(config),
    feeds: feedsOf(config),
    courierSeats: config.courier.devices,
    invitationPatienceMs: config.invitations.patience_minutes * 60_000,
  };
}

/** Sources that may change the directory, and what their words mean. */
const feedsOf = ({ sources }: LoadedConfig): ReadonlyMap<SourceId, FeedTerms> => new Map(sources.flatMap(({ id, directory }) => (directory === undefined ? [] : [[as<SourceId>(id), {
  roles: Object.fromEntries(Object.entries(directory.roles).map(([code, roles]) => [code, typeof roles === 'string' ? [roles] : roles])),
  ...(directory.organisations === undefined ? {} : { organisations: directory.organisations }), ...(directory.departments === undefined ? {} : { departments: directory.departments }),
}] as const])));

const DAY_MS = 86_400_000;

/** The hospital and its partners, as the configuration has them; where signed agreements are required, it agrees on nothing. A partner of which nothing more is said is one for treatment: that is what it is named for. */
export function organisationsOf({ homeserver, partners, agreements: { required } }: LoadedConfig): readonly Organisation[] {
  return [
    { id: homeserver.server_name, own: true, servers: [homeserver.server_name], agreements: [] },
    ...partners.map(({ server_name: server, organisation = server, agreements }): Organisation => ({
      id: organisation, own: false, servers: [server],
      agreements: (required ? [] : agreements).map(({ kind, from, until }) => ({ kind, ...(from === undefined ? {} : { from: as<Millis>(Date.parse(from)) }), ...(until === undefined ? {} : { until: as<Millis>(Date.parse(until) + DAY_MS) }) })),
    })),
  ];
}

/** The people and teams of the configuration, as the directory keeps them. */
export function partiesOf({ directory }: LoadedConfig): readonly Party[] {
  return [
    ...directory.people.map(({ id, name, user_id: userId, npi, identifiers, ...said }): Party => ({
      id: as(id), kind: 'person', name, members: [as<UserId>(userId)], identifiers: [...(npi === undefined ? [] : [{ system: NPI, value: npi }]), ...identifiers], ...standingOf(said),
    })),
    ...directory.teams.map(({ id, name, members, identifiers }): Party => ({ id: as(id), kind: 'team', name, members: members.map((member) => as<UserId>(member)), identifiers })),
  ];
}

/** The templates that come with Aceso: for kinds of which the hospital's folder has none of its own. */
const BUILT_IN = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'config', 'templates');

/** Throws `ConfigError` when one is wrong, or the one of results rooms is not there. */
export function templatesOf(config: LoadedConfig): RoomTemplates {
  const fileOf = (kind: RoomKind): string => {
    const own = config.at(join(config.templates_dir, `${kind}.yaml`));
    return kind === 'results' || existsSync(own) ? own : join(BUILT_IN, `${kind}.yaml`);
  };
  return new Map(ROOM_KINDS.map((kind) => [kind, templateIn(fileOf(kind), kind)]));
}

function templateIn(file: string, kind: RoomKind): RoomTemplate {
  const { id, room_version: roomVersion, name, topic, federation, senders, history_visibility: history, reactions, removals, encryption } = loadTemplate(file);
  if (id !== kind) throw new ConfigError(file, [`id: is ${id}. A template's file is named after its kind: write ${kind}, or rename the file.`]);
  return { id, roomVersion, name, topic, federation, senders, history, reactions, removals, rotation: { periodMs: encryption.rotation_period_ms, messages: encryption.rotation_period_msgs } };
}

/** What the file says of a person that rules look at; nothing, when it says nothing. */
function standingOf({ roles, organisation, department, trained_at: trained, mfa, device_posture: posture }: Omit<PersonConfig, 'id' | 'name' | 'user_id' | 'npi' | 'identifiers'>): Pick<Party, 'standing'> {
  const known = {
    ...(organisation === undefined ? {} : { organisation }), ...(department === undefined ? {} : { department }),
    ...(trained === undefined ? {} : { trainedAt: as<Millis>(Date.parse(trained)) }), ...(mfa === undefined ? {} : { mfa }), ...(posture === undefined ? {} : { posture }),
  };
  return roles.length === 0 && Object.keys(known).length === 0 ? {} : { standing: { roles, ...known } };
}
