import { expect } from 'chai';
import { fail } from '../../src/domain/outcome.ts';
import type { TrustWay } from '../../src/ports/bridge.ts';
import { ALL_TYPES, BASE, endpoint, fixture, fixtureText, issuesOf, theValidator } from '../fixtures/fhir/endpoint.ts';
import type { Sent } from '../fixtures/fhir/endpoint.ts';

const REPORT = fixtureText('potassium-report');
const NAME = 'https://lab.mercy.example/filler|F-2026-99812';
const post = (body = REPORT, headers: Sent['headers'] = {}): Sent => ({ path: '/DiagnosticReport', headers, body });
const observation = (more: object): object => ({ resourceType: 'Observation', status: 'final', code: { text: 'Potassium' }, subject: { reference: 'Patient/1' }, valueString: 'x', ...more });

describe('fhir-push, one resource', () => {
  before(async function loads() {
    this.timeout(20_000);
    await theValidator();
  });

  it('answers 201 with Location and ETag once the host has it, and says so in one event', async () => {
    const { send, arrivals, events } = await endpoint();
    const answer = await send(post());
    expect(answer.status).to.equal(201);
    expect(answer.headers).to.include({ location: `${BASE}/DiagnosticReport/1/_history/1`, etag: 'W/"1"' });
    expect(answer.body ?? '').to.equal('');
    expect(arrivals).to.have.length(1);
    expect(events.map(({ code, status, source, ids, bytes }) => ({ code, status, source, ids, bytes }))).to.deep.equal([{ code: 'created', status: 201, source: 'mercy-lab', ids: ['1'], bytes: Buffer.byteLength(REPORT) }]);
  });

  it('takes the same again as the same: 200, whatever white space, order of members or lastUpdated it comes with', async () => {
    const { send, arrivals } = await endpoint();
    await send(post());
    const reordered = JSON.stringify({ meta: { lastUpdated: '2026-11-24T15:00:00Z' }, ...Object.fromEntries(Object.entries(fixture('potassium-report')).toReversed()) });
    expect((await send(post(REPORT))).status).to.equal(200);
    expect((await send(post(reordered.replace('"meta":{"lastUpdated":"2026-11-24T15:00:00Z"},', '')))).status).to.equal(200);
    expect(arrivals).to.have.length(1);
    const dated = await send(post(reordered));
    expect((await send(post(reordered.replace('15:00:00', '16:00:00')))).headers).to.include({ etag: dated.headers?.['etag'] });
  });

  it('takes a changed digit as another fact of the same report', async () => {
    const { send, arrivals } = await endpoint();
    await send(post());
    expect((await send(post(REPORT.replace('"value": 6.8', '"value": 6.80')))).headers).to.include({ location: `${BASE}/DiagnosticReport/1/_history/2` });
    expect(new Set(arrivals.map(({ key }) => key)).size).to.equal(2);
    expect(new Set(arrivals.map(({ reportKey }) => reportKey)).size).to.equal(1);
  });

  it('takes another version of an id as another fact', async () => {
    const { send, arrivals } = await endpoint();
    const version = (versionId: string): Sent => ({ path: '/Observation', body: observation({ id: 'o1', meta: { versionId } }) });
    expect([(await send(version('1'))).status, (await send(version('1'))).status, (await send(version('2'))).status]).to.deep.equal([201, 200, 201]);
    expect(arrivals.map(({ key }) => key.split(' ').slice(0, 2))).to.deep.equal([['Observation', 'o1/1'], ['Observation', 'o1/2']]);
    expect(new Set(arrivals.map(({ reportKey }) => reportKey)).size).to.equal(1);
  });

  it('keeps corrections and cancellations with their report', async () => {
    const { send, arrivals } = await endpoint();
    for (const name of ['potassium-report', 'potassium-corrected', 'potassium-cancelled']) expect((await send(post(fixtureText(name)))).status).to.equal(201);
    expect(arrivals.map(({ report }) => report.status)).to.deep.equal(['final', 'corrected', 'cancelled']);
    expect(new Set(arrivals.map(({ reportKey }) => reportKey)).size).to.equal(1);
    expect(new Set(arrivals.flatMap(({ report }) => report.observations.map(({ key }) => key))).size).to.equal(1);
  });

  it('passes decimals on with the digits they came with', async () => {
    const { send, arrivals } = await endpoint();
    await send(post(fixtureText('potassium-corrected')));
    expect(arrivals[0]?.report.observations[0]?.value?.text).to.equal('4.10');
    expect(arrivals[0]?.resource).to.contain('"value":4.10,');
  });

  it('takes hostile HTML as the text it is', async () => {
    const { send, arrivals } = await endpoint();
    const hostile = '<img src=x onerror=alert(1)><script>alert(1)</script>';
    expect((await send({ path: '/Observation', body: observation({ valueString: hostile, text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${hostile}</div>` } }) })).status).to.equal(201);
    expect(arrivals[0]?.report.observations[0]?.value?.text).to.equal(hostile);
  });

  it('takes 64 levels of nesting', async () => {
    const { send } = await endpoint();
    let extension: object = { url: 'http://example.org/x', valueString: 'x' };
    for (let level = 0; level < 31; level += 1) extension = { url: 'http://example.org/x', extension: [extension] };
    const { status } = await send({ path: '/Observation', body: { ...observation({}), extension: [extension] } });
    expect(status).to.equal(400); // 1 + 2 * 32 = 65
    expect((await send({ path: '/Observation', body: { ...observation({}), extension: (extension as { extension: unknown }).extension } })).status).to.equal(201);
  });

  describe('If-None-Exist', () => {
    const condition = { 'if-none-exist': `identifier=${NAME}` };

    it('creates when there is none, and answers 200 with what there is', async () => {
      const { send, arrivals } = await endpoint();
      expect((await send(post(REPORT, condition))).status).to.equal(201);
      const again = await send(post(REPORT, condition));
      expect([again.status, again.headers?.['location']]).to.deep.equal([200, `${BASE}/DiagnosticReport/1/_history/1`]);
      expect(arrivals).to.have.length(1);
    });

    it('takes what differs in technical details alone as the same', async () => {
      const { send, arrivals } = await endpoint();
      await send(post(REPORT, condition));
      expect((await send(post(REPORT.replaceAll('08:52:10', '09:10:00'), condition))).status).to.equal(200);
      expect(arrivals).to.have.length(1);
    });

    it('never drops a corrected result that matches: 200, as a new version', async () => {
      const { send, arrivals, events } = await endpoint();
      await send(post(REPORT, condition));
      const corrected = await send(post(fixtureText('potassium-corrected'), condition));
      expect([corrected.status, corrected.headers?.['location']]).to.deep.equal([200, `${BASE}/DiagnosticReport/1/_history/2`]);
      expect((await send(post(REPORT, condition))).status, 'the first one, late').to.equal(200);
      expect(arrivals.map(({ report }) => report.status)).to.deep.equal(['final', 'corrected']);
      expect(events.map(({ code }) => code)).to.deep.equal(['created', 'new-version', 'known']);
    });

    it('reads the condition as URLs write it', async () => {
      const { send } = await endpoint();
      await send(post());
      for (const written of [`identifier=${encodeURIComponent(NAME)}`, `?identifier=${NAME}`, `DiagnosticReport?identifier=${NAME}`]) {
        expect((await send(post(REPORT, { 'if-none-exist': written }))).status, written).to.equal(200);
      }
    });

    it('finds what was created under an identifier that the resource does not have', async () => {
      const { send, arrivals } = await endpoint();
      const unlike = { 'if-none-exist': 'identifier=https://ehr.mercy.example/outbox|1' };
      expect((await send(post(REPORT, unlike))).status).to.equal(201);
      expect((await send(post(REPORT, unlike))).status).to.equal(200);
      expect(arrivals).to.have.length(1);
    });

    it('refuses with 412 when there are several', async () => {
      const { send, arrivals } = await endpoint();
      const shared = { system: 'https://ehr.mercy.example/orders', value: 'ORD-1' };
      await send({ path: '/Observation', body: observation({ identifier: [{ system: 'a', value: '1' }] }) });
      await send({ path: '/Observation', body: observation({ identifier: [{ system: 'a', value: '2' }], valueString: 'y' }) });
      // The host makes them one when their names meet; two resources of one name come of what it stored before.
      await send({ path: '/Observation', body: observation({ identifier: [{ system: 'a', value: '1' }, { ...shared }] }) });
      await send({ path: '/Observation', body: observation({ identifier: [{ system: 'a', value: '2' }, { ...shared }], valueString: 'y' }) });
      const names = arrivals.flatMap((each) => each.names.filter((name) => name.includes('ORD-1')));
      expect(names).to.have.length(2);
      const answer = await send({ path: '/Observation', headers: { 'if-none-exist': 'identifier=https://ehr.mercy.example/orders|ORD-1' }, body: observation({}) });
      expect([answer.status, ...issuesOf(answer)]).to.deep.equal([412, 'multiple-matches']);
    });
  });

  describe('Prefer', () => {
    it('return=representation gives the resource under its new id and version, digits kept', async () => {
      const { send } = await endpoint();
      const answer = await send(post(fixtureText('potassium-corrected'), { prefer: 'return=representation' }));
      expect(answer.json).to.deep.include({ resourceType: 'DiagnosticReport', id: '1', meta: { versionId: '1' }, status: 'corrected' });
      expect(answer.body).to.contain('4.10');
    });

    it('return=OperationOutcome says what was done; return=minimal and no wish give nothing', async () => {
      const { send } = await endpoint();
      expect(issuesOf(await send(post(REPORT, { prefer: 'respond-async, return=OperationOutcome' })))).to.deep.equal(['informational']);
      expect((await send(post(REPORT, { prefer: 'return=minimal' }))).body ?? '').to.equal('');
      expect((await send(post(REPORT))).body ?? '').to.equal('');
    });
  });

  it('takes JSON under each of its names', async () => {
    const { send } = await endpoint();
    for (const type of ['application/fhir+json', 'application/json', 'application/fhir+json; charset=UTF-8', 'application/fhir+json;fhirVersion=4.0', 'text/json']) {
      expect((await send(post(REPORT, { 'content-type': type, 'accept': 'application/xml;q=0.1, application/fhir+json' }))).status, type).to.be.oneOf([200, 201]);
    }
  });

  it('keeps the limits of one source from another', async () => {
    const { send } = await endpoint({ requestsPerMinute: 1 });
    expect((await send(post())).status).to.equal(201);
    expect((await send(post())).status).to.equal(429);
    expect((await (await endpoint()).send(post())).status).to.equal(201);
  });

  describe('GET metadata', () => {
    it('needs no token and is a valid CapabilityStatement', async () => {
      const { send } = await endpoint();
      const answer = await send({ method: 'GET', path: '/metadata', headers: { 'authorization': undefined, 'content-type': undefined } });
      expect(answer.status).to.equal(200);
      expect((await theValidator()).validate(answer.json)).to.deep.equal([]);
    });

    it('says by what sources truly prove themselves, and nothing else', async () => {
      const securityOf = async (ways: readonly TrustWay[]): Promise<unknown> => {
        const { send } = await endpoint({}, { tokenUrl: 'https://aceso.mercy.example/auth/token' }, { ways, authenticate: async () => fail('no-credentials', '') });
        const { json } = await send({ method: 'GET', path: '/metadata' });
        expect((await theValidator()).validate(json)).to.deep.equal([]);
        return json['rest']?.[0]?.['security'];
      };
      expect(await securityOf(['token'])).to.deep.equal({ cors: false, description: 'Each source proves itself by a bearer token (RFC 6750) given out by the hospital. This statement needs no proof.' });
      expect(await securityOf(['smart', 'certificate'])).to.deep.include({
        extension: [{ url: 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris', extension: [{ url: 'token', valueUri: 'https://aceso.mercy.example/auth/token' }] }],
        service: ['SMART-on-FHIR', 'Certificates'].map((code) => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/restful-security-service', code }] })),
      });
    });

    it('promises what is true: every type it lists can be created, and what it does not list is refused', async () => {
      const { send } = await endpoint();
      const { json } = await send({ method: 'GET', path: '/metadata' });
      const rest = json['rest']?.[0] as unknown as { readonly resource: readonly { readonly type: string; readonly interaction: readonly { readonly code: string }[] }[]; readonly interaction: readonly { readonly code: string }[]; readonly operation: readonly { readonly name: string }[] };
      expect(rest.resource.map(({ type }) => type)).to.deep.equal(ALL_TYPES);
      expect(rest.resource.flatMap(({ interaction }) => interaction.map(({ code }) => code))).to.deep.equal(['create', 'create', 'create', 'create']);
      expect(rest.interaction.map(({ code }) => code)).to.deep.equal(['transaction', 'batch']);
      expect(rest.operation.map(({ name }) => name)).to.deep.equal(['process-message']);
      const subject = { reference: 'Patient/1' };
      const good: Readonly<Record<string, object>> = {
        DiagnosticReport: { status: 'final', code: { text: 'x' } }, Observation: { status: 'final', code: { text: 'x' }, valueString: 'x' }, Communication: { status: 'completed' }, CommunicationRequest: { status: 'active' },
      };
      for (const type of ALL_TYPES) expect((await send({ path: `/${type}`, body: { resourceType: type, subject, ...good[type] } })).status, type).to.equal(201);
      for (const type of ['Patient', 'ServiceRequest', 'Binary']) expect((await send({ path: `/${type}`, body: {} })).status, type).to.equal(404);
    });
  });
});
