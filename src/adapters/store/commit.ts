import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely';
import type { Decision } from '../../domain/decision.ts';
import type { Fact, RaisedFact } from '../../domain/fact.ts';
import type { Claim } from '../../ports/store.ts';
import type { Codec } from './dataKeys.ts';
import type { Dialect } from './dialect.ts';
import { WAITING, wakeLanes } from './settle.ts';
import type { Tables } from './tables.ts';
import { inTransaction } from './transaction.ts';

/** Thrown inside the transaction, so that it rolls back: somebody else holds the lease, or changed the aggregate. */
class Fenced extends Error {}

/** A name leads to one aggregate. Moving it silently would send a result, or an answer, to the wrong one. */
class NameTaken extends Error {
  override readonly name = 'NameTaken';
}

/** One decision, one transaction (invariant 3), and one time, the database's: others compare it with their own. False when the claim is no longer ours: nothing was written. */
export async function commitDecision(db: Kysely<Tables>, dialect: Dialect, codec: Codec, claim: Claim<Fact>, version: number, decision: Decision<unknown>, own: () => number): Promise<boolean> {
  try {
    await inTransaction(db, async (tx) => {
      const now = await mark(tx, claim, dialect.now(own));
      await writeState(tx, codec, claim.work, version, decision, now);
      await writeEffects(tx, codec, claim.work, decision, now);
      await writeTimers(tx, claim.work, decision);
      await insertRaised(tx, codec, claim.work, decision.raise ?? [], now);
      await writeAudit(tx, claim.work, decision, now);
      if (decision.wake && decision.wake.length > 0) await wakeLanes(tx, decision.wake, now);
    });
    return true;
  } catch (error) {
    if (error instanceof Fenced) return false;
    throw error;
  }
}

/** Gives when it was. */
async function mark(tx: Transaction<Tables>, claim: Claim<Fact>, now: RawBuilder<number>): Promise<number> {
  const row = await tx.updateTable('inbox').set({ decided_at: now, lease_owner: null, lease_until: 0, code: null })
    .where('id', '=', claim.work.id).where('generation', '=', claim.generation).where('decided_at', 'is', null).returning('decided_at').executeTakeFirst();
  if (typeof row?.decided_at !== 'number') throw new Fenced();
  return row.decided_at;
}

async function writeState(tx: Transaction<Tables>, codec: Codec, { aggregate: { kind, id } }: Fact, version: number, { state, names }: Decision<unknown>, now: number): Promise<void> {
  if (state === undefined) return;
  const [text = ''] = await codec.encode(tx, [state]);
  const view = state as { readonly phase?: unknown; readonly held?: unknown };
  const row = { state: text, phase: typeof view.phase === 'string' ? view.phase : '', held: view.held ? 1 : 0, changed_at: now };
  if (version === 0) {
    const inserted = await tx.insertInto('aggregate').values({ kind, id, version: 1, ...row }).onConflict((conflict) => conflict.doNothing()).returning('id').execute();
    if (inserted.length !== 1) throw new Fenced();
  } else {
    const { numUpdatedRows } = await tx.updateTable('aggregate').set({ version: version + 1, ...row }).where('kind', '=', kind).where('id', '=', id).where('version', '=', version).executeTakeFirst();
    if (numUpdatedRows !== 1n) throw new Fenced();
  }
  if (!names) return;
  await tx.deleteFrom('aggregate_name').where('kind', '=', kind).where('id', '=', id).execute();
  for (const name of new Set(names)) {
    const inserted = await tx.insertInto('aggregate_name').values({ kind, name, id }).onConflict((conflict) => conflict.doNothing()).returning('id').execute();
    if (inserted.length !== 1) throw new NameTaken();
  }
}

async function writeEffects(tx: Transaction<Tables>, codec: Codec, { aggregate }: Fact, { effects = [] }: Decision<unknown>, now: number): Promise<void> {
  const bodies = await codec.encode(tx, effects.map(({ body }) => body));
  for (const [index, { id, lane, body, seat = null, destination = null }] of effects.entries()) {
    const text = bodies[index] ?? '';
    // What the device on a seat has begun stands in its journal, and in no other's.
    const keptSeat = sql<number | null>`case when outbox.state = ${WAITING} then outbox.seat else excluded.seat end`;
    await tx.insertInto('outbox')
      .values({ id, lane, kind: aggregate.kind, aggregate: aggregate.id, type: body.type, body: text, state: 'waiting', created_at: now, not_before: 0, lease_owner: null, lease_until: 0, generation: 0, attempts: 0, code: null, seat, destination })
      // Asked for again: what is done stays done; what failed or waits is tried at once, under the same id. Whoever has it in hand has it as it was: their outcome is of a former
      // generation and settles nothing, and their lease runs on for as long as they are at it, so that nobody does both at one time (decision 17). Patience begins anew; by
      // `created_at` it is still looked for what a former device may have sent.
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ state: 'waiting', body: text, not_before: 0, asked_at: now, attempts: 0, code: null, seat: keptSeat, destination, generation: sql`outbox.generation + 1` }).where('outbox.state', '<>', 'done'))
      .execute();
  }
}

async function writeTimers(tx: Transaction<Tables>, { aggregate: { kind, id } }: Fact, { timers = [], clearTimers = [] }: Decision<unknown>): Promise<void> {
  if (clearTimers.length > 0) await tx.deleteFrom('timer').where('kind', '=', kind).where('aggregate', '=', id).where('name', 'in', clearTimers).execute();
  for (const { name, dueAt } of timers) {
    await tx.insertInto('timer').values({ kind, aggregate: id, name, due_at: dueAt }).onConflict((conflict) => conflict.columns(['kind', 'aggregate', 'name']).doUpdateSet({ due_at: dueAt })).execute();
  }
}

/** Facts that a decision raises are named after the fact it decided: raised again, they are the same. */
async function insertRaised(tx: Transaction<Tables>, codec: Codec, cause: Fact, raised: readonly RaisedFact[], now: number): Promise<void> {
  const bodies = await codec.encode(tx, raised.map(({ body }) => body));
  for (const [index, { aggregate, body }] of raised.entries()) {
    const id = `${cause.id}.${index}`;
    await tx.insertInto('inbox')
      .values({
        id, source: 'decision', kind: aggregate.kind, aggregate: aggregate.id, type: body.type, body: bodies[index] ?? '', received_at: now, decided_at: null, not_before: 0,
        lease_owner: null, lease_until: 0, generation: 0, attempts: 0, code: null, resource: id, version: 1,
      })
      .onConflict((conflict) => conflict.column('id').doNothing()).execute();
  }
}

async function writeAudit(tx: Transaction<Tables>, { id, aggregate }: Fact, { audit }: Decision<unknown>, now: number): Promise<void> {
  if (audit.length === 0) return;
  await tx.insertInto('audit')
    .values(audit.map(({ action, because, detail }) => ({ at: now, fact: id, kind: aggregate.kind, aggregate: aggregate.id, action, because, detail: JSON.stringify(detail ?? {}) })))
    .execute();
}

