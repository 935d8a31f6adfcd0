/** Random programs against IndexedDB, for running the same one on two implementations. */
import fc from 'fast-check';

export type Place = { readonly store: string; readonly index: string | null };
export type Range = { readonly kind: 'none' | 'only' | 'key' | 'lower' | 'upper' | 'bound'; readonly a: unknown; readonly b: unknown; readonly openA: boolean; readonly openB: boolean };
export type Direction = 'next' | 'nextunique' | 'prev' | 'prevunique';

/** What to do at each record that a cursor comes to. */
export type Step =
  | { readonly do: 'continue' }
  | { readonly do: 'continueTo'; readonly key: unknown }
  | { readonly do: 'continuePrimary'; readonly key: unknown; readonly primaryKey: unknown }
  | { readonly do: 'advance'; readonly count: number }
  | { readonly do: 'update'; readonly value: unknown }
  | { readonly do: 'delete' }
  | { readonly do: 'put'; readonly value: unknown; readonly key: unknown };

export type Operation =
  | { readonly do: 'put' | 'add'; readonly store: string; readonly value: unknown; readonly key: unknown }
  | { readonly do: 'delete' | 'get' | 'getKey' | 'count'; readonly at: Place; readonly range: Range }
  | { readonly do: 'getAll' | 'getAllKeys' | 'getAllRecords'; readonly at: Place; readonly range: Range; readonly count: number; readonly direction: Direction }
  | { readonly do: 'clear'; readonly store: string }
  | { readonly do: 'cursor'; readonly at: Place; readonly range: Range; readonly direction: Direction; readonly keysOnly: boolean; readonly steps: readonly Step[] }
  | { readonly do: 'abort' }
  | { readonly do: 'commit' };

export type SchemaChange =
  | { readonly do: 'createStore'; readonly store: string; readonly keyPath: unknown; readonly autoIncrement: boolean }
  | { readonly do: 'deleteStore'; readonly store: string }
  | { readonly do: 'renameStore'; readonly store: string; readonly to: string }
  | { readonly do: 'createIndex'; readonly store: string; readonly index: string; readonly keyPath: unknown; readonly unique: boolean; readonly multiEntry: boolean }
  | { readonly do: 'deleteIndex'; readonly store: string; readonly index: string };

export type TransactionScript = {
  readonly mode: 'readonly' | 'readwrite';
  readonly stores: readonly string[];
  /** Place each request when the last has answered, rather than all at once. */
  readonly chained: boolean;
  readonly preventDefault: boolean;
  readonly operations: readonly Operation[];
};

export type Part =
  /** Transactions that are made at once and run as the scheduler says. */
  | { readonly do: 'transactions'; readonly transactions: readonly TransactionScript[] }
  | { readonly do: 'upgrade'; readonly changes: readonly (SchemaChange | Operation)[]; readonly preventDefault: boolean };

export type Script = readonly Part[];

export const STORES = ['out', 'in', 'auto', 'inauto', 'extra'] as const;
const INDEXES = ['tag', 'pair', 'many', 'one', 'new'] as const;

const scalar = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -2, max: 6 }) },
  { weight: 3, arbitrary: fc.constantFrom('', 'a', 'ab', 'b', '\u0000', 'a\u0000', '\uffff', '\ud800', '\u{1f600}', 'é') },
  { weight: 1, arbitrary: fc.constantFrom(1.5, -Infinity, Infinity, 1e300, 2 ** 53, -1e-300) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 3 }).map((n) => new Date(n)) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 3 }).map((bytes) => Uint8Array.from(bytes)) },
);
const validKey = fc.oneof({ weight: 9, arbitrary: scalar }, { weight: 2, arbitrary: fc.array(fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })), { maxLength: 3 }) });
/** `true` is left out: whether `getAll(true)` is a wrong key or wrong options isn't said clearly (§5.12). An empty buffer too: fake-indexeddb takes it for detached. */
const key = fc.oneof({ weight: 30, arbitrary: validKey }, { weight: 1, arbitrary: fc.constantFrom<unknown>(NaN, null, {}, new Date(NaN), [undefined]) });
const maybeKey = fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 4, arbitrary: key });

