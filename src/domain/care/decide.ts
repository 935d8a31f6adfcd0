import type { SubjectId } from '../brand.ts';
import type { AuditEntry, Decision } from '../decision.ts';
import type { Fact, FactOf, RaisedFact } from '../fact.ts';
import type { Care, CareTeam } from './care.ts';

/** What a source says of one care team. The patients it was about and is no more lose it; an older version that comes late changes nothing. */
export function decideCare(before: CareTeam | undefined, { aggregate: { id }, body }: Fact): Decision<CareTeam | undefined> {
  if (body.type !== 'care.said') return { state: before, audit: [{ action: 'care.ignored', because: `a care team has no rule for ${body.type}` }] };
  const { care, patients, writtenAt } = body;
  const { source } = care;
  if (writtenAt !== undefined && before?.writtenAt !== undefined && writtenAt < before.writtenAt) return { state: before, audit: [{ action: 'care.older', because: 'the source wrote it before what it said last', detail: { source, team: id } }] };
  const state: CareTeam = { care, patients, ...(writtenAt === undefined ? {} : { writtenAt }) };
  if (before !== undefined && JSON.stringify([before.care, before.patients]) === JSON.stringify([care, patients])) return { state, audit: [] };
  const gone = (before?.patients ?? []).filter((patient) => !patients.includes(patient));
  const tell = (patient: SubjectId, now?: Care): RaisedFact => ({ aggregate: { kind: 'patient', id: patient }, body: { type: 'patient.care', team: id, ...(now === undefined ? {} : { care: now }) } });
  return { state, raise: [...gone.map((patient) => tell(patient)), ...patients.map((patient) => tell(patient, care.active ? care : undefined))], audit: [changed(body, id)] };
}

function changed({ care: { source, active, carers }, patients }: FactOf<'care.said'>, team: string): AuditEntry {
  return { action: active ? 'care.changed' : 'care.ended', because: `by ${source}`, detail: { source, team, people: carers.length, patients: patients.length } };
}
