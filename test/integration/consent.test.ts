import { expect } from 'chai';
import { createFhirPush } from '../../bridges/fhir-push/index.ts';
import { startHttpServer, type HttpServer } from '../../src/adapters/http/server.ts';
import { as, type Millis, type SourceId, type SubjectId } from '../../src/domain/brand.ts';
import type { Settings } from '../../src/domain/decision.ts';
import type { DeliveryState } from '../../src/domain/delivery/delivery.ts';
import type { FactBody } from '../../src/domain/fact.ts';
import { ok } from '../../src/domain/outcome.ts';
import type { Party } from '../../src/domain/people/party.ts';
import { whoIs } from '../../src/domain/policy/standing.ts';
import { Sealed } from '../../src/domain/sealed.ts';
import { decideDue, type DecideParts } from '../../src/loop/decide.ts';
import { createBridgeHost } from '../../src/loop/receive.ts';
import { bringParties } from '../../src/main/directory.ts';
import { consentsOfNamed } from '../../src/main/policy/care.ts';
import { BUILT_IN, policyOf } from '../../src/main/policy/folder.ts';
import { noFaults } from '../../src/ports/faults.ts';
import type { Store } from '../../src/ports/store.ts';
import { theValidator } from '../fixtures/fhir/endpoint.ts';
import { ben, organisations } from '../support/reports.ts';
import { openTestStore, STORE_KINDS, type OpenStore } from '../support/stores.ts';
import { until } from '../support/until.ts';

