/** A backend service with its own keys, as SMART Backend Services asks, and the token endpoint over a store in memory: for tests. */
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JSONWebKeySet, type JWTPayload } from 'jose';

export type Signer = {
  readonly jwks: JSONWebKeySet;
  /** Signs what a client sends for one request; `changes` go over the claims, `header` over the header. */
  assertion(clientId: string, audience: string, changes?: JWTPayload, header?: Readonly<Record<string, unknown>>): Promise<string>;
};

export async function newSigner(alg: 'RS384' | 'ES384' = 'ES384', kid: string = randomUUID(), now: () => number = Date.now): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { jwks: { keys: [{ ...(await exportJWK(publicKey)), kid, alg }] }, assertion: (...asked) => sign(privateKey, alg, kid, now, ...asked) };
}

function sign(key: CryptoKey, alg: string, kid: string, now: () => number, clientId: string, audience: string, changes: JWTPayload = {}, header: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const claims: Record<string, unknown> = { iss: clientId, sub: clientId, aud: audience, exp: Math.floor(now() / 1000) + 240, jti: randomUUID(), ...changes };
  return new SignJWT(Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))).setProtectedHeader({ alg, kid, typ: 'JWT', ...header }).sign(key);
}

export const tokenForm = (assertion: string, changes: Readonly<Record<string, string>> = {}): string => new URLSearchParams({
  grant_type: 'client_credentials', scope: 'system/DiagnosticReport.c', client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: assertion, ...changes,
}).toString();
