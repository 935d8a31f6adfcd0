/** A value that Matrix can't sign: no integer, too deep, of too many parts, or not JSON at all. The message says why, never what. */
export class NotCanonical extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NotCanonical';
  }
}

const DEEPEST = 100;
/** A transaction has some ten thousand values. */
const MOST_VALUES = 50_000;

/**
 * Canonical JSON (Matrix specification, appendices §"Canonical JSON"): keys in the order of their code points, no space, integers of 53 bits only.
 * RFC 8785, which packages for Node offer, orders by UTF-16 unit and takes fractions: other bytes, other signatures.
 */
export const canonicalJson = (value: unknown): string => written(value, 0, { values: 0 });

/** The fields of an object in canonical JSON, in their order: written once, for all that is made of them (`joined`). */
export type Fields = ReadonlyMap<string, string>;

export function canonicalFields(object: Readonly<Record<string, unknown>>): Fields {
  const so = { values: 1 };
  return new Map(namesOf(object).map((name) => [name, written(object[name], 1, so)]));
}

/** Canonical JSON of an object with these fields; they come in the order of their names. */
export function joined(fields: Iterable<readonly [name: string, text: string]>): string {
  let text = '';
  for (const [name, value] of fields) text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${value}`;
  return `{${text}}`;
}

/** Whether a text has no more values than are signed: seen before it is parsed, which would take longer the more there are. */
export function hasFewValues(text: Uint8Array): boolean {
  // Each takes a byte at least.
  if (text.length < MOST_VALUES) return true;
  let [values, isInString] = [1, false];
  for (let at = 0; at < text.length && values <= MOST_VALUES; at += 1) {
    const byte = text[at];
    if (byte === QUOTE) isInString = !isInString;
    else if (!isInString) values += byte === COMMA || byte === ARRAY || byte === OBJECT ? 1 : 0;
    else if (byte === BACKSLASH) at += 1;
  }
  return values <= MOST_VALUES;
}
const [QUOTE, BACKSLASH, COMMA, ARRAY, OBJECT] = [0x22, 0x5c, 0x2c, 0x5b, 0x7b];

function written(value: unknown, depth: number, so: { values: number }): string {
  if (depth > DEEPEST) throw new NotCanonical(`nested deeper than ${DEEPEST}`);
  so.values += 1;
  if (so.values > MOST_VALUES) throw new NotCanonical(`more than ${MOST_VALUES} values`);
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new NotCanonical('a number that is no integer of 53 bits');
    return String(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => written(item, depth + 1, so)).join(',')}]`;
  if (typeof value !== 'object') throw new NotCanonical(`a ${typeof value}`);
  const object = value as Readonly<Record<string, unknown>>;
  return `{${namesOf(object).map((name) => `${JSON.stringify(name)}:${written(object[name], depth + 1, so)}`).join(',')}}`;
}

function namesOf(object: Readonly<Record<string, unknown>>): string[] {
  const names = Object.keys(object);
  if (names.length > MOST_VALUES) throw new NotCanonical(`more than ${MOST_VALUES} values`);
  return inOrder(names);
}

/** Characters above the BMP are written with units (D800–DFFF) that sort before U+E000–U+FFFF, though their code points come after. */
const ABOVE_SURROGATES = /[\u{d800}-\u{ffff}\u{10000}-\u{10ffff}]/u;

const inOrder = (names: string[]): string[] => (ABOVE_SURROGATES.test(names.join('')) ? names.sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other))) : names.sort());
