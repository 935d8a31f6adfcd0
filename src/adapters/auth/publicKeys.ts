import { calculateJwkThumbprint, exportJWK, importSPKI, type JSONWebKeySet, type JWK } from 'jose';
import { createPublicKey } from 'node:crypto';

/** A key as people compare it: its id, what it is, and what is wrong with it for SMART, if anything. */
export type ListedKey = { readonly kid: string; readonly kind: string; readonly problem?: string };

const ALGORITHMS: Readonly<Record<string, string>> = { 'RSA': 'RS384', 'EC P-384': 'ES384', 'EC P-256': 'ES256' };

/** A JWK Set of public keys (PEM, SPKI), each with the thumbprint of RFC 7638 as its id. Throws for what is none, or is private. */
export async function jwksOfPem(pems: readonly string[]): Promise<JSONWebKeySet> {
  return { keys: await Promise.all(pems.map(async (pem) => {
    if (/PRIVATE KEY/u.test(pem)) throw new Error('this is a private key: keep it. Give its public one: openssl pkey -in FILE -pubout');
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = readKey(pem);
    const alg = type === 'rsa' ? 'RS384' : details?.namedCurve === 'secp384r1' ? 'ES384' : undefined;
    if (alg === undefined) throw new Error('keys are RSA (for RS384) or EC on P-384 (for ES384): openssl genrsa 3072, or openssl ecparam -name secp384r1 -genkey');
    const jwk = await exportJWK(await importSPKI(pem, alg, { extractable: true }));
    return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg, use: 'sig' };
  })) };
}

function readKey(pem: string): ReturnType<typeof createPublicKey> {
  try {
    return createPublicKey(pem);
  } catch (error) {
    throw new Error('this is no public key in PEM: openssl pkey -in FILE -pubout', { cause: error });
  }
}

export const listKeys = ({ keys }: JSONWebKeySet): readonly ListedKey[] => keys.map((key) => {
  const kind = [key.kty, key.crv].filter((part) => part !== undefined).join(' ');
  const problem = problemOf(key, kind);
  return { kid: key.kid ?? '–', kind: `${kind} ${key.alg ?? ALGORITHMS[kind] ?? ''}`.trim(), ...(problem === undefined ? {} : { problem }) };
});

function problemOf({ kid, n, use }: JWK, kind: string): string | undefined {
  if (kid === undefined) return 'has no kid: nothing can name it';
  if (use !== undefined && use !== 'sig') return `is not for signatures (use ${use})`;
  if (kind === 'RSA' && (n ?? '').length < 340) return 'is shorter than 2048 bits';
  return undefined;
}
