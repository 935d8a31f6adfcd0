import { decodeJwt, errors, jwtVerify, type JWTPayload } from 'jose';
import type { Millis, SourceId } from '../../domain/brand.ts';
import { boundTo } from './accessToken.ts';
import { KeysUnavailable, type KeySet } from './keySet.ts';

/** The hospital's own authorization server, as far as its access tokens are believed. */
export type TrustedIssuer = {
  /** `iss`, exactly. */
  readonly issuer: string;
  readonly keys: KeySet;
  /** `aud` must hold it. */
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** Claims that must have these values; of a claim that is a list, one of its values. */
  readonly claims: Readonly<Record<string, string>>;
  /** The claim that names the client: `client_id` (RFC 9068), `azp`, or `sub`. */
  readonly clientClaim: string;
  /** Whether the token must carry SMART scopes. Without: the source may send all its types. */
  readonly scopes: 'required' | 'optional';
};

export type IssuedClient = { readonly issuer: string; readonly clientId: string };

export type IssuedToken = { readonly source: SourceId; readonly scope?: string; readonly certificate?: string };

/** `iss` of what may be a JWT, unproven: only to choose who must have signed it. */
export function issuerIn(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

/** Longest life that is believed of a token: one that never ends can't be taken back. */
const LONGEST_LIFE_S = 86_400;
const SKEW_S = 10;

/** Reads an access token of the hospital's authorization server (RFC 9068 §4). Gives the source that its client is, or why it isn't taken. */
export async function readIssued(trusted: TrustedIssuer, token: string, sources: readonly { readonly id: SourceId; readonly issued: readonly IssuedClient[] }[], now: Millis): Promise<IssuedToken | 'expired' | 'unknown' | 'unavailable'> {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, (header, jws) => trusted.keys.key(header, jws), {
      algorithms: [...trusted.algorithms], issuer: trusted.issuer, audience: trusted.audience, clockTolerance: SKEW_S, currentDate: new Date(now), requiredClaims: ['exp'],
    });
    // An ID token or another JWT of the same server is no access token.
    if (protectedHeader.typ !== undefined && !/^(?:application\/)?at\+jwt$|^jwt$/iu.test(protectedHeader.typ)) return 'unknown';
    if (payload['nonce'] !== undefined || payload['at_hash'] !== undefined) return 'unknown';
    if ((payload.exp ?? Infinity) > now / 1000 + LONGEST_LIFE_S) return 'unknown';
    if (!Object.entries(trusted.claims).every(([name, wanted]) => has(payload, name, wanted))) return 'unknown';
    const clientId = payload[trusted.clientClaim];
    const source = sources.find(({ issued }) => issued.some((each) => each.issuer === trusted.issuer && each.clientId === clientId));
    const scope = scopeOf(payload);
    if (source === undefined || (scope === undefined && trusted.scopes === 'required')) return 'unknown';
    const certificate = boundTo(payload['cnf']);
    return { source: source.id, ...(scope === undefined ? {} : { scope }), ...(certificate === undefined ? {} : { certificate }) };
  } catch (error) {
    if (error instanceof KeysUnavailable) return 'unavailable';
    return error instanceof errors.JWTExpired ? 'expired' : 'unknown';
  }
}

function has(payload: JWTPayload, name: string, wanted: string): boolean {
  const value = payload[name];
  return Array.isArray(value) ? value.includes(wanted) : value === wanted;
}

/** `scope` as RFC 9068 says, or `scp` as some servers write it. */
function scopeOf(payload: JWTPayload): string | undefined {
  const value = payload['scope'] ?? payload['scp'];
  return typeof value === 'string' ? value : Array.isArray(value) ? value.filter((each) => typeof each === 'string').join(' ') : undefined;
}
