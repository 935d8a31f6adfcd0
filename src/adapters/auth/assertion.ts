import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose';
import { as, type Millis, type SourceId } from '../../domain/brand.ts';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import type { Remember } from '../../ports/once.ts';
import { KeysUnavailable, type KeySet } from './keySet.ts';

/** A backend service that may ask for access tokens. */
export type SmartClient = {
  /** `client_id`, as the hospital gave it out. */
  readonly id: string;
  readonly source: SourceId;
  readonly types: readonly string[];
  readonly keys: KeySet;
  /** Where its keys are, when it has an address for them. */
  readonly jwksUrl?: string;
};

export type AssertionFailure = 'assertion-malformed' | 'assertion-unknown-client' | 'assertion-untrusted' | 'assertion-claims' | 'assertion-replayed' | 'unavailable';

export type AssertionParts = {
  readonly clients: readonly SmartClient[];
  /** The token endpoint's own address. */
  readonly audience: string;
  readonly remember: Remember;
  readonly now: () => Millis;
};

/** SMART App Launch 2.2, "Client Authentication: Asymmetric": at least one of these. */
export const ASSERTION_ALGORITHMS: readonly string[] = ['RS384', 'ES384'];
const LONGEST_LIFE_S = 300;
/** Clocks of two hospitals may differ by this much. */
const SKEW_S = 10;
const LONGEST_JTI = 256;

/**
 * Proves a client by the JWT that it signed for this one request (RFC 7523 §3; SMART App Launch 2.2, "Authentication JWT"). Refusals say what is wrong with
 * the assertion, not who is known here: only its signer learns which claim it was.
 */
export async function verifyAssertion({ clients, audience, remember, now }: AssertionParts, assertion: string): Promise<Outcome<SmartClient, AssertionFailure>> {
  const read = readUnproven(assertion);
  if (read === undefined) return fail('assertion-malformed', 'client_assertion is not a signed JWT.');
  const { header, issuer } = read;
  if (header.typ !== 'JWT' || header.kid === undefined || !ASSERTION_ALGORITHMS.includes(header.alg ?? '')) return fail('assertion-malformed', 'The header of client_assertion needs typ JWT, alg RS384 or ES384, and a kid.');
  const client = clients.find(({ id }) => id === issuer);
  // The address is compared, never followed.
  if (client === undefined || (header.jku !== undefined && header.jku !== client.jwksUrl)) return fail('assertion-unknown-client', UNTRUSTED);
  try {
    const { payload } = await jwtVerify(assertion, (protectedHeader, token) => client.keys.key(protectedHeader, token), {
      algorithms: [...ASSERTION_ALGORITHMS], issuer: client.id, subject: client.id, typ: 'JWT', clockTolerance: SKEW_S, currentDate: new Date(now()), requiredClaims: ['exp', 'jti'],
    });
    const fault = faultIn(payload, audience, now());
    if (fault !== undefined) return fail('assertion-claims', fault);
    const isNew = await remember(`jti\0${client.id}\0${String(payload.jti)}`, as<Millis>(((payload.exp ?? 0) + SKEW_S) * 1000), now());
    return isNew ? ok(client) : fail('assertion-replayed', 'This client_assertion was used before: sign a new one, with a jti of its own, for each request.');
  } catch (error) {
    return failureOf(error);
  }
}

const UNTRUSTED = 'client_assertion is not signed by a client that is known here. Ask the hospital which client_id and keys it has on file.';

function readUnproven(assertion: string): { readonly header: { readonly alg?: string; readonly kid?: string; readonly typ?: string; readonly jku?: unknown }; readonly issuer: unknown } | undefined {
  try {
    const { alg, kid, typ, jku } = decodeProtectedHeader(assertion);
    return { header: { ...(alg === undefined ? {} : { alg }), ...(typeof kid === 'string' && kid !== '' ? { kid } : {}), ...(typ === undefined ? {} : { typ }), jku }, issuer: decodeJwt(assertion).iss };
  } catch {
    return undefined;
  }
}

/** What jose leaves to us: `aud` exactly ours and nobody's besides, an end within five minutes, an id. */
function faultIn({ aud, exp = 0, iat, jti }: JWTPayload, audience: string, now: number): string | undefined {
  const [only, ...others] = Array.isArray(aud) ? aud : [aud];
  if (only !== audience || others.length > 0) return 'aud is not the address of this token endpoint alone.';
  if (exp > now / 1000 + LONGEST_LIFE_S + SKEW_S) return 'exp is more than five minutes ahead.';
  if (iat !== undefined && iat > now / 1000 + SKEW_S) return 'iat lies in the future: set your clock.';
  if (typeof jti !== 'string' || jti === '' || jti.length > LONGEST_JTI) return `jti is not a text of 1 to ${LONGEST_JTI} characters.`;
  return undefined;
}

function failureOf(error: unknown): { readonly ok: false; readonly error: ReturnType<typeof fail<AssertionFailure>>['error'] } {
  if (error instanceof KeysUnavailable) return fail('unavailable', 'The keys of this client can not be fetched now. Try again.', { retry: true, retryAfterMs: 10_000 });
  if (error instanceof errors.JWTExpired) return fail('assertion-claims', 'exp is over: sign a new client_assertion for each request, and set your clock.');
  if (error instanceof errors.JWTClaimValidationFailed) return fail('assertion-claims', 'iss and sub are the client_id; exp and jti are required; nbf is over.');
  if (error instanceof errors.JOSEError || error instanceof TypeError) return fail('assertion-untrusted', UNTRUSTED);
  return fail('unavailable', 'This can not be checked now. Try again.', { retry: true, retryAfterMs: 5000 });
}
