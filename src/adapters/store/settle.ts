import { sql, type Kysely } from 'kysely';
import { as, type Millis } from '../../domain/brand.ts';
import type { Aggregate, AggregateKind } from '../../domain/fact.ts';
import type { KeyRing } from '../../ports/keys.ts';
import type { EffectSettlement } from '../../ports/store.ts';
import type { Codec } from './dataKeys.ts';
import type { Dialect } from './dialect.ts';
import { receiveFacts } from './receive.ts';
import type { Tables } from './tables.ts';
import { inTransaction } from './transaction.ts';

/** A claim as the tables know it. */
export type Leased = { readonly id: string; readonly generation: number };

/** As a literal: an index over what waits is used only when the statement itself says that it asks for no other. */
export const WAITING = sql.lit('waiting');

/** What became of an effect and the fact that tells it, in one transaction. False when the lease was lost: another worker answers for it. */
export function settleEffect(db: Kysely<Tables>, codec: Codec, { id, generation }: Leased, aggregate: Aggregate, settlement: EffectSettlement, now: number): Promise<boolean> {
  return inTransaction(db, async (tx) => {
    const change = settlement.state === 'done' ? { state: 'done', code: null } : settlement.state === 'failed' ? { state: 'failed', code: settlement.code } : { not_before: settlement.notBefore, code: settlement.code };
    const { numUpdatedRows } = await tx.updateTable('outbox').set({ ...change, lease_owner: null, lease_until: 0, attempts: sql`attempts + 1` })
      .where('id', '=', id).where('generation', '=', generation).where('state', '=', WAITING).executeTakeFirst();
    if (numUpdatedRows !== 1n) return false;
    if (!settlement.fact) return true;
    const [body = ''] = await codec.encode(tx, [settlement.fact]);
    const factId = `${id}/${generation}`;
    await tx.insertInto('inbox')
      .values({
        id: factId, source: 'effect', kind: aggregate.kind, aggregate: aggregate.id, type: settlement.fact.type, body, received_at: now, decided_at: null, not_before: 0,
        lease_owner: null, lease_until: 0, generation: 0, attempts: 0, code: null, resource: factId, version: 1,
      }).execute();
    return true;
  });
}

/** What a decision wakes is tried with new patience, as what it asks for again. */
export async function wakeLanes(db: Kysely<Tables>, lanes: readonly string[], now: number): Promise<void> {
  if (lanes.length === 0) return;
  await db.updateTable('outbox').set({ not_before: now, asked_at: now, attempts: 0 }).where('lane', 'in', lanes).where('state', '=', WAITING).where('not_before', '>', now).execute();
}

/** A due timer becomes a fact, in the transaction that removes it. */
export function tickTimers(db: Kysely<Tables>, dialect: Dialect, codec: Codec, keyRing: KeyRing, now: Millis, limit: number): Promise<number> {
  return inTransaction(db, async (tx) => {
    const due = await dialect.locked(tx.selectFrom('timer as t').selectAll().where('t.due_at', '<=', now).orderBy('t.due_at').limit(limit), 't').execute();
    let turned = 0;
    for (const { kind, aggregate, name, due_at: dueAt } of due) {
      const { numDeletedRows } = await tx.deleteFrom('timer').where('kind', '=', kind).where('aggregate', '=', aggregate).where('name', '=', name).where('due_at', '=', dueAt).executeTakeFirst();
      if (numDeletedRows !== 1n) continue;
      await receiveFacts(tx, dialect, codec, keyRing, [{ source: 'timer', key: `${kind}/${aggregate}/${name}/${dueAt}`, aggregate: { kind: kind as AggregateKind, id: aggregate }, body: { type: 'timer.due', name }, at: as<Millis>(now) }]);
      turned += 1;
    }
    return turned;
  });
}
