import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOM_KINDS } from '../domain/policy/words.ts';
import { ConfigError, crossCheck, type LoadedConfig } from './load.ts';
import { configSchema, type Config } from './schema.ts';

export type Section = keyof Config;

/** What running workers take over from a changed file. The rest (doors, databases, keys, identities, devices) is read at a start alone. */
const SAFE = ['authorization', 'agreements', 'delivery', 'partners', 'sources', 'recipients', 'invitations', 'directory', 'templates_dir', 'policy_dir', 'log'] as const satisfies readonly Section[];

export const SECTIONS = Object.keys(configSchema.shape) as readonly Section[];
export const isSafe = (section: Section): boolean => (SAFE as readonly Section[]).includes(section);

/** SHA-256 of what each section says, and of each of its entries that has a name. Of files too that are read with it: never shown but for the safe ones, because some hold secrets. */
export type Prints = ReadonlyMap<Section, { readonly whole: string; readonly entries: ReadonlyMap<string, string> }>;

export type Change = { readonly section: Section; readonly id?: string; readonly change: 'added' | 'removed' | 'changed'; readonly takes: 'reload' | 'restart' };

export function printsOf(config: LoadedConfig): Prints {
  return new Map(SECTIONS.map((section) => [section, { whole: printOf([config[section], filesOf(config)[section]]), entries: new Map(entriesOf(config, section).map(([id, entry]) => [id, printOf(entry)])) }]));
}

/** One for all that a reload can change. */
export const printInForce = (prints: Prints): string => printOf(SAFE.map((section) => prints.get(section)?.whole));

/** What differs, by entry where a section has entries with names. */
export function changesBetween(before: Prints, after: Prints): readonly Change[] {
  return SECTIONS.flatMap((section): readonly Change[] => {
    const [was, is] = [before.get(section), after.get(section)];
    if (was === undefined || is === undefined || was.whole === is.whole) return [];
    const takes = isSafe(section) ? 'reload' : 'restart';
    const ids = [...new Set([...was.entries.keys(), ...is.entries.keys()])].filter((id) => was.entries.get(id) !== is.entries.get(id));
    // Something beside the entries, or their order.
    if (ids.length === 0) return [{ section, change: 'changed', takes }];
    return ids.map((id) => ({ section, id, change: !was.entries.has(id) ? 'added' : !is.entries.has(id) ? 'removed' : 'changed', takes }));
  });
}

/** What would be in force: the safe sections of the file, and the rest as it runs. Throws `ConfigError` when the two don't fit together. */
export function mixtureOf(running: LoadedConfig, file: LoadedConfig): LoadedConfig {
  const mixture: LoadedConfig = { ...running, ...safeOf(file) };
  const problems = crossCheck(mixture);
  if (problems.length > 0) throw new ConfigError(file.path, problems.map((problem) => `${problem} (The rest of the file is in force only after a restart.)`));
  return mixture;
}

/** The prints of `mixtureOf` the same two. */
export const mixedPrints = (running: Prints, file: Prints): Prints => new Map([...running].map(([section, print]) => [section, (isSafe(section) ? file.get(section) : undefined) ?? print]));

const safeOf = ({ authorization, agreements, delivery, partners, sources, recipients, invitations, directory, templates_dir, policy_dir, log }: Config): Pick<Config, (typeof SAFE)[number]> => ({ authorization, agreements, delivery, partners, sources, recipients, invitations, directory, templates_dir, policy_dir, log });

function entriesOf(config: LoadedConfig, section: Section): readonly (readonly [id: string, entry: unknown])[] {
  switch (section) {
    case 'sources': return config.sources.map((source) => [source.id, [source, contentOf(config, source.smart?.jwks_file)]]);
    case 'partners': return config.partners.map((partner) => [partner.server_name, partner]);
    case 'directory': return [...config.directory.people, ...config.directory.teams].map((party) => [party.id, party]);
    default: return [];
  }
}

/** Files that are read together with their section. Certificates and the key file are not among them: running workers follow those by themselves. */
const filesOf = (config: LoadedConfig): { readonly [section in Section]?: readonly string[] } => ({
  sources: config.sources.map(({ smart }) => contentOf(config, smart?.jwks_file)),
  store: [contentOf(config, config.store.postgres_url_file)],
  appservice: [contentOf(config, config.appservice.registration_file)],
  templates_dir: ROOM_KINDS.map((kind) => contentOf(config, join(config.templates_dir, `${kind}.yaml`))),
  policy_dir: policyFilesOf(config),
});

/** The hospital's rules. */
function policyFilesOf(config: LoadedConfig): readonly string[] {
  const { policy_dir: folder, at } = config;
  if (folder === undefined || !existsSync(at(folder))) return [];
  return readdirSync(at(folder)).filter((name) => /\.cedar(schema)?$/u.test(name)).sort().map((name) => `${name}\n${contentOf(config, join(folder, name))}`);
}

/** That a file isn't there is said by who needs it. */
function contentOf({ at }: LoadedConfig, path: string | undefined): string {
  try {
    return path === undefined ? '' : readFileSync(at(path), 'utf8');
  } catch {
    return '';
  }
}

const printOf = (value: unknown): string => createHash('sha256').update(canonical(value)).digest('hex');

/** JSON whose keys are in order: the same settings in another order are the same settings. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'object' && each !== null && !Array.isArray(each) ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))) : each));
}
