import { expect } from 'chai';
import { migrate } from '../../../src/adapters/store/database.ts';
import { T0 } from '../../support/reports.ts';
import { openTestStore, STORE_KINDS } from '../../support/stores.ts';

for (const kind of STORE_KINDS) {
  describe(`A ${kind} database of an earlier Aceso`, () => {
    it('of one courier (0001) keeps what it holds; what waits for the device waits for seat 0, and the rest for anybody', async () => {
      const open = await openTestStore(kind, () => T0, '0001_loop');
      const { db } = open.database;
      const row = { kind: 'delivery', aggregate: 'd1', body: '{}', created_at: T0, not_before: 0, lease_owner: null, lease_until: 0, generation: 3, attempts: 2, code: null };
      for (const [id, type, state] of [['send', 'room.send', 'waiting'], ['decrypt', 'event.decrypt', 'waiting'], ['invite', 'room.invite', 'waiting'], ['sent', 'room.send', 'done']] as const) {
        await db.insertInto('outbox').values({ id, lane: id, type, state, ...row }).execute();
      }
      await db.insertInto('aggregate').values({ kind: 'room', id: 'ada', version: 7, state: '{"phase":"ready"}', phase: 'ready', held: 0, changed_at: T0 }).execute();

      expect((await migrate(open.database))[0]).to.equal('0002_workers');

      const outbox = await db.selectFrom('outbox').select(['id', 'seat', 'destination', 'generation', 'attempts']).orderBy('id').execute();
      const kept = { destination: null, generation: 3, attempts: 2 };
      expect(outbox).to.deep.equal([{ id: 'decrypt', seat: 0, ...kept }, { id: 'invite', seat: null, ...kept }, { id: 'send', seat: 0, ...kept }, { id: 'sent', seat: null, ...kept }]);
      expect(await open.store.load({ kind: 'room', id: 'ada' })).to.deep.equal({ state: { phase: 'ready' }, version: 7 });
      expect((await open.store.claimEffects('w', T0, 1000, 10, [])).map(({ work }) => work.id)).to.deep.equal(['invite']);
      expect((await open.store.claimEffects('w', T0, 1000, 10, [0])).map(({ work }) => work.id)).to.deep.equal(['send', 'decrypt']);
      await open.store.close();
    });
  });
}
