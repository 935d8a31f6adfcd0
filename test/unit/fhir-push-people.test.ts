import { expect } from 'chai';
import type { SourceConfig } from '../../bridges/fhir-push/index.ts';
import { fixtureText, theValidator } from '../fixtures/fhir/endpoint.ts';
import { anObservation, FHIR, MRN, NPI, V203, ofObservation, one, ref, transaction } from '../fixtures/fhir/extract.ts';

describe('fhir-push takes out of people', () => {
  before(async function loads() {
    this.timeout(20_000);
    await theValidator();
  });

  describe('the patient', () => {
    const ssn = { type: { coding: [{ system: V203, code: 'SS' }] }, system: 'http://hl7.org/fhir/sid/us-ssn', value: '000-12-3456' };
    const typed = { type: { coding: [{ system: V203, code: 'MR' }] }, system: MRN, value: 'M-1' };
    const plain = { system: 'https://other.example/ids', value: 'X-1' };
    const patients: readonly (readonly [string, readonly object[], Partial<SourceConfig>, string, object | undefined])[] = [
      ['by record number, whatever stands before it', [ssn, plain, typed], {}, `${MRN}|M-1`, { value: 'M-1', authority: MRN }],
      ['by the system that the hospital prefers', [typed, plain], { identifierSystems: { patient: ['https://other.example/ids'] } }, 'https://other.example/ids|X-1', { value: 'X-1', authority: 'https://other.example/ids' }],
      ['by an identifier without type', [ssn, plain], {}, 'https://other.example/ids|X-1', { value: 'X-1', authority: 'https://other.example/ids' }],
      ['never shows a social security number as record number', [ssn], {}, 'http://hl7.org/fhir/sid/us-ssn|000-12-3456', undefined],
      ['not by an old number', [{ ...typed, use: 'old', value: 'M-0' }, typed], {}, `${MRN}|M-1`, { value: 'M-1', authority: MRN }],
      ['under the name of the source when no system is given', [{ value: '77' }], {}, 'urn:aceso:source:mercy-lab|77', { value: '77', authority: 'Mercy laboratory' }],
    ];
    for (const [name, identifier, changes, key, mrn] of patients) {
      it(name, async () => {
        const arrival = await ofObservation({ valueInteger: 1, subject: { reference: '#p' }, contained: [{ resourceType: 'Patient', id: 'p', identifier, name: [{ use: 'old', text: 'Old Name' }, { use: 'official', family: 'Okafor', given: ['Amara'] }] }] }, changes);
        expect([arrival.patientKey, arrival.report.patient]).to.deep.equal([key, { name: 'Amara Okafor', ...(mrn === undefined ? {} : { mrn }) }]);
      });
    }

    it('by a reference alone, and says that the name was not sent', async () => {
      const arrival = await ofObservation({ valueInteger: 1 });
      expect([arrival.patientKey, arrival.report.patient]).to.deep.equal([`${FHIR}|Patient/1`, { name: '(name not sent)' }]);
    });

    it('by a conditional reference, as the identifier it means', async () => {
      const arrival = await ofObservation({ valueInteger: 1, subject: { reference: `Patient?identifier=${MRN}|M-1`, display: 'Amara Okafor' } });
      expect([arrival.patientKey, arrival.report.patient]).to.deep.equal([`${MRN}|M-1`, { name: 'Amara Okafor', mrn: { value: 'M-1', authority: MRN } }]);
    });

    it('on another server by the whole URL', async () => {
      expect((await ofObservation({ valueInteger: 1, subject: { reference: 'https://elsewhere.example/fhir/Patient/1' } })).patientKey).to.equal(`${FHIR}|https://elsewhere.example/fhir/Patient/1`);
    });
  });

  describe('which report', () => {
    const typed = (code: string, value: string): object => ({ type: { coding: [{ system: V203, code }] }, system: 'https://lab.mercy.example/ids', value });
    const keys: readonly (readonly [string, object, Partial<SourceConfig>, string])[] = [
      ['by filler number', { identifier: [typed('PLAC', 'P-1'), typed('FILL', 'F-1')] }, {}, 'https://lab.mercy.example/ids|F-1'],
      ['by accession number', { identifier: [typed('PLAC', 'P-1'), typed('ACSN', 'A-1')] }, {}, 'https://lab.mercy.example/ids|A-1'],
      ['by the system that the hospital names', { identifier: [typed('FILL', 'F-1'), { system: 'https://lis.mercy.example', value: 'L-1' }] }, { identifierSystems: { filler: ['https://lis.mercy.example'] } }, 'https://lis.mercy.example|L-1'],
      ['by its first identifier', { identifier: [{ value: '1' }] }, {}, 'urn:aceso:source:mercy-lab|1'],
      ['by its id', { id: 'o1' }, {}, `${FHIR}|Observation/o1`],
    ];
    for (const [name, more, changes, expected] of keys) {
      it(name, async () => {
        expect((await ofObservation({ valueInteger: 1, ...more }, changes)).reportKey).to.equal(`${FHIR}|Patient/1 ${expected}`);
      });
    }

    it('by its content when it has no name at all', async () => {
      const { reportKey, key } = await ofObservation({ valueInteger: 1 });
      expect(reportKey).to.match(/ sha256\|[0-9a-f]{64}$/);
      expect(key).to.match(/^Observation {2}[0-9a-f]{64}$/);
    });

    it('lists every identifier as a name that can be asked for', async () => {
      const { names } = await ofObservation({ valueInteger: 1, identifier: [{ system: 'a', value: '1' }, { value: '2' }, { system: 'a', value: '1' }] });
      expect(names.slice(0, -1)).to.deep.equal(['Observation?identifier=a|1', 'Observation?identifier=|2']);
      expect(names.at(-1)).to.match(/^Observation\?_content=[0-9a-f]{64}$/);
    });
  });

  describe('whom it is for', () => {
    const patient = { resourceType: 'Patient', identifier: [{ system: MRN, value: 'M-1' }] };
    const practitioner = (npi: string): object => ({ resourceType: 'Practitioner', identifier: [{ system: NPI, value: npi }], name: [{ text: `Dr. ${npi}` }] });
    const order = (requester: object, more: object = {}): object => ({ resourceType: 'ServiceRequest', status: 'active', intent: 'order', subject: ref(1), requester, ...more });
    const result = (more: object = {}): object => ({ ...anObservation({ valueInteger: 1 }), subject: ref(1), basedOn: [ref(2)], ...more });

    it('the requester, never performer or resultsInterpreter', async () => {
      const { candidates } = await one(fixtureText('potassium-transaction'));
      expect(candidates).to.deep.equal([{ rule: 'requester', identifiers: [{ system: NPI, value: '1234567893' }] }]);
    });

    it('the requester by logical identifier and by the source\'s own reference', async () => {
      const { candidates, report } = await one(transaction({ 1: patient, 2: order({ reference: 'Practitioner/123', identifier: { system: NPI, value: '1' }, display: 'Dr. Reyes' }), 3: result() }));
      expect(candidates).to.deep.equal([{ rule: 'requester', identifiers: [{ system: NPI, value: '1' }, { system: FHIR, value: 'Practitioner/123' }] }]);
      expect(report.orderer).to.equal('Dr. Reyes');
    });

    it('the practitioner behind a role, and the role itself', async () => {
      const role = { resourceType: 'PractitionerRole', identifier: [{ system: 'https://ehr.mercy.example/roles', value: 'NEPH-1' }], practitioner: ref(5), organization: { reference: 'Organization/3' }, code: [{ text: 'Nephrologist' }] };
      const { candidates, report } = await one(transaction({ 1: patient, 2: order(ref(4)), 3: result(), 4: role, 5: practitioner('1') }));
      expect(candidates).to.deep.equal([{ rule: 'requester', identifiers: [{ system: 'https://ehr.mercy.example/roles', value: 'NEPH-1' }, { system: NPI, value: '1' }] }]);
      expect(report.orderer).to.equal('Dr. 1 (Nephrologist)');
    });

    it('nobody, when the order was not sent or was the patient\'s own', async () => {
      expect((await ofObservation({ valueInteger: 1, basedOn: [{ reference: 'ServiceRequest/5' }] })).candidates).to.deep.equal([]);
      expect((await one(transaction({ 1: patient, 2: order(ref(1)), 3: result() }))).candidates).to.deep.equal([]);
    });

    it('the requester of the observations when the report names no order', async () => {
      const report = { resourceType: 'DiagnosticReport', status: 'final', code: { text: 'x' }, subject: ref(1), result: [ref(3)] };
      expect((await one(transaction({ 1: patient, 2: order(ref(5), { priority: 'urgent' }), 3: result(), 4: report, 5: practitioner('1') }))).candidates).to.deep.equal([{ rule: 'requester', identifiers: [{ system: NPI, value: '1' }] }]);
    });

    it('the attending of the encounter, and those who cover; not who left, escorts or translates', async () => {
      const as = (code: string, npi: string, more: object = {}): object => ({ type: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code }] }], individual: { identifier: { system: NPI, value: npi } }, ...more });
      const encounter = { resourceType: 'Encounter', status: 'in-progress', class: { code: 'IMP' }, subject: ref(1), participant: [as('CON', '2'), as('ATND', '1'), as('ATND', '9', { period: { end: '2026-11-01' } }), as('ESC', '8'), as('TRANS', '7'), { individual: { reference: 'RelatedPerson/1' } }] };
      const { candidates } = await one(transaction({ 1: patient, 3: result({ basedOn: undefined, encounter: ref(4) }), 4: encounter }));
      expect(candidates).to.deep.equal([{ rule: 'covering', identifiers: [{ system: NPI, value: '2' }] }, { rule: 'attending', identifiers: [{ system: NPI, value: '1' }] }]);
    });

    it('the encounter of the order when the result names none', async () => {
      const encounter = { resourceType: 'Encounter', status: 'in-progress', class: { code: 'IMP' }, participant: [{ type: [{ coding: [{ code: 'ATND' }] }], individual: { reference: 'Practitioner/1' } }] };
      expect((await one(transaction({ 1: patient, 2: order({ display: 'x' }, { encounter: ref(4) }), 3: result(), 4: encounter }))).candidates).to.deep.equal([{ rule: 'attending', identifiers: [{ system: FHIR, value: 'Practitioner/1' }] }]);
    });

    it('an active care team of this patient that came along: itself and its members', async () => {
      const team = (status: string, subject: object, value: string): object => ({ resourceType: 'CareTeam', status, subject, identifier: [{ system: 'https://ehr.mercy.example/teams', value }], participant: [{ member: { reference: 'Practitioner/5' } }, { member: ref(1) }] });
      const { candidates } = await one(transaction({ 1: patient, 3: result({ basedOn: undefined }), 4: team('active', ref(1), 'A'), 5: team('inactive', ref(1), 'B'), 6: team('active', { reference: 'Patient/2' }, 'C') }));
      expect(candidates).to.deep.equal([{ rule: 'covering', identifiers: [{ system: 'https://ehr.mercy.example/teams', value: 'A' }] }, { rule: 'covering', identifiers: [{ system: FHIR, value: 'Practitioner/5' }] }]);
    });

    it('an absolute reference is another person unless it lies under the source\'s own base', async () => {
      const given = transaction({ 1: patient, 2: order({ reference: 'https://ehr.mercy.example/r4/Practitioner/123' }), 3: result() });
      expect((await one(given)).candidates[0]?.identifiers).to.deep.equal([{ system: FHIR, value: 'https://ehr.mercy.example/r4/Practitioner/123' }]);
      expect((await one(given, '/', { fhirBase: 'https://another.example/r4' })).candidates[0]?.identifiers).to.deep.equal([{ system: FHIR, value: 'https://ehr.mercy.example/r4/Practitioner/123' }]);
      expect((await one(given, '/', { fhirBase: 'https://ehr.mercy.example/r4/' })).candidates[0]?.identifiers).to.deep.equal([{ system: FHIR, value: 'Practitioner/123' }]);
    });
  });
});
