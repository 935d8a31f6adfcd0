import { expect } from 'chai';
import type { ConsentTerms } from '../../src/domain/consent/consent.ts';
import { endpoint, issuesOf, theValidator, type Endpoint } from '../fixtures/fhir/endpoint.ts';
import { NPI } from '../fixtures/fhir/extract.ts';

const MRN = 'urn:mercy:mrn';
const LOCAL = 'urn:aceso:source:mercy-lab:fhir';
const MAY = { directory: { types: ['Practitioner', 'PractitionerRole', 'CareTeam', 'Consent'] } } as const;
const role = (code: string): object => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code }] });
const actor = (reference: object, code = 'IRCP'): object => ({ role: role(code), reference });
const practitioner = { reference: 'Practitioner/1', identifier: { system: NPI, value: '1902301225' } };
const TREAT = { purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'TREAT' }] };
const PART2 = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: '42CFRPart2' }] };
const consent = (more: object = {}): Record<string, unknown> => ({
  resourceType: 'Consent', id: 'c1', status: 'active', scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] }, category: [PART2],
  policyRule: { text: 'Release of records' }, patient: { reference: 'Patient/7', identifier: { system: MRN, value: '00481516' } }, provision: { type: 'permit', actor: [actor(practitioner)], ...TREAT }, ...more,
});

