import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { z } from 'zod';

/** The key by which this hospital signs agreements: Ed25519 (EdDSA, RFC 8037). */
export type AgreementKey = { readonly alg: 'EdDSA'; readonly key: CryptoKey; /** What stands in the signature's header. */ readonly publicJwk: JWK; readonly thumbprint: string };

const file = z.strictObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), d: z.string() });

/** Makes it, for its owner alone; never replaces one that is there. */
export async function makeAgreementKey(path: string): Promise<void> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const { kty, crv, x, d } = await exportJWK(privateKey);
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeSync(fd, `${JSON.stringify({ kty, crv, x, d })}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export const hasAgreementKey = (path: string): boolean => existsSync(path);

/** Errors say what to do and hold no key. */
export async function readAgreementKey(path: string): Promise<AgreementKey> {
  const jwk = privateJwkOf(path);
  const key = await importJWK(jwk, 'EdDSA').catch((error: unknown) => { throw new Error(`agreements.key_file: ${path} holds no Ed25519 key. Restore it from its copy.`, { cause: error }); });
  if (key instanceof Uint8Array) throw new Error(`agreements.key_file: ${path} holds no Ed25519 key. Restore it from its copy.`);
  const { kty, crv, x } = jwk;
  const publicJwk = { kty, crv, x };
  return { alg: 'EdDSA', key, publicJwk, thumbprint: await calculateJwkThumbprint(publicJwk) };
}

function privateJwkOf(path: string): z.infer<typeof file> {
  if (!existsSync(path)) throw new Error(`agreements.key_file: ${path} is not there. Make one with \`aceso agreements key\`, or restore it from its copy: what it signed before is of no use without it.`);
  if ((statSync(path).mode & 0o077) !== 0) throw new Error(`agreements.key_file: others on this machine can read ${path}: chmod 600 it.`);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    content = undefined;
  }
  const parsed = file.safeParse(content);
  if (!parsed.success) throw new Error(`agreements.key_file: ${path} is not a key of \`aceso agreements key\`. Restore it from its copy.`);
  return parsed.data;
}
