import { expect } from 'chai';
import fc from 'fast-check';
import { IDBKeyRange } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { compareBytes, decodeKey, encodeKey, toKey, type Key } from '../../../src/adapters/crypto/indexeddb/keys.ts';
import { extractKey, toKeyPath } from '../../../src/adapters/crypto/indexeddb/keyPath.ts';
import { cleanUp, openFile, thrown } from './support.ts';

const scalar: fc.Arbitrary<Key> = fc.oneof(
  fc.double({ noNaN: true }).map((n) => (n === 0 ? 0 : n)),
  fc.integer(),
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array().map((bytes) => Uint8Array.from(bytes).buffer),
);
const anyKey: fc.Arbitrary<Key> = fc.letrec<{ key: Key; list: Key[] }>((tie) => ({
  key: fc.oneof({ depthSize: 'small' }, scalar, tie('list')),
  list: fc.array(tie('key'), { maxLength: 4 }),
})).key;

/** The specification's comparison (§2.4), written without any encoding. */
function compare(a: Key, b: Key): number {
  const rank = (key: Key): number => (typeof key === 'number' ? 0 : key instanceof Date ? 1 : typeof key === 'string' ? 2 : key instanceof ArrayBuffer ? 3 : 4);
  if (rank(a) !== rank(b)) return Math.sign(rank(a) - rank(b));
  if (a instanceof ArrayBuffer && b instanceof ArrayBuffer) return compareLists([...new Uint8Array(a)], [...new Uint8Array(b)]);
  if (Array.isArray(a) && Array.isArray(b)) return compareLists(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareLists(a: readonly Key[], b: readonly Key[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compare(a[i] ?? 0, b[i] ?? 0);
    if (order !== 0) return order;
  }
  return Math.sign(a.length - b.length);
}

describe('§2.4 keys', () => {
  afterEach(cleanUp);
  const cmp = (a: unknown, b: unknown): number => openFile().indexedDB.cmp(a, b);

  it('are encoded so that the order of the bytes is the order of the keys (10,000 random pairs)', () => {
    fc.assert(fc.property(anyKey, anyKey, (a, b) => void expect(compareBytes(encodeKey(a), encodeKey(b))).to.equal(compare(a, b))), { numRuns: 10_000 });
  });

  it('come back from their encoding as they were (10,000 random keys)', () => {
    fc.assert(fc.property(anyKey, (key) => void expect(decodeKey(encodeKey(key))).to.deep.equal(key)), { numRuns: 10_000 });
  });

  it('sort number < Date < string < binary < array', () => {
    const keys = [-Infinity, -1, 0, 1.5, Infinity, new Date(-1), new Date(0), '', 'a', 'b', new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(255), [], [[]]];
    for (const [i, key] of keys.entries()) expect(cmp(key, keys[i + 1] ?? [[[]]])).to.equal(-1);
  });

  it('sort strings by code unit, not by code point', () => {
    expect(cmp('\u{1f600}', '\uffff')).to.equal(-1);
  });

  it('sort a string before its continuation, a NUL included', () => {
    expect(cmp('a', 'a\u0000')).to.equal(-1);
    expect(cmp('a\u0000', 'b')).to.equal(-1);
  });

  it('sort an array before its continuation', () => {
    expect(cmp([1], [1, 1])).to.equal(-1);
    expect(cmp([1, 2], [2])).to.equal(-1);
  });

  it('take 0 and -0 for equal', () => {
    expect(cmp(0, -0)).to.equal(0);
  });

  it('take a Uint8Array, a DataView and an ArrayBuffer of the same bytes for equal', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4);
    expect(cmp(bytes, new DataView(bytes.buffer))).to.equal(0);
    expect(cmp(bytes.subarray(1, 3), Uint8Array.of(2, 3).buffer)).to.equal(0);
  });

  it('hold lone surrogates unchanged', () => {
    expect(decodeKey(encodeKey('\ud800x\udc00'))).to.equal('\ud800x\udc00');
  });
});

describe('§7.4 convert a value to a key', () => {
  for (const [what, value] of Object.entries({
    NaN: NaN, 'an invalid Date': new Date(NaN), undefined: undefined, null: null, 'a boolean': true, 'an object': {}, 'a bigint': 1n, 'a function': () => 0, 'a symbol': Symbol('x'),
    'a regular expression': /x/, 'a Map': new Map(), 'a boxed number': Object(1) as unknown, 'an array with a hole': new Array(1), 'an array of something invalid': [1, {}], 'a Proxy of an array': new Proxy([1], {}),
  })) {
    it(`refuses ${what} with DataError`, () => {
      expect(thrown(() => toKey(value))).to.equal('DataError');
    });
  }

  it('refuses an array that contains itself with DataError', () => {
    const circle: unknown[] = [];
    circle.push([circle]);
    expect(thrown(() => toKey(circle))).to.equal('DataError');
  });

  it('takes the same array twice, side by side', () => {
    const twin = [1];
    expect(toKey([twin, twin])).to.deep.equal([[1], [1]]);
  });

  it('refuses a detached buffer with DataError', () => {
    const buffer = new ArrayBuffer(4);
    structuredClone(buffer, { transfer: [buffer] });
    expect(thrown(() => toKey(buffer))).to.equal('DataError');
  });

  it('copies: what the caller changes later does not change the key', () => {
    const date = new Date(5);
    const bytes = Uint8Array.of(1);
    const key = toKey([date, bytes]);
    date.setTime(6);
    bytes[0] = 9;
    expect(key).to.deep.equal([new Date(5), Uint8Array.of(1).buffer]);
  });

  it('lets an error of a getter pass', () => {
    const array = Object.defineProperty([1], '0', { get: () => { throw new RangeError('mine'); } });
    expect(thrown(() => toKey(array))).to.equal('RangeError');
  });
});

