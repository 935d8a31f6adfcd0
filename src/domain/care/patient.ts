import { as, type DeliveryId, type Millis, type SubjectId } from '../brand.ts';
import { turnsOf } from '../consent/consent.ts';
import type { Context, Decision } from '../decision.ts';
import type { Fact, RaisedFact } from '../fact.ts';
import { isOver, turnsOfCare, type Care, type Patient } from './care.ts';

const TURN = 'turn';

/**
 * Who has a patient in care, and what they consented to. Rules, rooms and deliveries ask it when they need to know; teams whose period is over are put away. Deliveries that the rules keep
 * back wait here, and are told of every change, so that each asks again by itself. One that asked before a change and says so after it is told at once.
 */
export function decidePatient(before: Patient | undefined, { aggregate, body }: Fact, { now }: Pick<Context, 'now'>): Decision<Patient | undefined> {
  const patient: Patient = before ?? { id: as<SubjectId>(aggregate.id), teams: {} };
  switch (body.type) {
    case 'patient.care':
      return changed({ ...patient, teams: { ...current(without(patient.teams, body.team), now), ...(body.care === undefined ? {} : { [body.team]: body.care }) } }, now);
    case 'patient.consent':
      return changed({ ...patient, consents: { ...without(patient.consents ?? {}, body.consent), ...(body.said === undefined ? {} : { [body.consent]: body.said }) } }, now);
    case 'patient.waits':
      if (body.version !== versionOf(before)) return { state: patient, raise: [tell(body.delivery)], audit: [] };
      return { state: { ...patient, waiting: [...new Set([...(patient.waiting ?? []), body.delivery])] }, names: [patient.id], audit: [] };
    case 'patient.settled':
      return { state: before && { ...before, ...(before.waiting === undefined ? {} : { waiting: before.waiting.filter((each) => each !== body.delivery) }) }, audit: [] };
    case 'timer.due':
      return changed(patient, now);
    default:
      return { state: before, audit: [{ action: 'patient.ignored', because: `a patient has no rule for ${body.type}` }] };
  }
}

/** How often what is known of a patient has changed: whoever was judged by it says by which. */
export const versionOf = (patient: Patient | undefined): number => patient?.version ?? 0;

/** Everybody who waits is told, and the next instant at which a consent or somebody's care begins or ends is a change too. */
function changed({ waiting = [], ...patient }: Patient, now: Millis): Decision<Patient> {
  const next = nextOf([...Object.values(patient.consents ?? {}).flatMap(turnsOf), ...Object.values(patient.teams).flatMap(turnsOfCare)], now);
  return { state: { ...patient, version: versionOf(patient) + 1 }, names: [patient.id], raise: waiting.map(tell), audit: [], ...(next === undefined ? { clearTimers: [TURN] } : { timers: [{ name: TURN, dueAt: next }] }) };
}

const tell = (delivery: DeliveryId): RaisedFact => ({ aggregate: { kind: 'delivery', id: delivery }, body: { type: 'patient.changed' } });

const nextOf = (all: readonly Millis[], now: Millis): Millis | undefined => {
  const turns = all.filter((at) => at > now);
  return turns.length === 0 ? undefined : turns.reduce((first, at) => (at < first ? at : first));
};

const without = <Value>(all: Readonly<Record<string, Value>>, name: string): Readonly<Record<string, Value>> => Object.fromEntries(Object.entries(all).filter(([each]) => each !== name));

const current = (teams: Readonly<Record<string, Care>>, now: Millis): Patient['teams'] => Object.fromEntries(Object.entries(teams).filter(([, team]) => !isOver(team, now)));
