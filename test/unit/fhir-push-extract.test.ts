import { expect } from 'chai';
import type { Arrival } from '../../src/ports/bridge.ts';
import type { SourceConfig } from '../../bridges/fhir-push/index.ts';
import { endpoint, fixture, fixtureText, theValidator } from '../fixtures/fhir/endpoint.ts';

const MRN = 'urn:oid:2.16.840.1.113883.19.5.1';
const NPI = 'http://hl7.org/fhir/sid/us-npi';
const V203 = 'http://terminology.hl7.org/CodeSystem/v2-0203';
const OI = 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation';
const FHIR = 'urn:aceso:source:mercy-lab:fhir';
const url = (n: number): string => `urn:uuid:6f1c1a5e-0001-4000-8000-${String(n).padStart(12, '0')}`;
const ref = (n: number): object => ({ reference: url(n) });

const arrivalsOf = async (body: object | string, path = '/', changes: Partial<SourceConfig> = {}): Promise<readonly Arrival[]> => {
  const { send, arrivals } = await endpoint(changes);
  const answer = await send({ path, body });
  expect(answer.status, answer.body).to.be.oneOf([200, 201]);
  return arrivals;
};
const one = async (...given: Parameters<typeof arrivalsOf>): Promise<Arrival> => {
  const [arrival, ...more] = await arrivalsOf(...given);
  if (arrival === undefined || more.length > 0) throw new Error(`${more.length} more arrivals`);
  return arrival;
};
const observation = (more: object): object => ({ resourceType: 'Observation', status: 'final', code: { text: 'Test' }, subject: { reference: 'Patient/1' }, ...more });
const ofObservation = (more: object, changes: Partial<SourceConfig> = {}): Promise<Arrival> => one(observation(more), '/Observation', changes);
/** Resources under numbered URLs. */
const transaction = (resources: Readonly<Record<number, object>>): object => ({
  resourceType: 'Bundle', type: 'transaction',
  entry: Object.entries(resources).map(([n, resource]) => ({ fullUrl: url(Number(n)), resource, request: { method: 'POST', url: (resource as { readonly resourceType: string }).resourceType } })),
});

