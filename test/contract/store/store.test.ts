import { expect } from 'chai';
import { sql } from 'kysely';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createKeyFile, openKeyFile } from '../../../src/adapters/keys/keyfile.ts';
import { migrate } from '../../../src/adapters/store/database.ts';
import { createStore } from '../../../src/adapters/store/store.ts';
import { as, type BlobId, type EffectId, type Millis, type PartyId, type RoomId, type SourceId, type UserId } from '../../../src/domain/brand.ts';
import type { Decision } from '../../../src/domain/decision.ts';
import type { Fact } from '../../../src/domain/fact.ts';
import { Sealed } from '../../../src/domain/sealed.ts';
import type { Claim, IncomingFact } from '../../../src/ports/store.ts';
import { report, received, SUBJECT, T0 } from '../../support/reports.ts';
import { openTestStore, STORE_KINDS, type OpenStore } from '../../support/stores.ts';

const LEASE = 1000;
const source = as<SourceId>('lab');
const at = (ms: number): Millis => as<Millis>(T0 + ms);
const incoming = (key: string, aggregate = 'r1', names: readonly string[] = []): IncomingFact => ({ source, key, names, aggregate: { kind: 'report', id: aggregate }, at: T0, body: received(report()) });
const nothing: Decision<unknown> = { state: { phase: 'x' }, audit: [] };
const only = <T>(items: readonly T[]): T => {
  const [first, ...rest] = items;
  if (first === undefined || rest.length > 0) throw new Error(`expected one, got ${items.length}`);
  return first;
};

