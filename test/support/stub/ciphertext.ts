/** The bytes of Megolm and Olm messages (their specifications, "Message format"), as far as one can see without the keys. */
import { bytesOf, isSigned, unpadded } from './signing.ts';

type Fields = ReadonlyMap<number, number | Buffer>;

/** Protobuf: each field once, by its tag. Undefined when it isn't that from the first byte to the last. */
function fields(bytes: Buffer): Fields | undefined {
  const found = new Map<number, number | Buffer>();
  let at = 0;
  const varint = (): number | undefined => {
    for (let value = 0, shift = 0; at < bytes.length && shift < 35; shift += 7) {
      const byte = bytes[at] ?? 0;
      at += 1;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = varint();
    const value = varint();
    if (tag === undefined || value === undefined || found.has(tag)) return undefined;
    if ((tag & 7) === 0) found.set(tag, value);
    else if ((tag & 7) === 2 && at + value <= bytes.length) {
      found.set(tag, bytes.subarray(at, at + value));
      at += value;
    } else return undefined;
  }
  return found;
}

export type MegolmMessage = { readonly index: number };

/** Undefined unless it is version 3, whole, and signed by the session that it says it is of. */
export function megolmMessage(ciphertext: unknown, sessionId: unknown): MegolmMessage | undefined {
  const bytes = bytesOf(ciphertext);
  if (bytes === undefined || typeof sessionId !== 'string' || bytes.length < 1 + 2 + 2 + 8 + 64 || bytes[0] !== 3) return undefined;
  const signed = bytes.subarray(0, -64);
  const payload = fields(signed.subarray(1, -8));
  const index = payload?.get(0x08);
  if (payload?.size !== 2 || typeof index !== 'number' || !(payload.get(0x12) instanceof Buffer)) return undefined;
  return isSigned(signed, bytes.subarray(-64), sessionId) ? { index } : undefined;
}

/** `oneTimeKey`: of a message that begins a channel, the key of the reader that it uses up. */
export type OlmMessage = { readonly identityKey?: string; readonly oneTimeKey?: string };

/** Undefined unless it is a whole message of its type (0 begins a channel, 1 goes on in it). */
export function olmMessage(type: unknown, body: unknown): OlmMessage | undefined {
  const bytes = bytesOf(body);
  if (bytes?.[0] !== 3) return undefined;
  if (type === 1) return isInner(bytes) ? {} : undefined;
  const begun = type === 0 ? fields(bytes.subarray(1)) : undefined;
  const [oneTimeKey, baseKey, identityKey, inner] = [0x0a, 0x12, 0x1a, 0x22].map((tag) => begun?.get(tag));
  if (begun?.size !== 4 || !isKey(oneTimeKey) || !isKey(baseKey) || !isKey(identityKey) || !(inner instanceof Buffer) || !isInner(inner)) return undefined;
  return { identityKey: unpadded(identityKey), oneTimeKey: unpadded(oneTimeKey) };
}

function isInner(bytes: Buffer): boolean {
  const message = bytes[0] === 3 ? fields(bytes.subarray(1, -8)) : undefined;
  return message?.size === 3 && isKey(message.get(0x0a)) && typeof message.get(0x10) === 'number' && message.get(0x22) instanceof Buffer;
}

const isKey = (value: number | Buffer | undefined): value is Buffer => value instanceof Buffer && value.length === 32;
