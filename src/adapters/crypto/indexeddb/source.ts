/** Where a request reads: the records of a store in the order of their keys, or of an index in the order (index key, primary key). */
import type { IndexMeta, StoreMeta } from './catalog.ts';
import { LOWEST, successor } from './keys.ts';
import type { KeySpan } from './keyRange.ts';
import { blob, number, type Row, type SqliteFile } from './sql.ts';

/** A place in a source's order. In a store only `key` counts. */
export type Place = { readonly key: Uint8Array; readonly primaryKey: Uint8Array };

/** What lies from `from` on and before `to`. */
export type Span = { readonly from: Place; readonly to: Place };

/** `value` is as stored (sealed), and there only if asked for. */
export type Found = Place & { readonly value: Uint8Array | undefined };

export type Wanted = 'keys' | 'values';
export type Order = 'next' | 'prev';

export type Source = {
  readonly store: StoreMeta;
  /** Whether several records can have one key. */
  readonly repeats: boolean;
  /** At most `limit` records; a negative limit is none. */
  scan(span: Span, order: Order, limit: number, wanted: Wanted): Found[];
  count(span: Span): number;
  /** The place directly behind a record. */
  behind(place: Place): Place;
};

export function spanOf({ from, to }: KeySpan): Span {
  return { from: firstOf(from), to: firstOf(to) };
}

/** The place of the first record with this key, or where it would be. */
export function firstOf(key: Uint8Array): Place {
  return { key, primaryKey: LOWEST };
}

export function storeSource(file: SqliteFile, store: StoreMeta): Source {
  return {
    store,
    repeats: false,
    scan: (span, order, limit, wanted) => file.all(STORE_SCAN[order][wanted], store.id, span.from.key, span.to.key, limit).map(found),
    count: (span) => number(file.get(STORE_COUNT, store.id, span.from.key, span.to.key)?.n),
    behind: (place) => firstOf(successor(place.key)),
  };
}

export function indexSource(file: SqliteFile, store: StoreMeta, index: IndexMeta): Source {
  return {
    store,
    repeats: true,
    scan: (span, order, limit, wanted) => {
      const places = [index.id, span.from.key, span.from.primaryKey, span.to.key, span.to.primaryKey] as const;
      const rows = wanted === 'keys' ? file.all(INDEX_SCAN[order].keys, ...places, limit) : file.all(INDEX_SCAN[order].values, ...places, store.id, limit);
      return rows.map(found);
    },
    count: (span) => number(file.get(INDEX_COUNT, index.id, span.from.key, span.from.primaryKey, span.to.key, span.to.primaryKey)?.n),
    behind: (place) => ({ key: place.key, primaryKey: successor(place.primaryKey) }),
  };
}

function found(row: Row): Found {
  const key = blob(row.key);
  return { key, primaryKey: row.primary_key === undefined ? key : blob(row.primary_key), value: row.value === undefined ? undefined : blob(row.value) };
}

const STORE_WHERE = 'FROM idb_record WHERE store_id = ? AND key >= ? AND key < ?';
const STORE_COUNT = `SELECT count(*) AS n ${STORE_WHERE}`;
const STORE_SCAN = {
  next: { keys: `SELECT key ${STORE_WHERE} ORDER BY key LIMIT ?`, values: `SELECT key, value ${STORE_WHERE} ORDER BY key LIMIT ?` },
  prev: { keys: `SELECT key ${STORE_WHERE} ORDER BY key DESC LIMIT ?`, values: `SELECT key, value ${STORE_WHERE} ORDER BY key DESC LIMIT ?` },
} as const;

const INDEX_WHERE = 'WHERE e.index_id = ? AND (e.key, e.primary_key) >= (?, ?) AND (e.key, e.primary_key) < (?, ?)';
const INDEX_COUNT = `SELECT count(*) AS n FROM idb_entry e ${INDEX_WHERE}`;
const INDEX_KEYS = `SELECT e.key, e.primary_key FROM idb_entry e ${INDEX_WHERE}`;
const INDEX_VALUES = `SELECT e.key, e.primary_key, r.value FROM idb_entry e CROSS JOIN idb_record r ${INDEX_WHERE} AND r.store_id = ? AND r.key = e.primary_key`;
const FORWARD = 'ORDER BY e.key, e.primary_key LIMIT ?';
const BACKWARD = 'ORDER BY e.key DESC, e.primary_key DESC LIMIT ?';
const INDEX_SCAN = {
  next: { keys: `${INDEX_KEYS} ${FORWARD}`, values: `${INDEX_VALUES} ${FORWARD}` },
  prev: { keys: `${INDEX_KEYS} ${BACKWARD}`, values: `${INDEX_VALUES} ${BACKWARD}` },
} as const;
