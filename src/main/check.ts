import { existsSync } from 'node:fs';
import { listKeys } from '../adapters/auth/publicKeys.ts';
import { readTls } from '../adapters/http/tls.ts';
import { ConfigError, type LoadedConfig } from '../config/load.ts';
import { tokensOf } from '../config/trust.ts';
import { as, type UserId } from '../domain/brand.ts';
import { serverOf } from '../domain/people/party.ts';
import type { Printed } from './print.ts';
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
  const warnings: string[] = [];
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
  if (problems.length > 0) throw new ConfigError(config.path, problems);
  const fine = `${config.path} is fine: ${sources.length} source(s), ${config.directory.people.length} people, ${config.partners.length} partner(s).`;
  return { json: { ok: true, path: config.path, warnings }, text: [fine, ...warnings.map((each) => `  ! ${each}`)].join('\n') };
}

/** People whose server no room admits: every result for them would be held as `no-agreement`. */
function unreachable({ directory, homeserver, partners, path }: LoadedConfig): readonly string[] {
  const agreed: ReadonlySet<string> = new Set([homeserver.server_name, ...partners.map(({ server_name: name }) => name)]);
  const named = [...directory.people.map(({ id, user_id: userId }) => ({ id, members: [userId] })), ...directory.teams];
  return named.flatMap(({ id, members }) => members.map((member) => serverOf(as<UserId>(member))).filter((server) => !agreed.has(server))
    .map((server) => `${id}: no result can reach ${server}: it is neither this hospital's server nor among the partners of ${path}. Add it to partners, or correct the Matrix id.`));
}
