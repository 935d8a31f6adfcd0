import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { jwksOfPem, listKeys, type ListedKey } from '../adapters/auth/publicKeys.ts';
import { remoteKeySet, type KeySet } from '../adapters/auth/keySet.ts';
import { describeCertificate } from '../adapters/http/certificate.ts';
import type { LoadedConfig } from '../config/load.ts';
import { tokensOf } from '../config/trust.ts';
import { age, table, type Printed } from './print.ts';
import { fetchedNow, keysOf } from './trust.ts';

type SourceConfig = LoadedConfig['sources'][number];

/** A token whose end is nearer than this is said to end soon. */
const SOON_MS = 14 * 86_400_000;

/** A bearer token for a source: shown once; the configuration keeps its hash. */
export function sourceToken(until: string | undefined): Printed {
  if (until !== undefined && Number.isNaN(Date.parse(until))) throw new Error(`${until} is no date, e.g. 2027-01-31`);
  const token = randomBytes(32).toString('base64url');
  const hash = createHash('sha256').update(token).digest('hex');
  const end = until === undefined ? undefined : new Date(until).toISOString();
  return {
    json: { token, token_sha256: hash, ...(end === undefined ? {} : { not_after: end }) },
    text: `Token for the source (shown once): ${token}\nFor aceso.yaml, under the source's tokens:\n      - sha256: ${hash}${end === undefined ? '' : `\n        not_after: ${end}`}`,
  };
}

/** A JWK Set for `smart.jwks_file`, out of public keys in PEM files. */
export async function sourceJwks(files: readonly string[]): Promise<Printed> {
  const jwks = await jwksOfPem(files.map(readText));
  return { json: jwks, text: JSON.stringify(jwks, null, 2) };
}

/** What a configuration may say of a client certificate. */
export function sourceCertificate(file: string): Printed {
  const certificate = parseCertificate(readText(file));
  const { sha256, subject, names } = describeCertificate(certificate);
  const fingerprint = certificate.fingerprint256;
  return {
    json: { sha256, subject, names, not_after: certificate.validToDate.toISOString() },
    text: [
      `Valid until ${certificate.validToDate.toISOString()}. For aceso.yaml, under the source's certificates, one of:`, `      - sha256: ${fingerprint}`,
      '  or, where http.tls.client_ca vouches for the name:', `      - subject: ${JSON.stringify(subject)}`, ...names.map((name) => `      - name: ${JSON.stringify(name)}`),
    ].join('\n'),
  };
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new Error('this is no certificate in PEM or DER.', { cause: error });
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`${file} can't be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}).`, { cause: error });
  }
}

type Way = { readonly way: string; readonly by: string; readonly state: string; readonly keys?: readonly ListedKey[] };

/** How each source may prove itself now, and what is wrong with it. Keys at an address are fetched. */
export async function sourceCheck(config: LoadedConfig, id: string | undefined): Promise<Printed> {
  const sources = config.sources.filter((source) => id === undefined || source.id === id);
  if (id !== undefined && sources.length === 0) throw new Error(`There is no source ${id} in ${config.path}. It has: ${config.sources.map((each) => each.id).join(', ') || 'none'}.`);
  const checked = await Promise.all(sources.map(async (source) => ({ source, ways: await waysOf(config, source) })));
  return {
    json: checked.map(({ source, ways }) => ({ id: source.id, resource_types: source.resource_types, ways })),
    text: checked.map(({ source, ways }) => [
      `${source.id} (${source.name}) may send ${source.resource_types.join(', ') || 'no results'}${source.directory === undefined ? '' : `, and change the directory by FHIR${source.directory.scim === undefined ? '' : ' and SCIM'}`}: at most ${source.max_bytes} bytes, ${source.requests_per_minute ?? 'any number of'} requests a minute, ${source.max_in_flight} at one time.`,
      source.certificate === 'beside-tokens' ? 'Its tokens count only together with one of its certificates.' : 'Any of these is enough:',
      table(['WAY', 'BY', 'STATE'], ways.flatMap(({ way, by, state, keys = [] }) => [[way, by, state], ...keys.map(({ kid, kind, problem }) => ['', `key ${kid}`, problem === undefined ? kind : `${kind}: ${problem}`])]), 'It has no way to prove itself.'),
    ].join('\n')).join('\n\n') || 'There are no sources yet.',
  };
}

async function waysOf(config: LoadedConfig, source: SourceConfig): Promise<readonly Way[]> {
  const { smart } = source;
  return [
    ...tokensOf(source).map(({ sha256, not_after: end }): Way => ({ way: 'token', by: `sha256 ${sha256.slice(0, 12)}…`, state: stateOfEnd(end) })),
    ...(smart === undefined ? [] : [{ way: 'smart', by: `client_id ${smart.client_id} at ${config.http.public_url ?? ''}/auth/token`, ...(await keysNow(() => keysOf(config, source, fetchedNow), smart.jwks_url ?? smart.jwks_file)) }]),
    ...(await Promise.all(source.issued.map(async ({ issuer, client_id: clientId }): Promise<Way> => {
      const url = config.authorization.issuers.find((each) => each.issuer === issuer)?.jwks_url ?? '';
      return { way: 'issuer', by: `${clientId} of ${issuer}`, ...(await keysNow(() => remoteKeySet({ url, now: Date.now }), url)) };
    }))),
    ...source.certificates.map((rule): Way => ({ way: 'certificate', by: Object.entries(rule).map(([name, value]) => `${name} ${value}`).join(' '), state: 'counts while it is valid' })),
  ];
}

async function keysNow(open: () => KeySet, where: string | undefined): Promise<Pick<Way, 'state' | 'keys'>> {
  try {
    const keys = listKeys(await open().keys());
    return { state: `${keys.length} key(s) at ${where ?? '?'}`, keys };
  } catch (error) {
    return { state: `NO KEYS: ${error instanceof Error ? error.message : 'unknown'}` };
  }
}

function stateOfEnd(end: string | undefined): string {
  if (end === undefined) return 'counts, without end';
  const left = Date.parse(end) - Date.now();
  if (left <= 0) return `OVER since ${end}`;
  return `counts until ${end}${left < SOON_MS ? `: ENDS in ${age(left)}, give it a new one` : ''}`;
}
