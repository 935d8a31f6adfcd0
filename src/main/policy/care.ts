import type { Millis, RoomId, SourceId, SubjectId, UserId } from '../../domain/brand.ts';
import { caredForBy, lookupsOfPatient, type Patient } from '../../domain/care/care.ts';
import type { Grant } from '../../domain/consent/consent.ts';
import type { Settings } from '../../domain/decision.ts';
import { isInCare } from '../../domain/governed/admission.ts';
import type { GovernedRoom } from '../../domain/governed/governed.ts';
import { personName, type Party } from '../../domain/people/party.ts';
import { grantsTo } from '../../domain/policy/members.ts';
import type { Who } from '../../domain/policy/question.ts';
import type { RoomKind } from '../../domain/policy/words.ts';
import type { Store } from '../../ports/store.ts';

/** The sources by whose care teams somebody has a patient in care now. */
export async function careOfNamed(store: Pick<Store, 'lookup'>, userId: UserId, patient: SubjectId, now: Millis): Promise<readonly SourceId[]> {
  const found = await store.lookup([{ kind: 'party', name: personName(userId) }, ...lookupsOfPatient(patient)]);
  return caredForBy(found.get(patient)?.state as Patient | undefined, found.get(personName(userId))?.state as Party | undefined, now);
}

/** Kinds of rooms that may be about a patient. */
export const isOfPatients = (kind: RoomKind): boolean => kind === 'patient' || kind === 'care-team';

/** What says who has the patient of a room in care: of a room that we don't know, nobody. */
export type RoomCare = { readonly room?: Pick<GovernedRoom, 'template' | 'inCare' | 'patient'> | undefined; readonly patient?: Patient | undefined } | 'of-no-patient';
export const OF_NO_PATIENT = 'of-no-patient' as const;

export async function careOfRoom(store: Pick<Store, 'lookup'>, roomId: RoomId): Promise<Exclude<RoomCare, 'of-no-patient'>> {
  const room = (await store.lookup([{ kind: 'governed', name: roomId }])).get(roomId)?.state as GovernedRoom | undefined;
  if (room?.patient === undefined) return { room };
  return { room, patient: (await store.lookup(lookupsOfPatient(room.patient))).get(room.patient)?.state as Patient | undefined };
}

/** Whether the policy is to take the room's patient for being in somebody's care (45 CFR 164.502(b)): as when they were let in, by the care teams of now. */
export const hasInCare = (care: RoomCare, party: Party | undefined, now: Millis): boolean => care === OF_NO_PATIENT || (care.room !== undefined && isInCare(care.room, care.patient, party, now));

/** The consents of a patient by which somebody may read now what is labelled Part 2, and how many that are in force sources sent of the patient. */
export async function consentsOfNamed(store: Pick<Store, 'lookup'>, who: Who, patient: SubjectId, settings: Settings, now: Millis): Promise<{ readonly grants: readonly Grant[]; readonly known: number }> {
  const found = await store.lookup([{ kind: 'party', name: personName(who.userId) }, ...lookupsOfPatient(patient)]);
  const state = found.get(patient)?.state as Patient | undefined;
  return { grants: grantsTo(state, found.get(personName(who.userId))?.state as Party | undefined, who, { settings, now }), known: Object.keys(state?.consents ?? {}).length };
}
