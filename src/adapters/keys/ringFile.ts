import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** One key-encryption key of the file. `madeAt`: ISO time; unknown for the key of a file of the first format. */
export type RingKey = { readonly id: string; readonly key: string; readonly madeAt?: string };

/**
 * What a key file holds. `current` wraps what is new, `keys` (the oldest first) open what is there. `pseudonymKey` and `derivationKey` have no
 * successor: every stored name is a pseudonym, and the courier's store lies under a derived key.
 */
export type RingFile = { readonly version: 2; readonly current: string; readonly keys: readonly RingKey[]; readonly pseudonymKey: string; readonly derivationKey: string };

const newKey = (): RingKey => ({ id: `k${randomBytes(4).toString('hex')}`, key: secret(), madeAt: new Date().toISOString() });
const secret = (): string => randomBytes(32).toString('base64');

export function newRing(): RingFile {
  const key = newKey();
  return { version: 2, current: key.id, keys: [key], pseudonymKey: secret(), derivationKey: secret() };
}

/** A new key in force; the others stay, to open what they wrapped. */
export function withNewKey(ring: RingFile): RingFile {
  const key = newKey();
  return { ...ring, current: key.id, keys: [...ring.keys, key] };
}

export function withoutKey(ring: RingFile, id: string): RingFile {
  if (id === ring.current) throw new Error(`${id} is the key in force. Put another one in force first: \`aceso keys rotate\`.`);
  if (!ring.keys.some((key) => key.id === id)) throw new Error(`the key file holds no key ${id}. See \`aceso keys list\`.`);
  return { ...ring, keys: ring.keys.filter((key) => key.id !== id) };
}

/** Reads a key file of either format. Errors say what to do and hold no key. */
export function readRing(path: string): RingFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`keys.file: cannot read ${path} (${(error as NodeJS.ErrnoException).code ?? 'unknown'}). Run \`aceso init\`, or restore it from the backup: without it nothing that is stored can be read.`, { cause: error });
  }
  if ((statSync(path).mode & 0o077) !== 0) throw new Error(`keys.file: ${path} can be read by others. Run \`chmod 600 ${path}\`.`);
  const ring = parse(text);
  if (!ring) throw new Error(`keys.file: ${path} is not a key file of Aceso. Restore it from the backup.`);
  if (![...ring.keys.map(({ key }) => key), ring.pseudonymKey, ring.derivationKey].every((key) => Buffer.from(key, 'base64').length === 32)) throw new Error(`keys.file: ${path} holds a key that hasn't 32 bytes. Restore it from the backup.`);
  return ring;
}

function parse(text: string): RingFile | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // The parser's message could quote key material.
  }
  if (!isRecord(value)) return undefined;
  const { keyId, keyEncryptionKey, pseudonymKey, version, current, keys, derivationKey } = value;
  if (typeof pseudonymKey !== 'string') return undefined;
  // The first format: one key, from which the others were derived too.
  if (typeof keyId === 'string' && typeof keyEncryptionKey === 'string') return { version: 2, current: keyId, keys: [{ id: keyId, key: keyEncryptionKey }], pseudonymKey, derivationKey: keyEncryptionKey };
  if (version !== 2 || typeof current !== 'string' || typeof derivationKey !== 'string' || !Array.isArray(keys) || !keys.every(isRingKey)) return undefined;
  return keys.some(({ id }) => id === current) ? { version: 2, current, keys, pseudonymKey, derivationKey } : undefined;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null;
const isRingKey = (value: unknown): value is RingKey => isRecord(value) && typeof value['id'] === 'string' && typeof value['key'] === 'string' && (value['madeAt'] === undefined || typeof value['madeAt'] === 'string');

/** Writes a file that isn't there yet. Refuses to replace one: losing it loses everything that it sealed. */
export function writeNewRing(path: string, ring: RingFile): void {
  writeDurably(path, ring);
}

/** Replaces the file in one step: whoever reads it sees the old one or the new one, whatever is killed. */
export function replaceRing(path: string, before: RingFile, after: RingFile): void {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.new`;
  try {
    writeDurably(temporary, after);
    if (JSON.stringify(readRing(path)) !== JSON.stringify(before)) throw new Error(`keys.file: somebody else changed ${path} at this moment. Try again.`);
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

function writeDurably(path: string, ring: RingFile): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, `${JSON.stringify(ring, null, 2)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