describe('fhir-push takes what a patient consents to', () => {
  let door: Endpoint;
  before(async function loads() {
    this.timeout(20_000);
    await theValidator();
  });
  beforeEach(async () => { door = await endpoint(MAY); });
  const put = (resource: Record<string, unknown>): ReturnType<Endpoint['send']> => door.send({ method: 'PUT', path: `/Consent/${String(resource['id'])}`, body: resource });
  const termsOf = async (more: object): Promise<ConsentTerms | undefined> => {
    const answer = await put(consent(more));
    expect(answer.status, answer.body).to.equal(200);
    return door.consents.at(-1)?.terms;
  };

  it('one: whom it permits what for, until when, with its exceptions; the names of its patient, and nothing else of either', async () => {
    expect((await put(consent({
      meta: { lastUpdated: '2026-11-24T08:00:00Z' }, dateTime: '2026-11-01', organization: [{ display: 'Harbor Recovery' }], text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Rosa</div>' },
      provision: {
        type: 'permit', period: { start: '2026-11-01', end: '2026-11-30' }, securityLabel: [PART2.coding[0], { code: 'R' }], ...TREAT, action: [{ coding: [{ code: 'disclose' }] }],
        actor: [actor({ reference: 'Organization/9' }, 'CST'), actor(practitioner), actor({ reference: 'Organization/1' }, 'PRCP')], provision: [{ type: 'deny', actor: [actor({ reference: 'PractitionerRole/9' })] }],
      },
    }))).status).to.equal(200);
    expect(door.consents.map(({ key: _, ...each }) => each)).to.deep.equal([{
      source: 'mercy-lab', consent: 'Consent/c1', patientKeys: [`${MRN}|00481516`, `${LOCAL}|Patient/7`], writtenAt: Date.UTC(2026, 10, 24, 8),
      terms: {
        part2: true,
        provision: {
          type: 'permit', from: Date.UTC(2026, 10, 1), until: Date.UTC(2026, 11, 1), purposes: ['TREAT'], labels: ['part2', 'restricted'],
          actors: [{ kind: 'person', identifiers: [{ system: NPI, value: '1902301225' }, { system: LOCAL, value: 'Practitioner/1' }] }, { kind: 'organisation', names: ['Organization/1'] }],
          exceptions: [{ type: 'deny', actors: [{ kind: 'person', identifiers: [{ system: LOCAL, value: 'PractitionerRole/9' }] }], exceptions: [] }],
        },
      },
    }]);
    expect(JSON.stringify(door.events)).not.to.match(/Rosa|Harbor|0048/u);
  });

  it('one that isn\'t active says nothing any more; nor does one without a patient, so that it can be taken back so too', async () => {
    for (const more of [{ status: 'inactive' }, { status: 'entered-in-error' }, { status: 'rejected' }, { status: 'draft' }, { status: 'entered-in-error', patient: undefined }]) expect(await termsOf(more), JSON.stringify(more)).to.equal(undefined);
    expect(door.consents.map(({ patientKeys }) => patientKeys.length)).to.deep.equal([2, 2, 2, 2, 0]);
  });

  it('as under Part 2 where its scope, category, policy or label says so in a code, and not else', async () => {
    const other = { category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }], text: '42 CFR Part 2' }] };
    expect((await termsOf({ ...other, policyRule: PART2 }))?.part2).to.equal(true);
    expect((await termsOf({ ...other, provision: { type: 'permit', securityLabel: PART2.coding } }))?.part2).to.equal(true);
    expect((await termsOf(other))?.part2).to.equal(false);
    expect(await termsOf({ ...other, scope: { coding: [{ code: 'research' }] } }), 'taking part in research is another thing').to.equal(undefined);
  });

  it('with the rule of its policy, where a provision has none', async () => {
    const rule = (code: string): object => ({ policyRule: { coding: [{ code }] }, provision: undefined });
    expect([await termsOf(rule('OPTIN')), await termsOf(rule('OPTOUTE'))]).to.deep.equal([{ part2: true, base: 'permit', provision: { exceptions: [] } }, { part2: true, base: 'deny', provision: { exceptions: [] } }]);
  });

  it('and says that it is unclear, or unchecked, where it can\'t be told', async () => {
    const actorsOf = async (...actors: readonly object[]): Promise<unknown> => (await termsOf({ provision: { type: 'deny', actor: actors } }))?.provision.actors;
    expect(await actorsOf(actor({ display: 'Dr. Ruiz' }))).to.deep.equal([{ kind: 'unclear' }]);
    expect(await actorsOf(actor({ reference: 'Group/3' }))).to.deep.equal([{ kind: 'unclear' }]);
    const role = { resourceType: 'PractitionerRole', id: '9', practitioner: { identifier: { system: NPI, value: '7' } } };
    const along = [consent({ id: 'c2', provision: { actor: [actor({ reference: 'PractitionerRole/9' })] } }), role].map((resource, n) => ({ fullUrl: `urn:uuid:0000000${n}-0000-4000-8000-000000000000`, resource }));
    expect((await door.send({ body: { resourceType: 'Bundle', type: 'collection', entry: along } })).status).to.equal(200);
    expect(door.consents.at(-1)?.terms?.provision.actors, 'a post, and who had it').to.deep.equal([{ kind: 'person', identifiers: [{ system: LOCAL, value: 'PractitionerRole/9' }], holder: [{ system: NPI, value: '7' }] }]);
    expect(await actorsOf(actor(practitioner, 'CST')), 'it names nobody as a recipient').to.deep.equal([{ kind: 'unclear' }]);
    expect(await actorsOf(actor({ reference: 'RelatedPerson/3' })), 'the family gets no results here').to.deep.equal([]);
    for (const condition of [{ dataPeriod: { start: '2026-01-01' } }, { class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }] }, { code: [{ text: 'x' }] }, { action: [{ coding: [{ code: 'correct' }] }] }]) expect((await termsOf({ provision: condition }))?.provision.unchecked, JSON.stringify(condition)).to.equal(true);
    expect((await termsOf({ verification: [{ verified: false }] }))?.provision.unchecked).to.equal(true);
    expect((await termsOf({ verification: [{ verified: true, verificationDate: '2026-01-01' }, { verified: false }] }))?.provision.unchecked, 'a word that confirms it may be the older one').to.equal(true);
    expect((await termsOf({ verification: [{ verified: true }] }))?.provision).not.to.have.property('unchecked');
    for (const [end, unread] of [['2026-11-30', undefined], ['2026-11-30T10:00:00Z', undefined], ['2026', undefined], ['2026-11-30T10:00:60Z', true], ['2026-11-30T10:00:00', true], ['2026-02-30', true]] as const) {
      const { status } = await put(consent({ id: 'dated', provision: { type: 'permit', actor: [actor(practitioner)], ...TREAT, period: { end } } }));
      expect(status === 422 ? true : door.consents.at(-1)?.terms?.provision.unchecked, `${end}: refused, or unchecked`).to.equal(unread);
    }
    for (const code of ['PSY', 'ETHUD', 'OPIOIDUD', 'SUD', 'ETH']) expect((await termsOf({ provision: { securityLabel: [{ code }] } }))?.provision.labels, `${code}: what else is under Part 2 isn't meant`).to.deep.equal(['other']);
  });

  it('what takes back or denies each time that it is sent, also where every version of a source looks alike; what permits once', async () => {
    const denial = { provision: { type: 'deny' } };
    for (const more of [{}, { status: 'draft' }, { status: 'inactive' }, {}, { status: 'inactive' }, denial, denial, { policyRule: { coding: [{ code: 'OPTOUT' }] }, provision: undefined }, { provision: { type: 'permit', provision: [{ actor: [actor(practitioner)] }] } }]) await put(consent({ meta: { versionId: '1' }, ...more }));
    expect(door.consents.map(({ terms }) => terms?.provision.type ?? terms?.base ?? 'ended'), 'all but the permission that was said before').to.deep.equal(['permit', 'ended', 'ended', 'ended', 'deny', 'deny', 'deny', 'permit']);
  });

  it('none whose own name can\'t be told: an absolute one, of a source whose base isn\'t known', async () => {
    const pushed = (): ReturnType<Endpoint['send']> => door.send({ body: { resourceType: 'Bundle', type: 'collection', entry: [{ fullUrl: 'https://ehr.mercy.example/r4/Consent/c1', resource: consent() }] } });
    expect((await pushed()).status).to.equal(422);
    expect(door.consents).to.deep.equal([]);
    door = await endpoint({ ...MAY, fhirBase: 'https://ehr.mercy.example/r4' });
    expect((await pushed()).status).to.equal(200);
    await put(consent({ status: 'inactive' }));
    expect(door.consents.map((each) => each.consent)).to.deep.equal(['Consent/c1', 'Consent/c1']);
  });

  it('none whose patient can\'t be named, that is too much, beside results, or of a source that may not', async () => {
    const unnamed = await put(consent({ patient: { display: 'Rosa Quintana' } }));
    expect([unnamed.status, issuesOf(unnamed)]).to.deep.equal([422, ['required Consent.patient']]);
    const referred = await put(consent({ patient: { reference: 'Patient/7' } }));
    expect([referred.status, issuesOf(referred)], 'by a reference alone').to.deep.equal([422, ['required Consent.patient']]);
    expect((await put(consent({ status: 'inactive', patient: { reference: 'Patient/7' } }))).status, 'it is taken back so, all the same').to.equal(200);
    door.consents.length = 0;
    const many = await put(consent({ provision: { provision: Array.from({ length: 200 }, () => ({ type: 'deny' })) } }));
    expect([many.status, issuesOf(many)]).to.deep.equal([422, ['too-costly Consent.provision']]);
    const long = await put(consent({ provision: { provision: [{ type: 'permit', actor: [actor({ type: 'Practitioner', identifier: { system: 's', value: 'x'.repeat(300) } })] }] } }));
    expect([long.status, long.body?.includes('at most 256')]).to.deep.equal([422, true]);
    const patient = { resourceType: 'Patient', id: '7', identifier: [{ system: MRN, value: '00481516' }] };
    const result = { resourceType: 'Observation', id: 'o', status: 'final', code: { text: 'Potassium' }, subject: { reference: 'Patient/7' }, valueString: 'high' };
    const bundle = (...resources: readonly object[]): object => ({ resourceType: 'Bundle', type: 'collection', entry: resources.map((resource, n) => ({ fullUrl: `urn:uuid:0000000${n}-0000-4000-8000-000000000000`, resource })) });
    expect((await door.send({ body: bundle(result, consent(), patient) })).status, 'it is not passed over').to.equal(422);
    expect(door.consents).to.deep.equal([]);
    expect((await door.send({ body: bundle(consent({ patient: { reference: 'Patient/7' } }), patient) })).status).to.equal(200);
    expect(door.consents[0]?.patientKeys).to.deep.equal([`${MRN}|00481516`, `${LOCAL}|Patient/7`]);
    for (const directory of [undefined, { types: ['Practitioner'] as const }]) {
      door = await endpoint({ directory });
      expect((await put(consent())).status).to.equal(403);
      expect(door.consents).to.deep.equal([]);
    }
  });
});
