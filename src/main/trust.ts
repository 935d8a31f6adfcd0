import { readFileSync } from 'node:fs';
import { createAccessTokens } from '../adapters/auth/accessToken.ts';
import { ASSERTION_ALGORITHMS, type SmartClient } from '../adapters/auth/assertion.ts';
import { createAuthenticator, type TrustedSource } from '../adapters/auth/authenticator.ts';
import { fixedKeySet, keySetOf, remoteKeySet, type KeySet } from '../adapters/auth/keySet.ts';
import { scopesFor } from '../adapters/auth/scopes.ts';
import { createThrottle, type Throttle } from '../adapters/auth/throttle.ts';
import { smartConfiguration, tokenEndpoint, type TokenEndpointParts } from '../adapters/auth/tokenEndpoint.ts';
import { CONSENT_TYPES, STAFF_TYPES, type StaffType } from '../../bridges/fhir-push/index.ts';
import { ConfigError, type LoadedConfig } from '../config/load.ts';
import { tokensOf } from '../config/trust.ts';
import { as, type Millis } from '../domain/brand.ts';
import type { Authenticator, HttpRoute } from '../ports/bridge.ts';
import type { KeyRing } from '../ports/keys.ts';
import type { Remember } from '../ports/once.ts';

type SourceConfig = LoadedConfig['sources'][number];

export type Trust = { readonly authenticator: Authenticator; /** Before those of the bridges: one lies below theirs. */ readonly routes: readonly HttpRoute[] };

export type TrustParts = { readonly keys: KeyRing; readonly remember: Remember; readonly now: () => Millis; readonly memory: TrustMemory; readonly observe: TokenEndpointParts['observe'] };

/** What a change of the configuration must not make it forget: failed log-ins, and keys that were fetched. */
export type TrustMemory = { readonly throttle: Throttle; readonly keysAt: (url: string) => KeySet };

export function createTrustMemory(now: () => Millis): TrustMemory {
  const sets = new Map<string, KeySet>();
  return {
    throttle: createThrottle(),
    keysAt(url) {
      const known = sets.get(url) ?? remoteKeySet({ url, now });
      sets.set(url, known);
      return known;
    },
  };
}

/** Who may send, and how they prove it, as the configuration says. */
export function createTrust(config: LoadedConfig, { keys, remember, now, observe, memory: { throttle, keysAt } }: TrustParts): Trust {
  const clients = config.sources.flatMap((source) => smartClientOf(config, source, keysAt));
  const baseUrl = publicUrl(config);
  const accessTokens = createAccessTokens({ issuer: baseUrl, audience: `${baseUrl}/fhir`, key: keys.derive('access-token'), seconds: config.authorization.token_seconds, now });
  const tokenUrl = `${baseUrl}/auth/token`;
  return {
    authenticator: createAuthenticator({
      sources: config.sources.map(trustedSource), throttle, now, ...(clients.length === 0 ? {} : { accessTokens }),
      issuers: config.authorization.issuers.map(({ client_claim: clientClaim, jwks_url: url, ...issuer }) => ({ ...issuer, clientClaim, keys: keysAt(url) })),
    }),
    routes: clients.length === 0 ? [] : [
      tokenEndpoint({ clients, audience: tokenUrl, remember, now, accessTokens, throttle, observe }),
      smartConfiguration({ tokenUrl, algorithms: ASSERTION_ALGORITHMS, scopes: scopesFor(clients.flatMap(({ types }) => types)) }),
    ],
  };
}

const publicUrl = (config: LoadedConfig): string => (config.http.public_url ?? `http://${config.http.host}:${config.http.port}`).replace(/\/$/u, '');

/** What an access token's scopes may name. */
const typesOf = ({ resource_types: types, directory }: SourceConfig): readonly string[] => [...types, ...staffTypesOf(directory)];

/** What a source may say of the directory, and of consents. */
export const staffTypesOf = (directory: SourceConfig['directory']): readonly StaffType[] => (directory === undefined ? [] : [...STAFF_TYPES, ...(directory.consents ? CONSENT_TYPES : [])]);

function trustedSource(source: SourceConfig): TrustedSource {
  return {
    id: as(source.id), types: typesOf(source), certificates: source.certificates, certificate: source.certificate,
    tokens: tokensOf(source).map(({ sha256, not_after: end }) => ({ sha256, ...(end === undefined ? {} : { notAfter: as<Millis>(Date.parse(end)) }) })),
    issued: source.issued.map(({ issuer, client_id: clientId }) => ({ issuer, clientId })),
    ...(source.smart === undefined ? {} : { clientId: source.smart.client_id }),
  };
}

function smartClientOf(config: LoadedConfig, source: SourceConfig, keysAt: TrustMemory['keysAt']): readonly SmartClient[] {
  if (source.smart === undefined) return [];
  const { client_id: id, jwks_url: jwksUrl } = source.smart;
  return [{ id, source: as(source.id), types: typesOf(source), keys: keysOf(config, source, keysAt), ...(jwksUrl === undefined ? {} : { jwksUrl }) }];
}

/** For a look outside the server. */
export const fetchedNow = (url: string): KeySet => remoteKeySet({ url, now: Date.now });

/** The public keys of a source that is a SMART client. Throws `ConfigError` when its file holds none. */
export function keysOf(config: LoadedConfig, { id, smart }: SourceConfig, keysAt: (url: string) => KeySet): KeySet {
  if (smart?.jwks_url !== undefined) return keysAt(smart.jwks_url);
  const path = config.at(smart?.jwks_file ?? '');
  try {
    return fixedKeySet(keySetOf(JSON.parse(readFileSync(path, 'utf8'))));
  } catch (error) {
    const reason = error instanceof Error && error.name === 'KeysUnavailable' ? error.message : error instanceof SyntaxError ? 'it is not JSON' : 'it can not be read';
    throw new ConfigError(config.path, [`source ${id} smart.jwks_file: ${path}: ${reason}. Ask its owner for a JWK Set with its public keys.`]);
  }
}
