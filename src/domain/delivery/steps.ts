import type { Millis } from '../brand.ts';
import type { Decision } from '../decision.ts';
import { isKeptBack, type DeliveryState, type Evidence, type Hold } from './delivery.ts';

/** The steps that every rule of a delivery is made of: nothing, evidence, a hold. */
export type DeliveryDecision = Decision<DeliveryState | undefined>;
type Change = Partial<Omit<DeliveryDecision, 'state' | 'audit'>>;

/** Nothing changes, and the audit says why. */
export const kept = (state: DeliveryState, because: string): DeliveryDecision => ({ state, audit: [{ action: 'delivery.unchanged', because, detail: { delivery: state.id } }] });

/** Records evidence, and audits it in the same words. */
export function went(state: DeliveryState, evidence: Evidence, change: Change = {}): DeliveryDecision {
  const { what, by, proof } = evidence;
  return {
    ...change,
    state: { ...state, history: [...state.history, evidence] },
    audit: [{ action: `delivery.${state.held ? 'held' : state.phase}`, because: what, detail: { delivery: state.id, ...(by ? { by } : {}), ...(proof ? { proof } : {}) } }],
  };
}

export const released = ({ held: _, ...state }: DeliveryState): DeliveryState => state;

/** An answer that can't be read keeps its hold, whatever else is heard of the delivery. */
export const releasedUnlessUnread = (state: DeliveryState): DeliveryState => (state.unread?.length ? state : released(state));

/** Only the rules' own verdict lets it go again. */
export const keptBack = (state: DeliveryState): DeliveryState => ({ ...state, keptBack: true });
export const letGo = ({ keptBack: _, ...state }: DeliveryState): DeliveryState => state;

/** Whatever else is decided of it: what is held by the rules is kept back, also when its hold becomes another. */
export const noted = (state: DeliveryState | undefined): DeliveryState | undefined => (state && isKeptBack(state) && !state.keptBack ? keptBack(state) : state);

/** Held with its reason, by whoever owns it; said once for each reason. */
export function hold(state: DeliveryState, { code, reason }: Pick<Hold, 'code' | 'reason'>, at: Millis): DeliveryDecision {
  if (state.held?.code === code) return { state, audit: [] };
  return went({ ...state, held: { code, reason, owner: state.owner, since: at } }, { at, what: `held: ${reason}`, proof: code });
}
