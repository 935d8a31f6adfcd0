/** Changes that programs and attackers make to data: small ones to JSON values, coarse ones to bytes. */
import type { Random } from './random.ts';

type Json = unknown;
type Holder = { readonly at: Record<string, Json> | Json[]; readonly key: string | number };

/** A copy with one to four changes somewhere in it. The original stays as it is. */
export function mutateJson(value: Json, random: Random): Json {
  const root = { value: structuredClone(value) };
  for (let changes = 1 + random.int(1 + random.int(4)); changes > 0; changes -= 1) {
    const places = placesIn(root);
    if (places.length > 0) change(random.pick(places), random);
  }
  return root.value;
}

/** As it goes over the wire; a change may have taken all of it away. */
export const textOf = (value: Json): string => (value === undefined ? '' : JSON.stringify(value));

/** Bytes with one to three cuts, flips, insertions or repetitions. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  let result = Buffer.from(bytes);
  for (let changes = 1 + random.int(3); changes > 0; changes -= 1) {
    const at = random.int(result.length + 1);
    const until = Math.min(result.length, at + random.int(40));
    result = Buffer.from(random.pick<() => Uint8Array>([
      () => result.subarray(0, at),
      () => Buffer.concat([result.subarray(0, at), result.subarray(until)]),
      () => Buffer.concat([result.subarray(0, until), result.subarray(at)]),
      () => Buffer.concat([result.subarray(0, at), Buffer.from(random.pick(FRAGMENTS)), result.subarray(at)]),
      () => result.map((byte, index) => (index === at ? byte ^ (1 << random.int(8)) : byte)),
      () => result.map((byte, index) => (index >= at && index < until ? random.int(256) : byte)),
    ])());
  }
  return result;
}

function placesIn(root: { readonly value: Json }): readonly Holder[] {
  const places: Holder[] = [];
  const walk = (at: Record<string, Json> | Json[]): void => {
    for (const key of Array.isArray(at) ? at.keys() : Object.keys(at)) {
      places.push({ at, key });
      const child = (at as Record<string | number, Json>)[key];
      if (typeof child === 'object' && child !== null) walk(child as Record<string, Json>);
    }
  };
  walk(root);
  return places;
}

function change({ at, key }: Holder, random: Random): void {
  const holder = at as Record<string | number, Json>;
  const before = holder[key];
  random.pick<() => void>([
    () => { if (Array.isArray(at)) at.splice(Number(key), 1); else Reflect.deleteProperty(at, key); },
    () => { holder[key] = odd(random); },
    () => { holder[key] = typeof before === 'string' ? random.pick<() => string>([() => before.toUpperCase(), () => `${before} `, () => before.slice(1), () => before.repeat(2), () => before + random.pick(FRAGMENTS), () => random.pick(FRAGMENTS)])() : [before]; },
    () => { holder[key] = Array.isArray(before) ? (before.length > 0 ? [...(before as readonly Json[]), before[0] as Json] : {}) : { value: before }; },
    () => { if (!Array.isArray(at)) { holder[random.pick(KEYS)] = before; Reflect.deleteProperty(at, key); } },
    () => { if (Array.isArray(at)) at.push(odd(random)); else Object.defineProperty(at, random.pick(KEYS), { value: odd(random), enumerable: true, configurable: true, writable: true }); },
    () => { holder[key] = nested(before, 2 + random.int(200), random); },
  ])();
}

function nested(value: Json, depth: number, random: Random): Json {
  const inList = random.chance(0.5);
  let result = value;
  for (let level = 0; level < depth; level += 1) result = inList ? [result] : { extension: result };
  return result;
}

/** One of its own each time: what is changed later must not change the list. */
const odd = (random: Random): Json => structuredClone(random.pick(ODD_VALUES));

const FRAGMENTS = ['\0', '\u202e', '\ud800', '’', '"', '\\', '<script>', '%00', '../', '\r\n', '🫀', 'A'.repeat(10_000), "'; DROP TABLE inbox; --", '${x}', '#', '|', '$', '𝒜', '\ufeff', '1e999', '-0', '::', '@a:b:c', 'urn:uuid:', '#p'];
const ODD_VALUES: readonly Json[] = [null, true, false, 0, -1, -0, 1e308, 2 ** 53, 0.1, '', ' ', '\0', [], {}, [[]], [null], { '': '' }, 'x'.repeat(70_000), '2026-13-45', 'NaN', [1, 2, 3], { resourceType: 'Patient' }, { reference: '#p' }, { reference: '#nowhere' }];
const KEYS = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', ' ', 'id', 'resourceType', 'contained', 'extension', 'reference', 'value', '_value', 'length', 'type', 'content', 'event_id', 'm.relates_to', 'ciphertext'];
