import { expect } from 'chai';
import { fixtureText, theValidator } from '../fixtures/fhir/endpoint.ts';
import { OI, ofObservation, one, anObservation } from '../fixtures/fhir/extract.ts';

describe('fhir-push takes out of a result', () => {
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
      expect(report.notes).to.deep.equal([]);
      expect(report.attachments?.map(({ title }) => title)).to.deep.equal(['Blood culture report']);
    });

    it('two values of one code, told apart by time', async () => {
      const at = (time: string, value: number): object => anObservation({ effectiveDateTime: time, valueInteger: value, code: { coding: [{ system: 'http://loinc.org', code: '2345-7' }] } });
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

  it('the key of a line from the report\'s specimen when the observation names none', async () => {
    const { report } = await one({ resourceType: 'DiagnosticReport', status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/1' }, contained: [{ resourceType: 'Specimen', id: 's', type: { text: 'Urine' } }, { ...anObservation({ valueInteger: 1 }), id: 'o' }], specimen: [{ reference: '#s' }], result: [{ reference: '#o' }] }, '/DiagnosticReport');
    expect(report.observations.map(({ key }) => key)).to.deep.equal(['Urine |Test']);
  });

  it('the specimen of each line where a report has several', async () => {
    const specimen = (id: string, type: string): object => ({ resourceType: 'Specimen', id, type: { text: type }, status: id === 'b' ? 'unsatisfactory' : 'available' });
    const line = (id: string, of: string): object => ({ ...anObservation({ valueInteger: 1, specimen: { reference: `#${of}` } }), id });
    const { report } = await one({ resourceType: 'DiagnosticReport', status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/1' }, contained: [specimen('a', 'Blood'), specimen('b', 'Urine'), line('x', 'a'), line('y', 'b')], result: [{ reference: '#x' }, { reference: '#y' }] }, '/DiagnosticReport');
    expect(report.specimens).to.deep.equal([{ type: 'Blood', condition: [] }, { type: 'Urine', condition: ['unsatisfactory'] }]);
    expect(report.observations.map(({ key, specimen: of }) => [key, of])).to.deep.equal([['Blood |Test', 'Blood'], ['Urine |Test', 'Urine']]);
  });

  it('circles and chains as far as they tell something, and then says so', async () => {
    const subject = { reference: 'Patient/1' };
    const role = { resourceType: 'PractitionerRole', id: 'role', practitioner: { reference: '#role' }, organization: { reference: '#role' } };
    const team = (id: string, other: string): object => ({ resourceType: 'CareTeam', id, identifier: [{ system: 'teams', value: id }], participant: [{ member: { reference: `#${other}` } }] });
    const communication = await one({ resourceType: 'Communication', status: 'completed', subject, contained: [role, team('a', 'b'), team('b', 'a')], sender: { reference: '#role', display: 'Ward 4' }, recipient: [{ reference: '#role' }, { reference: '#a' }] }, '/Communication');
    expect(communication.report.reporters).to.deep.equal(['Ward 4']);
    expect(communication.candidates.map(({ identifiers }) => identifiers[0]?.value)).to.deep.equal(['a', 'b']);
    const chain = Array.from({ length: 400 }, (_, n) => ({ ...anObservation({ subject, code: { text: `T${n}` }, valueInteger: n, performer: [{ reference: '#role' }], ...(n < 399 ? { hasMember: [{ reference: `#o${n + 1}` }] } : {}) }), id: `o${n}` }));
    const { report } = await one({ resourceType: 'DiagnosticReport', status: 'final', code: { text: 'x' }, subject, contained: [role, ...chain], result: [{ reference: '#o0' }] }, '/DiagnosticReport');
    expect(report.observations).to.have.length(9);
    expect(report.notes).to.deep.equal(['Nested too deep to be shown: T9']);
  });
});
