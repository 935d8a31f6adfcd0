/** Canonical JSON and Ed25519 signatures of Matrix (appendices, "Canonical JSON", "Signing JSON"). */
import { createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';

export type Json = Readonly<Record<string, unknown>>;

export const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/u, '');

/** Undefined for what isn't unpadded base64 written as everybody writes it. */
export function bytesOf(text: unknown, length?: number): Buffer | undefined {
  if (typeof text !== 'string') return undefined;
  const bytes = Buffer.from(text, 'base64');
  return unpadded(bytes) === text && (length === undefined || bytes.length === length) ? bytes : undefined;
}

export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value).filter(([, item]) => item !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, item]) => `${JSON.stringify(name)}:${canonical(item)}`).join(',')}}`;
}

const signedText = ({ signatures: _, unsigned: __, ...rest }: Json): Buffer => Buffer.from(canonical(rest));

export type SigningKey = { readonly publicKey: string; sign(bytes: Uint8Array): Buffer; signatureOf(value: Json): string };

export function newSigningKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const x = unpadded(Buffer.from(String(publicKey.export({ format: 'jwk' }).x), 'base64url'));
  const signBytes = (bytes: Uint8Array): Buffer => sign(null, bytes, privateKey);
  return { publicKey: x, sign: signBytes, signatureOf: (value) => unpadded(signBytes(signedText(value))) };
}

export const publicKey = (key: Buffer): KeyObject => createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') }, format: 'jwk' });

export function isSigned(bytes: Uint8Array, signature: Uint8Array | undefined, key: string): boolean {
  const raw = bytesOf(key, 32);
  return raw !== undefined && signature?.length === 64 && verify(null, bytes, publicKey(raw), signature);
}

/** Whether `value` carries a signature of the user by this key (`ed25519:ID`) that holds. */
export function hasSignature(value: Json, userId: string, keyId: string, key: string): boolean {
  const signatures = value['signatures'] as Readonly<Record<string, Readonly<Record<string, string>>>> | undefined;
  return isSigned(signedText(value), bytesOf(signatures?.[userId]?.[keyId], 64), key);
}

/** A Curve25519 key that nobody will ever use to read. */
export function newCurveKey(): string {
  const { publicKey: key } = generateKeyPairSync('x25519');
  return unpadded(Buffer.from(String(key.export({ format: 'jwk' }).x), 'base64url'));
}
