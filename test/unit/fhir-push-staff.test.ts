import { expect } from 'chai';
import { endpoint, issuesOf, theValidator, type Endpoint } from '../fixtures/fhir/endpoint.ts';
import { NPI } from '../fixtures/fhir/extract.ts';

const NUCC = 'http://nucc.org/provider-taxonomy';
const practitioner = { resourceType: 'Practitioner', id: '1', identifier: [{ use: 'old', system: NPI, value: '1111111112' }, { system: NPI, value: '1902301225' }, { system: 'urn:mercy:matrix', value: '@ben:mercy.example' }], name: [{ family: 'Ruiz', given: ['Ben'] }] };
const role = (more: object = {}): Record<string, unknown> => ({ resourceType: 'PractitionerRole', id: '9', practitioner: { reference: 'Practitioner/1' }, code: [{ coding: [{ system: NUCC, code: '207R00000X' }] }], ...more });
const DIRECTORY = { directory: { types: ['Practitioner', 'PractitionerRole'], matrixId: 'urn:mercy:matrix' } } as const;
const bundle = (type: string, ...resources: readonly object[]): object => ({ resourceType: 'Bundle', type, entry: resources.map((resource, n) => ({ fullUrl: `urn:uuid:0000000${n}-0000-4000-8000-000000000000`, resource, ...(type === 'collection' ? {} : { request: { method: 'PUT', url: `${(resource as { resourceType: string }).resourceType}/${(resource as { id: string }).id}` } }) })) });

