import { as, type Millis, type UserId } from '../../domain/brand.ts';
import type { Organisation } from '../../domain/policy/agreement.ts';
import { NO_CIRCUMSTANCES, type Circumstances, type Question, type Target, type Who } from '../../domain/policy/question.ts';
import { ACTIONS, ROOM_KINDS, type Action, type RoomKind } from '../../domain/policy/words.ts';

/** A fixed instant: the answers of the grid are the same on every day. */
export const GRID_AT = as<Millis>(Date.UTC(2026, 0, 1));

export const OWN: Organisation = { id: 'own', own: true, servers: [], agreements: [] };
export const PARTNER: Organisation = { id: 'partner', own: false, servers: [], agreements: [{ kind: 'treatment' }] };

/** Somebody of that role as they should be: trained, with a second factor and good devices; partners under an agreement. */
export const asTheyShouldBe = (role: string, organisation: Organisation = role === 'partner-clinician' ? PARTNER : OWN): Who =>
  ({ userId: as<UserId>('@somebody:example'), roles: [role], organisation, trainedAt: GRID_AT, mfa: true, posture: 'good' });

/** The patient is theirs, the result too, and they gave a reason; nothing out of the ordinary. */
export const ORDINARY: Circumstances = { ...NO_CIRCUMSTANCES, responsible: true, inCare: true, reason: true };

/** A cell of the role matrix: results are read in rooms too. */
export const targetOf = (action: Action, kind: RoomKind): Target => (action === 'read-result' || action === 'accept-result' ? { type: 'result', kind, critical: false, labels: [] } : { type: 'room', kind });

export type Cell = { readonly role: string; readonly action: Action; readonly kind: RoomKind };

/** Every role × action × room kind. */
export const cells = (roles: readonly string[]): readonly Cell[] => roles.flatMap((role) => ACTIONS.flatMap((action) => ROOM_KINDS.map((kind) => ({ role, action, kind }))));

export const questionOf = ({ role, action, kind }: Cell, change: Partial<Who> = {}, circumstances: Circumstances = ORDINARY): Question =>
  ({ who: { ...asTheyShouldBe(role), ...change }, action, target: targetOf(action, kind), circumstances, at: GRID_AT });
