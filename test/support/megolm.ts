/** What looks like a Megolm message to whoever has no key: the shape, around random bytes. */
import { randomBytes } from 'node:crypto';

const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/u, '');

export function megolmCiphertext(body: Uint8Array = randomBytes(160)): string {
  return unpadded(Buffer.concat([Buffer.from([3, 0x08, 5, 0x12]), varint(body.length), body, randomBytes(72)]));
}

function varint(value: number): Buffer {
  return value < 0x80 ? Buffer.from([value]) : Buffer.concat([Buffer.from([(value & 0x7f) | 0x80]), varint(value >> 7)]);
}

export const encryptedContent = (): Record<string, unknown> => ({ algorithm: 'm.megolm.v1.aes-sha2', ciphertext: megolmCiphertext(), session_id: unpadded(randomBytes(32)), sender_key: unpadded(randomBytes(32)), device_id: 'ABCDEFGHIJ' });
