/**
 * Whether something is what it says: a Megolm message (Matrix client-server API §"m.megolm.v1.aes-sha2"; the Megolm specification, §"Message format").
 * A clear text put where a ciphertext belongs has another shape, and so has one that is only wrapped in base64. Who builds the whole shape around a
 * text that is packed or enciphered otherwise is not found out: nobody can be, without the keys.
 */
export function isMegolmCiphertext(text: unknown): boolean {
  if (typeof text !== 'string' || !isBase64(text)) return false;
  const bytes = byteLength(text);
  const head = decode(text.slice(0, HEAD_CHARACTERS));
  if (head[0] !== VERSION || head[1] !== MESSAGE_INDEX) return false;
  const index = varint(head, 2);
  if (!index || head[index.end] !== CIPHERTEXT) return false;
  const length = varint(head, index.end + 1);
  if (!length || length.value === 0 || length.value % AES_BLOCK !== 0) return false;
  return bytes === length.end + length.value + MAC + SIGNATURE && !isText(head.subarray(length.end, Math.min(head.length, length.end + length.value)));
}

/** 32 bytes of a key or session id in unpadded base64, which aren't a sentence. */
export const isKeyShaped = (text: unknown): boolean => typeof text === 'string' && /^[A-Za-z0-9+/]{43}$/u.test(text) && !isText(decode(text));

const VERSION = 3;
const MESSAGE_INDEX = 0x08;
const CIPHERTEXT = 0x12;
const AES_BLOCK = 16;
const MAC = 8;
const SIGNATURE = 64;
const HEAD_CHARACTERS = 400;

const isBase64 = (text: string): boolean => /^[A-Za-z0-9+/]+={0,2}$/u.test(text) && unpaddedLength(text) % 4 !== 1;
const unpaddedLength = (text: string): number => text.length - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0);
const byteLength = (text: string): number => Math.floor((unpaddedLength(text) * 3) / 4);

function decode(text: string): Uint8Array {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = characters.charCodeAt(at);
  return bytes;
}

function varint(bytes: Uint8Array, from: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let at = from; at < from + 5; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * (at - from));
    if (byte < 0x80) return { value, end: at + 1 };
  }
  return undefined;
}

/** Random bytes are UTF-8 without control characters once in 10^7 for 16 of them, and practically never for 32. */
function isText(bytes: Uint8Array): boolean {
  // In UTF-8 a byte below 80 stands for itself, whatever is around it: what is random is nearly always seen by it, without decoding.
  if (bytes.some(isControl)) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

const isControl = (byte: number): boolean => (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) || byte === 0x7f;
