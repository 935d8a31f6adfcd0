/** The public part of a Megolm message: which message of its session it is. No key is needed for it. */

/**
 * The message index of an `m.megolm.v1.aes-sha2` ciphertext.
 * Format (Matrix, "Megolm group ratchet", message format): version byte 0x03; then fields, each a tag and a value: 0x08 and the index as
 * a base-128 number of least significant groups first; 0x12, a length and the ciphertext; 8 bytes of MAC and 64 of signature end it.
 */
export function messageIndex(ciphertext: string): number {
  const bytes = Buffer.from(ciphertext, 'base64');
  if (bytes[0] !== 3) throw new Error(`not a Megolm message of version 3: its first byte is ${bytes[0] ?? 'missing'}`);
  const end = bytes.length - 72;
  let at = 1;
  const number = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = at < end ? bytes[at] : undefined;
      if (byte === undefined) throw new Error('the Megolm message ends in the middle of a number');
      at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < end) {
    const tag = bytes[at];
    at += 1;
    if (tag === 0x08) return number();
    if (tag !== 0x12) throw new Error(`unknown field ${tag ?? ''} in a Megolm message`);
    const length = number();
    at += length;
  }
  throw new Error('the Megolm message has no index');
}
