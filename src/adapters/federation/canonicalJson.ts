/** A value that Matrix can't sign: no integer, too deep, or not JSON at all. The message says why, never what. */
export class NotCanonical extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NotCanonical';
  }
}

const DEEPEST = 100;

/**
 * Canonical JSON (Matrix specification, appendices §"Canonical JSON"): keys in the order of their code points, no space, integers of 53 bits only.
 * RFC 8785, which packages for Node offer, orders by UTF-16 unit and takes fractions: other bytes, other signatures.
 */
export function canonicalJson(value: unknown, depth = 0): string {
  if (depth > DEEPEST) throw new NotCanonical(`nested deeper than ${DEEPEST}`);
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new NotCanonical('a number that is no integer of 53 bits');
    return String(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item, depth + 1)).join(',')}]`;
  if (typeof value !== 'object') throw new NotCanonical(`a ${typeof value}`);
  const object = value as Readonly<Record<string, unknown>>;
  return `{${Object.keys(object).sort(byCodePoint).map((name) => `${JSON.stringify(name)}:${canonicalJson(object[name], depth + 1)}`).join(',')}}`;
}

/** Characters above the BMP are written with units (D800–DFFF) that sort before U+E000–U+FFFF, though their code points come after. */
const ABOVE_SURROGATES = /[\u{d800}-\u{ffff}\u{10000}-\u{10ffff}]/u;

function byCodePoint(one: string, other: string): number {
  if (ABOVE_SURROGATES.test(one) || ABOVE_SURROGATES.test(other)) return Buffer.compare(Buffer.from(one), Buffer.from(other));
  return one < other ? -1 : 1;
}
