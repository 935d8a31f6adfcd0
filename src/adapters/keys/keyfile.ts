import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import type { KeyRing } from '../../ports/keys.ts';

type KeyFile = { readonly keyId: string; readonly keyEncryptionKey: string; readonly pseudonymKey: string };

/** Makes a new key file, readable by its owner alone. Refuses to replace one: losing it loses everything that it sealed. */
export function createKeyFile(path: string): void {
  const keys: KeyFile = { keyId: `k${randomBytes(4).toString('hex')}`, keyEncryptionKey: randomBytes(32).toString('base64'), pseudonymKey: randomBytes(32).toString('base64') };
  const file = openSync(path, 'wx', 0o600);
  writeSync(file, `${JSON.stringify(keys, null, 2)}\n`);
  fsyncSync(file);
  closeSync(file);
}

/** Opens a key file. Errors say what to do and hold no key. */
export function openKeyFile(path: string): KeyRing {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`keys.file: cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? 'unknown'}). Run \`aceso init\`, or restore it from the backup: without it nothing that is stored can be read.`, { cause: error });
  }
  if ((statSync(path).mode & 0o077) !== 0) throw new Error(`keys.file: ${path} can be read by others. Run \`chmod 600 ${path}\`.`);
  const keys = parse(text, path);
  const kek = Buffer.from(keys.keyEncryptionKey, 'base64');
  const pepper = Buffer.from(keys.pseudonymKey, 'base64');
  if (kek.length !== 32 || pepper.length !== 32) throw new Error(`keys.file: ${path} does not hold two 32-byte keys. Restore it from the backup.`);
  return {
    keyId: keys.keyId,
    wrap: (dataKey, subject) => sealBytes(kek, dataKey, `wrap:${keys.keyId}:${subject}`),
    unwrap: (wrapped, subject, keyId) => {
      if (keyId !== keys.keyId) throw new Error(`data was sealed under key ${keyId}, the key file holds ${keys.keyId}: use the key file that belongs to this database`);
      return openBytes(kek, wrapped, `wrap:${keyId}:${subject}`);
    },
    pseudonym: (kind, text_) => base32(createHmac('sha256', pepper).update(`${kind}\0${text_}`).digest().subarray(0, 16)),
    derive: (purpose) => new Uint8Array(hkdfSync('sha256', kek, Buffer.alloc(0), `aceso:${purpose}`, 32)),
  };
}

function parse(text: string, path: string): KeyFile {
  try {
    const value = JSON.parse(text) as Partial<KeyFile>;
    if (typeof value.keyId === 'string' && typeof value.keyEncryptionKey === 'string' && typeof value.pseudonymKey === 'string') return value as KeyFile;
  } catch {
    // Falls through: the parser's message could quote key material.
  }
  throw new Error(`keys.file: ${path} is not a key file of Aceso. Restore it from the backup.`);
}

/** AES-256-GCM: 12-byte nonce, ciphertext, 16-byte tag. */
function sealBytes(key: Uint8Array, plain: Uint8Array, aad: string): Uint8Array {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(aad));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function openBytes(key: Uint8Array, box: Uint8Array, aad: string): Uint8Array {
  const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(0, 12)).setAAD(Buffer.from(aad)).setAuthTag(box.subarray(-16));
  return Buffer.concat([decipher.update(box.subarray(12, -16)), decipher.final()]);
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

function base32(bytes: Uint8Array): string {
  let bits = 0;
  let value = 0;
  let text = '';
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(value >>> (bits - 5)) & 31] ?? '';
  }
  return bits > 0 ? text + (ALPHABET[(value << (5 - bits)) & 31] ?? '') : text;
}