describe('§2.5 key paths', () => {
  for (const path of ['', 'a', 'a.b', '$_1', 'é', ['a', 'b.c'], ['']]) it(`take ${JSON.stringify(path)} as valid`, () => {
    expect(toKeyPath(path)).to.deep.equal(path);
  });

  for (const path of [' ', 'a b', '1a', 'a.', '.a', 'a..b', 'a-b', [], ['a', ''].concat(' '), ['a', '1']]) it(`refuse ${JSON.stringify(path)} with SyntaxError`, () => {
    expect(thrown(() => toKeyPath(path))).to.equal('SyntaxError');
  });

  it('§7.1 lead through own properties only', () => {
    expect(extractKey(Object.create({ a: 1 }), 'a')).to.equal(undefined);
    expect(extractKey({ a: { b: 'x' } }, 'a.b')).to.equal('x');
    expect(extractKey({ a: null }, 'a.b')).to.equal(undefined);
    expect(extractKey(null, 'a')).to.equal(undefined);
  });

  it('§7.1 know the length of strings and arrays', () => {
    expect(extractKey('four', 'length')).to.equal(4);
    expect(extractKey({ list: [1, 2] }, 'list.length')).to.equal(2);
  });

  it('§7.1 as a sequence give an array key, or none if one part has none', () => {
    expect(extractKey({ a: 1, b: 2 }, ['b', 'a'])).to.deep.equal([2, 1]);
    expect(extractKey({ a: 1 }, ['a', 'b'])).to.equal(undefined);
  });
});

describe('§4.7 IDBKeyRange', () => {
  it('only() includes its key alone', () => {
    const range = IDBKeyRange.only(5);
    expect([range.lower, range.upper, range.lowerOpen, range.upperOpen]).to.deep.equal([5, 5, false, false]);
    expect([4, 5, 6].map((key) => range.includes(key))).to.deep.equal([false, true, false]);
  });

  it('lowerBound() has no upper bound, and is upper open', () => {
    const range = IDBKeyRange.lowerBound(5, true);
    expect([range.lower, range.upper, range.lowerOpen, range.upperOpen]).to.deep.equal([5, undefined, true, true]);
    expect([5, 5.1, 'z', [[]]].map((key) => range.includes(key))).to.deep.equal([false, true, true, true]);
  });

  it('upperBound() has no lower bound, and is lower open', () => {
    const range = IDBKeyRange.upperBound('m');
    expect([range.lower, range.upper, range.lowerOpen, range.upperOpen]).to.deep.equal([undefined, 'm', true, false]);
    expect([-Infinity, 'm', 'n'].map((key) => range.includes(key))).to.deep.equal([true, true, false]);
  });

  it('bound() includes its ends unless they are open', () => {
    const inside = (lowerOpen: boolean, upperOpen: boolean): boolean[] => [1, 2, 3, 4].map((key) => IDBKeyRange.bound(2, 3, lowerOpen, upperOpen).includes(key));
    expect(inside(false, false)).to.deep.equal([false, true, true, false]);
    expect(inside(true, false)).to.deep.equal([false, false, true, false]);
    expect(inside(false, true)).to.deep.equal([false, true, false, false]);
    expect(inside(true, true)).to.deep.equal([false, false, false, false]);
  });

  it('bound() refuses a lower bound above the upper with DataError', () => {
    expect(thrown(() => IDBKeyRange.bound(2, 1))).to.equal('DataError');
  });

  it('bound() refuses equal bounds of which one is open with DataError', () => {
    expect(thrown(() => IDBKeyRange.bound(1, 1, true))).to.equal('DataError');
    expect(thrown(() => IDBKeyRange.bound(1, 1, false, true))).to.equal('DataError');
  });

  it('every method refuses an invalid key with DataError', () => {
    for (const work of [() => IDBKeyRange.only(null), () => IDBKeyRange.lowerBound({}), () => IDBKeyRange.upperBound(NaN), () => IDBKeyRange.bound(1, undefined), () => IDBKeyRange.only(1).includes(true)]) {
      expect(thrown(work)).to.equal('DataError');
    }
  });

  it('includes() agrees with the comparison (2,000 random ranges)', () => {
    fc.assert(
      fc.property(anyKey, anyKey, anyKey, fc.boolean(), fc.boolean(), (a, b, key, lowerOpen, upperOpen) => {
        const [lower, upper] = compare(a, b) <= 0 ? [a, b] : [b, a];
        fc.pre(compare(lower, upper) !== 0);
        const above = compare(key, lower);
        const below = compare(key, upper);
        expect(IDBKeyRange.bound(lower, upper, lowerOpen, upperOpen).includes(key)).to.equal((above > 0 || (above === 0 && !lowerOpen)) && (below < 0 || (below === 0 && !upperOpen)));
      }),
      { numRuns: 2000 },
    );
  });
});
