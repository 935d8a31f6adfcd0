import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { as, type SubjectId } from '../../domain/brand.ts';
import { Sealed } from '../../domain/sealed.ts';
import { Unopened } from './unopened.ts';

/** The data key of a subject, 32 bytes; undefined when it was destroyed. */
export type DataKeys = ReadonlyMap<string, Uint8Array>;

type Box = { readonly $sealed: { readonly s: string; readonly b: string } };

const isBox = (value: unknown): value is Box => typeof value === 'object' && value !== null && '$sealed' in value && Object.keys(value).length === 1;

/** Every subject whose sealed values are in `value`. */
export function subjectsIn(value: unknown, found = new Set<string>()): Set<string> {
  if (value instanceof Sealed) found.add(value.subject);
  else if (Array.isArray(value)) for (const item of value) subjectsIn(item, found);
  else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) subjectsIn(item, found);
  return found;
}

/** JSON in which each `Sealed` is an AES-256-GCM box under its subject's key; the rest stays readable, and holds no PHI by its type. */
export function encode(value: unknown, keys: DataKeys): string {
  return JSON.stringify(boxed(value, keys));
}

/** The box of a value that was opened or sealed before, and the key it is under: a value never changes, so as long as the key is the same it needs no other. */
const boxes = new WeakMap<Sealed<unknown>, { readonly key: Uint8Array; readonly box: string }>();

function boxOf(value: Sealed<unknown>, keys: DataKeys): string {
  const dataKey = key(keys, value.subject);
  const known = boxes.get(value);
  if (known && Buffer.compare(known.key, dataKey) === 0) return known.box;
  const box = seal(dataKey, Buffer.from(JSON.stringify(value.reveal())), value.subject).toString('base64');
  boxes.set(value, { key: dataKey, box });
  return box;
}

function boxed(value: unknown, keys: DataKeys): unknown {
  if (value instanceof Sealed) return { $sealed: { s: value.subject, b: boxOf(value, keys) } };
  if (Array.isArray(value)) return value.map((item) => boxed(item, keys));
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, boxed(item, keys)]));
  return value;
}

/** Subjects whose boxes a stored text holds: their keys must be at hand before `decode`. */
export function subjectsOf(text: string): Set<string> {
  const found = new Set<string>();
  for (const [, subject] of text.matchAll(/\{"\$sealed":\{"s":"([^"]+)"/gu)) if (subject !== undefined) found.add(subject);
  return found;
}

/** Throws {@link Unopened}. */
export function decode(text: string, keys: DataKeys): unknown {
  try {
    return opened(text, keys);
  } catch (error) {
    // The cause may quote what was opened.
    throw error instanceof Unopened ? error : new Unopened('unreadable', 'what is stored was changed by hand, or the disk spoilt it');
  }
}

function opened(text: string, keys: DataKeys): unknown {
  return JSON.parse(text, (_name, value: unknown) => {
    if (!isBox(value)) return value;
    const { s, b } = value.$sealed;
    const dataKey = key(keys, s);
    const sealed = Sealed.of(as<SubjectId>(s), JSON.parse(open(dataKey, Buffer.from(b, 'base64'), s).toString('utf8')) as unknown);
    boxes.set(sealed, { key: dataKey, box: b });
    return sealed;
  });
}

function key(keys: DataKeys, subject: string): Uint8Array {
  const found = keys.get(subject);
  if (!found) throw new Unopened('key-destroyed', `the data key of subject ${subject} is not there: it was destroyed, or the store was changed by hand`);
  return found;
}

/** Bytes as a box of their own, without a detour over text. */
export const sealBytes = (value: Sealed<Uint8Array>, keys: DataKeys): Uint8Array => seal(key(keys, value.subject), value.reveal(), value.subject);

export const openBytes = (subject: SubjectId, box: Uint8Array, keys: DataKeys): Sealed<Uint8Array> => Sealed.of(subject, new Uint8Array(open(key(keys, subject), box, subject)));

function seal(dataKey: Uint8Array, plain: Uint8Array, subject: string): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', dataKey, nonce).setAAD(Buffer.from(`aceso:1:${subject}`));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function open(dataKey: Uint8Array, bytes: Uint8Array, subject: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', dataKey, bytes.subarray(0, 12)).setAAD(Buffer.from(`aceso:1:${subject}`)).setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
}
