import { expect } from 'chai';
import { createPolicyHistory } from '../../../src/adapters/store/policyHistory.ts';
import { as, type Millis } from '../../../src/domain/brand.ts';
import { T0 } from '../../support/reports.ts';
import { openTestStore, STORE_KINDS } from '../../support/stores.ts';

for (const kind of STORE_KINDS) {
  describe(`The history of policies on ${kind}`, () => {
    it('keeps each revision with its text and dates, and gives the one that was loaded last, also one that came back', async () => {
      const open = await openTestStore(kind, () => T0);
      const history = createPolicyHistory(open.database.db);
      const at = (ms: number): Millis => as<Millis>(T0 + ms);
      expect(await history.last()).to.equal(undefined);
      await history.loaded('a', 'text of a', at(0));
      await history.loaded('b', 'text of b', at(1));
      expect(await history.last()).to.deep.equal({ revision: 'b', text: 'text of b', firstLoadedAt: at(1), lastLoadedAt: at(1) });
      await history.loaded('a', 'text of a', at(2));
      expect((await history.list()).map(({ revision, firstLoadedAt, lastLoadedAt }) => [revision, firstLoadedAt, lastLoadedAt])).to.deep.equal([['a', at(0), at(2)], ['b', at(1), at(1)]]);
      await open.store.close();
    });
  });
}
