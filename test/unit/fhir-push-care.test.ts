import { expect } from 'chai';
import { endpoint, issuesOf, theValidator, type Endpoint } from '../fixtures/fhir/endpoint.ts';
import { NPI } from '../fixtures/fhir/extract.ts';

const MRN = 'urn:mercy:mrn';
const LOCAL = 'urn:aceso:source:mercy-lab:fhir';
const DIRECTORY = { directory: { types: ['Practitioner', 'PractitionerRole', 'CareTeam', 'Encounter'] } } as const;
const team = (more: object = {}): Record<string, unknown> => ({ resourceType: 'CareTeam', id: 't1', status: 'active', subject: { reference: 'Patient/7', identifier: { system: MRN, value: '00481516' } }, participant: [{ member: { reference: 'Practitioner/1' } }], ...more });
const patient = { resourceType: 'Patient', id: '7', identifier: [{ system: MRN, value: '00481516' }], name: [{ family: 'Quintana' }] };

describe('fhir-push takes who has a patient in care', () => {
  let door: Endpoint;
  before(async function loads() {
    this.timeout(20_000);
    await theValidator();
  });
  beforeEach(async () => { door = await endpoint(DIRECTORY); });
  const put = (resource: Record<string, unknown>): ReturnType<Endpoint['send']> => door.send({ method: 'PUT', path: `/CareTeam/${String(resource['id'])}`, body: resource });

  it('a team: its people and their time in it to the end of its last day, the names of its patient, and nothing else of either', async () => {
    expect((await put(team({
      name: 'Oncology for Rosa', period: { start: '2026-11-01', end: '2026-11-30' }, meta: { lastUpdated: '2026-11-24T08:00:00Z' },
      participant: [
        { member: { reference: 'Practitioner/1', identifier: { system: NPI, value: '1902301225' } }, period: { end: '2026-11-24' } }, { member: { reference: 'PractitionerRole/9' } },
        { member: { reference: 'Patient/7' } }, { member: { reference: 'RelatedPerson/2' } }, { member: { reference: 'CareTeam/t2' } }, { member: { reference: 'Organization/5' } },
      ],
    }))).status).to.equal(200);
    expect(door.care.map(({ key: _, ...each }) => each)).to.deep.equal([{
      team: 'CareTeam/t1', patientKeys: [`${MRN}|00481516`, `${LOCAL}|Patient/7`], writtenAt: Date.UTC(2026, 10, 24, 8),
      care: {
        source: 'mercy-lab', active: true, from: Date.UTC(2026, 10, 1), until: Date.UTC(2026, 11, 1),
        carers: [{ identifiers: [{ system: NPI, value: '1902301225' }, { system: LOCAL, value: 'Practitioner/1' }], until: Date.UTC(2026, 10, 25) }, { identifiers: [{ system: LOCAL, value: 'PractitionerRole/9' }] }],
      },
    }]);
    expect(JSON.stringify(door.events)).not.to.match(/Rosa|0048/u);
  });

  it('a team that isn\'t active, or doesn\'t say so, has nobody in care', async () => {
    for (const status of ['suspended', 'inactive', 'entered-in-error', undefined]) await put(team({ status }));
    expect(door.care.map(({ care }) => care.active)).to.deep.equal([false, false, false, false]);
  });

  it('a team of a group, or of nobody, is about nobody: whom it was about before is in its care no more', async () => {
    for (const subject of [{ reference: 'Group/3' }, undefined]) expect((await put(team({ subject }))).status).to.equal(200);
    expect(door.care.map(({ patientKeys }) => patientKeys)).to.deep.equal([[], []]);
  });

  it('no team whose patient can\'t be named, with more people than a team has, or of a source that may not', async () => {
    const unnamed = await put(team({ subject: { display: 'Rosa Quintana' } }));
    expect([unnamed.status, issuesOf(unnamed)]).to.deep.equal([422, ['required CareTeam.subject']]);
    const many = await put(team({ participant: Array.from({ length: 501 }, () => ({ member: { reference: 'Practitioner/1' } })) }));
    expect([many.status, issuesOf(many)]).to.deep.equal([422, ['too-costly CareTeam.participant']]);
    const long = await put(team({ participant: [{ member: { identifier: { system: 's', value: 'x'.repeat(300) } } }] }));
    expect([long.status, long.body?.includes('at most 256')]).to.deep.equal([422, true]);
    door = await endpoint();
    expect((await put(team())).status).to.equal(403);
    expect(door.care).to.deep.equal([]);
  });

  it('a role that comes along: the post, and who has it while it is theirs', async () => {
    const practitioner = { resourceType: 'Practitioner', id: '1', identifier: [{ system: NPI, value: '1902301225' }] };
    const carers = async (role: object): Promise<unknown> => {
      const resources = [team({ participant: [{ member: { reference: 'PractitionerRole/9' } }] }), patient, { resourceType: 'PractitionerRole', id: '9', practitioner: { reference: 'Practitioner/1' }, ...role }, practitioner];
      expect((await door.send({ body: { resourceType: 'Bundle', type: 'collection', entry: resources.map((resource, n) => ({ fullUrl: `urn:uuid:0000000${n}-0000-4000-8000-000000000000`, resource })) } })).status).to.equal(200);
      return door.care.at(-1)?.care.carers;
    };
    const post = { identifiers: [{ system: LOCAL, value: 'PractitionerRole/9' }], post: 'PractitionerRole/9' };
    expect(await carers({ period: { end: '2026-11-24' } })).to.deep.equal([{ ...post, holder: { identifiers: [{ system: LOCAL, value: 'Practitioner/1' }, { system: NPI, value: '1902301225' }], until: Date.UTC(2026, 10, 25) } }]);
    expect(await carers({ active: false }), 'one that ended').to.deep.equal([post]);
  });

  it('an encounter: its people and their time in it, while it is in progress', async () => {
    const encounter = (more: object = {}): Record<string, unknown> => ({
      resourceType: 'Encounter', id: 'e1', status: 'in-progress', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' }, subject: { reference: 'Patient/7', identifier: { system: MRN, value: '00481516' } }, period: { start: '2026-11-01' },
      participant: [{ individual: { reference: 'Practitioner/1' }, period: { end: '2026-11-24' } }, { individual: { reference: 'RelatedPerson/2' } }], reasonCode: [{ text: 'Rosa fell' }], ...more,
    });
    const say = (resource: Record<string, unknown>): ReturnType<Endpoint['send']> => door.send({ method: 'PUT', path: '/Encounter/e1', body: resource });
    expect((await say(encounter())).status).to.equal(200);
    expect(door.care.map(({ key: _, ...each }) => each)).to.deep.equal([{
      team: 'Encounter/e1', patientKeys: [`${MRN}|00481516`, `${LOCAL}|Patient/7`], care: { source: 'mercy-lab', active: true, from: Date.UTC(2026, 10, 1), carers: [{ identifiers: [{ system: LOCAL, value: 'Practitioner/1' }], until: Date.UTC(2026, 10, 25) }] },
    }]);
    for (const status of ['planned', 'arrived', 'onleave', 'finished', 'cancelled', 'entered-in-error', 'unknown', 'active']) await say(encounter({ status }));
    expect(new Set(door.care.slice(1).map(({ care }) => care.active))).to.deep.equal(new Set([false]));

    const bundle = (...resources: readonly object[]): object => ({ resourceType: 'Bundle', type: 'batch', entry: resources.map((resource, n) => ({ fullUrl: `urn:uuid:0000000${n}-0000-4000-8000-000000000000`, resource, request: { method: 'PUT', url: `${(resource as { readonly resourceType: string }).resourceType}/x` } })) });
    const before = door.care.length;
    expect((await door.send({ body: bundle(encounter(), patient, { resourceType: 'Practitioner', id: '1' }) })).status).to.equal(200);
    expect([door.care.length - before, door.news.length]).to.deep.equal([1, 0]);
    door = await endpoint();
    expect((await say(encounter())).status).to.equal(403);
    const answered = await door.send({ body: bundle(encounter(), patient) });
    expect([answered.status, JSON.stringify(answered.json).match(/\d{3} OK/gu), door.care], 'of any other source it explains, as before').to.deep.equal([200, ['200 OK', '200 OK'], []]);
  });

  it('a bundle with its patient and its people, who explain it; beside a result it only explains that', async () => {
    const practitioner = { resourceType: 'Practitioner', id: '1', identifier: [{ use: 'old', system: NPI, value: '1111111112' }, { system: NPI, value: '1902301225' }] };
    const bundle = (...resources: readonly object[]): object => ({ resourceType: 'Bundle', type: 'collection', entry: resources.map((resource, n) => ({ fullUrl: `urn:uuid:0000000${n}-0000-4000-8000-000000000000`, resource })) });
    expect((await door.send({ body: bundle(team({ subject: { reference: 'Patient/7' } }), patient, practitioner) })).status).to.equal(200);
    expect(door.care[0]?.patientKeys).to.deep.equal([`${MRN}|00481516`, `${LOCAL}|Patient/7`]);
    expect(door.care[0]?.care.carers[0]?.identifiers).to.deep.equal([{ system: LOCAL, value: 'Practitioner/1' }, { system: NPI, value: '1902301225' }]);
    expect(door.news, 'beside a patient, what comes of staff only explains').to.deep.equal([]);
    const result = { resourceType: 'Observation', id: 'o', status: 'final', code: { text: 'Potassium' }, subject: { reference: 'Patient/7' }, valueString: 'high' };
    expect((await door.send({ body: bundle(result, team(), patient) })).status).to.equal(200);
    expect([door.care.length, door.arrivals.length]).to.deep.equal([1, 1]);
    expect(door.care[0]?.patientKeys, 'the result has its patient by one of the names of the team').to.include(door.arrivals[0]?.patientKey);
  });
});
