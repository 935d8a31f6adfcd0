/** Who is calling: a bearer token (RFC 6750 §2.1), compared by its SHA-256 in constant time. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FhirPushConfig, SourceConfig } from './config.ts';
import { problem, refuse } from './outcome.ts';
import type { Result } from './outcome.ts';

export type Authorise = (authorization: string | undefined) => Result<SourceConfig>;

/** Throws when a hash of the configuration can't be one, or two sources share one. */
export const createAuthorise = (sources: FhirPushConfig['sources']): Authorise => {
  const known = sources.map((source, index) => {
    if (!/^[0-9a-f]{64}$/i.test(source.tokenSha256)) throw new Error(`fhir-push sources[${index}].tokenSha256: not 64 hexadecimal digits. Make it with: printf %s "$TOKEN" | sha256sum`);
    return { source, hash: Buffer.from(source.tokenSha256, 'hex') };
  });
  if (new Set(known.map(({ hash }) => hash.toString('hex'))).size < known.length) throw new Error('fhir-push sources: two sources have the same token. Give each its own.');
  return (authorization) => {
    const token = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) return unauthorised('Bearer realm="aceso"', 'A bearer token is needed.');
    const hash = createHash('sha256').update(token).digest();
    // Every source is compared, so that time says nothing about which one matched.
    const [match] = known.filter((each) => timingSafeEqual(each.hash, hash));
    return match === undefined ? unauthorised('Bearer realm="aceso", error="invalid_token"', 'This bearer token is not known.') : { ok: true, value: match.source };
  };
};

const unauthorised = (challenge: string, diagnostics: string): Result<never> => refuse(401, 'unauthorised', problem('login', diagnostics), { 'www-authenticate': challenge });