/** Never null or undefined: fake-indexeddb throws TypeError for a key path into them, the specification (§7.1) gives DataError. */
const value: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record(
      {
        id: fc.oneof({ weight: 8, arbitrary: validKey }, { weight: 1, arbitrary: key }),
        k: fc.record({ n: fc.oneof({ weight: 8, arbitrary: validKey }, { weight: 1, arbitrary: key }) }, { requiredKeys: [] }),
        tag: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: 2 }) }, { weight: 1, arbitrary: key }),
        x: fc.integer({ min: 0, max: 1 }),
        many: fc.oneof({ weight: 4, arbitrary: fc.array(fc.oneof(fc.integer({ min: 0, max: 3 }), key), { maxLength: 4 }) }, { weight: 1, arbitrary: key }),
        one: fc.integer({ min: 0, max: 30 }),
      },
      { requiredKeys: [] },
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(7, 'text', [1, 2], new Map([[1, 2]])) },
);

const store = fc.constantFrom<string>(...STORES);
const place = fc.record({ store, index: fc.oneof({ weight: 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.constantFrom<string>(...INDEXES) }) });
const range = fc.record({ kind: fc.constantFrom('none', 'only', 'key', 'lower', 'upper', 'bound'), a: key, b: key, openA: fc.boolean(), openB: fc.boolean() });
const direction = fc.constantFrom<Direction>('next', 'nextunique', 'prev', 'prevunique');

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ do: 'continue' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('continueTo' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('continuePrimary' as const), key, primaryKey: key }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), count: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('update' as const), value }) },
  { weight: 2, arbitrary: fc.constant({ do: 'delete' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('put' as const), value, key: maybeKey }) },
);

const write = fc.record({ do: fc.constantFrom('put', 'put', 'put', 'add'), store, value, key: maybeKey });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 12, arbitrary: write },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), at: store.map((name) => ({ store: name, index: null })), range }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('get', 'getKey', 'count'), at: place, range }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('getAll', 'getAllKeys', 'getAllRecords'), at: place, range, count: fc.integer({ min: 0, max: 3 }), direction }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), store }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('cursor' as const), at: place, range, direction, keysOnly: fc.boolean(), steps: fc.array(step, { maxLength: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('abort', 'commit') }) },
);

const keyPath = fc.constantFrom<unknown>('id', 'tag', 'k.n', 'many', 'one', 'many.length', '', ['x', 'tag'], ['tag']);
const change: fc.Arbitrary<SchemaChange> = fc.oneof(
  fc.record({ do: fc.constant('createStore' as const), store, keyPath: fc.oneof(fc.constant(null), keyPath), autoIncrement: fc.boolean() }),
  fc.record({ do: fc.constant('deleteStore' as const), store }),
  fc.record({ do: fc.constant('renameStore' as const), store, to: store }),
  fc.record({ do: fc.constant('createIndex' as const), store, index: fc.constantFrom<string>(...INDEXES), keyPath, unique: fc.boolean(), multiEntry: fc.boolean() }),
  fc.record({ do: fc.constant('deleteIndex' as const), store, index: fc.constantFrom<string>(...INDEXES) }),
);

function transactions(concurrent: number, length: number): fc.Arbitrary<Part> {
  const transaction = fc.record({
    mode: fc.constantFrom('readwrite', 'readwrite', 'readwrite', 'readonly'),
    stores: fc.oneof({ weight: 3, arbitrary: fc.constant([...STORES]) }, { weight: 1, arbitrary: fc.uniqueArray(store, { minLength: 1, maxLength: 3 }) }),
    chained: fc.boolean(),
    preventDefault: fc.boolean(),
    operations: fc.array(operation, { minLength: 1, maxLength: length }),
  }) as fc.Arbitrary<TransactionScript>;
  return fc.record({ do: fc.constant('transactions' as const), transactions: fc.array(transaction, { minLength: 1, maxLength: concurrent }) });
}

const upgrade: fc.Arbitrary<Part> = fc.record({
  do: fc.constant('upgrade' as const),
  changes: fc.array(fc.oneof({ weight: 2, arbitrary: change }, { weight: 1, arbitrary: operation }), { minLength: 1, maxLength: 6 }),
  preventDefault: fc.boolean(),
});

/** At most 40 operations. */
export const script: fc.Arbitrary<Script> = fc.array(
  fc.oneof({ weight: 3, arbitrary: transactions(1, 10) }, { weight: 2, arbitrary: transactions(3, 4) }, { weight: 1, arbitrary: upgrade }),
  { minLength: 1, maxLength: 5 },
).filter((parts) => operationsIn(parts) <= 40);

export function operationsIn(parts: Script): number {
  return parts.reduce((sum, part) => sum + (part.do === 'upgrade' ? part.changes.length : part.transactions.reduce((inner, { operations }) => inner + operations.length, 0)), 0);
}
