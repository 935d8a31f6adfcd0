/**
 * Objects of the platform (a Blob, a URL, an event) keep what they are in hidden places. V8's serializer would store them as empty
 * objects, without a word, so they are looked for first. Getters are not run: that is the serializer's to do, once.
 */
import { domError } from './errors.ts';

const PLATFORM: ReadonlySet<string> = new Set([
  'Blob', 'CryptoKey', 'DOMException', 'Event', 'EventTarget', 'FormData', 'Headers', 'KeyObject', 'ReadableStream', 'Request', 'Response', 'TransformStream',
  'URL', 'URLSearchParams', 'WritableStream',
]);

/** Throws DataCloneError if an object of the platform is anywhere in `value`. */
export function refusePlatformObjects(value: unknown): void {
  if (typeof value === 'object' && value !== null) look(value, new Set());
}

function look(object: object, seen: Set<object>): void {
  if (seen.has(object)) return;
  seen.add(object);
  if (ArrayBuffer.isView(object) || object instanceof ArrayBuffer) return;
  refuse(object);
  if (object instanceof Map) for (const [key, value] of object) lookAll([key, value], seen);
  else if (object instanceof Set) lookAll(object, seen);
  else lookAll(dataOf(object), seen);
}

function lookAll(values: Iterable<unknown>, seen: Set<object>): void {
  for (const value of values) if (typeof value === 'object' && value !== null) look(value, seen);
}

function* dataOf(object: object): Generator {
  for (const name of Object.keys(object)) {
    const descriptor = Object.getOwnPropertyDescriptor(object, name);
    if (descriptor !== undefined && 'value' in descriptor) yield descriptor.value;
  }
}

function refuse(object: object): void {
  for (let prototype: unknown = Object.getPrototypeOf(object); isObject(prototype) && prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype)) {
    const { name } = prototype.constructor;
    if (PLATFORM.has(name) && isPlatform(prototype.constructor, name)) throw domError('DataCloneError', `a ${name} can not be stored`);
  }
}

/** A caller's own class may have the name of one of the platform. */
function isPlatform(constructor: unknown, name: string): boolean {
  return name === 'KeyObject' || Reflect.get(globalThis, name) === constructor;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
