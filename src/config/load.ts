import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { crossCheckTrust } from './trust.ts';
import { configSchema, templateSchema, type Config, type TemplateConfig } from './schema.ts';

export type LoadedConfig = Config & { readonly path: string; /** Makes a path of the configuration absolute. */ readonly at: (path: string) => string };

/** What is wrong in a file and where, one line each, for a person. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(path: string, problems: readonly string[]) {
    super(`${path}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Reads and checks a configuration file. Throws `ConfigError` that names every problem at once. */
export const loadConfig = (path: string): LoadedConfig => parseConfig(path, textOf(path));

/** The same for a text that is to be, or was, the file at `path`. */
export function parseConfig(path: string, text: string): LoadedConfig {
  const config = check(path, text, configSchema);
  const problems = crossCheck(config);
  if (problems.length > 0) throw new ConfigError(path, problems);
  const base = dirname(resolve(path));
  return { ...config, path: resolve(path), at: (relative) => (isAbsolute(relative) ? relative : join(base, relative)) };
}

export const loadTemplate = (path: string): TemplateConfig => check(path, textOf(path), templateSchema);

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(path, [`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}). Run \`aceso init\`, or name another file with --config.`]);
  }
}

function check<Schema extends z.ZodType>(path: string, text: string, schema: Schema): z.infer<Schema> {
  const document = parseDocument(text, { uniqueKeys: true });
  if (document.errors.length > 0) throw new ConfigError(path, document.errors.map(({ message }) => message.split('\n')[0] ?? 'not YAML'));
  const result = schema.safeParse(document.toJS() as unknown);
  if (!result.success) throw new ConfigError(path, result.error.issues.map((issue) => `${pathOf(issue.path)}: ${issue.message}`));
  return result.data;
}

const pathOf = (path: readonly PropertyKey[]): string => path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('').replace(/^\./u, '') || 'the file';

/** What a schema can't see: names that must be unique, and names that must exist. */
export function crossCheck(config: Config): readonly string[] {
  const { directory, sources } = config;
  const problems: string[] = [];
  const parties = [...directory.people, ...directory.teams].map(({ id }) => id);
  const twice = (what: string, names: readonly string[]): void => {
    for (const name of new Set(names.filter((name_, index) => names.indexOf(name_) !== index))) problems.push(`${what}: ${name} is there twice`);
  };
  twice('directory', parties);
  twice('directory.people user_id', directory.people.map(({ user_id: id }) => id));
  twice('directory.people npi', directory.people.flatMap(({ npi }) => (npi === undefined ? [] : [npi])));
  twice('directory identifiers', [...directory.people, ...directory.teams].flatMap(({ identifiers }) => identifiers.map(({ system, value }) => `${system}|${value}`)));
  twice('sources', sources.map(({ id }) => id));
  for (const [index, { pool }] of sources.entries()) if (pool !== undefined && !parties.includes(pool)) problems.push(`sources[${index}].pool: ${pool} is not in the directory of this file: add them there`);
  for (const [index, { directory: feed }] of sources.entries()) {
    const template = feed?.scim?.matrix_id;
    if (template !== undefined && template !== '{matrixId}' && template.slice(template.lastIndexOf('}') + 1).replace(/^[^:]*:/u, '') !== config.homeserver.server_name) problems.push(`sources[${index}].directory.scim.matrix_id: a source gives accounts on ${config.homeserver.server_name} alone: end it with :${config.homeserver.server_name}`);
  }
  const { homeserver, partners, policy_server: policy } = config;
  if (policy && [homeserver, ...partners].some(({ server_name: name }) => name === policy.server_name)) problems.push(`policy_server.server_name: ${policy.server_name} is a homeserver. A policy server needs a name of its own: homeservers ask none that is themselves.`);
  return [...problems, ...crossCheckTrust(config)];
}

/** The JSON Schema of the configuration, for editors. */
export const configJsonSchema = (): unknown => z.toJSONSchema(configSchema, { io: 'input' });
