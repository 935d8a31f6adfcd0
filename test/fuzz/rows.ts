/**
 * What stands in the database, mutated by hand as a broken disk or a careless administrator would: what can't be read any more is put off,
 * visibly, and what is whole goes on. Rounds of a store with results on their way; after each, a new result must still be decided.
 */
import { sql } from 'kysely';
import { as, type Millis } from '../../src/domain/brand.ts';
import type { Settings } from '../../src/domain/decision.ts';
import type { Effect, EffectResult } from '../../src/domain/effect.ts';
import type { Party } from '../../src/domain/people/party.ts';
import { NPI } from '../../src/domain/people/recipient.ts';
import { Sealed } from '../../src/domain/sealed.ts';
import { decideDue, type DecideParts } from '../../src/loop/decide.ts';
import { noFaults } from '../../src/ports/faults.ts';
import type { IncomingFact, Store } from '../../src/ports/store.ts';
import { ada, allowAll, ben, organisations, received, report, requester, SUBJECT, T0 } from '../support/reports.ts';
import { openTestStore, type OpenStore } from '../support/stores.ts';
import type { Options } from './fhir.ts';
import { mutateBytes, mutateJson, textOf } from './mutate.ts';
import { randomFrom, type Random } from './random.ts';
import { Tally, type Report } from './verdict.ts';

const ROWS_A_ROUND = 100;
const settings: Settings = { organisations, organisation: 'Mercy', recipientOrder: ['requester'], agreedServers: ['mercy.example', 'stanne.example'], invitationPatienceMs: 60_000, ownServer: 'mercy.example', courierSeats: 1 };
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

export async function fuzzRows({ inputs, seed, say }: Options): Promise<Report> {
  const tally = new Tally('rows');
  for (let done = 0; done < inputs; done += ROWS_A_ROUND) {
    await round(tally, randomFrom(seed + done), seed + done);
    if (done > 0 && done % 1000 === 0) say(`rows: ${done} of ${inputs}`);
  }
  return tally.report();
}

async function round(tally: Tally, random: Random, name: number): Promise<void> {
  let now = T0 as number;
  const open = await openTestStore('sqlite', () => now);
  const parts: DecideParts = { store: open.store, settings: () => settings, judge: allowAll, vouched: async (found) => found, now: () => as<Millis>(now), log: quiet, metrics: { count: () => undefined, observe: () => undefined }, faults: noFaults, worker: 'fuzz', hands: { facts: new Set(), effects: new Set() } };
  const run = async (steps: number): Promise<void> => {
    for (let step = 0; step < steps; step += 1) {
      now += 10;
      await decideDue(parts, () => undefined);
      const decided = parts.hands.facts.size;
      while (parts.hands.facts.size > 0) await new Promise(setImmediate);
      const moved = decided + await actOnAll(open.store, now) + await open.store.tick(as<Millis>(now), 50);
      if (moved === 0) return;
    }
  };
  try {
    await open.store.receive([ada, ben].map(enrolled));
    await run(2); // in the directory before anything is for them
    await open.store.receive(Array.from({ length: 12 }, (_, index) => result(`r${index}`, index)));
    await run(3 + random.int(25));
    for (let count = 0; count < ROWS_A_ROUND; count += 1) tally.outcome(await spoil(open, random));
    await open.store.receive([enrolled(carl)]);
    now += 10_000; // leases of what was in hand are over
    await run(50);
    await open.store.receive([control]);
    await run(400);
    await look(tally, open.store, name, now);
    const { undecided } = await decidedOf(open);
    if (undecided) tally.failure(name, 'a whole result was not decided');
  } catch (error) {
    tally.failure(name, `threw ${error instanceof Error ? `${error.name}: ${error.message.slice(0, 200)}` : 'something'}`);
  } finally {
    await open.store.close().catch(() => undefined);
  }
}

const result = (id: string, number: number): IncomingFact => ({ source: as('lab'), key: id, names: [`DiagnosticReport?identifier=s|${id}`], aggregate: { kind: 'report', id }, at: T0, body: received(report({ fillerNumber: id }), [requester(number % 2 === 0 ? ada : ben)]) });

const enrolled = (party: Party): IncomingFact => ({ source: 'operator', key: party.id, aggregate: { kind: 'party', id: party.id }, at: T0, body: { type: 'party.changed', party, by: 'fuzz', room: 'on-demand' } });
const carl: Party = { id: as('dr-control'), kind: 'person', name: 'Dr. Carl Control', members: [as('@carl:mercy.example')], identifiers: [{ system: NPI, value: '1777777777' }] };
/** Of another patient, for somebody else: what needs a spoilt key or a spoilt entry of the directory waits, visibly. */
const control: IncomingFact = { ...result('control', 99), body: { ...received(report({ fillerNumber: 'control' }), [requester(carl)]), report: Sealed.of(as('subject-2'), report({ fillerNumber: 'control' })), resource: Sealed.of(as('subject-2'), '{}') } };

