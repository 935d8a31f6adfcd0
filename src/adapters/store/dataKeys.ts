import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { SubjectId } from '../../domain/brand.ts';
import type { Sealed } from '../../domain/sealed.ts';
import type { KeyRing } from '../../ports/keys.ts';
import { decode, encode, openBytes, sealBytes, subjectsIn, subjectsOf, type DataKeys } from './seal.ts';
import type { Tables } from './tables.ts';
import { Unopened } from './unopened.ts';

export type Codec = {
  /** Encodes values for writing in this transaction; a subject seen for the first time gets its key, stored in the same transaction. */
  encode(tx: Kysely<Tables>, values: readonly unknown[]): Promise<readonly string[]>;
  /** Rejects with {@link Unopened} when one can't be opened; with anything else, nothing is known of them. */
  decode(db: Kysely<Tables>, texts: readonly string[]): Promise<readonly unknown[]>;
  encodeBytes(tx: Kysely<Tables>, value: Sealed<Uint8Array>): Promise<Uint8Array>;
  /** Undefined when its key was destroyed, or the box was changed. */
  decodeBytes(db: Kysely<Tables>, subject: SubjectId, box: Uint8Array): Promise<Sealed<Uint8Array> | undefined>;
};

const CACHE_LIMIT = 10_000;

/** Seals and opens what is stored, with one wrapped data key per subject (invariant 11). */
export function createCodec(keyRing: KeyRing, now: () => number): Codec {
  const cache = new Map<string, Uint8Array>();

  /** Only keys read back from the database are remembered: one made in a transaction that rolls back never existed. */
  async function stored(db: Kysely<Tables>, subjects: readonly string[]): Promise<Map<string, Uint8Array>> {
    const keys = new Map<string, Uint8Array>();
    const missing: string[] = [];
    for (const subject of subjects) {
      const known = cache.get(subject);
      if (known) keys.set(subject, known);
      else missing.push(subject);
    }
    if (missing.length === 0) return keys;
    if (cache.size > CACHE_LIMIT) cache.clear();
    for (const row of await db.selectFrom('subject_key').selectAll().where('subject', 'in', missing).execute()) {
      keys.set(row.subject, unwrapped(row));
    }
    return keys;
  }

  function unwrapped({ subject, wrapped, key_id: keyId }: Tables['subject_key']): Uint8Array {
    try {
      return keyRing.unwrap(wrapped, subject, keyId);
    } catch (error) {
      if (!keyRing.keyIds.includes(keyId)) throw new Unopened('key-not-held', `a data key lies under ${keyId}, which the key file doesn't hold`, error);
      throw new Unopened('unreadable', `the wrapping of a data key was changed`, error);
    }
  }

  async function making(tx: Kysely<Tables>, subjects: readonly string[]): Promise<DataKeys> {
    const keys = await stored(tx, subjects);
    // In one order for all: two who make the same keys must not wait for each other.
    for (const subject of [...subjects].sort()) {
      if (keys.has(subject)) continue;
      await tx
        .insertInto('subject_key')
        .values({ subject, key_id: keyRing.keyId, wrapped: keyRing.wrap(randomBytes(32), subject), created_at: now() })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      for (const [name, key] of await stored(tx, [subject])) keys.set(name, key);
    }
    return keys;
  }

  return {
    async encode(tx, values) {
      const subjects = subjectsIn(values);
      const keys: DataKeys = subjects.size > 0 ? await making(tx, [...subjects]) : new Map();
      return values.map((value) => encode(value, keys));
    },
    async decode(db, texts) {
      const subjects = new Set<string>();
      for (const text of texts) for (const subject of subjectsOf(text)) subjects.add(subject);
      const keys = subjects.size > 0 ? await stored(db, [...subjects]) : new Map<string, Uint8Array>();
      for (const [subject, key] of keys) cache.set(subject, key);
      return texts.map((text) => decode(text, keys));
    },
    encodeBytes: async (tx, value) => sealBytes(value, await making(tx, [value.subject])),
    async decodeBytes(db, subject, box) {
      const keys = await stored(db, [subject]);
      try {
        return openBytes(subject, box, keys);
      } catch {
        return undefined;
      }
    },
  };
}
