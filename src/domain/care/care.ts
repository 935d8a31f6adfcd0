import type { DeliveryId, Millis, SourceId, SubjectId } from '../brand.ts';
import type { Consent } from '../consent/consent.ts';
import type { Lookup } from '../decision.ts';
import { identifierName, partyNames, type Party } from '../people/party.ts';
import type { Identifier } from '../people/recipient.ts';
import { ownSystem } from '../people/staff.ts';

/**
 * Somebody who cares for a patient, by any of these names, for as long as they do. Who is named by a post (`PractitionerRole/9`) that came along: `holder` has it by what came along, for its time,
 * and until the source says otherwise of the post itself.
 */
export type Carer = Period & { readonly identifiers: readonly Identifier[]; readonly post?: string; readonly holder?: Period & { readonly identifiers: readonly Identifier[] } };

type Period = { readonly from?: Millis; readonly until?: Millis };

/** Who cares for a patient together, as one source has it: a FHIR CareTeam, or the people of an Encounter. Nothing in it names the patient, or why they need care. */
export type Care = { readonly source: SourceId; readonly active: boolean; readonly from?: Millis; readonly until?: Millis; readonly carers: readonly Carer[] };

/** One CareTeam, with the patients it is about: keyed pseudonyms, one for each name by which results may have the same patient. */
export type CareTeam = {
  readonly care: Care;
  readonly patients: readonly SubjectId[];
  /** When the source wrote it (`meta.lastUpdated`): something older that comes later changes nothing. */
  readonly writtenAt?: Millis;
};

/** A patient by their pseudonym, with the teams that have them in care now or from some day on. */
export type Patient = {
  readonly id: SubjectId;
  readonly teams: Readonly<Record<string, Care>>;
  /** By the pseudonym of each. */
  readonly consents?: Readonly<Record<string, Consent>>;
  /** How often something of this has changed. */
  readonly version?: number;
  /** Deliveries that the rules keep back, until something changes. */
  readonly waiting?: readonly DeliveryId[];
};

export const lookupsOfPatient = (patient: SubjectId | undefined): readonly Lookup[] => (patient === undefined ? [] : [{ kind: 'patient', name: patient }]);

export const isOver = ({ until }: Period, now: Millis): boolean => until !== undefined && until <= now;
const isNow = (period: Period, now: Millis): boolean => (period.from === undefined || period.from <= now) && !isOver(period, now);

/**
 * The sources by whose word a person has the patient in care now (45 CFR 164.502(b), 164.506). They are known by an identifier, or by a post that they hold at this moment (`PractitionerRole/9`);
 * whoever has left cares for nobody. Asked anew each time: what ended, ends here.
 */
export function caredForBy(patient: Patient | undefined, party: Party | undefined, now: Millis): readonly SourceId[] {
  if (patient === undefined || party?.kind !== 'person' || party.standing?.left) return [];
  const names = namesNow(party);
  const isNamed = ({ identifiers }: Pick<Carer, 'identifiers'>): boolean => identifiers.some((each) => names.has(identifierName(each)));
  const hasLost = (post: string | undefined, by: SourceId): boolean => post !== undefined && Object.values(party.fed ?? {}).some(({ source, lost = [] }) => source === by && lost.includes(post));
  const isHolder = ({ post, holder }: Carer, source: SourceId): boolean => holder !== undefined && isNow(holder, now) && isNamed(holder) && !hasLost(post, source);
  const teams = Object.values(patient.teams).filter((team) => team.active && isNow(team, now) && team.carers.some((carer) => isNow(carer, now) && (isNamed(carer) || isHolder(carer, team.source))));
  return [...new Set(teams.map(({ source }) => source))].sort();
}

/** When somebody's time in it begins or ends. */
export function turnsOfCare({ carers, ...team }: Care): readonly Millis[] {
  const periods: readonly Period[] = [team, ...carers, ...carers.flatMap(({ holder }) => holder ?? [])];
  return periods.flatMap(({ from, until }) => [from, until]).filter((at) => at !== undefined);
}

/** Every name of somebody at this moment, with the posts that they hold (`PractitionerRole/9`). */
export function namesNow(party: Party): ReadonlySet<string> {
  const posts = Object.values(party.fed ?? {}).flatMap(({ source, posts: held = [] }) => held.map((value) => identifierName({ system: ownSystem(source), value })));
  return new Set([...partyNames(party), ...posts]);
}
