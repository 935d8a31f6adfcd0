import type { Kysely } from 'kysely';
import { as, type FactId, type Millis } from '../../domain/brand.ts';
import type { KeyRing } from '../../ports/keys.ts';
import type { Blob, IncomingFact, Taken } from '../../ports/store.ts';
import type { Codec } from './dataKeys.ts';
import type { Dialect } from './dialect.ts';
import type { Tables } from './tables.ts';

export const taken = (row: { readonly resource: string; readonly version: number }, created: boolean): Taken => ({ id: as<FactId>(row.resource), version: row.version, created });

/** Stores each fact once (invariant 2): its id is the keyed hash of its source and key, so that no identifier of a patient is kept for comparing. */
export async function receiveFacts(tx: Kysely<Tables>, dialect: Dialect, codec: Codec, keyRing: KeyRing, facts: readonly IncomingFact[]): Promise<readonly Taken[]> {
  const bodies = await codec.encode(tx, facts.map(({ body }) => body));
  const results: Taken[] = [];
  // Two who bring the same name at once are one after the other: the later sees what the earlier made of it.
  await dialect.lockNames(tx, facts.flatMap(({ source, names = [] }) => names.map((name) => keyRing.pseudonym('lock', `${source}\0${name}`))));
  for (const [index, fact] of facts.entries()) {
    const id = keyRing.pseudonym('fact', `${fact.source}\0${fact.key}`);
    const names = (fact.names ?? []).map((name) => keyRing.pseudonym('name', name));
    const before = names.length === 0 ? undefined : await newest(tx, fact.source, names);
    const row = { resource: before?.resource ?? id, version: (before?.version ?? 0) + 1 };
    const inserted = await tx.insertInto('inbox')
      .values({
        id, source: fact.source, kind: fact.aggregate.kind, aggregate: fact.aggregate.id, type: fact.body.type, body: bodies[index] ?? '', received_at: fact.at,
        decided_at: null, not_before: 0, lease_owner: null, lease_until: 0, generation: 0, attempts: 0, code: null, ...row,
      })
      .onConflict((conflict) => conflict.column('id').doNothing()).returning('id').execute();
    if (inserted.length === 0) {
      const known = await tx.selectFrom('inbox').select(['resource', 'version']).where('id', '=', id).executeTakeFirstOrThrow();
      results.push(taken(known, false));
      continue;
    }
    for (const name of new Set(names)) await tx.insertInto('inbox_name').values({ source: fact.source, name, fact: id }).execute();
    for (const blob of fact.blobs ?? []) await keepBlob(tx, codec, blob, fact.at);
    results.push(taken(row, true));
  }
  return results;
}

/** Bytes that came before are the same: their id is a hash of them. */
export async function keepBlob(tx: Kysely<Tables>, codec: Codec, { id, content }: Blob, at: Millis): Promise<void> {
  await tx.insertInto('blob').values({ id, subject: content.subject, content: await codec.encodeBytes(tx, content), created_at: at }).onConflict((conflict) => conflict.doNothing()).execute();
}

async function newest(tx: Kysely<Tables>, source: string, names: readonly string[]): Promise<{ readonly resource: string; readonly version: number } | undefined> {
  return tx.selectFrom('inbox_name').innerJoin('inbox', 'inbox.id', 'inbox_name.fact').select(['inbox.resource', 'inbox.version'])
    .where('inbox_name.source', '=', source).where('inbox_name.name', 'in', names).orderBy('inbox.version', 'desc').limit(1).executeTakeFirst();
}
