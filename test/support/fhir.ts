/** FHIR resources as a laboratory would push them. Invented people; LOINC and UCUM codes as they are. */
export type PotassiumOptions = {
  readonly accession?: string;
  readonly value?: number | string;
  readonly status?: string;
  readonly npi?: string;
  readonly mrn?: string;
  readonly family?: string;
  readonly flag?: string;
  readonly note?: string;
};

export const ADA_NPI = '1234567893';

/** A critical potassium: DiagnosticReport with its context contained. */
export function potassiumReport(options: PotassiumOptions = {}): Record<string, unknown> {
  const { accession = 'L-2026-3391', value = 6.8, status = 'final', npi = ADA_NPI, mrn = '00481516', family = 'Quintana', flag = 'HH', note = 'Specimen haemolysed; repeat suggested.' } = options;
  return {
    resourceType: 'DiagnosticReport',
    identifier: [{ type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'FILL' }] }, system: 'urn:mercy:lab:filler', value: accession }],
    contained: [
      { resourceType: 'Patient', id: 'p', identifier: [{ type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MR' }] }, system: 'urn:mercy:mrn', value: mrn, assigner: { display: 'Mercy General Hospital' } }], name: [{ family, given: ['Rosa'] }], birthDate: '1958-03-02', gender: 'female' },
      { resourceType: 'Practitioner', id: 'orderer', identifier: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: npi }], name: [{ family: 'Okafor', given: ['Ada'], prefix: ['Dr.'] }] },
      { resourceType: 'ServiceRequest', id: 'order', status: 'active', intent: 'order', subject: { reference: '#p' }, requester: { reference: '#orderer' }, code: { text: 'Potassium' } },
      { resourceType: 'Organization', id: 'lab', name: 'Mercy Laboratory', address: [{ line: ['1 Harbor St'], city: 'Boston', state: 'MA', postalCode: '02110' }], telecom: [{ system: 'phone', value: '+1 617 555 0114' }] },
      { resourceType: 'Specimen', id: 's', accessionIdentifier: { system: 'urn:mercy:lab:accession', value: accession }, type: { text: 'Serum' }, condition: [{ text: 'Haemolysed' }], collection: { collectedDateTime: '2026-11-24T08:05:00-05:00' } },
      {
        resourceType: 'Observation', id: 'k', status, code: { coding: [{ system: 'http://loinc.org', code: '2823-3', display: 'Potassium [Moles/volume] in Serum or Plasma' }], text: 'Potassium' }, subject: { reference: '#p' }, specimen: { reference: '#s' },
        valueQuantity: { value, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' }, interpretation: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', code: flag }] }],
        referenceRange: [{ low: { value: 3.5, unit: 'mmol/L' }, high: { value: 5.1, unit: 'mmol/L' } }], note: [{ text: note }],
      },
    ],
    basedOn: [{ reference: '#order' }],
    status,
    code: { coding: [{ system: 'http://loinc.org', code: '2823-3' }], text: 'Potassium, serum' },
    subject: { reference: '#p' },
    effectiveDateTime: '2026-11-24T08:05:00-05:00',
    issued: '2026-11-24T08:14:00-05:00',
    performer: [{ reference: '#lab' }],
    specimen: [{ reference: '#s' }],
    result: [{ reference: '#k' }],
  };
}
