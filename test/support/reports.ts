/** Clinical content for tests: invented people, real-looking values. */
import { as, type Millis, type SourceId, type SubjectId } from '../../src/domain/brand.ts';
import type { ClinicalReport, ObservationLine } from '../../src/domain/clinical/report.ts';
import type { FactOf } from '../../src/domain/fact.ts';
import type { Party } from '../../src/domain/people/party.ts';
import { NPI, type Candidate } from '../../src/domain/people/recipient.ts';
import type { Organisation } from '../../src/domain/policy/agreement.ts';
import type { Judge } from '../../src/domain/policy/question.ts';
import { Sealed } from '../../src/domain/sealed.ts';

export const T0 = as<Millis>(Date.parse('2026-11-24T13:15:00Z'));

export const potassium = (text = '6.8'): ObservationLine => ({
  key: 'serum|http://loinc.org|2823-3', name: 'Potassium', code: '2823-3', status: 'final', value: { text, unit: 'mmol/L' },
  interpretation: { code: 'HH', text: 'Critical high', level: 'critical' }, referenceRange: '3.5 – 5.1', notes: [],
});

export const report = (change: Partial<ClinicalReport> = {}): ClinicalReport => ({
  kind: 'result', status: 'final', priority: 'stat', patient: { name: 'Rosa Quintana', birthDate: '1958-03-02', mrn: { value: '00481516', authority: 'Mercy General' } },
  title: 'Potassium, serum', observations: [potassium()], notes: [], specimens: [{ type: 'Serum', condition: ['Haemolysed'] }], orderer: 'Dr. Ada Okafor',
  collectedAt: '2026-11-24T08:05:00-05:00', reportedAt: '2026-11-24T08:14:00-05:00', laboratory: { name: 'Mercy Laboratory', address: '1 Harbor St, Boston, MA 02110', phone: '+1 617 555 0114' }, reporters: ['Dr. Lin'], fillerNumber: 'L-2026-3391', ...change,
});

/** A policy that allows everything, and the organisations that it may ask about. */
export const allowAll: Judge = () => ({ allowed: true, revision: 'r0', rules: ['all'], message: '', warnings: [] });
export const organisations: readonly Organisation[] = [
  { id: 'mercy.example', own: true, servers: ['mercy.example'], agreements: [] },
  { id: 'stanne.example', own: false, servers: ['stanne.example'], agreements: [{ kind: 'treatment' }] },
];

export const SUBJECT = as<SubjectId>('subject-1');

export const ada: Party = { id: as('dr-okafor'), kind: 'person', name: 'Dr. Ada Okafor', members: [as('@ada:stanne.example')], identifiers: [{ system: NPI, value: '1234567893' }] };
export const ben: Party = { id: as('dr-ruiz'), kind: 'person', name: 'Dr. Ben Ruiz', members: [as('@ben:mercy.example')], identifiers: [{ system: NPI, value: '1902301225' }] };
export const lab: Party = { id: as('icu-team'), kind: 'team', name: 'ICU team', members: [as('@ada:stanne.example'), as('@ben:mercy.example')], identifiers: [] };

export const requester = (party: Party): Candidate => ({ rule: 'requester', identifiers: party.identifiers });

export const received = (clinical: ClinicalReport, candidates: readonly Candidate[] = [requester(ada)]): FactOf<'result.received'> => ({
  type: 'result.received', source: as<SourceId>('lab'), resourceType: 'DiagnosticReport', owner: 'Laboratory desk, ext. 4410',
  report: Sealed.of(SUBJECT, clinical), resource: Sealed.of(SUBJECT, '{"resourceType":"DiagnosticReport"}'), candidates,
});
