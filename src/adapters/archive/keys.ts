import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync, randomBytes, scryptSync, type KeyObject } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

/** Who can open an archive: whoever has the key ring, knows a passphrase, or has the private key of a recipient. */
export type Lock = { readonly kind: 'ring'; readonly key: Uint8Array } | { readonly kind: 'passphrase'; readonly passphrase: string } | { readonly kind: 'recipient'; readonly publicKey: KeyObject };
/** What the operator gave to open one with; or the `secret` of one that was written just now. */
export type Opener = { readonly ring?: Uint8Array; readonly passphrase?: string; readonly identity?: KeyObject; readonly secret?: Uint8Array };

/** What stands in the clear at the head of an archive: enough to find the key, nothing of the content. */
export type LockHead =
  | { readonly kind: 'ring'; readonly salt: string }
  | { readonly kind: 'passphrase'; readonly salt: string; readonly cost: number }
  | { readonly kind: 'recipient'; readonly salt: string; readonly sender: string };

/** scrypt with r = 8: 64 MiB and about a quarter of a second for each try (RFC 7914). */
const COST = 2 ** 16;
const MEMORY = 256 * 1024 * 1024;

/** A head for this lock, and the secret that opens what it heads. */
export function locked(lock: Lock): { readonly head: LockHead; readonly secret: Uint8Array } {
  const salt = randomBytes(16);
  switch (lock.kind) {
    case 'ring':
      return { head: { kind: 'ring', salt: salt.toString('base64') }, secret: lock.key };
    case 'passphrase':
      return { head: { kind: 'passphrase', salt: salt.toString('base64'), cost: COST }, secret: stretched(lock.passphrase, salt, COST) };
    case 'recipient': {
      const { publicKey, privateKey } = generateKeyPairSync('x25519');
      return { head: { kind: 'recipient', salt: salt.toString('base64'), sender: publicKey.export({ format: 'der', type: 'spki' }).toString('base64') }, secret: diffieHellman({ privateKey, publicKey: lock.publicKey }) };
    }
  }
}

/** The secret for a head, from what the operator gave. Says what is needed when it isn't among that. */
export function unlocked(head: LockHead, opener: Opener): Uint8Array {
  if (opener.secret) return opener.secret;
  switch (head.kind) {
    case 'ring':
      if (!opener.ring) throw new Error('this backup is sealed under the key ring: put keys.json in its place, or name it with --keys.');
      return opener.ring;
    case 'passphrase':
      if (opener.passphrase === undefined) throw new Error('this backup is sealed under a passphrase: give it with --passphrase-file.');
      if (!Number.isInteger(head.cost) || head.cost < 2 ** 14 || head.cost > 2 ** 17) throw new Error('this backup asks for a stretching of its passphrase that no Aceso uses: it was changed.');
      return stretched(opener.passphrase, Buffer.from(head.salt, 'base64'), head.cost);
    case 'recipient':
      if (!opener.identity) throw new Error('this backup is sealed for a recipient: give their private key with --identity.');
      return diffieHellman({ privateKey: opener.identity, publicKey: createPublicKey({ key: Buffer.from(head.sender, 'base64'), format: 'der', type: 'spki' }) });
  }
}

/** The key of one archive: bound to its head, so that no part of that can be changed. */
export const archiveKey = (secret: Uint8Array, head: LockHead, headLine: string): Uint8Array => new Uint8Array(hkdfSync('sha256', secret, Buffer.from(head.salt, 'base64'), `aceso backup\0${headLine}`, 32));

const stretched = (passphrase: string, salt: Uint8Array, N: number): Uint8Array => scryptSync(passphrase.normalize('NFKC'), salt, 32, { N, r: 8, p: 1, maxmem: MEMORY });

/** Makes the two halves of a recipient's key: the private one to be kept away from the hospital's machines, the public one to back up with. */
export function makeRecipient(privateFile: string): void {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  writeFileSync(privateFile, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600, flag: 'wx' });
  writeFileSync(`${privateFile}.pub`, publicKey.export({ format: 'pem', type: 'spki' }), { flag: 'wx' });
}

export const readRecipient = (file: string): KeyObject => x25519(file, 'public', () => createPublicKey(readFileSync(file)));
export const readIdentity = (file: string): KeyObject => x25519(file, 'private', () => createPrivateKey(readFileSync(file)));

function x25519(file: string, which: 'public' | 'private', read: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = read();
  } catch {
    throw new Error(`${file} holds no ${which} key. Make a pair with \`aceso backup recipient FILE\`.`);
  }
  if (key.asymmetricKeyType !== 'x25519') throw new Error(`${file} holds a key of another kind (${key.asymmetricKeyType ?? 'unknown'}); an X25519 key is needed. Make a pair with \`aceso backup recipient FILE\`.`);
  return key;
}