const EHR = as<SourceId>('ehr');
const MRN = 'urn:mercy:mrn';
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const metrics = { count: () => undefined, observe: () => undefined };
const now = (): Millis => as(Date.now());
const settings: Settings = { organisations, feeds: new Map([[EHR, { roles: {}, organisations: { 'Organization/1': 'mercy.example' } }]]), organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example'], invitationPatienceMs: 1 };
const physician: Party = { ...ben, standing: { roles: ['physician'] } };
const [userId] = physician.members;
const { judge } = policyOf(BUILT_IN);

for (const kind of STORE_KINDS) {
  describe(`What a patient consents to by FHIR, through the door, decided by the default rules and kept on ${kind}`, function () {
    this.timeout(60_000);
    let open: OpenStore;
    let store: Store;
    let server: HttpServer;
    let deciding: NodeJS.Timeout;

    async function begin(): Promise<void> {
      const parts: DecideParts = { store, settings: () => settings, judge, vouched: async (found) => found, now, log: quiet, metrics, faults: noFaults, worker: `w${Math.random()}`, hands: { facts: new Set(), effects: new Set() } };
      deciding = setInterval(() => void decideDue(parts, () => undefined).catch(() => undefined), 20);
      const host = createBridgeHost({ store, keys: open.keys, now, log: quiet, metrics, faults: noFaults, terms: () => ({ owner: 'IT' }), nudge: () => undefined, pace: { wait: async () => undefined }, refusals: { note: () => undefined } });
      const bridge = createFhirPush({ sources: [{ id: EHR, name: 'EHR', resourceTypes: [], directory: { types: ['Consent'] } }] }, { host, validator: await theValidator(), authenticator: { ways: ['token'], authenticate: async () => ok({ source: EHR, way: 'token' }) } });
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
      await bringParties(store, [physician], 'it', 'on-demand');
      await until('the directory to have them', async () => (await store.load({ kind: 'party', id: ben.id })) !== undefined, 20_000, 20);
    });
    afterEach(end);

    const patient = (): SubjectId => as(open.keys.pseudonym('patient', `${MRN}|00481516`));
    async function put(version: number, more: object = {}): Promise<void> {
      const consent = {
        resourceType: 'Consent', id: 'rosa-quintana', meta: { versionId: String(version), lastUpdated: new Date(Date.UTC(2026, 0, version)).toISOString() }, status: 'active', patient: { identifier: { system: MRN, value: '00481516' } },
        scope: { coding: [{ code: 'patient-privacy' }] }, category: [{ coding: [{ code: '42CFRPart2' }] }], policyRule: { text: 'Rosa lets Mercy know' },
        provision: { type: 'permit', purpose: [{ code: 'TREAT' }], actor: [{ role: { coding: [{ code: 'IRCP' }] }, reference: { reference: 'Organization/1' } }] }, ...more,
      };
      const { status } = await fetch(`http://127.0.0.1:${server.port}/fhir/Consent/${consent.id}`, { method: 'PUT', headers: { 'content-type': 'application/fhir+json' }, body: JSON.stringify(consent) });
      expect(status).to.equal(200);
    }
    const facts = (delivery: string, ...bodies: readonly FactBody[]): Promise<unknown> => store.receive(bodies.map((body) => ({ source: 'operator' as const, key: `${delivery} ${Math.random()}`, aggregate: { kind: 'delivery' as const, id: delivery }, at: now(), body })));
    const ready: FactBody = { type: 'room.ready', roomId: as('!r:mercy.example'), party: physician, members: { [userId ?? '']: 'joined' } };
    const asked = (delivery: string): Promise<unknown> => facts(delivery, {
      type: 'delivery.requested', report: as('r1'), source: as('lab'), news: 'first', critical: true, acceptedAt: now(), owner: 'Laboratory desk', content: Sealed.of(patient(), { body: 'Text' }), party: physician, rule: 'requester', labels: Sealed.of(patient(), ['part2']),
    }, ready);
    const becomes = (delivery: string, what: string, is: (state: DeliveryState) => boolean): Promise<unknown> =>
      until(`${delivery} to be ${what}`, async () => { const state = (await store.load({ kind: 'delivery', id: delivery }))?.state as DeliveryState | undefined; return state !== undefined && is(state); }, 20_000, 20);
    const held = (delivery: string): Promise<unknown> => becomes(delivery, 'held', (state) => state.held?.code === 'policy');
    const askedAgain = (delivery: string): Promise<unknown> => becomes(delivery, 'asked again', ({ history }) => history.some(({ what }) => what.startsWith('asked again')));
    const audited = async (action: string): Promise<readonly Readonly<Record<string, string>>[]> => (await open.database.db.selectFrom('audit').where('action', '=', action).select('detail').execute()).map(({ detail }) => JSON.parse(detail) as Readonly<Record<string, string>>);
    const grants = async (at = now()): Promise<number> => (await consentsOfNamed(store, whoIs(userId ?? as(''), physician.standing, organisations), patient(), settings, at)).grants.length;

    it('holds a labelled result, has it wait over a restart, and asks again by itself when the consent comes', async () => {
      await asked('d1');
      await held('d1');
      await until('it to wait', async () => ((await store.load({ kind: 'patient', id: patient() }))?.state as { readonly waiting?: readonly string[] } | undefined)?.waiting?.[0] === 'd1', 20_000, 20);
      await end();
      store = await open.reopen();
      await begin();
      await put(1);
      await askedAgain('d1');
    });

    it('lets it go by the consent, which the audit names, and holds the next when it is taken back', async () => {
      await asked('d1');
      await held('d1');
      await put(1);
      await askedAgain('d1');
      await facts('d1', ready);
      await becomes('d1', 'under way', ({ phase, held: hold }) => phase === 'sending' && hold === undefined);
      const consent = open.keys.pseudonym('consent', 'ehr Consent/rosa-quintana');
      expect((await audited('rules.allowed')).find(({ delivery }) => delivery === 'd1')).to.include({ consent, rules: 'clinicians-read-their-results', revision: policyOf(BUILT_IN).revision });

      await put(2, { status: 'inactive' });
      await until('it to have ended', async () => (await grants()) === 0, 20_000, 20);
      await asked('d2');
      await held('d2');
      await put(1, { policyRule: { coding: [{ code: 'OPTIN' }] } });
      await until('the late version to be seen as one', async () => (await audited('consent.older')).length === 1, 20_000, 20);
      expect(await grants()).to.equal(0);
    });

    it('counts until its period ends, and writes nothing that names the patient or says what they consented to', async () => {
      const endsAt = Date.now() + 3_600_000;
      await put(1, { provision: { type: 'permit', period: { end: new Date(endsAt).toISOString() }, purpose: [{ code: 'TREAT' }], actor: [{ role: { coding: [{ code: 'IRCP' }] }, reference: { reference: 'Organization/1' } }] } });
      await until('it to count', async () => (await grants()) === 1, 20_000, 20);
      expect(await grants(as(endsAt))).to.equal(0);
      const rows = await Promise.all((['inbox', 'inbox_name', 'aggregate', 'aggregate_name', 'audit'] as const).map((table) => open.database.db.selectFrom(table).selectAll().execute()));
      expect(JSON.stringify(rows.flat())).to.include(patient()).and.not.match(/00481516|rosa|quintana|part ?2|TREAT|"permit"|Organization\/1/iu);
    });
  });
}
