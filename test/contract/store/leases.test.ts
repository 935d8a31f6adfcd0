import { expect } from 'chai';
import { sql } from 'kysely';
import { as, type EffectId, type Millis } from '../../../src/domain/brand.ts';
import type { Decision } from '../../../src/domain/decision.ts';
import type { AuditNote, Lease, Seat } from '../../../src/ports/store.ts';
import { received, report, T0 } from '../../support/reports.ts';
import { openTestStore, STORE_KINDS, type OpenStore } from '../../support/stores.ts';

const LEASE = 1000;
const at = (ms: number): Millis => as<Millis>(T0 + ms);
const SEAT: Seat = { seat: 1, deviceId: 'ACESOCOURIER1', storeId: 'store-a', bornAt: T0 };

for (const kind of STORE_KINDS) {
  describe(`A lease on ${kind}`, () => {
    let open: OpenStore;
    beforeEach(async () => { open = await openTestStore(kind, () => T0); });
    afterEach(() => open.store.close());

    const taken = async (worker: string, ms = 0, name = 'courier/1'): Promise<Lease> => {
      const lease = await open.store.lease(name, worker, at(ms), LEASE);
      if (!lease) throw new Error(`${worker} has no lease`);
      return lease;
    };

    it('is one worker\'s until it runs out; each new holder has a higher generation', async () => {
      expect(await taken('a')).to.deep.equal({ name: 'courier/1', worker: 'a', generation: 1 });
      expect(await open.store.lease('courier/1', 'b', at(LEASE - 1), LEASE)).to.equal(undefined);
      expect((await taken('b', LEASE)).generation).to.equal(2);
      expect((await taken('a', 2 * LEASE)).generation, 'back again').to.equal(3);
    });

    it('is renewed in its own generation', async () => {
      await taken('a');
      expect((await taken('a', 900)).generation).to.equal(1);
      expect(await open.store.lease('courier/1', 'b', at(LEASE + 1), LEASE), 'it was renewed').to.equal(undefined);
    });

    it('is free at once when it is released, and can\'t be released by who lost it', async () => {
      const first = await taken('a');
      await open.store.release(first);
      expect((await taken('b')).generation).to.equal(2);
      await open.store.release(first);
      expect(await open.store.lease('courier/1', 'c', at(1), LEASE)).to.equal(undefined);
    });

    it('has nothing to do with a lease of another name', async () => {
      await taken('a');
      expect((await taken('b', 0, 'courier/2')).generation).to.equal(1);
    });

    it('goes to one of many who race for it', async () => {
      const racers = ['a', 'b', 'c', 'd', 'e', 'f'];
      for (const round of [0, 1, 2]) {
        const won = await Promise.all(racers.map((worker) => open.store.lease('courier/1', `${worker}${round}`, at(round * LEASE), LEASE)));
        expect(won.filter((lease) => lease !== undefined).map(({ generation }) => generation), `round ${round}`).to.deep.equal([round + 1]);
      }
    });

    if (kind === 'postgres') it('is renewed, and the time is told, while every connection of the decisions is taken', async () => {
      await taken('a');
      const [held, done] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
      let begun = 0;
      const decisions = Array.from({ length: 64 }, () => open.database.db.transaction().execute(async () => {
        begun += 1;
        if (begun === 10) held.resolve(undefined);
        await done.promise;
      }));
      await held.promise;
      const started = performance.now();
      const worker = { id: 'a', roles: [], address: 'x', startedAt: T0, seenAt: T0 };
      const renewed = await Promise.all([taken('a', 900), open.store.clock(), open.store.present(worker), open.store.seat(1)]).then(() => performance.now() - started, String);
      done.resolve(undefined);
      await Promise.all(decisions);
      expect(renewed).to.be.a('number').below(4000);
    });

    it('lets its holder say who sits on a seat', async () => {
      expect(await open.store.seat(1)).to.equal(undefined);
      expect(await open.store.saveSeat(await taken('a'), SEAT)).to.equal(true);
      expect(await open.store.seat(1)).to.deep.equal(SEAT);
      expect(await open.store.saveSeat(await taken('a'), { ...SEAT, deviceId: 'OTHER', bornAt: at(5) })).to.equal(true);
      expect(await open.store.seat(1)).to.deep.equal({ ...SEAT, deviceId: 'OTHER', bornAt: at(5) });
    });

    it('keeps secrets under the key ring: not in clear in the database', async () => {
      const lease = await taken('a');
      const value = new TextEncoder().encode('private keys of the courier');
      expect(await open.store.secret('cross-signing')).to.equal(undefined);
      expect(await open.store.saveSecret(lease, 'cross-signing', value)).to.equal(true);
      expect(new Uint8Array(await open.store.secret('cross-signing') ?? [])).to.deep.equal(value);
      const [row] = await open.database.db.selectFrom('secret').selectAll().execute();
      expect(Buffer.from(row?.wrapped ?? []).toString('latin1')).not.to.include('private keys');
    });

    it('refuses who lost it, wholly', async () => {
      const stale = await taken('a');
      const fresh = await taken('b', LEASE);
      expect(await open.store.saveSeat(fresh, SEAT)).to.equal(true);
      expect(await open.store.saveSeat(stale, { ...SEAT, deviceId: 'STALE' })).to.equal(false);
      expect(await open.store.saveSecret(stale, 'cross-signing', new Uint8Array([1]))).to.equal(false);
      expect(await open.store.seat(1)).to.deep.equal(SEAT);
      expect(await open.store.secret('cross-signing')).to.equal(undefined);
    });

    it('removes a seat for the holder of its lease alone, and says which others have a device', async () => {
      const lease = await open.store.lease('courier/1', 'w', T0, LEASE);
      if (!lease) throw new Error('no lease');
      expect(await open.store.saveSeat(lease, SEAT)).to.equal(true);
      expect(await open.store.seatsFrom(1)).to.deep.equal([{ seat: 1, waiting: 0 }]);
      expect(await open.store.seatsFrom(2)).to.deep.equal([]);
      expect(await open.store.removeSeat({ ...lease, generation: lease.generation - 1 }, 1)).to.equal(false);
      expect(await open.store.removeSeat(lease, 1)).to.equal(true);
      expect(await open.store.seat(1)).to.equal(undefined);
      expect(await open.store.seatsFrom(1)).to.deep.equal([]);
    });

    it('changes who sits on a seat together with its line in the audit, or not at all', async () => {
      const { db } = open.database;
      const note = (action: string): AuditNote => ({ at: T0, kind: 'courier', aggregate: '1', action, because: 'b', detail: { device: 'D' } });
      const stale = await taken('a');
      const lease = await taken('b', LEASE);
      expect([await open.store.saveSeat(stale, SEAT, note('stale')), await open.store.removeSeat(stale, 1, note('stale')), await open.store.saveSeat(lease, SEAT, note('followed'))]).to.deep.equal([false, false, true]);
      await sql`alter table audit rename to away`.execute(db);
      expect(await open.store.removeSeat(lease, 1, note('lost')).then(() => 'removed', () => 'in trouble')).to.equal('in trouble');
      expect(await open.store.saveSeat(lease, { ...SEAT, deviceId: 'OTHER' }, note('lost')).then(() => 'saved', () => 'in trouble')).to.equal('in trouble');
      expect(await open.store.seat(1)).to.deep.equal(SEAT);
      await sql`alter table away rename to audit`.execute(db);
      expect(await open.store.removeSeat(lease, 1, note('retired'))).to.equal(true);
      const rows = await db.selectFrom('audit').select(['kind', 'aggregate', 'action', 'detail']).orderBy('seq').execute();
      expect(rows).to.deep.equal(['followed', 'retired'].map((action) => ({ kind: 'courier', aggregate: '1', action, detail: '{"device":"D"}' })));
    });

    it('gives effects that need a device to the holder of its seat alone, and others to anybody', async () => {
      const effect = (id: string, seat?: number): NonNullable<Decision<unknown>['effects']>[number] => ({ id: as<EffectId>(id), lane: id, body: { type: 'room.invite', roomId: as('!r'), userId: as('@u:x') }, ...(seat === undefined ? {} : { seat }) });
      await open.store.receive([{ source: as('lab'), key: 'k', aggregate: { kind: 'report', id: 'r' }, at: T0, body: received(report()) }]);
      const [claim] = await open.store.claimFacts('w', T0, LEASE, 1);
      if (!claim) throw new Error('nothing to decide');
      const decidedAt = await open.store.clock();
      await open.store.commit(claim, 0, { state: {}, audit: [], effects: [effect('any'), effect('first', 0), effect('second', 1), effect('third', 2)] });
      const claimed = async (worker: string, seats: readonly number[]): Promise<readonly unknown[]> => (await open.store.claimEffects(worker, T0, LEASE, 10, seats)).map(({ work: { id, seat }, createdAt }) => {
        expect(createdAt - decidedAt, 'when it was decided').to.be.within(0, 2000);
        return [id, seat];
      });
      expect(await claimed('a', [0, 2])).to.deep.equal([['any', undefined], ['first', 0], ['third', 2]]);
      expect(await claimed('b', [])).to.deep.equal([]);
      expect(await claimed('b', [1])).to.deep.equal([['second', 1]]);
    });
  });
}
