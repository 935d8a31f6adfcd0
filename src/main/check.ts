import { existsSync } from 'node:fs';
import { hasAgreementKey, readAgreementKey } from '../adapters/auth/agreementKey.ts';
import { listKeys } from '../adapters/auth/publicKeys.ts';
import { readAuthority } from '../adapters/federation/client.ts';
import { openServerKeys } from '../adapters/federation/keyFile.ts';
import { readTls } from '../adapters/http/tls.ts';
import { ConfigError, type LoadedConfig } from '../config/load.ts';
import { tokensOf } from '../config/trust.ts';
import { as, type UserId } from '../domain/brand.ts';
import { serverOf } from '../domain/people/party.ts';
import { templatesOf } from './compose.ts';
import type { Printed } from './print.ts';
import { keyPath } from './agreements/document.ts';
import { moduleTokenOf } from './synapseModule.ts';
import { fetchedNow, keysOf } from './trust.ts';

/** What a schema can't see of how sources are trusted: files, keys, ends. Throws `ConfigError` for what keeps the server from starting; gives what will trouble it. */
export async function checkConfig(config: LoadedConfig): Promise<Printed> {
  const { http, appservice, sources, at } = config;
  const problems: string[] = [];
  const attempt = (name: string, run: () => void): void => {
    try {
      run();
    } catch (error) {
      problems.push(...(error instanceof ConfigError ? error.problems : [`${name}.${error instanceof Error ? error.message : 'unknown'}`]));
    }
  };
  const { tls } = http;
  if (tls !== undefined) attempt('http', () => readTls({ certificate: at(tls.certificate), key: at(tls.key), ...(tls.client_ca === undefined ? {} : { clientCa: at(tls.client_ca) }) }));
  const { tls: inner } = appservice;
  if (inner !== undefined) attempt('appservice', () => readTls({ certificate: at(inner.certificate), key: at(inner.key) }));
  attempt('templates_dir', () => templatesOf(config));
  const { policy_server: policy } = config;
  if (policy !== undefined) {
    const { tls: own, federation_ca: authority, federation_url: federation = config.homeserver.url } = policy;
    if (own !== undefined) attempt('policy_server', () => readTls({ certificate: at(own.certificate), key: at(own.key) }));
    if (authority !== undefined) try { readAuthority(at(authority)); } catch (error) { problems.push((error as Error).message); }
    if (authority !== undefined && federation.startsWith('http:')) problems.push(`policy_server.federation_ca: means nothing, for ${federation} has no TLS. Give federation_url with https://, or take federation_ca out.`);
  }
  attempt('appservice', () => void moduleTokenOf(config));
  const secrets = await secretsOf(config);
  problems.push(...secrets.problems);
  const warnings: string[] = [...secrets.warnings];
  for (const source of sources) {
    for (const { not_after: end } of tokensOf(source)) if (end !== undefined && Date.parse(end) <= Date.now()) warnings.push(`source ${source.id}: a token is over since ${end}: take it out.`);
    const { token_file: fetchToken, smart: fetchSmart } = source.attachments.fetch ?? {};
    for (const [name, path] of [['token_file', fetchToken], ['smart.key_file', fetchSmart?.key_file]] as const) if (path !== undefined && !existsSync(at(path))) warnings.push(`source ${source.id}: attachments.fetch.${name}: ${at(path)} is not there: no file of this source can be fetched.`);
    if (source.smart?.jwks_file === undefined) continue;
    let keys: Promise<readonly string[]> | undefined;
    attempt('sources', () => { keys = keysOf(config, source, fetchedNow).keys().then((set) => listKeys(set).flatMap(({ kid, problem }) => (problem === undefined ? [] : [`source ${source.id}: key ${kid} ${problem}.`]))); });
    warnings.push(...((await keys) ?? []));
  }
  if (http.public_url?.startsWith('http:') === true && sources.some(({ smart }) => smart !== undefined)) warnings.push('http.public_url: begins with http://. SMART Backend Services asks for TLS; anybody on the way can read a token.');
  warnings.push(...unreachable(config));
  const { folderOf, policyOf } = await import('./policy/folder.ts');
  try {
    warnings.push(...standings(config, policyOf(folderOf(config)).roles));
  } catch (error) {
    problems.push(...(error instanceof ConfigError ? error.problems : [error instanceof Error ? error.message : 'unknown']).map((each) => `policy_dir: ${each}`));
  }
  if (problems.length > 0) throw new ConfigError(config.path, problems);
  const fine = `${config.path} is fine: ${sources.length} source(s), ${config.directory.people.length} people, ${config.partners.length} partner(s).`;
  return { json: { ok: true, path: config.path, warnings }, text: [fine, ...warnings.map((each) => `  ! ${each}`)].join('\n') };
}

