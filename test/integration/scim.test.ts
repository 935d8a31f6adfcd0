import { expect } from 'chai';
import { createScim } from '../../bridges/scim/index.ts';
import { as, type Millis, type SourceId } from '../../src/domain/brand.ts';
import type { Settings } from '../../src/domain/decision.ts';
import { ok } from '../../src/domain/outcome.ts';
import { partyIdOf } from '../../src/domain/people/decideStaff.ts';
import type { Party } from '../../src/domain/people/party.ts';
import { decideDue, type DecideParts } from '../../src/loop/decide.ts';
import { createBridgeHost } from '../../src/loop/receive.ts';
import { createStaffDesk } from '../../src/loop/staffDesk.ts';
import { bringParties } from '../../src/main/directory.ts';
import { listUnmatched, showPerson } from '../../src/main/feeds.ts';
import type { Bridge } from '../../src/ports/bridge.ts';
import { noFaults } from '../../src/ports/faults.ts';
import type { Store } from '../../src/ports/store.ts';
import { allowAll, ben, organisations } from '../support/reports.ts';
import { openTestStore, STORE_KINDS, type OpenStore } from '../support/stores.ts';
import { until } from '../support/until.ts';

const IDP = as<SourceId>('idp');
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const metrics = { count: () => undefined, observe: () => undefined };
const now = (): Millis => as(Date.now());
const settings: Settings = { organisations, feeds: new Map([[IDP, { roles: { 'group|Physicians': ['physician'] } }]]), organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example'], invitationPatienceMs: 1 };

for (const kind of STORE_KINDS) {
  describe(`Staff by SCIM, decided and kept on ${kind}`, function () {
    this.timeout(120_000);
    let open: OpenStore;
    let store: Store;
    let bridge: Bridge;
    let deciding: NodeJS.Timeout;

    function begin(): void {
      const parts: DecideParts = { store, settings: () => settings, judge: allowAll, vouched: async (found) => found, now, log: quiet, metrics, faults: noFaults, worker: `w${Math.random()}`, hands: { facts: new Set(), effects: new Set() } };
      deciding = setInterval(() => void decideDue(parts, () => undefined).catch(() => undefined), 20);
      const host = createBridgeHost({ store, keys: open.keys, now, log: quiet, metrics, faults: noFaults, terms: () => ({ owner: 'IT' }), nudge: () => undefined, pace: { wait: async () => undefined }, refusals: { note: () => undefined } });
      bridge = createScim({ sources: [{ id: IDP, matrixId: '@{userName}:mercy.example' }] }, { desk: createStaffDesk({ store, log: quiet, host }), authenticator: { ways: ['token'], authenticate: async () => ok({ source: IDP, way: 'token' }) } });
    }
    beforeEach(async () => { open = await openTestStore(kind); store = open.store; begin(); });
    afterEach(async () => { clearInterval(deciding); await store.close(); });

    async function ask(method: string, path: string, body: object = {}): Promise<Readonly<Record<string, unknown>>> {
      const admission = await bridge.routes[0]?.admit({ method, path, query: new URLSearchParams(), headers: {}, peer: { address: '127.0.0.1' } });
      if (admission === undefined || 'reply' in admission) throw new Error('not admitted');
      const { status, body: text } = await admission.take(Buffer.from(JSON.stringify(body)));
      admission.done?.();
      return { status, ...(text ? JSON.parse(text) as object : {}) };
    }
    const party = async (id: string): Promise<Party | undefined> => (await store.load({ kind: 'party', id }))?.state as Party | undefined;
    /** The directory follows what a source has said within moments. */
    const seen = (id: string, wanted: (party: Party | undefined) => boolean): Promise<Party> => until(`${id} to be so in the directory`, async () => {
      const now = await party(id);
      return wanted(now) && now;
    }, 20_000, 20);
    const audited = async (): Promise<number> => Number((await open.database.db.selectFrom('audit').select((each) => each.fn.countAll().as('n')).executeTakeFirstOrThrow()).n);

    it('enters somebody, gives and takes roles, has them leave; says so again after a restart, and changes nothing when all of it is said again', async () => {
      const { id, status } = await ask('POST', '/Users', { userName: 'Cole', displayName: 'Cole RN' });
      expect(status).to.equal(201);
      const user = `/Users/${String(id)}`;
      const entry = partyIdOf({ source: IDP, subject: `User/${String(id)}` });
      expect(entry).to.match(new RegExp(`^idp\\.${String(id)}-[0-9a-f]{8}$`, 'u'));
      expect(await seen(entry, (each) => each !== undefined)).to.deep.include({ name: 'Cole RN', members: ['@cole:mercy.example'] });
      const { id: group } = await ask('POST', '/Groups', { displayName: 'Physicians', members: [{ value: id }] });
      await seen(entry, (each) => each?.standing?.roles.includes('physician') === true);
      await ask('PATCH', user, { Operations: [{ op: 'replace', value: { active: false } }] });
      await seen(entry, (each) => each?.standing?.left === true);

      clearInterval(deciding);
      await store.close();
      store = await open.reopen();
      begin();
      const kept = await ask('GET', user);
      expect(kept).to.deep.include({ status: 200, active: false, groups: [{ value: group, $ref: `/scim/v2/Groups/${String(group)}`, display: 'Physicians' }] });
      await ask('PUT', user, kept);
      await ask('PATCH', `/Groups/${String(group)}`, { Operations: [{ op: 'add', path: 'members', value: [{ value: id }] }] });
      expect((await showPerson(store, entry)).json).to.have.nested.property('fields[0]').that.deep.equals({ field: 'roles', value: 'none: they have left', by: 'idp' });
    });

    it('keeps whom the directory doesn\'t know until they are enrolled, and shows them', async () => {
      const aceso = 'urn:ietf:params:scim:schemas:extension:aceso:2.0:User';
      const { id } = await ask('POST', '/Users', { userName: 'not an account', displayName: 'Dr. Ben Ruiz', [aceso]: { npi: '1902301225' } });
      await ask('POST', '/Groups', { displayName: 'Physicians', members: [{ value: id }] });
      expect((await listUnmatched(store)).json).to.have.length(1);
      const before = await audited();
      await ask('PUT', `/Users/${String(id)}`, { userName: 'not an account', displayName: 'Dr. Ben Ruiz', [aceso]: { npi: '1902301225' } });
      expect(await audited(), 'the same again').to.equal(before);
      await bringParties(store, [{ ...ben, standing: { roles: ['nurse'] } }], 'it', 'on-demand');
      await seen('dr-ruiz', (each) => each?.standing?.roles.join() === 'physician');
      expect((await listUnmatched(store)).json).to.deep.equal([]);
      expect(await bringParties(store, [{ ...ben, standing: { roles: ['nurse'] } }], 'it', 'on-demand'), 'the file says the same').to.deep.equal([]);
    });
  });
}
