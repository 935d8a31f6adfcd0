import type { Millis, SourceId, SubjectId, UserId } from '../../domain/brand.ts';
import { caredForBy, lookupsOfPatient, type Patient } from '../../domain/care/care.ts';
import { personName, type Party } from '../../domain/people/party.ts';
import type { Store } from '../../ports/store.ts';

/** The sources by whose care teams somebody has a patient in care now. */
export async function careOfNamed(store: Pick<Store, 'lookup'>, userId: UserId, patient: SubjectId, now: Millis): Promise<readonly SourceId[]> {
  const found = await store.lookup([{ kind: 'party', name: personName(userId) }, ...lookupsOfPatient(patient)]);
  return caredForBy(found.get(patient)?.state as Patient | undefined, found.get(personName(userId))?.state as Party | undefined, now);
}
