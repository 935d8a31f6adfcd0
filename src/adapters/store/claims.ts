import { sql } from 'kysely';
import { as, type EffectId, type FactId, type Millis, type ServerName } from '../../domain/brand.ts';
import type { Effect, EffectKind } from '../../domain/effect.ts';
import type { Aggregate, AggregateKind, Fact } from '../../domain/fact.ts';
import type { Store } from '../../ports/store.ts';
import type { Codec } from './dataKeys.ts';
import type { Database } from './database.ts';
import { FAR } from './leases.ts';
import { settleEffect, WAITING, type Leased } from './settle.ts';
import { Unopened } from './unopened.ts';

/** How long a claim is put off whose body can't be opened, and what is told of it. */
const UNOPENED_WAIT_MS = 60_000;
const UNOPENED: Readonly<Record<Unopened['code'], string>> = {
  'key-destroyed': 'what is to be sent can\'t be opened: its key was destroyed, or the database was changed by hand',
  'key-not-held': 'what is to be sent can\'t be opened: keys.json doesn\'t hold the key that it lies under. Put back the key file that belongs to this database; it is tried again',
  'unreadable': 'what is to be sent can\'t be opened: it was changed by hand, or the disk spoilt it',
};

/**
 * Who does what. A claim takes what nobody else is taking in this moment (on PostgreSQL: `FOR UPDATE SKIP LOCKED`, so that workers never wait
 * for each other and never claim the same twice); the oldest of an aggregate or lane only, so that those are done in order. A claim need not be on
 * the disk: lost with the database's machine, it is made again, and of two who then hold the same one is told so when they commit.
 */
export function createClaims({ db, relaxed, dialect }: Database, codec: Codec): Pick<Store, 'claimFacts' | 'claimEffects' | 'renew' | 'defer'> {
  const backlog = createBacklog(relaxed);

  async function defer({ id, generation }: Leased, code: string, notBefore: number): Promise<void> {
    await db.updateTable('inbox').set({ lease_owner: null, lease_until: 0, not_before: notBefore, attempts: sql`attempts + 1`, code })
      .where('id', '=', id).where('generation', '=', generation).where('decided_at', 'is', null).execute();
  }

  /**
   * Opens what was claimed. What can't be opened is put off, visibly, and keeps nothing else from being done. When the database is in trouble meanwhile, that is
   * what is said, and nothing of what was claimed: the leases run out, and it is claimed again.
   */
  async function opened<Row extends { readonly body: string }, T>(rows: readonly Row[], claim: (row: Row, body: unknown) => T, putOff: (row: Row, code: Unopened['code']) => Promise<unknown>): Promise<readonly T[]> {
    const claims: T[] = [];
    for (const row of rows) {
      try {
        const [body] = await codec.decode(db, [row.body]);
        claims.push(claim(row, body));
      } catch (error) {
        if (!(error instanceof Unopened)) throw error;
        await putOff(row, error.code);
      }
    }
    return claims;
  }

  return {
    async claimFacts(worker, at, leaseMs, limit) {
      const rows = await relaxed
        // Materialised: asked twice, a query that passes over what is locked would give two answers.
        .with((cte) => cte('due').materialized(), (due) => dialect.locked(due.selectFrom('inbox as i').select('i.seq').where('i.decided_at', 'is', null).where((i) => i.or([i('i.lease_until', '<=', at), i('i.lease_until', '>', at + FAR * leaseMs)])).where('i.not_before', '<=', at)
          .where(({ not, exists, selectFrom }) => not(exists(
            selectFrom('inbox as b').select('b.seq').whereRef('b.kind', '=', 'i.kind').whereRef('b.aggregate', '=', 'i.aggregate').where('b.decided_at', 'is', null).whereRef('b.seq', '<', 'i.seq'),
          ))).orderBy('i.seq').limit(limit), 'i'))
        .updateTable('inbox').set({ lease_owner: worker, lease_until: at + leaseMs, generation: sql`generation + 1` })
        .where(({ eb, selectFrom }) => eb('seq', 'in', selectFrom('due').select('due.seq'))).where('decided_at', 'is', null).returningAll().execute();
      rows.sort((a, b) => a.seq - b.seq);
      return opened(rows, (row, body) => ({
        work: { id: as<FactId>(row.id), aggregate: aggregateOf(row), at: as<Millis>(row.received_at), body: body as Fact['body'] },
        generation: row.generation,
        attempts: row.attempts,
      }), (row, code) => defer(row, code, at + UNOPENED_WAIT_MS));
    },

    async claimEffects(worker, at, leaseMs, limit, seats, destinations = { except: [] }) {
      const isLong = await backlog.isLong(at);
      const rows = await relaxed
        .with((cte) => cte('due').materialized(), (due) => {
          let query = due.selectFrom('outbox as o').select('o.seq').where('o.state', '=', WAITING).where((o) => o.or([o('o.lease_until', '<=', at), o('o.lease_until', '>', at + FAR * leaseMs)])).where('o.not_before', '<=', at)
            .where((o) => o.or([o('o.seat', 'is', null), ...(seats.length > 0 ? [o('o.seat', 'in', seats)] : [])]))
            .where(({ not, exists, selectFrom }) => not(exists(selectFrom('outbox as b').select('b.seq').whereRef('b.lane', '=', 'o.lane').where('b.state', '=', WAITING).whereRef('b.seq', '<', 'o.seq'))));
          if (isLong) query = query.where('o.seq', 'in', HEADS);
          if ('only' in destinations) query = destinations.only === undefined ? query.where('o.destination', 'is', null) : query.where('o.destination', '=', destinations.only);
          else if (destinations.except.length > 0) query = query.where((o) => o.or([o('o.destination', 'is', null), o('o.destination', 'not in', destinations.except)]));
          return dialect.locked(query.orderBy('o.seq').limit(limit), 'o');
        })
        .updateTable('outbox').set({ lease_owner: worker, lease_until: at + leaseMs, generation: sql`generation + 1` })
        .where(({ eb, selectFrom }) => eb('seq', 'in', selectFrom('due').select('due.seq'))).where('state', '=', WAITING).returningAll().execute();
      rows.sort((a, b) => a.seq - b.seq);
      return opened(rows, (row, body) => ({
        work: {
          id: as<EffectId>(row.id), lane: row.lane, body: body as Effect['body'],
          ...(row.seat === null ? {} : { seat: row.seat }), ...(row.destination === null ? {} : { destination: as<ServerName>(row.destination) }),
        },
        generation: row.generation,
        attempts: row.attempts,
        aggregate: aggregateOf(row),
        createdAt: as<Millis>(row.created_at),
        askedAt: as<Millis>(row.asked_at ?? row.created_at),
        ...(row.code === null ? {} : { lastCode: row.code }),
      }), async (row, code) => {
        const fact = { type: 'effect.failed', effect: as<EffectId>(row.id), kind: row.type as EffectKind, code, message: UNOPENED[code], final: false } as const;
        await settleEffect(db, codec, row, aggregateOf(row), { state: 'waiting', code, notBefore: as<Millis>(at + UNOPENED_WAIT_MS), ...(row.code === code ? {} : { fact }) }, at);
      });
    },

    /** What is locked is being finished in this moment: it needs no longer lease, and nobody waits for it here. */
    async renew(worker, { facts, effects }, at, leaseMs) {
      const until = { lease_until: at + leaseMs };
      if (facts.length > 0) {
        await relaxed.with((cte) => cte('mine').materialized(), (mine) => dialect.locked(mine.selectFrom('inbox as i').select('i.seq').where('i.id', 'in', facts).where('i.lease_owner', '=', worker), 'i'))
          .updateTable('inbox').set(until).where(({ eb, selectFrom }) => eb('seq', 'in', selectFrom('mine').select('mine.seq'))).execute();
      }
      if (effects.length > 0) {
        await relaxed.with((cte) => cte('mine').materialized(), (mine) => dialect.locked(mine.selectFrom('outbox as o').select('o.seq').where('o.id', 'in', effects).where('o.lease_owner', '=', worker), 'o'))
          .updateTable('outbox').set(until).where(({ eb, selectFrom }) => eb('seq', 'in', selectFrom('mine').select('mine.seq'))).execute();
      }
    },

    defer: ({ work: { id }, generation }, code, notBefore) => defer({ id, generation }, code, notBefore),
  };
}

