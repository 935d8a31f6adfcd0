import { createHmac, hkdfSync } from 'node:crypto';
import { statSync } from 'node:fs';
import type { KeyRing } from '../../ports/keys.ts';
import { base32, openBytes, sealBytes } from './boxes.ts';
import { newRing, readRing, replaceRing, withNewKey, withoutKey, writeNewRing, type RingFile } from './ringFile.ts';

export type { RingFile, RingKey } from './ringFile.ts';
export { readRing } from './ringFile.ts';

/** Makes a new key file, readable by its owner alone. Refuses to replace one: losing it loses everything that it sealed. */
export const createKeyFile = (path: string): void => writeNewRing(path, newRing());

/** Puts a new key in force and gives its id. What the others wrapped stays readable. A running server sees it within a second. */
export function addKey(path: string): string {
  const before = readRing(path);
  const after = withNewKey(before);
  replaceRing(path, before, after);
  return after.current;
}

/** Takes a key out of the file. The caller has seen that nothing is wrapped under it. */
export function removeKey(path: string, id: string): void {
  const before = readRing(path);
  replaceRing(path, before, withoutKey(before, id));
}

/** How often a running process looks whether the file changed. Milliseconds. */
const LOOK_EVERY_MS = 1000;

/** Opens a key file, and reads it again when it changed. Errors say what to do and hold no key. */
export function openKeyFile(path: string): KeyRing {
  let ring = readRing(path);
  let changed = changeOf(path);
  let lookedAt = Date.now();
  let isPinned = false;

  function look(): void {
    lookedAt = Date.now();
    const now = changeOf(path);
    if (now === changed) return;
    try {
      const next = readRing(path);
      // Another ring altogether is not a newer one of this: with its pseudonyms nothing that is stored would be found.
      if (next.pseudonymKey === ring.pseudonymKey && next.derivationKey === ring.derivationKey) ring = next;
      changed = now;
    } catch {
      // A file that is gone or broken while the server runs: what was read stays in force, and `aceso doctor` tells.
    }
  }
  /** The same ring for everything that one turn does: a key's id and what it wrapped must belong together. */
  function current(): RingFile {
    if (!isPinned) {
      isPinned = true;
      queueMicrotask(() => { isPinned = false; });
      if (Date.now() - lookedAt >= LOOK_EVERY_MS) look();
    }
    return ring;
  }
  function keyOf(keyId: string): Uint8Array {
    const find = (): string | undefined => ring.keys.find(({ id }) => id === keyId)?.key;
    let found = find();
    if (found === undefined) {
      look();
      found = find();
    }
    if (found === undefined) throw new Error(`data was sealed under key ${keyId}, the key file holds ${ring.keys.map(({ id }) => id).join(', ')}: use the key file that belongs to this database`);
    return Buffer.from(found, 'base64');
  }

  return {
    get keyId() { return current().current; },
    get keyIds() { return current().keys.map(({ id }) => id); },
    wrap(dataKey, subject) {
      const { current: keyId } = current();
      return sealBytes(keyOf(keyId), dataKey, `wrap:${keyId}:${subject}`);
    },
    unwrap: (wrapped, subject, keyId) => openBytes(keyOf(keyId), wrapped, `wrap:${keyId}:${subject}`),
    pseudonym: (kind, text) => base32(createHmac('sha256', Buffer.from(ring.pseudonymKey, 'base64')).update(`${kind}\0${text}`).digest().subarray(0, 16)),
    derive: (purpose) => new Uint8Array(hkdfSync('sha256', Buffer.from(ring.derivationKey, 'base64'), Buffer.alloc(0), `aceso:${purpose}`, 32)),
  };
}

/** What changes with every replacement of the file; empty when it can't be looked at. */
function changeOf(path: string): string {
  try {
    const { mtimeMs, ino, size } = statSync(path);
    return `${mtimeMs}/${ino}/${size}`;
  } catch {
    return '';
  }
}
