import { calculateJwkThumbprint, compactVerify, CompactSign, decodeProtectedHeader, importJWK } from 'jose';
import { z } from 'zod';
import { claimsOf, type Terms } from '../../domain/agreements/terms.ts';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import type { AgreementKey } from './agreementKey.ts';

const TYPE = 'aceso-agreement+jws';

/** Public keys that may sign: Ed25519 (EdDSA) and P-256 (ES256). Private parts are refused, not ignored. */
const publicJwk = z.discriminatedUnion('kty', [
  z.strictObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string() }),
  z.strictObject({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() }),
]);
const header = z.strictObject({ alg: z.enum(['EdDSA', 'ES256']), typ: z.literal(TYPE), iss: z.string(), kid: z.string(), jwk: publicJwk });

/** Who signed, and by which key (thumbprint, RFC 7638). */
export type Signed = { readonly server: string; readonly key: string };

export type SignatureFailure = 'not-a-signature' | 'other-terms' | 'wrong-signature';

/** A compact JWS (RFC 7515) over the terms, for the party whose server this is. */
export const signTerms = (terms: Terms, server: string, { alg, key, publicJwk: jwk, thumbprint }: AgreementKey): Promise<string> =>
  new CompactSign(new TextEncoder().encode(claimsOf(terms))).setProtectedHeader({ alg, typ: TYPE, iss: server, kid: thumbprint, jwk }).sign(key);

/** Whether it signs these very terms. Whose key it is, it says itself: that is believed only of a key that is pinned. */
export async function verifySignature(jws: string, terms: Terms): Promise<Outcome<Signed, SignatureFailure>> {
  const parsed = header.safeParse(headerOf(jws));
  if (!parsed.success) return fail('not-a-signature', 'one of its signatures is none of an agreement');
  const { alg, iss, kid, jwk } = parsed.data;
  if (await calculateJwkThumbprint(jwk) !== kid) return fail('wrong-signature', `the signature of ${iss} names another key than it carries`);
  try {
    const { payload } = await compactVerify(jws, await importJWK(jwk, alg), { algorithms: [alg] });
    if (Buffer.from(payload).toString('utf8') !== claimsOf(terms)) return fail('other-terms', `${iss} signed other terms than these: parties, dates, kind or scope were changed afterwards`);
    return ok({ server: iss, key: kid });
  } catch {
    return fail('wrong-signature', `the signature of ${iss} is wrong`);
  }
}

function headerOf(jws: string): unknown {
  try {
    return decodeProtectedHeader(jws);
  } catch {
    return undefined;
  }
}