/** The lanes in which something waits, one after the other, without going through what waits in them. */
const LANES = sql`with recursive lanes(lane) as (
  select min(w.lane) from outbox w where w.state = 'waiting'
  union all select (select min(w.lane) from outbox w where w.state = 'waiting' and w.lane > lanes.lane) from lanes where lanes.lane is not null)`;

/** The first of each lane. Going through all that waits, to pass over what has something before it in its lane, takes 50 ms with 100,000 in ten lanes; this takes 1 ms. */
const HEADS = sql<number>`(${LANES} select (select min(w.seq) from outbox w where w.state = 'waiting' and w.lane = lanes.lane) from lanes where lanes.lane is not null)`;

const MANY = 1000;
const FEW_LANES = 200;
const LOOK_EVERY_MS = 1000;

/** Whether much waits in few lanes, so that looking at the first of each is quicker than looking at what came first: either finds the same. */
function createBacklog(db: Database['relaxed']): { isLong(at: number): Promise<boolean> } {
  let lookedAt = -Infinity;
  let isLong = false;
  return {
    async isLong(at) {
      if (Math.abs(at - lookedAt) < LOOK_EVERY_MS) return isLong;
      lookedAt = at;
      const last = await db.selectFrom('outbox').select('seq').where('state', '=', WAITING).orderBy('seq').limit(1).offset(MANY - 1).executeTakeFirst();
      isLong = last !== undefined && (await sql`${LANES} select lane from lanes limit ${FEW_LANES}`.execute(db)).rows.length < FEW_LANES;
      return isLong;
    },
  };
}

export const aggregateOf = (row: { readonly kind: string; readonly aggregate: string }): Aggregate => ({ kind: row.kind as AggregateKind, id: row.aggregate });
