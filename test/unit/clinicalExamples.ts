/** Made-up reports for the tests of `domain/clinical`. Nobody in them exists. */
import { as, type DeliveryId, type UserId } from '../../src/domain/brand.ts';
import type { RefusedAttachment, SentAttachment } from '../../src/domain/clinical/attachment.ts';
import type { ClinicalReport, Interpretation, ObservationLine } from '../../src/domain/clinical/report.ts';
import type { RenderOptions } from '../../src/domain/clinical/render.ts';

export const HH: Interpretation = { code: 'HH', text: 'Critical high', level: 'critical' };
export const H: Interpretation = { code: 'H', text: 'High', level: 'abnormal' };
export const L: Interpretation = { code: 'L', text: 'Low', level: 'abnormal' };
export const N: Interpretation = { code: 'N', text: 'Normal', level: 'normal' };

export const potassium = (text: string, more: Partial<ObservationLine> = {}): ObservationLine => ({
  key: 'SER|http://loinc.org|2823-3', name: 'Potassium', code: '2823-3', status: 'final', value: { text, unit: 'mmol/L' }, referenceRange: '3.5 - 5.1 mmol/L', notes: [], ...more,
});

export const sodium = (text: string, more: Partial<ObservationLine> = {}): ObservationLine => ({
  key: 'SER|http://loinc.org|2951-2', name: 'Sodium', code: '2951-2', status: 'final', value: { text, unit: 'mmol/L' }, referenceRange: '136 - 145 mmol/L', notes: [], ...more,
});

export const creatinine = (text: string, more: Partial<ObservationLine> = {}): ObservationLine => ({
  key: 'SER|http://loinc.org|2160-0', name: 'Creatinine', code: '2160-0', status: 'final', value: { text, unit: 'mg/dL' }, referenceRange: '0.6 - 1.2 mg/dL', notes: [], ...more,
});

/** A line without a value. */
export const withoutValue = ({ value: _, ...line }: ObservationLine, more: Partial<ObservationLine> = {}): ObservationLine => ({ ...line, ...more });

export const panel = (observations: readonly ObservationLine[], more: Partial<ClinicalReport> = {}): ClinicalReport => ({
  kind: 'result', status: 'final', priority: 'routine', title: 'Basic metabolic panel', observations, notes: [], specimens: [], reporters: [],
  patient: { name: 'Maria Example', birthDate: '1958-03-02', sex: 'female', mrn: { value: '00482913', authority: 'Mercy General Hospital' } },
  reportedAt: '2026-11-24T08:52:00-05:00',
  ...more,
});

export const file = (key: string, more: Partial<SentAttachment> = {}): SentAttachment => ({ key, title: 'Histology', type: 'pdf', bytes: 213_000, sha1: 'q1MKE+RZFJgrefm34/uplM/R8/s=', ...more });
export const keptBack = (key: string, more: Partial<RefusedAttachment> = {}): RefusedAttachment => ({ key, title: 'Viewer', refused: 'active-content', declared: 'text/html', ...more });

/** All that a laboratory may say about one critical potassium. */
export const fullPanel = (more: Partial<ClinicalReport> = {}): ClinicalReport => panel(
  [
    sodium('138', { interpretation: N }),
    potassium('6.8', { interpretation: HH, notes: ['Repeated and verified.'] }),
    creatinine('2.10', { interpretation: H }),
    { key: 'SER|http://loinc.org|10839-9', name: 'Troponin I', code: '10839-9', status: 'final', value: { comparator: '<', text: '0.010', unit: 'ng/mL' }, notes: [] },
    withoutValue(sodium('', { key: 'SER|http://loinc.org|2345-7', name: 'Glucose', code: '2345-7', referenceRange: '70 - 99 mg/dL' }), { absent: 'specimen haemolysed' }),
  ],
  {
    priority: 'stat',
    conclusion: 'Hyperkalaemia. Suggest a repeat on a fresh specimen.',
    notes: ['Slight haemolysis may raise potassium.'],
    specimens: [{ type: 'Serum', condition: ['haemolysed'], accession: 'S26-328-417' }],
    orderer: 'Dr. Ana Rivera',
    collectedAt: '2026-11-24T08:15:00-05:00',
    laboratory: { name: 'Mercy Core Laboratory', address: '1 Mercy Way, Springfield, IL 62701', phone: '+1 555 0100' },
    reporters: ['Sam Okafor, MLS'],
    fillerNumber: '26-328-00417',
    ...more,
  },
);

export const options = (more: Partial<RenderOptions> = {}): RenderOptions => ({
  from: 'Mercy General Hospital',
  to: [{ userId: as<UserId>('@rivera:stanne.example'), name: 'Dr. Ana Rivera' }],
  deliveryId: as<DeliveryId>('d-0001'),
  fhir: '{"resourceType":"DiagnosticReport","status":"final","result":[{"valueQuantity":{"value":6.80}}]}',
  resourceType: 'DiagnosticReport',
  ...more,
});
