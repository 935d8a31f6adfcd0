import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';

/** Unpadded base64 (Matrix specification, appendices §"Unpadded Base64"). */
export const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/u, '');

/** Undefined for what isn't base64 of so many bytes. */
export function decoded(text: unknown, length: number): Buffer | undefined {
  if (typeof text !== 'string' || text.length > Math.ceil(length / 3) * 4 || !/^[A-Za-z0-9+/]+=*$/u.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === length ? bytes : undefined;
}

export type Signer = { /** Unpadded base64. */ readonly publicKey: string; /** Unpadded base64 of the signature. */ sign(bytes: Uint8Array): string };

const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** `seed`: the 32 bytes that Matrix keeps as a signing key. */
export function signerOf(seed: Uint8Array): Signer {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return { publicKey: unpadded(Buffer.from(x, 'base64url')), sign: (bytes) => unpadded(sign(null, bytes, key)) };
}

/** Undefined when it is none. */
export function publicKeyOf(text: unknown): KeyObject | undefined {
  const bytes = decoded(text, 32);
  return bytes && createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') }, format: 'jwk' });
}

export function isSignedBy(key: KeyObject, bytes: Uint8Array, signature: unknown): boolean {
  const raw = decoded(signature, 64);
  return raw !== undefined && verify(null, bytes, key, raw);
}