for (const kind of STORE_KINDS) {
  describe(`The store's contract on ${kind}`, () => {
    let open: OpenStore;
    beforeEach(async () => { open = await openTestStore(kind, () => T0); });
    afterEach(() => open.store.close());

    it('takes a fact once: the same key of the same source is the same fact', async () => {
      const [first] = await open.store.receive([incoming('k1')]);
      const [again] = await open.store.receive([incoming('k1')]);
      expect(first?.created).to.equal(true);
      expect(again).to.deep.equal({ ...first, created: false });
      expect((await open.store.claimFacts('w', T0, LEASE, 10)).length).to.equal(1);
    });

    it('takes the same key of another source as another fact', async () => {
      await open.store.receive([incoming('k1')]);
      const [other] = await open.store.receive([{ ...incoming('k1', 'r2'), source: as<SourceId>('other') }]);
      expect(other?.created).to.equal(true);
    });

    it('finds nothing under a name that no database could hold, and goes on', async () => {
      const found = await open.store.lookup([{ kind: 'delivery', name: '$an\u0000swer' }, { kind: 'delivery', name: '$\ud800' }]);
      expect(found.size).to.equal(0);
    });

    // PostgreSQL chooses by the size of tables, and these are empty.
    if (kind === 'sqlite') it('counts deliveries by phase without reading what they hold', async () => {
      const { rows } = await sql<{ readonly detail: string }>`explain query plan select phase, count(*) as n from aggregate where kind = 'delivery' group by phase`.execute(open.database.db);
      expect(rows.map(({ detail }) => detail)).to.deep.equal(['SEARCH aggregate USING COVERING INDEX aggregate_phase (kind=?)']);
    });

    it('stores all of several facts or none', async () => {
      const broken: IncomingFact = { ...incoming('k2'), body: { ...received(report()), toJSON: () => { throw new Error('cannot be stored'); } } as unknown as IncomingFact['body'], aggregate: { kind: 'report', id: undefined as unknown as string } };
      const outcome = await open.store.receive([incoming('k1'), broken]).then(() => 'stored', () => 'refused');
      expect(outcome).to.equal('refused');
      expect(await open.store.claimFacts('w', T0, LEASE, 10)).to.deep.equal([]);
    });

    it('keeps bytes with the fact that speaks of them, once, and sealed', async () => {
      const content = new Uint8Array([...Buffer.from('PHI in a file'), 0, 255]);
      const blob = { id: as<BlobId>('b1'), content: Sealed.of(SUBJECT, content) };
      await open.store.receive([{ ...incoming('k1'), blobs: [blob] }, { ...incoming('k2'), blobs: [blob] }]);
      const kept = await (await open.reopen()).blob(blob.id);
      expect([kept?.subject, kept && Buffer.from(kept.reveal())]).to.deep.equal([SUBJECT, Buffer.from(content)]);
      expect(await open.store.blob(as<BlobId>('b2'))).to.equal(undefined);
      const rows = await open.database.db.selectFrom('blob').selectAll().execute();
      expect(rows.length).to.equal(1);
      expect(Buffer.from(rows[0]?.content ?? []).toString('latin1')).not.to.include('PHI');
      await open.database.db.updateTable('blob').set({ content: Buffer.from((rows[0]?.content ?? []).map((byte) => byte ^ 1)) }).execute();
      expect(await open.store.blob(blob.id), 'what was changed can\'t be opened').to.equal(undefined);
    });

    it('keeps bytes that came after their fact, once, sealed and committed', async () => {
      const blob = { id: as<BlobId>('b1'), content: Sealed.of(SUBJECT, new TextEncoder().encode('Rosa Quintana')) };
      for (let times = 0; times < 2; times += 1) await open.store.keep(blob, T0);
      expect((await (await open.reopen()).blob(blob.id))?.reveal()).to.deep.equal(blob.content.reveal());
      const rows = await open.database.db.selectFrom('blob').selectAll().execute();
      expect(rows.length).to.equal(1);
      expect(Buffer.from(rows[0]?.content ?? []).includes('Rosa')).to.equal(false);
    });

    it('keeps no bytes of a fact that is not taken', async () => {
      const broken: IncomingFact = { ...incoming('k2'), aggregate: { kind: 'report', id: undefined as unknown as string }, blobs: [{ id: as<BlobId>('b1'), content: Sealed.of(SUBJECT, new Uint8Array([1])) }] };
      expect(await open.store.receive([broken]).then(() => 'stored', () => 'refused')).to.equal('refused');
      expect(await open.store.blob(as<BlobId>('b1'))).to.equal(undefined);
    });

    it('finds by name what was accepted, and counts its versions', async () => {
      const [first] = await open.store.receive([incoming('k1', 'r1', ['DiagnosticReport?identifier=s|1'])]);
      const [second] = await open.store.receive([incoming('k2', 'r1', ['DiagnosticReport?identifier=s|1'])]);
      expect(second).to.deep.equal({ id: first?.id, version: 2, created: true });
      expect(await open.store.findByName(source, 'DiagnosticReport?identifier=s|1')).to.deep.equal([{ id: first?.id, version: 2, created: false }]);
      expect(await open.store.findByName(source, 'DiagnosticReport?identifier=s|2')).to.deep.equal([]);
    });

    it('gives the facts of one aggregate one after the other, of different ones side by side', async () => {
      await open.store.receive([incoming('k1', 'a'), incoming('k2', 'a'), incoming('k3', 'b')]);
      const first = await open.store.claimFacts('w', T0, LEASE, 10);
      expect(first.map(({ work }) => work.aggregate.id)).to.deep.equal(['a', 'b']);
      expect(await open.store.claimFacts('w2', T0, LEASE, 10)).to.deep.equal([]);
      for (const claim of first) expect(await open.store.commit(claim, 0, nothing)).to.equal(true);
      expect((await open.store.claimFacts('w', T0, LEASE, 10)).map(({ work }) => work.aggregate.id)).to.deep.equal(['a']);
    });

    it('gives a claim to another worker when its lease ran out, and refuses the stale holder\'s commit', async () => {
      await open.store.receive([incoming('k1')]);
      const stale = only(await open.store.claimFacts('w1', T0, LEASE, 10));
      const fresh = only(await open.store.claimFacts('w2', at(LEASE + 1), LEASE, 10));
      expect(await open.store.commit(stale, 0, { ...nothing, effects: [effect('e1')] })).to.equal(false);
      expect(await open.store.commit(fresh, 0, nothing)).to.equal(true);
      expect(await open.store.claimEffects('w', at(5000), LEASE, 10, [])).to.deep.equal([]);
      expect(await open.store.commit(fresh, 1, nothing), 'a second time').to.equal(false);
    });

    it('renews what a worker has in hand, and nothing that it let go or that is another\'s', async () => {
      await open.store.receive([incoming('k1', 'a'), incoming('k2', 'b'), incoming('k3', 'c')]);
      const inHand = only(await open.store.claimFacts('living', T0, LEASE, 1));
      const letGo = only(await open.store.claimFacts('living', T0, LEASE, 1));
      const other = only(await open.store.claimFacts('dead', T0, LEASE, 1));
      await open.store.renew('living', { facts: [inHand.work.id, other.work.id], effects: [] }, at(LEASE - 1), LEASE);
      expect((await open.store.claimFacts('w', at(LEASE + 1), LEASE, 10)).map(({ work }) => work.id)).to.deep.equal([letGo.work.id, other.work.id]);
    });

    it('shows what waits to be decided about a kind of aggregate, in order, also while somebody decides it, and no more then', async () => {
      await open.store.receive([incoming('k1', 'a'), incoming('k2', 'b'), incoming('k3', 'a'), { ...incoming('k4'), aggregate: { kind: 'room', id: 'a' } }]);
      const waiting = async (): Promise<readonly string[]> => (await open.store.undecidedOf('report')).map(({ aggregate: { id }, body }) => `${id} ${body.type}`);
      const [first] = await open.store.claimFacts('w', T0, LEASE, 10);
      expect(await waiting()).to.deep.equal(['a', 'b', 'a'].map((id) => `${id} result.received`));
      await open.database.db.updateTable('inbox').set({ body: '{"$sealed":{"s":"nobody","b":""}}' }).where('aggregate', '=', 'b').execute();
      if (first) await open.store.commit(first, 0, nothing);
      expect(await waiting(), 'what can\'t be opened hides nothing else').to.deep.equal(['a result.received']);
    });

    it('puts off, visibly, what can\'t be opened, and gives the rest', async () => {
      await open.store.receive([incoming('k1', 'a'), incoming('k2', 'b')]);
      await open.database.db.updateTable('inbox').set({ body: '{"$sealed":{"s":"nobody","b":""}}' }).where('aggregate', '=', 'a').execute();
      expect(only(await open.store.claimFacts('w', T0, LEASE, 10)).work.aggregate.id).to.equal('b');
      expect(only(await open.store.deferred())).to.include({ code: 'key-destroyed', attempts: 1 });
    });

    it('tells once of an effect that can\'t be opened, and gives the rest', async () => {
      await commit(open, [effect('e1', 'l1'), effect('e2', 'l2')]);
      await open.database.db.updateTable('outbox').set({ body: '{"$sealed":{"s":"nobody","b":""}}' }).where('id', '=', 'e1').execute();
      expect(only(await open.store.claimEffects('w', T0, LEASE, 10, [])).work.id).to.equal('e2');
      expect(only(await open.store.claimFacts('w', T0, LEASE, 10)).work.body).to.include({ type: 'effect.failed', effect: 'e1', code: 'key-destroyed', final: false });
      await open.store.claimEffects('w', at(100_000), LEASE, 10, []);
      expect((await open.store.counts(T0)).undecided).to.equal(1);
    });

    it('says why something can\'t be opened', async () => {
      await commit(open, [secret]);
      const another = join(open.folder, 'another.json');
      createKeyFile(another);
      const without = createStore(open.database, openKeyFile(another), () => T0);
      expect(await without.claimEffects('w', T0, LEASE, 10, [])).to.deep.equal([]);
      const told = async (): Promise<unknown> => {
        const claim = only(await open.store.claimFacts('w', T0, LEASE, 10));
        await open.store.commit(claim, (await open.store.load(claim.work.aggregate))?.version ?? 0, nothing);
        return 'code' in claim.work.body && claim.work.body.code;
      };
      expect(await told()).to.equal('key-not-held');
      await open.database.db.updateTable('outbox').set({ body: sql<string>`replace(body, '"b":"', '"b":"AAAA')` }).execute();
      await open.store.claimEffects('w', at(60_001), LEASE, 10, []);
      expect(await told()).to.equal('unreadable');
    });

    it('takes a database in trouble for no word about what it holds', async () => {
      await commit(open, [secret]);
      const { database: { db }, keys } = open;
      const fresh = createStore(open.database, keys, () => T0); // remembers no keys
      await sql`alter table subject_key rename to away`.execute(db);
      expect(await fresh.claimEffects('w', T0, LEASE, 10, []).then(() => 'claimed', () => 'in trouble')).to.equal('in trouble');
      await sql`alter table away rename to subject_key`.execute(db);
      expect(await open.store.claimFacts('w', T0, LEASE, 10), 'nothing is told').to.deep.equal([]);
      const claim = only(await fresh.claimEffects('w', at(LEASE + 1), LEASE, 10, []));
      expect([claim.work.id, claim.attempts, claim.lastCode]).to.deep.equal(['e1', 0, undefined]);
    });

    it('weighs a fact on the state and the names of that moment', async () => {
      const aggregate = { kind: 'report', id: 'r1' } as const;
      expect(await open.store.weigh(aggregate, () => [{ kind: 'report', name: 'npi|1' }])).to.deep.equal({ found: new Map() });
      const claim = await claimed(open);
      await open.store.commit(claim, 0, { ...nothing, state: { phase: 'sent' }, names: ['npi|1'] });
      const { before, found } = await open.store.weigh(aggregate, () => [{ kind: 'report', name: 'npi|1' }, { kind: 'report', name: 'npi|2' }]);
      expect(before).to.deep.equal({ state: { phase: 'sent' }, version: 1 });
      expect([...found]).to.deep.equal([['npi|1', { aggregate, state: { phase: 'sent' } }]]);
    });

    it('counts what waits to be decided up to a limit, without what was put off', async () => {
      await open.store.receive(['k1', 'k2', 'k3'].map((key) => incoming(key, key)));
      expect([await open.store.undecided(10), await open.store.undecided(2)]).to.deep.equal([3, 2]);
      const [first, second] = await open.store.claimFacts('w', T0, LEASE, 2);
      if (!first || !second) throw new Error('two facts');
      await open.store.defer(first, 'later', at(1000));
      await open.store.commit(second, 0, nothing);
      expect(await open.store.undecided(10)).to.equal(1);
      await open.store.receive([incoming('k4', first.work.aggregate.id)]);
      expect(await open.store.undecided(10), 'what waits behind what was put off').to.equal(1);
    });

    it('never moves a name from one aggregate to another', async () => {
      await open.store.receive([incoming('k1', 'a'), incoming('k2', 'b')]);
      const [a, b] = await open.store.claimFacts('w', T0, LEASE, 10);
      if (!a || !b) throw new Error('two aggregates');
      await open.store.commit(a, 0, { ...nothing, names: ['npi|1'] });
      expect(await open.store.commit(b, 0, { ...nothing, names: ['npi|1'] }).then(() => 'moved', (error: unknown) => (error as Error).name)).to.equal('NameTaken');
      expect((await open.store.lookup([{ kind: 'report', name: 'npi|1' }])).get('npi|1')?.aggregate.id).to.equal('a');
    });

    it('finds a delivery by the beginning of its id, the exact one first', async () => {
      const ids = ['abc-10', 'abc-1', 'abd-0'];
      await open.store.receive(ids.map((id): IncomingFact => ({ ...incoming(id), aggregate: { kind: 'delivery', id } })));
      for (const claim of await open.store.claimFacts('w', T0, LEASE, 10)) await open.store.commit(claim, 0, { state: { id: claim.work.aggregate.id }, audit: [] });
      const found = async (prefix: string): Promise<readonly string[]> => (await open.store.delivery(prefix)).map(({ id }) => id);
      expect(await found('abd')).to.deep.equal(['abd-0']);
      expect(await found('abc-1')).to.deep.equal(['abc-1', 'abc-10']);
      expect(await found('x')).to.deep.equal([]);
    });

    it('refuses a decision about a state that has changed meanwhile, wholly', async () => {
      await open.store.receive([incoming('k1')]);
      const claim = only(await open.store.claimFacts('w', T0, LEASE, 10));
      expect(await open.store.commit(claim, 7, { ...nothing, effects: [effect('e1')] })).to.equal(false);
      expect(await open.store.load({ kind: 'report', id: 'r1' })).to.equal(undefined);
      expect(await open.store.claimEffects('w', T0, LEASE, 10, [])).to.deep.equal([]);
    });

    it('commits state, names, effects, timers and raised facts together', async () => {
      const claim = await claimed(open);
      const decision: Decision<unknown> = {
        state: { phase: 'sent', secret: received(report()).report }, names: ['!room:x'], effects: [effect('e1')], timers: [{ name: 'wait', dueAt: at(50) }],
        raise: [{ aggregate: { kind: 'delivery', id: 'd1' }, body: { type: 'timer.due', name: 'raised' } }], audit: [{ action: 'a', because: 'b' }],
      };
      expect(await open.store.commit(claim, 0, decision)).to.equal(true);
      const state = (await open.store.load({ kind: 'report', id: 'r1' }))?.state as { readonly secret: { reveal(): unknown } };
      expect(state.secret.reveal()).to.deep.equal(report());
      expect((await open.store.lookup([{ kind: 'report', name: '!room:x' }])).get('!room:x')?.aggregate).to.deep.equal({ kind: 'report', id: 'r1' });
      expect(only(await open.store.claimEffects('w', T0, LEASE, 10, [])).work.id).to.equal('e1');
      expect(only(await open.store.claimFacts('w', T0, LEASE, 10)).work.body).to.deep.equal({ type: 'timer.due', name: 'raised' });
      expect(await open.store.tick(at(49), 10)).to.equal(0);
      expect(await open.store.tick(at(50), 10)).to.equal(1);
      expect(await open.store.tick(at(51), 10)).to.equal(0);
    });

    it('does the effects of one lane in order, and those of others beside them', async () => {
      await commit(open, [effect('e1', 'l1'), effect('e2', 'l1'), effect('e3', 'l2')]);
      const claims = await open.store.claimEffects('w', T0, LEASE, 10, []);
      expect(claims.map(({ work }) => work.id)).to.deep.equal(['e1', 'e3']);
      const [first] = claims;
      if (!first) throw new Error('no claim');
      await open.store.settle(first, first.aggregate, { state: 'done', fact: { type: 'timer.due', name: 'done' } }, T0);
      expect((await open.store.claimEffects('w', T0, LEASE, 10, [])).map(({ work }) => work.id)).to.deep.equal(['e2']);
    });

    it('finds the first of each lane, and no other, also when much waits in few lanes', async () => {
      await commit(open, Array.from({ length: 1203 }, (_, index) => ({ ...effect(`e${index}`, `l${index % 3}`), seat: index % 3 === 2 ? 1 : 0 })));
      const claims = await open.store.claimEffects('w', T0, LEASE, 10, [0]);
      expect(claims.map(({ work }) => work.id)).to.deep.equal(['e0', 'e1']);
      const [first, second] = claims;
      if (!first || !second) throw new Error('no claims');
      await open.store.settle(first, first.aggregate, { state: 'done', fact: { type: 'timer.due', name: 'done' } }, T0);
      await open.store.settle(second, second.aggregate, { state: 'waiting', code: 'unavailable', notBefore: at(60_000) }, T0);
      expect((await open.store.claimEffects('w', T0, LEASE, 10, [0, 1])).map(({ work }) => work.id)).to.deep.equal(['e2', 'e3']);
      expect(await open.store.claimEffects('w', at(1), LEASE, 10, [0, 1])).to.deep.equal([]);
    });

    it('tries a waiting effect again when its time has come, or when it is woken', async () => {
      await commit(open, [effect('e1')]);
      const claim = only(await open.store.claimEffects('w', T0, LEASE, 10, []));
      expect(await open.store.settle(claim, claim.aggregate, { state: 'waiting', code: 'no-device', notBefore: at(60_000) }, T0)).to.equal(true);
      expect(await open.store.claimEffects('w', at(59_999), LEASE, 10, [])).to.deep.equal([]);
      await open.store.wake('no-device', at(10));
      const again = only(await open.store.claimEffects('w', at(10), LEASE, 10, []));
      expect({ attempts: again.attempts, lastCode: again.lastCode }).to.deep.equal({ attempts: 1, lastCode: 'no-device' });
    });

    it('wakes one of those that wait for the same, or those that name somebody', async () => {
      await commit(open, ['ada', 'ben', 'cy'].map((name) => ({ ...effect(name, name), body: { type: 'room.invite', roomId: as<RoomId>('!r'), userId: as<UserId>(`@${name}:x`) } as const })));
      const waits = async (): Promise<void> => {
        for (const claim of await open.store.claimEffects('w', at(100_000), LEASE, 10, [])) await open.store.settle(claim, claim.aggregate, { state: 'waiting', code: 'keys-missing', notBefore: at(90_000) }, T0);
      };
      const woken = async (among: Parameters<typeof open.store.wake>[2]): Promise<readonly string[]> => {
        await open.store.wake('keys-missing', at(10), among);
        return (await open.store.claimEffects('w', at(10), LEASE, 10, [])).map(({ work }) => work.id);
      };
      await waits();
      expect(await woken({ naming: [] })).to.deep.equal([]);
      expect(await woken({ naming: ['@ben:x', '@a:x', '@nobody:x'] })).to.deep.equal(['ben']);
      expect(await woken({ effect: as<EffectId>('cy') })).to.deep.equal(['cy']);
      expect(await woken(undefined)).to.deep.equal(['ada']);
    });

    it('refuses to settle an effect whose lease was lost, so that it is told once', async () => {
      await commit(open, [effect('e1')]);
      const stale = only(await open.store.claimEffects('w1', T0, LEASE, 10, []));
      const fresh = only(await open.store.claimEffects('w2', at(LEASE + 1), LEASE, 10, []));
      expect(await open.store.settle(stale, stale.aggregate, { state: 'done', fact: { type: 'timer.due', name: 'x' } }, T0)).to.equal(false);
      expect(await open.store.settle(fresh, fresh.aggregate, { state: 'done', fact: { type: 'timer.due', name: 'x' } }, T0)).to.equal(true);
      expect((await open.store.claimFacts('w', T0, LEASE, 10)).length).to.equal(1);
    });

    it('keeps a failed effect under its id, and a decision that asks for it again sets it going', async () => {
      await commit(open, [effect('e1')]);
      const claim = only(await open.store.claimEffects('w', T0, LEASE, 10, []));
      await open.store.settle(claim, claim.aggregate, { state: 'failed', code: 'too-large', fact: { type: 'timer.due', name: 'x' } }, T0);
      expect(await open.store.claimEffects('w', at(99_999), LEASE, 10, [])).to.deep.equal([]);
      await commit(open, [effect('e1')], 'k2', 1);
      expect(only(await open.store.claimEffects('w', at(99_999), LEASE, 10, [])).work.id).to.equal('e1');
    });

    it('tries with new patience what is asked for again, and still knows when it was decided first', async () => {
      let now = 0;
      const store = createStore(open.database, open.keys, () => at(now));
      const decide = async (key: string, version: number, decision: Partial<Decision<unknown>>): Promise<void> => {
        await store.receive([incoming(key)]);
        for (const claim of await store.claimFacts('w', at(now), LEASE, 10)) expect(await store.commit(claim, version, { ...nothing, ...decision })).to.equal(true);
      };
      /** Tries it, and lets it wait; gives how it stood. */
      const tried = async (): Promise<{ readonly attempts: number; readonly createdAt: number; readonly waitedMs: number }> => {
        const claim = only(await store.claimEffects('w', at(now), LEASE, 10, []));
        await store.settle(claim, claim.aggregate, { state: 'waiting', code: 'source-away', notBefore: at(now + 10) }, at(now));
        return { attempts: claim.attempts, createdAt: claim.createdAt, waitedMs: claim.askedAt - claim.createdAt };
      };
      await decide('k1', 0, { effects: [effect('e1')] });
      const first = await tried();
      now = 50;
      expect(await tried(), 'tried again by itself').to.deep.equal({ ...first, attempts: 1, waitedMs: 0 });
      await open.database.db.updateTable('outbox').set({ created_at: first.createdAt - 5000 }).execute();
      await decide('k2', 1, { effects: [effect('e1')] });
      const again = await tried();
      expect({ ...again, waitedMs: 0 }, 'asked for again').to.deep.equal({ attempts: 0, createdAt: first.createdAt - 5000, waitedMs: 0 });
      expect(again.waitedMs).to.be.within(4900, 9000);
      now = 55;
      await open.database.db.updateTable('outbox').set({ not_before: at(10_000_000_000_000), asked_at: null }).execute();
      await decide('k3', 2, { wake: ['l'] });
      now = 70;
      await open.database.db.updateTable('outbox').set({ not_before: 0 }).execute();
      const woken = await tried();
      expect(woken.attempts, 'woken by a decision').to.equal(0);
      expect(woken.waitedMs).to.be.within(4900, 9000);
    });

    it('does what was asked for last: the outcome of what a sender had in hand when it was asked for again settles nothing', async () => {
      await commit(open, [effect('e1')]);
      const former = only(await open.store.claimEffects('w1', T0, LEASE, 10, []));
      const body = { type: 'room.invite', roomId: as<RoomId>('!another'), userId: as<UserId>('@u:x') } as const;
      await commit(open, [{ ...effect('e1'), body }], 'k2', 1);
      await open.store.renew('w1', { facts: [], effects: [former.work.id] }, at(500), LEASE);
      expect(await open.store.claimEffects('w2', at(500 + LEASE - 1), LEASE, 10, []), 'while the sender is at the former').to.deep.equal([]);
      for (const settlement of [
        { state: 'done', fact: { type: 'timer.due', name: 'x' } }, { state: 'failed', code: 'forbidden', fact: { type: 'timer.due', name: 'x' } }, { state: 'waiting', code: 'no-device', notBefore: at(60_000), fact: { type: 'timer.due', name: 'x' } },
      ] as const) expect(await open.store.settle(former, former.aggregate, settlement, at(600)), settlement.state).to.equal(false);
      expect(await open.store.claimFacts('w', at(600), LEASE, 10), 'nothing is told of it').to.deep.equal([]);
      const latter = only(await open.store.claimEffects('w1', at(500 + LEASE), LEASE, 10, []));
      expect(latter.work.body).to.deep.equal(body);
      expect(await open.store.settle(latter, latter.aggregate, { state: 'done', fact: { type: 'timer.due', name: 'x' } }, at(2000))).to.equal(true);
    });

    it('leaves what waits with the seat whose device may have begun it, when it is asked for again of another; what was refused may go', async () => {
      await commit(open, [{ ...effect('waits', 'l1'), seat: 3 }, { ...effect('refused', 'l2'), seat: 3 }, { ...effect('waits for anybody', 'l3') }]);
      const refused = (await open.store.claimEffects('w', T0, LEASE, 10, [3])).find(({ work }) => work.id === 'refused');
      if (refused) await open.store.settle(refused, refused.aggregate, { state: 'failed', code: 'forbidden', fact: { type: 'timer.due', name: 'x' } }, T0);
      const told = only(await open.store.claimFacts('w', T0, LEASE, 10));
      await open.store.commit(told, 1, nothing);
      await commit(open, [{ ...effect('waits', 'l1'), seat: 0 }, { ...effect('refused', 'l2'), seat: 0 }], 'k2', 2);
      expect(await open.store.seatsFrom(1)).to.deep.equal([{ seat: 3, waiting: 1 }]);
      expect((await open.store.claimEffects('w', at(LEASE + 1), LEASE, 10, [0])).map(({ work: { id } }) => id)).to.deep.equal(['refused', 'waits for anybody']);
      expect((await open.store.claimEffects('w', at(LEASE + 1), LEASE, 10, [3])).map(({ work: { id } }) => id)).to.deep.equal(['waits']);
    });

    it('never does again what is done', async () => {
      await commit(open, [effect('e1')]);
      const claim = only(await open.store.claimEffects('w', T0, LEASE, 10, []));
      await open.store.settle(claim, claim.aggregate, { state: 'done', fact: { type: 'timer.due', name: 'x' } }, T0);
      const told = only(await open.store.claimFacts('w', T0, LEASE, 10));
      await open.store.commit(told, 1, nothing);
      await commit(open, [effect('e1')], 'k2', 2);
      expect(await open.store.claimEffects('w', at(99_999), LEASE, 10, [])).to.deep.equal([]);
    });

    it('shows a fact whose decision failed, with the reason and how often', async () => {
      const claim = await claimed(open);
      await open.store.defer(claim, 'TypeError', at(500));
      const held = only(await open.store.deferred());
      expect({ code: held.code, attempts: held.attempts, type: held.type }).to.deep.equal({ code: 'TypeError', attempts: 1, type: 'result.received' });
      expect(await open.store.claimFacts('w', at(499), LEASE, 10)).to.deep.equal([]);
      expect((await open.store.claimFacts('w', at(500), LEASE, 10)).length).to.equal(1);
    });

    it('keeps everything over a restart, sealed under the subject\'s key', async () => {
      await commit(open, []);
      const again = await open.reopen();
      expect((await again.load({ kind: 'report', id: 'r1' }))?.version).to.equal(1);
      await again.close();
    });

    it('remembers a name once, until it is over, also over a restart and among workers', async () => {
      expect(await open.store.remember('jti 1', at(100), T0)).to.equal(true);
      expect(await open.store.remember('jti 1', at(100), at(100))).to.equal(false);
      const again = await open.reopen();
      expect(await again.remember('jti 1', at(300), at(50))).to.equal(false);
      expect(await again.remember('jti 2', at(300), at(50))).to.equal(true);
      expect(await again.remember('jti 1', at(300), at(101)), 'over').to.equal(true);
      expect((await Promise.all(Array.from({ length: 8 }, () => again.remember('jti 3', at(300), at(50))))).filter((first) => first).length).to.equal(1);
      await again.close();
    });

    it('audits what no decision made, such as what a door refused', async () => {
      await open.store.audit([]);
      await open.store.audit([{ at: T0, kind: 'door', aggregate: 'lab', action: 'request.refused', because: 'forbidden', detail: { door: 'fhir-push', status: 403, times: 2 } }]);
      const row = only(await open.database.db.selectFrom('audit').selectAll().execute());
      expect(row).to.deep.include({ at: T0, fact: '', kind: 'door', aggregate: 'lab', action: 'request.refused', because: 'forbidden', detail: '{"door":"fhir-push","status":403,"times":2}' });
    });

    it('migrates an up-to-date database to itself', async () => {
      expect(await migrate(open.database)).to.deep.equal([]);
    });

    it('writes nothing of the patient in clear', async () => {
      await open.store.receive([incoming('key-with-00481516', 'r1', ['DiagnosticReport?identifier=mrn|00481516'])]);
      const claim = only(await open.store.claimFacts('w', T0, LEASE, 10));
      await open.store.commit(claim, 0, { state: { secret: received(report()).report }, audit: [] });
      const rows = JSON.stringify(await Promise.all((['inbox', 'inbox_name', 'aggregate', 'outbox', 'audit'] as const).map((table) => open.database.db.selectFrom(table).selectAll().execute())));
      const files = kind === 'sqlite' ? ['aceso.db', 'aceso.db-wal'].map((name) => readFileSync(join(open.folder, name)).toString('latin1')).join('') : '';
      for (const marker of ['Quintana', '00481516', '1958-03-02', 'mmol/L', 'L-2026-3391']) expect(rows + files, marker).not.to.include(marker);
      expect(rows).to.include(SUBJECT);
    });

  });
}

const effect = (id: string, lane = 'l'): NonNullable<Decision<unknown>['effects']>[number] => ({ id: as<EffectId>(id), lane, body: { type: 'room.invite', roomId: as('!r'), userId: as('@u:x') } });

const secret: NonNullable<Decision<unknown>['effects']>[number] = { ...effect('e1'), body: { type: 'room.send', roomId: as<RoomId>('!r'), party: as<PartyId>('p'), recipients: [], content: Sealed.of(SUBJECT, { body: 'PHI' }) } };

async function claimed(open: OpenStore, key = 'k1'): Promise<Claim<Fact>> {
  await open.store.receive([incoming(key)]);
  return only(await open.store.claimFacts('w', T0, LEASE, 10));
}

async function commit(open: OpenStore, effects: NonNullable<Decision<unknown>['effects']>, key = 'k1', version = 0): Promise<void> {
  expect(await open.store.commit(await claimed(open, key), version, { ...nothing, effects })).to.equal(true);
}