describe('fhir-push takes out', () => {
  before(async function loads() {
    this.timeout(20_000);
    await theValidator();
  });

  describe('a value', () => {
    const values: readonly (readonly [string, object, object | undefined])[] = [
      ['Quantity', { valueQuantity: { value: 6.8, unit: 'mmol/L', code: 'mmol/L' } }, { text: '6.8', unit: 'mmol/L' }],
      ['Quantity with a comparator', { valueQuantity: { value: 0.25, comparator: '<', unit: 'ng/mL' } }, { text: '0.25', comparator: '<', unit: 'ng/mL' }],
      ['Quantity with a code alone', { valueQuantity: { value: 1, system: 'http://unitsofmeasure.org', code: '10*3/uL' } }, { text: '1', unit: '10*3/uL' }],
      ['Quantity without unit', { valueQuantity: { value: 7.41 } }, { text: '7.41' }],
      ['CodeableConcept with text', { valueCodeableConcept: { text: 'E. coli', coding: [{ display: 'Escherichia coli' }] } }, { text: 'E. coli' }],
      ['CodeableConcept with a coding', { valueCodeableConcept: { coding: [{ code: '1' }, { code: '2', display: 'Reactive' }] } }, { text: 'Reactive' }],
      ['string', { valueString: 'Gram-negative rods\nseen' }, { text: 'Gram-negative rods\nseen' }],
      ['boolean', { valueBoolean: false }, { text: 'false' }],
      ['integer', { valueInteger: 0 }, { text: '0' }],
      ['Range', { valueRange: { low: { value: 1, unit: 'mg' }, high: { value: 2, unit: 'mg' } } }, { text: '1 – 2 mg' }],
      ['Range with one end', { valueRange: { low: { value: 90, unit: 'mL/min' } } }, { text: '≥ 90 mL/min' }],
      ['Ratio', { valueRatio: { numerator: { value: 1 }, denominator: { value: 128 } } }, { text: '1:128' }],
      ['Ratio with units', { valueRatio: { numerator: { value: 5, unit: 'mg' }, denominator: { value: 2, unit: 'mL' } } }, { text: '5 mg / 2 mL' }],
      ['SampledData', { valueSampledData: { origin: { value: 0 }, period: 10, dimensions: 1, data: '1 2 3' } }, { text: 'sampled data, 3 points, not shown here' }],
      ['time', { valueTime: '08:15:00' }, { text: '08:15:00' }],
      ['dateTime', { valueDateTime: '2026-11-24' }, { text: '2026-11-24' }],
      ['Period', { valuePeriod: { start: '2026-11-24', end: '2026-11-25' } }, { text: '2026-11-24 – 2026-11-25' }],
      ['nothing', { dataAbsentReason: { text: 'Specimen clotted' } }, undefined],
    ];
    for (const [type, given, expected] of values) {
      it(`of type ${type}`, async () => {
        const { report } = await ofObservation(given);
        expect(report.observations[0]?.value).to.deep.equal(expected);
      });
    }

    it('or why there is none', async () => {
      expect((await ofObservation({ dataAbsentReason: { coding: [{ code: 'error', display: 'Error' }], text: 'Specimen clotted' } })).report.observations[0]?.absent).to.equal('Specimen clotted');
    });
  });

  describe('a flag', () => {
    const flags: readonly (readonly [string, readonly object[], object | undefined])[] = [
      ['HH', [{ coding: [{ system: OI, code: 'HH' }] }], { code: 'HH', text: 'Critical high', level: 'critical' }],
      ['LL', [{ coding: [{ system: OI, code: 'LL' }] }], { code: 'LL', text: 'Critical low', level: 'critical' }],
      ['AA of HL7 v2', [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0078', code: 'AA' }] }], { code: 'AA', text: 'Critical abnormal', level: 'critical' }],
      ['HH of a local table', [{ coding: [{ system: 'https://lab.mercy.example/flags', code: 'HH' }] }], { code: 'HH', text: 'Critical high', level: 'critical' }],
      ['H', [{ coding: [{ system: OI, code: 'H', display: 'hoch' }] }], { code: 'H', text: 'High', level: 'abnormal' }],
      ['N', [{ coding: [{ system: OI, code: 'N' }] }], { code: 'N', text: 'Normal', level: 'normal' }],
      ['POS', [{ coding: [{ system: OI, code: 'POS' }] }], { code: 'POS', text: 'Positive', level: 'abnormal' }],
      ['a local code', [{ coding: [{ system: 'https://lab.mercy.example/flags', code: 'N', display: 'Notify' }] }], { code: 'N', text: 'Notify', level: 'abnormal' }],
      ['text in the words of HL7', [{ text: 'critical HIGH' }], { code: '', text: 'critical HIGH', level: 'critical' }],
      ['other text', [{ text: 'see comment' }], { code: '', text: 'see comment', level: 'abnormal' }],
      ['several', [{ coding: [{ system: OI, code: 'H' }] }, { coding: [{ system: OI, code: 'HH' }] }], { code: 'HH', text: 'Critical high, High', level: 'critical' }],
      ['__proto__', [{ coding: [{ system: OI, code: '__proto__' }] }], { code: '__proto__', text: '__proto__', level: 'abnormal' }],
    ];
    for (const [name, interpretation, expected] of flags) {
      it(name, async () => {
        const { report } = await ofObservation({ valueInteger: 1, interpretation });
        expect(report.observations[0]?.interpretation).to.deep.equal(expected);
      });
    }
  });

  describe('a reference range', () => {
    const ranges: readonly (readonly [string, readonly object[], string | undefined])[] = [
      ['low and high', [{ low: { value: 3.5, unit: 'mmol/L' }, high: { value: 5.1, unit: 'mmol/L' } }], '3.5 – 5.1 mmol/L'],
      ['high alone', [{ high: { value: 0.04, unit: 'ng/mL' } }], '≤ 0.04 ng/mL'],
      ['text before numbers', [{ low: { value: 1 }, text: 'negative' }], 'negative'],
      ['by type, group and age', [{ type: { text: 'Normal Range' }, low: { value: 1 }, high: { value: 2 } }, { type: { text: 'Therapeutic' }, appliesTo: [{ text: 'pregnant' }], age: { low: { value: 18, unit: 'a', system: 'http://unitsofmeasure.org', code: 'a' } }, low: { value: 3 }, high: { value: 4 } }], '1 – 2; 3 – 4 (Therapeutic, pregnant, age ≥ 18 a)'],
    ];
    for (const [name, referenceRange, expected] of ranges) {
      it(`as ${name}`, async () => {
        expect((await ofObservation({ valueInteger: 1, referenceRange })).report.observations[0]?.referenceRange).to.equal(expected);
      });
    }
  });

  describe('a panel', () => {
    it('every line, in order, with a key of its own that the next version shares', async () => {
      const { report } = await one(fixtureText('bmp-transaction'));
      expect(report.title).to.equal('Basic metabolic panel');
      expect(report.observations.map(({ name, value, interpretation }) => [name, value?.text, interpretation?.code])).to.deep.equal([
        ['Sodium', '138', undefined], ['Potassium', '5.9', 'H'], ['Chloride', '101', 'N'], ['Bicarbonate', '19', 'L'],
        ['Urea nitrogen', '41', 'H'], ['Creatinine', '2.10', 'H'], ['Glucose', '92', 'N'], ['Calcium', '8.9', 'N'],
      ]);
      expect(report.observations[1]?.key).to.equal('https://lab.mercy.example/accession|A26-114233 http://loinc.org|2823-3');
      expect(report.observations[1]).to.not.have.property('specimen');
      const again = await one(fixtureText('bmp-transaction').replaceAll('6f1c1a5e', '11111111').replace('"value": 5.9', '"value": 6.0'));
      expect(again.report.observations.map(({ key }) => key)).to.deep.equal(report.observations.map(({ key }) => key));
    });

    it('components of an observation, without the empty heading', async () => {
      const { report } = await one(fixtureText('blood-pressure'), '/Observation');
      expect(report.observations.map(({ key, name, value }) => [key, name, value])).to.deep.equal([
        [' http://loinc.org|85354-9 > http://loinc.org|8480-6', 'Systolic', { text: '188', unit: 'mmHg' }],
        [' http://loinc.org|85354-9 > http://loinc.org|8462-4', 'Diastolic', { text: '104', unit: 'mmHg' }],
      ]);
    });

    it('microbiology: organism, its susceptibilities, text, conclusion, and what is not shown', async () => {
      const { report } = await one(fixtureText('blood-culture-transaction'));
      expect(report.observations.map(({ name, status, value, interpretation }) => [name, status, value, interpretation?.text])).to.deep.equal([
        ['Gram stain', 'final', { text: 'Gram-negative rods seen in aerobic bottle at 11 h' }, 'Critical abnormal'],
        ['Blood culture', 'preliminary', { text: 'Escherichia coli' }, 'Positive'],
        ['Blood culture: Ampicillin', 'preliminary', { text: '32', comparator: '>=', unit: 'ug/mL' }, 'Resistant'],
        ['Blood culture: Meropenem', 'preliminary', { text: '0.25', comparator: '<=', unit: 'ug/mL' }, 'Susceptible'],
      ]);
      expect(report).to.deep.include({ status: 'preliminary', conclusion: 'Gram-negative bacteraemia. Final susceptibilities to follow.', fillerNumber: 'M-2026-00441' });
      expect(report.notes).to.deep.equal(['Attachment "Blood culture report" (application/pdf): attachment not included yet; ask the sender for it.']);
    });

    it('two values of one code, told apart by time', async () => {
      const at = (time: string, value: number): object => observation({ effectiveDateTime: time, valueInteger: value, code: { coding: [{ system: 'http://loinc.org', code: '2345-7' }] } });
      const { report } = await one({ resourceType: 'DiagnosticReport', status: 'final', code: { text: 'Glucose tolerance' }, subject: { reference: 'Patient/1' }, contained: [{ ...at('2026-11-24T08:00:00Z', 90), id: 'a' }, { ...at('2026-11-24T10:00:00Z', 140), id: 'b' }, { ...at('2026-11-24T10:00:00Z', 141), id: 'c' }], result: [{ reference: '#a' }, { reference: '#b' }, { reference: '#c' }] }, '/DiagnosticReport');
      expect(report.observations.map(({ key }) => key)).to.deep.equal([' http://loinc.org|2345-7 @ 2026-11-24T08:00:00Z', ' http://loinc.org|2345-7 @ 2026-11-24T10:00:00Z', ' http://loinc.org|2345-7 @ 2026-11-24T10:00:00Z #2']);
    });

    it('a note for each result that was not sent with it', async () => {
      const { report } = await one({ resourceType: 'DiagnosticReport', status: 'partial', code: { text: 'x' }, subject: { reference: 'Patient/1' }, result: [{ reference: 'Observation/1' }, { reference: 'Observation/2', display: 'Sodium' }] }, '/DiagnosticReport');
      expect(report.notes).to.deep.equal(['A result of this report was not sent with it.', 'Not sent with this report: Sodium']);
    });

    it('a note for a report that is a narrative only', async () => {
      const { report } = await one({ resourceType: 'DiagnosticReport', status: 'final', code: { text: 'CT head' }, subject: { reference: 'Patient/1' }, text: { status: 'additional', div: '<div xmlns="http://www.w3.org/1999/xhtml">No bleed.</div>' } }, '/DiagnosticReport');
      expect(report.notes).to.deep.equal(['This report came as a formatted narrative only, which is not included yet; ask the sender for it.']);
    });

    it('notes with author and time, method and body site', async () => {
      const { report } = await ofObservation({ valueInteger: 1, note: [{ text: 'Repeated.', authorString: 'P. Lindqvist', time: '2026-11-24T08:50:00Z' }], method: { text: 'ISE' }, bodySite: { text: 'Left arm' } });
      expect(report.observations[0]?.notes).to.deep.equal(['Repeated. (P. Lindqvist, 2026-11-24T08:50:00Z)', 'Method: ISE', 'Body site: Left arm']);
    });
  });

  it('all of a report', async () => {
    const { report } = await one(fixtureText('potassium-report'), '/DiagnosticReport');
    expect(report).to.deep.equal({
      kind: 'result', status: 'final', priority: 'stat', title: 'Potassium', conclusion: 'Critical potassium.', notes: [],
      patient: { name: 'Amara J. Okafor', birthDate: '1958-03-14', sex: 'female', mrn: { value: 'MRN-0042317', authority: 'Mercy Hospital' } },
      observations: [{
        key: 'https://lab.mercy.example/accession|A26-114233 http://loinc.org|2823-3', name: 'Potassium', code: '2823-3', status: 'final', value: { text: '6.8', unit: 'mmol/L' },
        interpretation: { code: 'HH', text: 'Critical high', level: 'critical' }, referenceRange: '3.5 – 5.1 mmol/L', notes: ['Specimen haemolysed; result verified by repeat analysis.'], observedAt: '2026-11-24T08:15:00-06:00',
      }],
      orderer: 'Dr. Elena Reyes', reporters: ['Dr. Per Lindqvist'], fillerNumber: 'F-2026-99812',
      specimens: [{ type: 'Plasma, lithium heparin', condition: ['Haemolysed', 'Slight haemolysis, index 2+; potassium may be falsely high.'], accession: 'A26-114233' }],
      collectedAt: '2026-11-24T08:15:00-06:00', reportedAt: '2026-11-24T08:52:10-06:00',
      laboratory: { name: 'Mercy Laboratory', address: '100 Mercy Way, Springfield IL 62701, US', phone: '+1 555 0100' },
    });
  });

  it('a cancelled result with its reason', async () => {
    const { report } = await one(fixtureText('potassium-cancelled'), '/DiagnosticReport');
    expect(report).to.deep.include({ status: 'cancelled', conclusion: 'Cancelled: specimen belongs to another patient. Disregard the earlier result.' });
    expect(report.observations.map(({ status, value, absent }) => [status, value, absent])).to.deep.equal([['cancelled', undefined, 'Specimen mislabelled']]);
  });

  it('the time of collection from the specimen when the result has none', async () => {
    const { report } = await ofObservation({ valueInteger: 1, contained: [{ resourceType: 'Specimen', id: 's', collection: { collectedPeriod: { start: '2026-11-24T07:00:00Z', end: '2026-11-24T07:05:00Z' } } }], specimen: { reference: '#s' } });
    expect(report.collectedAt).to.equal('2026-11-24T07:00:00Z');
  });

  it('the specimen of each line where a report has several', async () => {
    const specimen = (id: string, type: string): object => ({ resourceType: 'Specimen', id, type: { text: type }, status: id === 'b' ? 'unsatisfactory' : 'available' });
    const line = (id: string, of: string): object => ({ ...observation({ valueInteger: 1, specimen: { reference: `#${of}` } }), id });
    const { report } = await one({ resourceType: 'DiagnosticReport', status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/1' }, contained: [specimen('a', 'Blood'), specimen('b', 'Urine'), line('x', 'a'), line('y', 'b')], result: [{ reference: '#x' }, { reference: '#y' }] }, '/DiagnosticReport');
    expect(report.specimens).to.deep.equal([{ type: 'Blood', condition: [] }, { type: 'Urine', condition: ['unsatisfactory'] }]);
    expect(report.observations.map(({ key, specimen: of }) => [key, of])).to.deep.equal([['Blood |Test', 'Blood'], ['Urine |Test', 'Urine']]);
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
    const result = (more: object = {}): object => ({ ...observation({ valueInteger: 1 }), subject: ref(1), basedOn: [ref(2)], ...more });

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
      expect((await one(given, '/', { fhirBase: 'https://ehr.mercy.example/r4/' })).candidates[0]?.identifiers).to.deep.equal([{ system: FHIR, value: 'Practitioner/123' }]);
    });
  });

  it('circles and chains as far as they tell something, and then says so', async () => {
    const subject = { reference: 'Patient/1' };
    const role = { resourceType: 'PractitionerRole', id: 'role', practitioner: { reference: '#role' }, organization: { reference: '#role' } };
    const team = (id: string, other: string): object => ({ resourceType: 'CareTeam', id, identifier: [{ system: 'teams', value: id }], participant: [{ member: { reference: `#${other}` } }] });
    const communication = await one({ resourceType: 'Communication', status: 'completed', subject, contained: [role, team('a', 'b'), team('b', 'a')], sender: { reference: '#role', display: 'Ward 4' }, recipient: [{ reference: '#role' }, { reference: '#a' }] }, '/Communication');
    expect(communication.report.reporters).to.deep.equal(['Ward 4']);
    expect(communication.candidates.map(({ identifiers }) => identifiers[0]?.value)).to.deep.equal(['a', 'b']);
    const chain = Array.from({ length: 400 }, (_, n) => ({ ...observation({ subject, code: { text: `T${n}` }, valueInteger: n, performer: [{ reference: '#role' }], ...(n < 399 ? { hasMember: [{ reference: `#o${n + 1}` }] } : {}) }), id: `o${n}` }));
    const { report } = await one({ resourceType: 'DiagnosticReport', status: 'final', code: { text: 'x' }, subject, contained: [role, ...chain], result: [{ reference: '#o0' }] }, '/DiagnosticReport');
    expect(report.observations).to.have.length(9);
    expect(report.notes).to.deep.equal(['Nested too deep to be shown: T9']);
  });

  describe('a message', () => {
    it('with what it says, from whom, to whom', async () => {
      const { report, candidates, patientKey } = await one(fixtureText('communication'), '/Communication');
      expect(report).to.deep.equal({
        kind: 'message', status: 'final', priority: 'urgent', title: 'Nephrology consult', observations: [], specimens: [], notes: [], reporters: ['Dr. Elena Reyes'], fillerNumber: 'MSG-5512',
        patient: { name: 'Amara J. Okafor', mrn: { value: 'MRN-0042317', authority: 'Mercy Hospital' } }, conclusion: 'K+ 6.8 with ECG changes. Please see today; dialysis access needed?', reportedAt: '2026-11-24T09:05:00-06:00',
      });
      expect(candidates).to.deep.equal([{ rule: 'addressed', identifiers: [{ system: NPI, value: '1770000004' }, { system: FHIR, value: 'Practitioner/771' }] }]);
      expect(patientKey).to.equal(`${MRN}|MRN-0042317`);
    });

    it('never to the patient or the family, whose identifiers are nobody\'s to look up', async () => {
      const { candidates } = await one({ ...fixture('communication'), recipient: [{ reference: 'Patient/42317' }, { reference: 'RelatedPerson/1' }, { type: 'Patient', identifier: { system: MRN, value: 'M-1' } }, { reference: 'Organization/3' }] }, '/Communication');
      expect(candidates).to.deep.equal([{ rule: 'addressed', identifiers: [{ system: FHIR, value: 'Organization/3' }] }]);
    });

    it('with its files and references named', async () => {
      const { report } = await one({ ...fixture('communication'), payload: [{ contentString: 'See ECG.' }, { contentAttachment: { title: 'ECG', contentType: 'image/png' } }, { contentReference: { reference: 'DocumentReference/1' } }], reasonCode: [{ text: 'Hyperkalaemia' }], note: [{ text: 'Call back 4410' }] }, '/Communication');
      expect(report.conclusion).to.equal('See ECG.');
      expect(report.notes).to.deep.equal(['Reason: Hyperkalaemia', 'Call back 4410', 'Attachment "ECG" (image/png): attachment not included yet; ask the sender for it.', 'Refers to another resource, which is not included yet.']);
    });

    const statuses: readonly (readonly [string, string, string])[] = [
      ['Communication', 'preparation', 'registered'], ['Communication', 'in-progress', 'preliminary'], ['Communication', 'not-done', 'cancelled'], ['Communication', 'on-hold', 'registered'],
      ['Communication', 'stopped', 'cancelled'], ['Communication', 'completed', 'final'], ['Communication', 'entered-in-error', 'entered-in-error'], ['Communication', 'unknown', 'unknown'],
      ['CommunicationRequest', 'draft', 'registered'], ['CommunicationRequest', 'active', 'final'], ['CommunicationRequest', 'on-hold', 'registered'], ['CommunicationRequest', 'revoked', 'cancelled'],
      ['CommunicationRequest', 'completed', 'final'], ['CommunicationRequest', 'entered-in-error', 'entered-in-error'], ['CommunicationRequest', 'unknown', 'unknown'],
    ];
    for (const [resourceType, status, expected] of statuses) {
      it(`${resourceType} ${status} is ${expected}`, async () => {
        expect((await one({ resourceType, status, subject: { reference: 'Patient/1' } }, `/${resourceType}`)).report.status).to.equal(expected);
      });
    }

    it('a request with its requester and time; one not to perform is cancelled', async () => {
      const request = { resourceType: 'CommunicationRequest', status: 'active', subject: { reference: 'Patient/1' }, requester: { display: 'Dr. Reyes' }, authoredOn: '2026-11-24', occurrenceDateTime: '2026-11-25T10:00:00Z', priority: 'asap' };
      const { report } = await one(request, '/CommunicationRequest');
      expect(report).to.deep.include({ priority: 'asap', reporters: ['Dr. Reyes'], reportedAt: '2026-11-24', notes: ['To be communicated: 2026-11-25T10:00:00Z'], title: 'Message' });
      expect((await one({ ...request, doNotPerform: true }, '/CommunicationRequest')).report).to.deep.include({ status: 'cancelled' });
    });
  });
});