/** Keys by which this hospital is known to partners and their homeservers: those that are there must be of use. */
async function secretsOf(config: LoadedConfig): Promise<{ readonly problems: readonly string[]; readonly warnings: readonly string[] }> {
  const { agreements: { required }, policy_server: policy, at } = config;
  const isMade = hasAgreementKey(keyPath(config));
  const problems = isMade ? await readAgreementKey(keyPath(config)).then(() => [], (error: unknown) => [(error as Error).message]) : [];
  const warnings = required && !isMade ? [`agreements.required: ${keyPath(config)} is not there, so no agreement counts and nothing goes to partners. Make it with \`aceso agreements key\`, or restore it.`] : [];
  const keys = policy && at(policy.keys_file);
  if (keys === undefined || !existsSync(keys)) return { problems, warnings };
  try {
    openServerKeys(keys);
  } catch (error) {
    return { problems: [...problems, (error as Error).message], warnings };
  }
  return { problems, warnings };
}

/** Roles that the rules don't know, which permit nothing; and who has none, and what that means. */
function standings({ directory, homeserver, partners, sources }: LoadedConfig, known: readonly string[]): readonly string[] {
  const organisations = new Set([homeserver.server_name, ...partners.flatMap(({ server_name: server, organisation = server }) => [organisation])]);
  const wrong = directory.people.flatMap(({ id, roles, organisation }) => [
    ...roles.filter((role) => !known.includes(role)).map((role) => `${id}: the rules don't know the role ${role}, so it permits nothing. There are ${known.join(', ')}.`),
    ...(organisation === undefined || organisations.has(organisation) ? [] : [`${id}: ${organisation} is the organisation of no partner, so it has no agreement, and nothing is permitted. There are ${[...organisations].join(', ')}.`]),
  ]);
  const fed = sources.flatMap(({ id, directory: feed }) => (feed === undefined ? [] : [
    ...Object.entries(feed.roles).flatMap(([code, roles]) => [roles].flat().filter((role) => !known.includes(role)).map((role) => `source ${id}: directory.roles: the rules don't know the role ${role} of ${code}, so it permits nothing. There are ${known.join(', ')}.`)),
    ...Object.keys(feed.roles).filter((code) => feed.scim === undefined && code.startsWith('group|')).map((code) => `source ${id}: directory.roles: ${code} is a SCIM group, and the source is no SCIM client: give it directory.scim.`),
    ...Object.values(feed.organisations ?? {}).filter((each) => !organisations.has(each)).map((each) => `source ${id}: directory.organisations: ${each} is the organisation of no partner, so it has no agreement, and nothing is permitted. There are ${[...organisations].join(', ')}.`),
    ...(Object.keys(feed.roles).length === 0 ? [`source ${id}: directory has no roles: it says who has left, and nothing of what people may do.`] : []),
  ]));
  wrong.push(...fed);
  const bare = directory.people.filter(({ roles }) => roles.length === 0).map(({ id }) => id);
  if (bare.length === 0) return wrong;
  const some = `${bare.slice(0, 5).join(', ')}${bare.length > 5 ? ` and ${bare.length - 5} more` : ''}`;
  return [...wrong, `${some}: no roles, so they count as recipients: their own results, and nothing else. Give them roles (docs/policy.md).`];
}

/** People whose server no room admits: every result for them would be held as `no-agreement`. */
function unreachable({ directory, homeserver, partners, path }: LoadedConfig): readonly string[] {
  const agreed: ReadonlySet<string> = new Set([homeserver.server_name, ...partners.map(({ server_name: name }) => name)]);
  const named = [...directory.people.map(({ id, user_id: userId }) => ({ id, members: [userId] })), ...directory.teams];
  return named.flatMap(({ id, members }) => members.map((member) => serverOf(as<UserId>(member))).filter((server) => !agreed.has(server))
    .map((server) => `${id}: no result can reach ${server}: it is neither this hospital's server nor among the partners of ${path}. Add it to partners, or correct the Matrix id.`));
}
