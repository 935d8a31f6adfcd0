/** Conversions of arguments as Web IDL has them (https://webidl.spec.whatwg.org/#js-integers), with [EnforceRange]. */

/** An integer from 0 to `max`; a fraction is cut off. Throws TypeError. */
export function enforceRange(value: unknown, max: number, what: string): number {
  const number = Math.trunc(Number(value));
  if (!Number.isFinite(number) || number < 0 || number > max) throw new TypeError(`${what} must be a number from 0 to ${max}`);
  return number === 0 ? 0 : number;
}

export const UNSIGNED_LONG = 2 ** 32 - 1;
export const UNSIGNED_LONG_LONG = Number.MAX_SAFE_INTEGER;

/** DOMString: throws TypeError for a symbol. */
export function domString(value: unknown): string {
  if (typeof value === 'symbol') throw new TypeError('a symbol can not be a name');
  return String(value);
}

/** One of `allowed`, or `otherwise` when not given. Throws TypeError. */
export function enumeration<T extends string>(value: unknown, allowed: readonly T[], otherwise: T, what: string): T {
  if (value === undefined) return otherwise;
  const text = domString(value);
  const found = allowed.find((one) => one === text);
  if (found === undefined) throw new TypeError(`${what} must be one of ${allowed.join(', ')}`);
  return found;
}
