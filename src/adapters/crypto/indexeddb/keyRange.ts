import { domError } from './errors.ts';
import { HIGHEST, LOWEST, compareKeys, encodeKey, successor, toKey, type Key } from './keys.ts';

/** IDBKeyRange (Indexed Database API 3.0, §4.7). `lower`/`upper` are `undefined` where the range has no bound. */
export class IDBKeyRange {
  readonly lower: Key | undefined;
  readonly upper: Key | undefined;
  readonly lowerOpen: boolean;
  readonly upperOpen: boolean;

  /** Not for callers: use the static methods. */
  constructor(lower: Key | undefined, upper: Key | undefined, lowerOpen: boolean, upperOpen: boolean) {
    this.lower = lower;
    this.upper = upper;
    this.lowerOpen = lowerOpen;
    this.upperOpen = upperOpen;
  }

  static only(value: unknown): IDBKeyRange {
    const key = toKey(value);
    return new IDBKeyRange(key, key, false, false);
  }

  static lowerBound(lower: unknown, open: unknown = false): IDBKeyRange {
    return new IDBKeyRange(toKey(lower), undefined, Boolean(open), true);
  }

  static upperBound(upper: unknown, open: unknown = false): IDBKeyRange {
    return new IDBKeyRange(undefined, toKey(upper), true, Boolean(open));
  }

  static bound(lower: unknown, upper: unknown, lowerOpen: unknown = false, upperOpen: unknown = false): IDBKeyRange {
    const from = toKey(lower);
    const to = toKey(upper);
    const order = compareKeys(from, to);
    if (order > 0) throw domError('DataError', 'the lower bound is greater than the upper bound');
    if (order === 0 && (Boolean(lowerOpen) || Boolean(upperOpen))) throw domError('DataError', 'equal bounds can not be open');
    return new IDBKeyRange(from, to, Boolean(lowerOpen), Boolean(upperOpen));
  }

  includes(value: unknown): boolean {
    const key = encodeKey(toKey(value));
    const { from, to } = toSpan(this);
    return Buffer.compare(from, key) <= 0 && Buffer.compare(key, to) < 0;
  }

  get [Symbol.toStringTag](): string {
    return 'IDBKeyRange';
  }
}

/** Encoded keys from `from` on and before `to`. */
export type KeySpan = { readonly from: Uint8Array; readonly to: Uint8Array };

export const KEYS_ALL: KeySpan = { from: LOWEST, to: HIGHEST };

/** §2.9 "convert a value to a key range"; none given is everything. Throws DataError. */
export function querySpan(query: unknown): KeySpan {
  if (query === undefined || query === null) return KEYS_ALL;
  if (query instanceof IDBKeyRange) return toSpan(query);
  const key = encodeKey(toKey(query));
  return { from: key, to: successor(key) };
}

/** As `querySpan` where the specification's "null disallowed flag" is set. */
export function requiredSpan(query: unknown): KeySpan {
  if (query === undefined || query === null) throw domError('DataError', 'a key or a key range is required');
  return querySpan(query);
}

function toSpan(range: IDBKeyRange): KeySpan {
  const from = range.lower === undefined ? LOWEST : encodeKey(range.lower);
  const to = range.upper === undefined ? HIGHEST : encodeKey(range.upper);
  return {
    from: range.lower !== undefined && range.lowerOpen ? successor(from) : from,
    to: range.upper !== undefined && !range.upperOpen ? successor(to) : to,
  };
}