/** What operators look at must open, whatever stands in a single row. */
async function look(tally: Tally, store: Store, name: number, now: number): Promise<void> {
  const views: Readonly<Record<string, () => Promise<unknown>>> = {
    deliveries: () => store.deliveries({ limit: 1000 }), held: () => store.deliveries({ held: true, limit: 1000 }), deferred: () => store.deferred(), counts: () => store.counts(as<Millis>(now)), people: () => store.states('party'), rooms: () => store.states('room'),
  };
  for (const [view, open] of Object.entries(views)) await open().catch((error: unknown) => tally.failure(name, `the view of ${view} fails: ${error instanceof Error ? error.name : 'unknown'}`));
}

async function decidedOf({ database: { db } }: OpenStore): Promise<{ readonly undecided: boolean }> {
  const rows = await db.selectFrom('inbox').select('decided_at').where('aggregate', '=', 'control').where('source', '=', 'lab').execute();
  return { undecided: rows.length !== 1 || rows[0]?.decided_at === null };
}

/** Executors that a real outside would answer like: each effect done at once. */
async function actOnAll(store: Store, now: number): Promise<number> {
  const claims = await store.claimEffects('fuzz', as<Millis>(now), 1000, 50, [0]);
  for (const claim of claims) {
    const outcome = resultOf(claim.work);
    await store.settle(claim, claim.aggregate, outcome === undefined ? { state: 'failed', code: 'odd', fact: { type: 'effect.failed', effect: claim.work.id, kind: 'room.send', code: 'odd', message: 'odd', final: true } } : { state: 'done', fact: { type: 'effect.done', effect: claim.work.id, kind: outcome.type, result: outcome } }, as<Millis>(now));
  }
  return claims.length;
}

function resultOf({ id, body }: Effect): EffectResult | undefined {
  switch (body.type) {
    case 'room.create':
      return { type: 'room.create', roomId: as(`!${id}`) };
    case 'room.invite':
      return { type: 'room.invite', userId: body.userId };
    case 'room.send':
      return { type: 'room.send', eventId: as(`$${id}`), devices: 1, withheld: 0 };
    case 'room.redact':
      return { type: 'room.redact', eventId: body.eventId };
    case 'member.remove':
      return { type: 'member.remove', userId: body.userId };
    case 'courier.member':
      return { type: 'courier.member', userId: body.userId };
    case 'event.decrypt':
      return { type: 'event.decrypt', eventId: body.event.event_id, eventType: 'm.room.message', sender: body.event.sender, signedByOwner: true, relatesTo: [], content: Sealed.of(SUBJECT, {}) };
    default:
      return undefined;
  }
}

const TABLES = {
  inbox: ['body', 'type', 'kind', 'aggregate', 'source', 'resource', 'version', 'decided_at', 'not_before', 'lease_until', 'lease_owner', 'generation', 'attempts', 'code'],
  aggregate: ['state', 'phase', 'held', 'version', 'changed_at'],
  outbox: ['body', 'type', 'lane', 'kind', 'aggregate', 'state', 'not_before', 'lease_until', 'generation', 'attempts', 'code'],
  timer: ['name', 'aggregate', 'kind', 'due_at'],
  aggregate_name: ['name', 'id'], inbox_name: ['name', 'fact'], subject_key: ['wrapped', 'key_id'], blob: ['content', 'subject'], audit: ['detail', 'action'],
} as const;
const NUMBERS = [0, 1, -1, 2 ** 40, 2 ** 52, -(2 ** 52)];

/** Changes one cell of one row; what the database itself refuses is counted as such. */
async function spoil({ database: { db } }: OpenStore, random: Random): Promise<string> {
  const table = random.pick(Object.keys(TABLES) as (keyof typeof TABLES)[]);
  const column = random.pick<string>(TABLES[table]);
  const { rows } = await sql<{ readonly rowid: number; readonly value: unknown }>`select rowid as rowid, ${sql.ref(column)} as value from ${sql.table(table)}${table === 'inbox' ? sql` where aggregate <> 'control'` : sql``}`.execute(db).catch(async () => ({ rows: [] }));
  if (rows.length === 0) return 'nothing to change';
  const { rowid, value } = random.pick(rows);
  const other = random.pick(rows).value;
  const changed = random.chance(0.15) ? other : random.chance(0.05) ? null : typeof value === 'number' ? random.pick(NUMBERS) : value instanceof Uint8Array ? mutateBytes(value, random) : text(typeof value === 'string' ? value : '', random);
  try {
    await sql`update ${sql.table(table)} set ${sql.ref(column)} = ${changed} where rowid = ${rowid}`.execute(db);
    return `${table}.${column}`;
  } catch {
    return 'refused by the database';
  }
}

function text(before: string, random: Random): string {
  if (before.startsWith('[') || before.startsWith('{')) {
    try {
      if (random.chance(0.6)) return textOf(mutateJson(JSON.parse(before) as unknown, random));
    } catch {
      // It was spoilt before.
    }
  }
  return Buffer.from(mutateBytes(Buffer.from(before), random)).toString('utf8').replaceAll('\0', '');
}
