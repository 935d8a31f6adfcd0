/**
 * Keys (Indexed Database API 3.0, §2.4) and their encoding to bytes: `memcmp` of two encodings is the specification's comparison,
 * so SQLite's own order of BLOBs is the order of keys. Each key is a tag, a body, and for variable lengths a 0x00 that sorts first.
 */
import { types } from 'node:util';
import { domError } from './errors.ts';

export type Key = number | string | Date | ArrayBuffer | Key[];

const NUMBER = 0x10;
const DATE = 0x20;
const STRING = 0x30;
const BINARY = 0x40;
const ARRAY = 0x50;
const END = 0x00;

/** §7.4 "convert a value to a key"; a copy that the caller can't change. Throws DataError for what is no valid key. */
export function toKey(value: unknown): Key {
  const key = tryKey(value);
  if (key === undefined) throw domError('DataError', 'the value is not a valid key (number, string, Date, binary, or an array of these)');
  return key;
}

/** As `toKey`, with `undefined` for an invalid value. */
export function tryKey(value: unknown, seen: readonly unknown[] = []): Key | undefined {
  switch (typeof value) {
    case 'number':
      return Number.isNaN(value) ? undefined : value;
    case 'string':
      return value;
    case 'object':
      if (value === null) return undefined;
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : new Date(value.getTime());
      if (value instanceof ArrayBuffer) return value.detached ? undefined : value.slice(0);
      if (ArrayBuffer.isView(value)) return copyOfView(value);
      return Array.isArray(value) && !types.isProxy(value) ? tryArray(value, seen) : undefined;
    default:
      return undefined;
  }
}

function tryArray(value: readonly unknown[], seen: readonly unknown[]): Key[] | undefined {
  if (seen.includes(value)) return undefined;
  const path = [...seen, value];
  const keys = Array.from(members(value, path));
  return keys.length === value.length ? keys : undefined;
}

/** Ends at the first that is no key. */
function* members(array: readonly unknown[], path: readonly unknown[]): Generator<Key> {
  for (let i = 0; i < array.length; i++) {
    const key = Object.hasOwn(array, i) ? tryKey(array[i], path) : undefined;
    if (key === undefined) return;
    yield key;
  }
}

function copyOfView(view: ArrayBufferView): ArrayBuffer | undefined {
  if (view.buffer instanceof ArrayBuffer && view.buffer.detached) return undefined;
  const copy = new ArrayBuffer(view.byteLength);
  new Uint8Array(copy).set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  return copy;
}

/** -1, 0 or 1 (§2.4 "compare two keys"). */
export function compareKeys(a: Key, b: Key): -1 | 0 | 1 {
  return compareBytes(encodeKey(a), encodeKey(b));
}

export function compareBytes(a: Uint8Array, b: Uint8Array): -1 | 0 | 1 {
  return Buffer.compare(a, b);
}

/** The smallest encoding that is greater than `bytes`: turns an open bound into a closed one and back. */
export function successor(bytes: Uint8Array): Uint8Array {
  const next = new Uint8Array(bytes.length + 1);
  next.set(bytes);
  return next;
}

/** Below and above every encoded key. */
export const LOWEST = new Uint8Array(0);
export const HIGHEST = Uint8Array.of(0xff);

export function encodeKey(key: Key): Uint8Array {
  length = 0;
  write(key);
  return new Uint8Array(scratch.subarray(0, length));
}

export function decodeKey(bytes: Uint8Array): Key {
  return new Reader(bytes).key();
}

let scratch = Buffer.allocUnsafe(1024);
let length = 0;

function room(bytes: number): void {
  if (length + bytes <= scratch.length) return;
  const larger = Buffer.allocUnsafe(Math.max(scratch.length * 2, length + bytes));
  scratch.copy(larger, 0, 0, length);
  scratch = larger;
}

function write(key: Key): void {
  if (typeof key === 'number') writeDouble(NUMBER, key);
  else if (typeof key === 'string') writeUnits(STRING, key.length, (i) => key.charCodeAt(i));
  else if (key instanceof Date) writeDouble(DATE, key.getTime());
  else if (key instanceof ArrayBuffer) {
    const bytes = new Uint8Array(key);
    writeUnits(BINARY, bytes.length, (i) => bytes[i] ?? 0);
  } else {
    room(1);
    scratch[length++] = ARRAY;
    for (const item of key) write(item);
    room(1);
    scratch[length++] = END;
  }
}

/** IEEE 754 big-endian, sign bit flipped for positives and every bit for negatives, sorts as the numbers do. -0 is 0. */
function writeDouble(tag: number, value: number): void {
  room(9);
  scratch[length] = tag;
  scratch.writeDoubleBE(value === 0 ? 0 : value, length + 1);
  flip(scratch, length + 1, value < 0);
  length += 9;
}

function flip(bytes: Uint8Array, offset: number, negative: boolean): void {
  if (!negative) bytes[offset] = (bytes[offset] ?? 0) ^ 0x80;
  else for (let i = offset; i < offset + 8; i++) bytes[i] = (bytes[i] ?? 0) ^ 0xff;
}

/**
 * UTF-16 code units or bytes, each in one to three bytes that keep their order and never start with the terminator:
 * up to 0x7e as itself + 1, up to 0x407e as 10xxxxxx xxxxxxxx, above that as 11000000 and the unit.
 */
function writeUnits(tag: number, count: number, unitAt: (index: number) => number): void {
  room(3 * count + 2);
  scratch[length++] = tag;
  for (let i = 0; i < count; i++) {
    const unit = unitAt(i);
    if (unit <= 0x7e) scratch[length++] = unit + 1;
    else if (unit <= 0x407e) {
      scratch[length++] = 0x80 | ((unit - 0x7f) >> 8);
      scratch[length++] = (unit - 0x7f) & 0xff;
    } else {
      scratch[length++] = 0xc0;
      scratch[length++] = unit >> 8;
      scratch[length++] = unit & 0xff;
    }
  }
  scratch[length++] = END;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  key(): Key {
    const tag = this.#byte();
    switch (tag) {
      case NUMBER:
        return this.#double();
      case DATE:
        return new Date(this.#double());
      case STRING:
        return this.#string();
      case BINARY:
        return Uint8Array.from(this.#units()).buffer;
      case ARRAY:
        return this.#array();
      default:
        throw new Error(`the stored key is damaged: unknown tag ${tag}`);
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error('the stored key is damaged: it ends too early');
    return byte;
  }

  #double(): number {
    const copy = Buffer.from(this.#bytes.subarray(this.#at, this.#at + 8));
    this.#at += 8;
    flip(copy, 0, ((copy[0] ?? 0) & 0x80) === 0);
    return copy.readDoubleBE(0);
  }

  #string(): string {
    let text = '';
    for (const unit of this.#units()) text += String.fromCharCode(unit);
    return text;
  }

  /** By iteration, as in `tryArray`, because `push` would run setters that a page put on Object.prototype. */
  #array(): Key[] {
    return Array.from(this.#items());
  }

  *#items(): Generator<Key> {
    while (this.#bytes[this.#at] !== END) yield this.key();
    this.#at++;
  }

  #units(): Uint16Array {
    const units = new Uint16Array(this.#bytes.length - this.#at);
    let count = 0;
    for (let lead = this.#byte(); lead !== END; lead = this.#byte()) {
      if (lead < 0x80) units[count++] = lead - 1;
      else if (lead < 0xc0) units[count++] = (((lead & 0x3f) << 8) | this.#byte()) + 0x7f;
      else units[count++] = (this.#byte() << 8) | this.#byte();
    }
    return units.subarray(0, count);
  }
}
