import { expect } from 'chai';
import { createFhirPush } from '../../bridges/fhir-push/index.ts';
import { startHttpServer, type HttpServer } from '../../src/adapters/http/server.ts';
import { as, type Millis, type SourceId, type SubjectId, type UserId } from '../../src/domain/brand.ts';
import type { Settings } from '../../src/domain/decision.ts';
import { ok } from '../../src/domain/outcome.ts';
import { decideDue, type DecideParts } from '../../src/loop/decide.ts';
import { createBridgeHost } from '../../src/loop/receive.ts';
import { bringParties } from '../../src/main/directory.ts';
import { careOfNamed } from '../../src/main/policy/care.ts';
import { noFaults } from '../../src/ports/faults.ts';
import type { Store } from '../../src/ports/store.ts';
import { theValidator } from '../fixtures/fhir/endpoint.ts';
import { allowAll, ben, organisations } from '../support/reports.ts';
import { openTestStore, STORE_KINDS, type OpenStore } from '../support/stores.ts';
import { until } from '../support/until.ts';

const EHR = as<SourceId>('ehr');
const MRN = 'urn:mercy:mrn';
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const metrics = { count: () => undefined, observe: () => undefined };
const now = (): Millis => as(Date.now());
const settings: Settings = { organisations, feeds: new Map([[EHR, { roles: { '|doc': ['physician'] } }]]), organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example'], invitationPatienceMs: 1 };
const userId = as<UserId>('@ben:mercy.example');

for (const kind of STORE_KINDS) {
  describe(`Who has whom in care by FHIR, through the door, decided and kept on ${kind}`, function () {
    this.timeout(120_000);
    let open: OpenStore;
    let store: Store;
    let server: HttpServer;
    let deciding: NodeJS.Timeout;

    async function begin(): Promise<void> {
      const parts: DecideParts = { store, settings: () => settings, judge: allowAll, vouched: async (found) => found, now, log: quiet, metrics, faults: noFaults, worker: `w${Math.random()}`, hands: { facts: new Set(), effects: new Set() } };
      deciding = setInterval(() => void decideDue(parts, () => undefined).catch(() => undefined), 20);
      const host = createBridgeHost({ store, keys: open.keys, now, log: quiet, metrics, faults: noFaults, terms: () => ({ owner: 'IT' }), nudge: () => undefined, pace: { wait: async () => undefined }, refusals: { note: () => undefined } });
      const bridge = createFhirPush({ sources: [{ id: EHR, name: 'EHR', resourceTypes: [], directory: { types: ['Practitioner', 'PractitionerRole', 'CareTeam', 'Encounter'] } }] }, { host, validator: await theValidator(), authenticator: { ways: ['token'], authenticate: async () => ok({ source: EHR, way: 'token' }) } });
      server = await startHttpServer({ host: '127.0.0.1', port: 0, failed: () => undefined, routes: bridge.routes });
    }
    async function end(): Promise<void> {
      clearInterval(deciding);
      await server.stop(100);
      await store.close();
    }
    beforeEach(async () => {
      open = await openTestStore(kind);
      store = open.store;
      await begin();
      await bringParties(store, [ben], 'it', 'on-demand');
      await until('the directory to have them', async () => (await store.load({ kind: 'party', id: ben.id })) !== undefined, 20_000, 20);
    });
    afterEach(end);

    async function put(resource: { readonly resourceType: string; readonly id: string } & Readonly<Record<string, unknown>>): Promise<void> {
      const { status } = await fetch(`http://127.0.0.1:${server.port}/fhir/${resource.resourceType}/${resource.id}`, { method: 'PUT', headers: { 'content-type': 'application/fhir+json' }, body: JSON.stringify(resource) });
      expect(status).to.equal(200);
    }
    const team = (mrn: string, version: number, more: object = {}): Parameters<typeof put>[0] => ({
      resourceType: 'CareTeam', id: 'team-of-rosa-quintana', meta: { versionId: String(version), lastUpdated: new Date(Date.UTC(2026, 0, version)).toISOString() }, status: 'active', subject: { identifier: { system: MRN, value: mrn } },
      participant: [{ member: { reference: 'PractitionerRole/9' } }], ...more,
    });
    const role = { resourceType: 'PractitionerRole', id: '9', practitioner: { identifier: { system: ben.identifiers[0]?.system, value: ben.identifiers[0]?.value } }, code: [{ coding: [{ code: 'doc' }] }] };
    const patient = (mrn: string): SubjectId => as(open.keys.pseudonym('patient', `${MRN}|${mrn}`));
    const cares = async (mrn: string, at = now()): Promise<boolean> => (await careOfNamed(store, userId, patient(mrn), at)).length > 0;
    const becomes = (mrn: string, wanted: boolean): Promise<boolean> => until(`${mrn} ${wanted ? '' : 'not '}to be in their care`, async () => (await cares(mrn)) === wanted, 20_000, 20);
    const audited = async (action: string): Promise<number> => Number((await open.database.db.selectFrom('audit').where('action', '=', action).select((each) => each.fn.countAll().as('n')).executeTakeFirstOrThrow()).n);

    it('begins with the team and the post that it names, moves with the patient, and an older version changes nothing, over a restart too', async () => {
      await put(team('00481516', 1));
      await put(role);
      await becomes('00481516', true);
      expect(await cares('00481516', as(0)), 'in force at any time, for it has no period').to.equal(true);
      await put(team('2342', 2));
      await becomes('00481516', false);
      await becomes('2342', true);

      await put(team('00481516', 1, { note: [{ text: 'late' }], participant: undefined }));
      await until('the late version to be seen as one', async () => (await audited('care.older')) === 1, 20_000, 20);
      await end();
      store = await open.reopen();
      await begin();
      expect([await cares('2342'), await cares('00481516')]).to.deep.equal([true, false]);
      await put({ ...role, active: false });
      await becomes('2342', false);
    });

    it('ends by itself with its period, and at once when the team is inactive', async () => {
      await put(role);
      const endsAt = Date.now() + 3_600_000;
      await put(team('00481516', 1, { period: { end: new Date(endsAt).toISOString() } }));
      await becomes('00481516', true);
      expect(await cares('00481516', as(endsAt))).to.equal(false);
      await put(team('00481516', 2, { status: 'inactive' }));
      await becomes('00481516', false);
    });

    it('by an encounter too, beside a team: while it is in progress', async () => {
      await put(role);
      const encounter = (status: string, version: number): Parameters<typeof put>[0] => ({
        resourceType: 'Encounter', id: 'stay-of-rosa-quintana', meta: { versionId: String(version), lastUpdated: new Date(Date.UTC(2026, 0, version)).toISOString() }, status, class: { code: 'IMP' }, subject: { identifier: { system: MRN, value: '00481516' } },
        participant: [{ individual: { reference: 'PractitionerRole/9' } }],
      });
      await put(encounter('in-progress', 1));
      await becomes('00481516', true);
      await put(team('00481516', 1, { status: 'inactive' }));
      await until('the team to be decided', async () => (await audited('care.ended')) === 1, 20_000, 20);
      expect(await cares('00481516'), 'a team that ends takes nothing from an encounter').to.equal(true);
      await put(encounter('finished', 2));
      await becomes('00481516', false);
    });

    it('writes nothing that names the patient, and nothing of the name of the team', async () => {
      await put(team('00481516', 1, { name: 'Oncology for Rosa' }));
      await until('the team to be decided', async () => (await audited('care.changed')) === 1, 20_000, 20);
      const rows = await Promise.all((['inbox', 'inbox_name', 'aggregate', 'aggregate_name', 'audit'] as const).map((table) => open.database.db.selectFrom(table).selectAll().execute()));
      const written = JSON.stringify(rows.flat());
      expect(written).to.include(patient('00481516')).and.not.match(/00481516|rosa|quintana|oncology/iu);
    });
  });
}
