/**
 * Sealing of values at rest: AES-256-GCM, with what the value belongs to as additional data, so that a value moved to another record,
 * store or database does not open. Each opening of the file, and each 2^24 values, derives a subkey of its own (HKDF-SHA-256 over a
 * random 16-byte salt), which keeps random 96-bit nonces far below the 2^32 per key of NIST SP 800-38D §8.3.
 *
 * A sealed value is: version 1 | salt 16 | nonce 12 | ciphertext | tag 16.
 */
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomBytes, randomFillSync, type KeyObject } from 'node:crypto';

export type Seal = {
  seal(plain: Uint8Array, belongsTo: Uint8Array): Uint8Array;
  /** Throws when the key is another or the bytes or what they belong to were changed. */
  open(sealed: Uint8Array, belongsTo: Uint8Array): Uint8Array;
};

/** For a file without a key: values are as they are. */
export const unsealed: Seal = { seal: (plain) => plain, open: (stored) => stored };

const VERSION = 1;
const SALT = 16;
const NONCE = 12;
const TAG = 16;
const HEAD = 1 + SALT + NONCE;
const VALUES_PER_SUBKEY = 2 ** 24;
const SUBKEYS_KEPT = 256;
const PURPOSE = 'indexeddb value seal v1';

/** `key` is 32 bytes; throws RangeError otherwise. */
export function aesGcmSeal(key: Uint8Array): Seal {
  if (key.byteLength !== 32) throw new RangeError(`the key has ${key.byteLength} bytes: give 32 random bytes`);
  const master = createSecretKey(key);
  const subkeys = new Map<string, KeyObject>();
  let salt = randomBytes(SALT);
  let current = derive(master, salt);
  let used = 0;
  const nonces = randomNonces();

  function subkeyOf(itsSalt: Uint8Array): KeyObject {
    if (Buffer.compare(itsSalt, salt) === 0) return current;
    const name = Buffer.from(itsSalt).toString('latin1');
    let subkey = subkeys.get(name);
    if (subkey === undefined) {
      if (subkeys.size >= SUBKEYS_KEPT) subkeys.clear();
      subkey = derive(master, itsSalt);
      subkeys.set(name, subkey);
    }
    return subkey;
  }

  return {
    seal(plain, belongsTo) {
      if (++used > VALUES_PER_SUBKEY) {
        salt = randomBytes(SALT);
        current = derive(master, salt);
        used = 1;
      }
      const nonce = nonces();
      const cipher = createCipheriv('aes-256-gcm', current, nonce, { authTagLength: TAG });
      cipher.setAAD(belongsTo);
      const body = cipher.update(plain);
      cipher.final();
      return Buffer.concat([Uint8Array.of(VERSION), salt, nonce, body, cipher.getAuthTag()]);
    },
    open(sealed, belongsTo) {
      if (sealed.length < HEAD + TAG || sealed[0] !== VERSION) throw new Error('the stored value is damaged: it is not a sealed value of version 1');
      const decipher = createDecipheriv('aes-256-gcm', subkeyOf(sealed.subarray(1, 1 + SALT)), sealed.subarray(1 + SALT, HEAD), { authTagLength: TAG });
      decipher.setAAD(belongsTo);
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG));
      const plain = decipher.update(sealed.subarray(HEAD, sealed.length - TAG));
      decipher.final();
      return plain;
    },
  };
}

/** Fetches randomness for many nonces at once: a call for 12 bytes costs as much as one for 3,072. */
function randomNonces(): () => Uint8Array {
  const pool = Buffer.alloc(256 * NONCE);
  let at = pool.length;
  return () => {
    if (at === pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    at += NONCE;
    return pool.subarray(at - NONCE, at);
  };
}

function derive(master: KeyObject, salt: Uint8Array): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync('sha256', master, salt, PURPOSE, 32)));
}
