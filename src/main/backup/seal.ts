import { existsSync, readFileSync } from 'node:fs';
import { readIdentity, readRecipient, type Lock, type Opener } from '../../adapters/archive/keys.ts';
import { openKeyFile } from '../../adapters/keys/keyfile.ts';

export type LockOptions = { readonly passphraseFile?: string; readonly recipient?: string; readonly withKeys?: true };
export type OpenOptions = { readonly passphraseFile?: string; readonly identity?: string; readonly keys?: string };

const PURPOSE = 'backup';
const SHORTEST = 12;

/** Who will be able to open the backup. With the keys inside it can't be those keys that lock it. */
export function lockOf(keysFile: string, { passphraseFile, recipient, withKeys }: LockOptions): Lock {
  if (passphraseFile !== undefined && recipient !== undefined) throw new Error('Give --passphrase-file or --recipient, not both.');
  if (recipient !== undefined) return { kind: 'recipient', publicKey: readRecipient(recipient) };
  if (passphraseFile !== undefined) {
    const passphrase = passphraseIn(passphraseFile);
    if (passphrase.length < SHORTEST) throw new Error(`the passphrase in ${passphraseFile} is shorter than ${SHORTEST} characters. Use a longer one: it is all that protects the backup.`);
    return { kind: 'passphrase', passphrase };
  }
  if (withKeys) throw new Error('--with-keys puts keys.json into the backup, so that it can\'t be sealed under those keys: give --recipient or --passphrase-file too.');
  return { kind: 'ring', key: openKeyFile(keysFile).derive(PURPOSE) };
}

/** Everything that was given to open a backup with. A key file that isn't there is needed only by a backup that is sealed under it. */
export function openerOf(keysFile: string, { passphraseFile, identity, keys }: OpenOptions): Opener {
  const ring = keys ?? (existsSync(keysFile) ? keysFile : undefined);
  return {
    ...(ring === undefined ? {} : { ring: openKeyFile(ring).derive(PURPOSE) }),
    ...(passphraseFile === undefined ? {} : { passphrase: passphraseIn(passphraseFile) }),
    ...(identity === undefined ? {} : { identity: readIdentity(identity) }),
  };
}

const passphraseIn = (file: string): string => readFileSync(file, 'utf8').replace(/\r?\n$/u, '');
