import { expect } from 'chai';
import { isAgreed, lookupsOfAgreements } from '../../../src/domain/agreements/agreed.ts';
import { endOf } from '../../../src/domain/agreements/terms.ts';
import { as, type Millis } from '../../../src/domain/brand.ts';
import { decide } from '../../../src/domain/decide.ts';
import type { Settings } from '../../../src/domain/decision.ts';
import type { FactBody } from '../../../src/domain/fact.ts';
import { terms } from '../../support/agreements.ts';
import { ada, allowAll, organisations, T0 } from '../../support/reports.ts';
import { openTestStore, STORE_KINDS, type OpenStore } from '../../support/stores.ts';

const settings: Settings = { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example'], invitationPatienceMs: 1 };
const wanted: FactBody = { type: 'room.wanted', party: ada, delivery: as('d1') };

for (const kind of STORE_KINDS) {
  describe(`An agreement in the store on ${kind}`, function () {
    this.timeout(120_000);
    let now = T0 as number;
    let open: OpenStore;
    beforeEach(async () => { now = T0; open = await openTestStore(kind, () => now); });
    afterEach(() => open.store.close());

    /** Decides all there is; gives what was decided, by type. */
    async function decideAll(): Promise<readonly string[]> {
      const types: string[] = [];
      for (let claims = await open.store.claimFacts('w', as<Millis>(now), 60_000, 10); claims.length > 0; claims = await open.store.claimFacts('w', as<Millis>(now), 60_000, 10)) {
        for (const claim of claims) {
          const { before, found } = await open.store.weigh(claim.work.aggregate, (state) => (claim.work.aggregate.kind === 'room' ? [...lookupsOfAgreements(ada, (state as { readonly party?: typeof ada } | undefined)?.party)] : []));
          expect(await open.store.commit(claim, before?.version ?? 0, decide(before?.state, claim.work, { now: as<Millis>(now), settings, judge: allowAll, found }))).to.equal(true);
          types.push(claim.work.body.type);
        }
      }
      return types;
    }
    const lookedUp = async (): Promise<boolean> => isAgreed('stanne.example', { found: await open.store.lookup(lookupsOfAgreements(ada)), settings, now: as<Millis>(now) });

    it('is found by the partner\'s server, and ends by the clock: its rooms are asked again, also when nothing else happens', async () => {
      const at = as<Millis>(now);
      expect(await lookedUp()).to.equal(false);
      await open.store.receive([{ source: 'operator', key: 'a', aggregate: { kind: 'agreement', id: 'stanne.example' }, at, body: { type: 'agreement.added', terms: terms(), signatures: { partner: 'p', own: 'o' }, key: 'k', pin: 'confirmed', rooms: [], by: 'eve' } }]);
      await decideAll();
      expect(await lookedUp()).to.equal(true);
      await open.store.receive([{ source: 'operator', key: 'b', aggregate: { kind: 'room', id: ada.id }, at, body: wanted }]);
      expect(await decideAll(), 'the register hears of the room').to.deep.equal(['room.wanted', 'agreement.used']);

      now = endOf(terms()) - 1;
      expect(await open.store.tick(as<Millis>(now), 10), 'both notices').to.equal(2);
      await decideAll();
      expect(await lookedUp()).to.equal(true);
      now = endOf(terms());
      expect(await lookedUp(), 'before any timer').to.equal(false);
      expect(await open.store.tick(as<Millis>(now), 10)).to.equal(1);
      expect(await decideAll()).to.include.members(['timer.due', 'policy.changed', 'room.blocked']);
      expect(await open.store.tick(as<Millis>(now), 10), 'none is left').to.equal(0);
    });
  });
}
