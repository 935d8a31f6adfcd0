/** Key paths (Indexed Database API 3.0, §2.5, §7.1 and §7.2). Evaluated on clones only, so no getter of the caller runs here. */
import { domError } from './errors.ts';
import { compareBytes, encodeKey, tryKey, type Key } from './keys.ts';
import { domString } from './webidl.ts';

export type KeyPath = string | readonly string[];

const IDENTIFIER = /^[$_\p{ID_Start}][$\u200c\u200d\p{ID_Continue}]*$/u;

/** The caller's argument as a key path: an array is a sequence of strings, all else a string. Throws SyntaxError if it is no valid path. */
export function toKeyPath(value: unknown): KeyPath {
  const path = isSequence(value) ? Array.from(value, domString) : domString(value);
  if (!isValidKeyPath(path)) throw domError('SyntaxError', `"${path.toString()}" is not a valid key path`);
  return path;
}

function isSequence(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

function isValidKeyPath(path: KeyPath): boolean {
  if (typeof path !== 'string') return path.length > 0 && path.every((part) => isValidKeyPath(part));
  return path === '' || path.split('.').every((part) => IDENTIFIER.test(part));
}

/** For a caller, who may change what he is given. */
export function copyOf<T extends KeyPath | null>(path: T): T {
  return (Array.isArray(path) ? [...(path as readonly string[])] : path) as T;
}

/** §7.1 "extract a key from a value": `undefined` when the path leads nowhere or to no valid key. */
export function extractKey(value: unknown, path: KeyPath): Key | undefined {
  if (typeof path === 'string') return tryKey(evaluate(value, path));
  const keys: Key[] = [];
  for (const part of path) {
    const key = tryKey(evaluate(value, part));
    if (key === undefined) return undefined;
    keys.push(key);
  }
  return keys;
}

/** Whether the path leads nowhere, as opposed to something that is no valid key. */
export function isMissing(value: unknown, path: string): boolean {
  return evaluate(value, path) === undefined;
}

/** The keys of one record in a multiEntry index: each valid member once, in encoded form. */
export function extractMultiEntry(value: unknown, path: KeyPath): Uint8Array[] {
  const found = typeof path === 'string' ? evaluate(value, path) : undefined;
  if (!Array.isArray(found)) {
    const key = extractKey(value, path);
    return key === undefined ? [] : [encodeKey(key)];
  }
  const keys: Uint8Array[] = [];
  for (let i = 0; i < found.length; i++) {
    const key = Object.hasOwn(found, i) ? tryKey(found[i]) : undefined;
    if (key !== undefined) keys.push(encodeKey(key));
  }
  return keys.sort(compareBytes).filter((key, i) => i === 0 || compareBytes(key, keys[i - 1] ?? key) !== 0);
}

function evaluate(value: unknown, path: string): unknown {
  if (path === '') return value;
  let at = value;
  for (const part of path.split('.')) {
    at = property(at, part);
    if (at === undefined) return undefined;
  }
  return at;
}

function property(of: unknown, name: string): unknown {
  if (typeof of === 'string') return name === 'length' ? of.length : undefined;
  if (typeof of !== 'object' || of === null || !Object.hasOwn(of, name)) return undefined;
  return (of as Readonly<Record<string, unknown>>)[name];
}

/** §7.2 "check that a key could be injected into a value". */
export function canInject(value: unknown, path: string): boolean {
  let at = value;
  for (const part of path.split('.').slice(0, -1)) {
    if (!isObject(at)) return false;
    if (!Object.hasOwn(at, part)) return true;
    at = at[part];
  }
  return isObject(at);
}

/** §7.2 "inject a key into a value": changes `value`, making what is missing on the way. */
export function inject(value: unknown, path: string, key: Key): void {
  const parts = path.split('.');
  const last = parts.pop() ?? '';
  let at = value;
  for (const part of parts) {
    if (!isObject(at)) return;
    if (!Object.hasOwn(at, part)) define(at, part, {});
    at = at[part];
  }
  if (isObject(at)) define(at, last, key);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function define(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
}