describe('fhir-push takes what a source says of its staff', () => {
  let door: Endpoint;
  before(async function loads() {
    this.timeout(20_000);
    await theValidator();
  });
  beforeEach(async () => { door = await endpoint(DIRECTORY); });
  const put = (resource: Record<string, unknown>, path = `/${String(resource['resourceType'])}/${String(resource['id'])}`): ReturnType<Endpoint['send']> => door.send({ method: 'PUT', path, body: resource });
  const said = (): readonly unknown[] => door.news.map((each) => each.said);

  it('a practitioner: name, numbers that are in use, the Matrix id of the configured system and no other', async () => {
    expect((await put(practitioner)).status).to.equal(200);
    expect(said()).to.deep.equal([{ source: 'mercy-lab', subject: 'Practitioner/1', person: { identifiers: [{ system: NPI, value: '1902301225' }], userId: '@ben:mercy.example', name: 'Ben Ruiz', active: true } }]);
    door = await endpoint({ directory: { ...DIRECTORY.directory, matrixId: undefined } });
    await put({ ...practitioner, active: false, telecom: [{ system: 'other', value: '@ben:mercy.example' }] });
    expect(said()).to.deep.equal([{ source: 'mercy-lab', subject: 'Practitioner/1', person: { identifiers: [{ system: NPI, value: '1902301225' }, { system: 'urn:mercy:matrix', value: '@ben:mercy.example' }], name: 'Ben Ruiz', active: false } }]);
    door = await endpoint({ directory: { ...DIRECTORY.directory, matrixId: 'telecom' } });
    await put({ ...practitioner, telecom: [{ system: 'phone', value: '+1 617 555 0114' }, { system: 'url', value: 'matrix:u/ben:mercy.example' }] });
    await put({ ...practitioner, telecom: [{ system: 'other', value: '@ben:mercy.example' }, { system: 'other', value: '@eve:mercy.example' }] });
    expect(door.news.map((each) => ('person' in each.said ? each.said.person.userId : ''))).to.deep.equal(['@ben:mercy.example', undefined]);
  });

  it('a role: codes, period to the end of its last day, and whose it is', async () => {
    await put(role({ period: { start: '2026-01-01', end: '2026-12-31' }, organization: { reference: 'Organization/5', identifier: { system: 'urn:org', value: 'm' } }, meta: { versionId: '3', lastUpdated: '2026-11-24T08:00:00Z' } }));
    expect(said()).to.deep.equal([{
      source: 'mercy-lab', subject: 'Practitioner/1', post: 'PractitionerRole/9',
      said: { identifiers: [], codes: [`${NUCC}|207R00000X`], active: true, organisation: ['Organization/5', 'urn:org|m'], from: Date.UTC(2026, 0, 1), until: Date.UTC(2027, 0, 1), writtenAt: Date.UTC(2026, 10, 24, 8) },
    }]);
    await put(role({ practitioner: { identifier: { system: NPI, value: '1902301225' } } }));
    expect(said()[1]).to.deep.include({ subject: `${NPI}|1902301225` });
  });

  it('one version once; without a version each time, because something else may have been said since', async () => {
    const versioned = role({ meta: { versionId: '3' } });
    expect([(await put(versioned)).body, (await put(versioned)).body].map((body) => body?.includes('Stored before'))).to.deep.equal([false, true]);
    await put(role());
    await put(role());
    expect(door.news).to.have.length(3);
  });

  it('what another resource without an id says, or the same version says otherwise, each as its own', async () => {
    const { id: _, ...nameless } = practitioner;
    const meta = { versionId: '1' };
    for (const value of ['1902301225', '1902301233']) await door.send({ path: '/Practitioner', body: { ...nameless, meta, identifier: [{ system: NPI, value }] } });
    await put({ ...practitioner, meta });
    await put({ ...practitioner, meta, active: false });
    expect(door.news).to.have.length(4);
  });

  it('nothing that no database keeps: a NUL, or a name longer than an index holds', async () => {
    for (const reference of ['Practitioner?identifier=s|x%00', `Practitioner?identifier=s|${'x'.repeat(300)}`]) {
      const { status, body } = await put(role({ practitioner: { reference, identifier: { system: NPI, value: '1902301225' } } }));
      expect([status, body?.includes('at most 256 characters')]).to.deep.equal([422, true]);
    }
    expect(door.news).to.deep.equal([]);
  });

  it('a bundle of it, with the department that came along; beside something to deliver it explains that, and changes nothing', async () => {
    const department = { resourceType: 'Organization', id: 'icu', name: 'ICU', type: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/organization-type', code: 'dept' }] }], partOf: { reference: 'Organization/5' } };
    const sent = await door.send({ body: bundle('transaction', practitioner, role({ organization: { reference: 'Organization/icu' } }), department) });
    expect([sent.status, said().map((each) => (each as { subject: string }).subject)]).to.deep.equal([200, ['Practitioner/1', 'Practitioner/1']]);
    expect((said()[1] as { said: object }).said).to.deep.include({ organisation: ['Organization/5'], department: 'ICU' });
    door.news.length = 0;
    const observation = { resourceType: 'Observation', id: 'o', status: 'final', code: { text: 'K' }, subject: { reference: 'Patient/1' }, performer: [{ reference: 'Practitioner/1' }], valueInteger: 1 };
    expect((await door.send({ body: bundle('collection', practitioner, observation) })).status).to.equal(200);
    expect([door.news, door.arrivals.length]).to.deep.equal([[], 1]);
  });

  it('not from a source that may not change the directory, alone or in a bundle', async () => {
    door = await endpoint();
    const alone = await put(role());
    expect([alone.status, alone.wasRead, issuesOf(alone), alone.json['issue']?.[0]?.['diagnostics']]).to.deep.equal([403, false, ['forbidden'], 'This source may not change the directory.']);
    expect((await door.send({ body: bundle('transaction', practitioner, role()) })).status).to.equal(403);
    expect([door.news, door.events.map(({ code, status, source }) => [code, status, source])]).to.deep.equal([[], [['no-directory', 403, 'mercy-lab'], ['bundle-refused', 403, 'mercy-lab']]]);
  });

  it('nothing that can\'t be named again, that is not valid, or that is somebody else\'s than its address says', async () => {
    const { id: _, ...nameless } = role();
    expect(issuesOf(await door.send({ path: '/PractitionerRole', body: nameless }))).to.deep.equal(['required PractitionerRole']);
    expect(issuesOf(await put(role({ practitioner: { display: 'Ben' } })))).to.deep.equal(['required PractitionerRole.practitioner']);
    expect((await put(role(), '/PractitionerRole/10')).status).to.equal(400);
    expect((await put(role({ active: 'maybe' }))).status).to.equal(422);
    expect((await door.send({ method: 'POST', path: '/PractitionerRole/9', body: role() })).headers?.['allow']).to.equal('PUT');
    expect(door.news).to.deep.equal([]);
  });

  it('and says in its statement that it does, only where a source may', async () => {
    const types = async (): Promise<readonly string[]> => ((await door.send({ method: 'GET', path: '/metadata' })).json['rest']?.[0]?.['resource'] as unknown as readonly { type: string }[]).map(({ type }) => type);
    expect(await types()).to.include('PractitionerRole');
    door = await endpoint();
    expect(await types()).to.not.include('PractitionerRole');
  });
});
