import { sql } from 'kysely';
import { as, type FactId, type Millis, type SubjectId } from '../../domain/brand.ts';
import type { DeliveryState } from '../../domain/delivery/delivery.ts';
import type { Fact } from '../../domain/fact.ts';
import { ok } from '../../domain/outcome.ts';
import type { KeyRing } from '../../ports/keys.ts';
import type { Store } from '../../ports/store.ts';
import { addToAudit } from './audit.ts';
import { aggregateOf, createClaims } from './claims.ts';
import { commitDecision } from './commit.ts';
import { createCodec } from './dataKeys.ts';
import type { Database } from './database.ts';
import { createLeases } from './leases.ts';
import { createRemember } from './once.ts';
import { createReads } from './reads.ts';
import { keepBlob, receiveFacts, taken } from './receive.ts';
import { settleEffect, tickTimers, WAITING } from './settle.ts';
import { inTransaction } from './transaction.ts';
import { createWorkers } from './workers.ts';
import { troubleOf } from './trouble.ts';

/** When a timer is due that never is. */
const FAR_AWAY = 9_007_199_254_740_991;

/** The store over one database, SQLite or PostgreSQL: the same queries on both. */
export function createStore(database: Database, keyRing: KeyRing, now: () => number = Date.now): Store {
  const { db, relaxed, early, vital, dialect } = database;
  const codec = createCodec(keyRing, now);
  const toWeigh = createReads(early, codec);
  const nameOf = (name: string): string => keyRing.pseudonym('name', name);

  /** What can be opened, for people who look: one damaged row hides no other. Its own facts show it, put off as unreadable. */
  async function readable(rows: readonly { readonly state: string }[]): Promise<readonly unknown[]> {
    const states = await codec.decode(db, rows.map(({ state }) => state)).catch(() => Promise.all(rows.map(async ({ state }) => (await codec.decode(db, [state]).catch(() => []))[0])));
    return states.filter((state) => typeof state === 'object' && state !== null);
  }

  return {
    ...createClaims(database, codec),
    ...createLeases(vital, keyRing, now),
    ...createWorkers(vital),

    clock: async () => as<Millis>(await dialect.clock(vital, now)),

    receive: (facts) => inTransaction(db, (tx) => receiveFacts(tx, dialect, codec, keyRing, facts)),

    remember: createRemember(db, keyRing),

    audit: (notes) => addToAudit(db, ...notes),

    keep: (blob, at) => inTransaction(db, (tx) => keepBlob(tx, codec, blob, at)),

    async blob(id) {
      const row = await db.selectFrom('blob').select(['subject', 'content']).where('id', '=', id).executeTakeFirst();
      return row === undefined ? undefined : codec.decodeBytes(db, as<SubjectId>(row.subject), row.content);
    },

    async findByName(source, name) {
      const rows = await db.selectFrom('inbox_name').innerJoin('inbox', 'inbox.id', 'inbox_name.fact').select(['inbox.id', 'inbox.resource', 'inbox.version'])
        .where('inbox_name.source', '=', source).where('inbox_name.name', '=', nameOf(name)).orderBy('inbox.version', 'desc').execute();
      const newest = new Map<string, (typeof rows)[number]>();
      for (const row of rows) if (!newest.has(row.resource)) newest.set(row.resource, row);
      return [...newest.values()].map((row) => taken(row, false));
    },

    ...createReads(db, codec),

    async undecided(limit) {
      const row = await early.selectFrom((inner) => inner.selectFrom('inbox as i').select('i.seq').where('i.decided_at', 'is', null).where('i.attempts', '=', 0)
        .where(({ not, exists, selectFrom }) => not(exists(selectFrom('inbox as b').select('b.seq').whereRef('b.kind', '=', 'i.kind').whereRef('b.aggregate', '=', 'i.aggregate').where('b.decided_at', 'is', null).whereRef('b.seq', '<', 'i.seq').where('b.attempts', '>', 0))))
        .limit(limit).as('due')).select(sql<number>`count(*)`.as('n')).executeTakeFirst();
      return row?.n ?? 0;
    },

    async undecidedOf(kind) {
      const rows = await db.selectFrom('inbox').select(['kind', 'aggregate', 'body']).where('kind', '=', kind).where('decided_at', 'is', null).orderBy('seq').execute();
      const facts = await Promise.all(rows.map(async (row) => (await readable([{ state: row.body }])).map((body) => ({ aggregate: aggregateOf(row), body: body as Fact['body'] }))));
      return facts.flat();
    },

    async weigh(aggregate, lookups) {
      const before = await toWeigh.load(aggregate);
      return { ...(before ? { before } : {}), found: await toWeigh.lookup(lookups(before?.state)) };
    },

    commit: (claim, version, decision) => commitDecision(db, dialect, codec, claim, version, decision, now),

    settle: ({ work: { id }, generation }, aggregate, settlement, at) => settleEffect(db, codec, { id, generation }, aggregate, settlement, at),

    async wake(code, at, among) {
      await inTransaction(db, (tx) => {
        const waiting = tx.updateTable('outbox').set({ not_before: at }).where('code', '=', code).where('state', '=', WAITING).where('not_before', '>', at);
        if (among === undefined) return waiting.execute();
        if ('effect' in among) return waiting.where('id', '=', among.effect).execute();
        // In both databases' words; a text that stands elsewhere too wakes one too many.
        return waiting.where(({ or, eb, ref }) => or(among.naming.map((text) => eb(sql<string>`replace(body, ${JSON.stringify(text)}, '')`, '<>', ref('body'))))).execute();
      });
    },

    tick: (at, limit) => tickTimers(db, dialect, codec, keyRing, at, limit),

    async deliveries({ held, limit }) {
      let query = db.selectFrom('aggregate').select('state').where('kind', '=', 'delivery');
      if (held !== undefined) query = query.where('held', '=', held ? 1 : 0);
      const rows = await query.orderBy('changed_at', 'desc').limit(limit).execute();
      return (await readable(rows)) as readonly DeliveryState[];
    },

    async delivery(prefix) {
      const rows = await db.selectFrom('aggregate').select('state').where('kind', '=', 'delivery').where(sql`substr(id, 1, ${prefix.length})`, '=', prefix).orderBy(sql`length(id)`).limit(2).execute();
      return (await codec.decode(db, rows.map(({ state }) => state))) as readonly DeliveryState[];
    },

    async states(kind) {
      const rows = await db.selectFrom('aggregate').select('state').where('kind', '=', kind).orderBy('id').execute();
      return readable(rows);
    },

    async deferred() {
      const rows = await db.selectFrom('inbox').select(['id', 'kind', 'aggregate', 'type', 'code', 'attempts', 'received_at']).where('decided_at', 'is', null).where('attempts', '>', 0).orderBy('seq').limit(1000).execute();
      return rows.map((row) => ({ id: as<FactId>(row.id), aggregate: aggregateOf(row), type: row.type, code: row.code ?? 'unknown', attempts: row.attempts, at: as(row.received_at) }));
    },

    async lastFrom(source) {
      const row = await db.selectFrom('inbox').select('received_at').where('source', '=', source).orderBy('seq', 'desc').limit(1).executeTakeFirst();
      return row && as<Millis>(row.received_at);
    },

    async counts(at) {
      const n = sql<number>`count(*)`.as('n');
      const inbox = await db.selectFrom('inbox').select([n, sql<number | null>`min(received_at)`.as('oldest')]).where('decided_at', 'is', null).executeTakeFirst();
      const effects = await db.selectFrom('outbox').select([n, sql<number | null>`sum(case when code is null then 0 else 1 end)`.as('waiting')]).where('state', '=', WAITING).executeTakeFirst();
      const phases = await db.selectFrom('aggregate').select(['phase', n]).where('kind', '=', 'delivery').groupBy('phase').execute();
      const held = await db.selectFrom('aggregate').select(n).where('kind', '=', 'delivery').where('held', '=', 1).executeTakeFirst();
      return {
        undecided: inbox?.n ?? 0, oldestUndecidedMs: inbox?.oldest ? at - inbox.oldest : 0, effects: effects?.n ?? 0, waitingEffects: effects?.waiting ?? 0,
        deliveries: Object.fromEntries(phases.map((row) => [row.phase, row.n])), held: held?.n ?? 0,
      };
    },

    async check() {
      try {
        // A row that is truly written: a full disk lets everything else through.
        await db.insertInto('timer').values({ kind: 'check', aggregate: '', name: '', due_at: FAR_AWAY }).onConflict((conflict) => conflict.columns(['kind', 'aggregate', 'name']).doUpdateSet({ due_at: FAR_AWAY })).execute();
        return ok(undefined);
      } catch (error) {
        return troubleOf(error);
      }
    },

    async close() {
      await db.destroy();
      for (const other of new Set([relaxed, early, vital])) if (other !== db) await other.destroy();
    },
  };
}
