import { expect } from 'chai';
import { as, type EffectId, type Millis, type ServerName, type SourceId } from '../../../src/domain/brand.ts';
import type { Decision } from '../../../src/domain/decision.ts';
import type { EffectClaim, IncomingFact, Store } from '../../../src/ports/store.ts';
import { received, report, T0 } from '../../support/reports.ts';
import { openTestStore, STORE_KINDS, type OpenStore, type StoreKind } from '../../support/stores.ts';

const LEASE = 1000;
const source = as<SourceId>('lab');
const at = (ms: number): Millis => as<Millis>(T0 + ms);
const incoming = (key: string, aggregate = 'r1', names: readonly string[] = []): IncomingFact => ({ source, key, names, aggregate: { kind: 'report', id: aggregate }, at: T0, body: received(report()) });
const effect = (id: string, destination?: string): NonNullable<Decision<unknown>['effects']>[number] => ({
  id: as<EffectId>(id), lane: id, body: { type: 'room.invite', roomId: as('!r'), userId: as('@u:x') }, ...(destination === undefined ? {} : { destination: as<ServerName>(destination) }),
});
const NAME = 'DiagnosticReport?identifier=s|1';

/** On PostgreSQL four of its own connections each, as processes have; on SQLite one process has all workers. */
async function four(open: OpenStore, kind: StoreKind): Promise<readonly Store[]> {
  if (kind === 'sqlite') return [open.store, open.store, open.store, open.store];
  return [open.store, ...(await Promise.all([1, 2, 3].map(() => open.reopen())))];
}

