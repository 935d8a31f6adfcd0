import { decideAgreement } from './agreements/decide.ts';
import type { Register } from './agreements/register.ts';
import type { CareTeam, Patient } from './care/care.ts';
import { decideCare } from './care/decide.ts';
import { decidePatient } from './care/patient.ts';
import type { ConsentSaid } from './consent/consent.ts';
import { decideConsent, lookupsOfConsent } from './consent/decide.ts';
import type { Context, Decision, Lookup } from './decision.ts';
import { decideDelivery, lookupsOfDelivery } from './delivery/decide.ts';
import type { DeliveryState } from './delivery/delivery.ts';
import type { Fact } from './fact.ts';
import { decideGoverned, lookupsOfGoverned } from './governed/decide.ts';
import type { GovernedRoom } from './governed/governed.ts';
import { decideParty, lookupsOfParty } from './people/decide.ts';
import type { Party } from './people/party.ts';
import { decideStaff, lookupsOfStaff } from './people/decideStaff.ts';
import type { Staff } from './people/staff.ts';
import { decideReport, lookupsOfReport } from './report/decide.ts';
import type { ReportState } from './report/report.ts';
import { claimed, counting, notCounting } from './rooms/claimed.ts';
import { decideRoom, lookupsOfRoom } from './rooms/decide.ts';
import type { RoomState } from './rooms/room.ts';

/** What must be looked up before a fact can be decided. The state is that of its aggregate, as in `decide`. */
export function lookupsFor(told: Fact, state: unknown): readonly Lookup[] {
  const fact = counting(state, told);
  switch (fact.aggregate.kind) {
    case 'report':
      return lookupsOfReport(fact);
    case 'room':
      return lookupsOfRoom(fact, state as RoomState | undefined);
    case 'party':
      return lookupsOfParty(fact, state as Party | undefined);
    case 'staff':
      return lookupsOfStaff(fact, state as Staff | undefined);
    case 'delivery':
      return lookupsOfDelivery(fact, state as DeliveryState | undefined);
    case 'consent':
      return lookupsOfConsent(fact);
    case 'agreement': case 'care': case 'patient':
      return [];
    case 'governed':
      return lookupsOfGoverned(fact, state as GovernedRoom | undefined);
  }
}

/** DECIDE: pure. The state is what the same rule returned before, or undefined for the first fact of an aggregate. */
export function decide(state: unknown, told: Fact, context: Context): Decision<unknown> {
  const { body } = told;
  if (body.type === 'room.claimed') return claimed(state, { ...told, body });
  const fact = counting(state, told);
  const ignored = notCounting(state, fact);
  if (ignored) return ignored;
  switch (fact.aggregate.kind) {
    case 'report':
      return decideReport(state as ReportState | undefined, fact, context);
    case 'staff':
      return decideStaff(state as Staff | undefined, fact, context);
    case 'care':
      return decideCare(state as CareTeam | undefined, fact);
    case 'consent':
      return decideConsent(state as ConsentSaid | undefined, fact, context);
    case 'patient':
      return decidePatient(state as Patient | undefined, fact, context);
    case 'delivery':
      return decideDelivery(state as DeliveryState | undefined, fact, context);
    case 'room':
      return decideRoom(state as RoomState | undefined, fact, context);
    case 'party':
      return decideParty(state as Party | undefined, fact, context);
    case 'agreement':
      return decideAgreement(state as Register | undefined, fact, context);
    case 'governed':
      return decideGoverned(state as GovernedRoom | undefined, fact, context);
  }
}