for (const kind of STORE_KINDS) {
  describe(`Several workers on ${kind}`, () => {
    let open: OpenStore;
    let stores: readonly Store[];
    beforeEach(async () => {
      open = await openTestStore(kind, () => T0);
      stores = await four(open, kind);
    });
    afterEach(() => Promise.all([...new Set(stores)].map((store) => store.close())));

    it('that bring the same name at once make one resource, with a version for each content', async () => {
      for (const round of [1, 2, 3, 4, 5]) {
        const taken = (await Promise.all(stores.map((store, index) => store.receive([incoming(`${round}/${index}`, 'r1', [`${NAME}${round}`, `x${round}/${index}`])])))).flat();
        expect(new Set(taken.map(({ id }) => id)).size, 'resources').to.equal(1);
        expect(taken.map(({ version }) => version).sort(), 'versions').to.deep.equal([1, 2, 3, 4]);
      }
    });

    it('that bring several names in different orders don\'t wait for each other for ever', async () => {
      const names = ['a', 'b', 'c', 'd'];
      const outcomes = await Promise.all(Array.from({ length: 24 }, (_, index) => (stores[index % 4] ?? open.store).receive([...names].sort(() => (index % 2 === 0 ? 1 : -1)).map((name) => incoming(`${index}/${name}`, name, [name])))));
      expect(outcomes.flat().length).to.equal(96);
    });

    it('decide each fact once, those of one aggregate in order, while leases are renewed and effects settled', async () => {
      const aggregates = 20;
      const each = 5;
      await open.store.receive(Array.from({ length: aggregates * each }, (_, index) => incoming(`k${index}`, `r${index % aggregates}`)));
      const decided: string[] = [];
      await Promise.all(stores.map(async (store, index) => {
        const worker = `w${index}`;
        for (;;) {
          const claims = await store.claimFacts(worker, T0, LEASE, 7);
          await Promise.all([
            store.renew(worker, { facts: claims.map(({ work }) => work.id), effects: [] }, T0, LEASE),
            ...claims.map(async (claim) => {
              const version = (await store.load(claim.work.aggregate))?.version ?? 0;
              if (await store.commit(claim, version, { state: {}, effects: [effect(claim.work.id)], audit: [] })) decided.push(`${claim.work.aggregate.id}:${version}`);
            }),
          ]);
          if (claims.length === 0 && (await store.counts(T0)).undecided === 0) return;
        }
      }));
      const expected = Array.from({ length: aggregates * each }, (_, index) => `r${index % aggregates}:${Math.floor(index / aggregates)}`);
      expect([...decided].sort()).to.deep.equal(expected.sort());

      const done: string[] = [];
      await Promise.all(stores.map(async (store, index) => {
        for (let claims: readonly EffectClaim[] = [{} as EffectClaim]; claims.length > 0;) {
          claims = await store.claimEffects(`w${index}`, T0, LEASE, 9, []);
          await Promise.all(claims.map(async (claim) => { if (await store.settle(claim, claim.aggregate, { state: 'done', fact: { type: 'timer.due', name: 'x' } }, T0)) done.push(claim.work.id); }));
        }
      }));
      expect(new Set(done).size).to.equal(aggregates * each);
      expect(done.length).to.equal(aggregates * each);
    });

    it('that look at the same moment take different work', async () => {
      await open.store.receive(Array.from({ length: 60 }, (_, index) => incoming(`k${index}`, `r${index}`)));
      const ids = (await Promise.all(stores.map((store, index) => store.claimFacts(`w${index}`, T0, LEASE, 60)))).flat().map(({ work }) => work.id);
      expect(new Set(ids).size).to.equal(ids.length);
      expect(ids.length).to.be.greaterThan(0);
    });

    it('turn a due timer into one fact', async () => {
      await open.store.receive([incoming('k')]);
      const [claim] = await open.store.claimFacts('w', T0, LEASE, 1);
      if (!claim) throw new Error('nothing to decide');
      await open.store.commit(claim, 0, { state: {}, audit: [], timers: [{ name: 'a', dueAt: T0 }, { name: 'b', dueAt: T0 }] });
      const turned = await Promise.all(stores.map((store) => store.tick(T0, 10)));
      expect(turned.reduce((sum, each) => sum + each, 0)).to.equal(2);
      expect((await open.store.counts(T0)).undecided).to.equal(2);
    });

    it('can leave out effects of servers that are slow, or ask for those of one', async () => {
      await open.store.receive([incoming('k')]);
      const [claim] = await open.store.claimFacts('w', T0, LEASE, 1);
      if (!claim) throw new Error('nothing to decide');
      await open.store.commit(claim, 0, { state: {}, audit: [], effects: [effect('slow1', 'slow.example'), effect('slow2', 'slow.example'), effect('quick', 'quick.example'), effect('own')] });
      const ids = async (destinations: Parameters<Store['claimEffects']>[5], limit = 10): Promise<readonly string[]> => (await open.store.claimEffects('w', T0, LEASE, limit, [], destinations)).map(({ work }) => work.id);
      expect(await ids({ only: undefined })).to.deep.equal(['own']);
      expect(await ids({ except: ['slow.example'] })).to.deep.equal(['quick']);
      expect(await ids({ only: 'slow.example' }, 1)).to.deep.equal(['slow1']);
      expect(await ids({ except: [] })).to.deep.equal(['slow2']);
    });

    it('say that they live, until they stop or were not heard of for an hour', async () => {
      const worker = { id: 'w1', roles: ['decider', 'sender'], address: '127.0.0.1:9101', startedAt: T0, seenAt: T0 };
      await open.store.present(worker);
      await open.store.present({ ...worker, seenAt: at(5000) });
      expect(await open.store.workers()).to.deep.equal([{ ...worker, seenAt: at(5000) }]);
      await open.store.present({ ...worker, id: 'w2', seenAt: at(3_700_000) });
      expect((await open.store.workers()).map(({ id }) => id)).to.deep.equal(['w2']);
      await open.store.absent('w2');
      expect(await open.store.workers()).to.deep.equal([]);
    });

    it('show who holds which courier, and which device sits there', async () => {
      const lease = await open.store.lease('courier/1', 'w1', T0, LEASE);
      if (!lease) throw new Error('no lease');
      await open.store.saveSeat(lease, { seat: 1, deviceId: 'DEVICE', storeId: 's', bornAt: T0 });
      await open.store.lease('another', 'w1', T0, LEASE);
      expect(await open.store.seats()).to.deep.equal([{ seat: 1, worker: 'w1', until: at(LEASE), generation: 1, deviceId: 'DEVICE' }]);
      await open.store.release(lease);
      expect(await open.store.seats()).to.deep.equal([{ seat: 1, deviceId: 'DEVICE' }]);
    });

    it('don\'t wait for leases of a clock that was ahead and was set back', async () => {
      const ahead = at(3_600_000);
      await open.store.receive([incoming('k')]);
      const [claim] = await open.store.claimFacts('w1', ahead, LEASE, 1);
      if (!claim) throw new Error('nothing to decide');
      expect((await open.store.lease('courier/0', 'w1', ahead, LEASE))?.generation).to.equal(1);
      expect((await open.store.lease('courier/0', 'w2', T0, LEASE))?.generation).to.equal(2);
      expect((await open.store.claimFacts('w2', T0, LEASE, 1)).map(({ generation }) => generation)).to.deep.equal([claim.generation + 1]);
      expect(await open.store.claimFacts('w3', at(1), LEASE, 1), 'but for those of now').to.deep.equal([]);
    });

    it('go by one clock', async () => {
      const told = await Promise.all(stores.map((store) => store.clock()));
      for (const time of told) expect(kind === 'sqlite' ? time - T0 : time - Date.now()).to.be.within(-2000, 2000);
    });

    if (kind === 'postgres') it('write what they decide with that clock, however wrong their own is', async () => {
      const { database: { db }, store } = open; // its own clock says T0, which is long ago
      await store.receive([incoming('k1')]);
      for (const claim of await store.claimFacts('w', T0, LEASE, 1)) {
        expect(await store.commit(claim, 0, { state: {}, effects: [effect('e1')], raise: [{ aggregate: { kind: 'delivery', id: 'd1' }, body: { type: 'timer.due', name: 'x' } }], audit: [{ action: 'a', because: 'b' }] })).to.equal(true);
      }
      const [effects, facts, states, audit] = await Promise.all([
        db.selectFrom('outbox').select('created_at as at').execute(), db.selectFrom('inbox').select('received_at as at').where('source', '=', 'decision').execute(),
        db.selectFrom('aggregate').select('changed_at as at').execute(), db.selectFrom('audit').select('at').execute(),
      ]);
      const times = [...effects, ...facts, ...states, ...audit].map(({ at: time }) => time);
      expect(times).to.have.length(4);
      for (const time of times) expect(time - Date.now()).to.be.within(-2000, 2000);
    });
  });
}
