import type { DeliveryId, Millis } from '../brand.ts';
import type { DeliveryFile, FactOf, RaisedFact } from '../fact.ts';
import type { DeliveryState, FileState } from './delivery.ts';
import { hold, kept, released, went, type DeliveryDecision } from './steps.ts';

/** Held by: the agreement ended while this critical result is open. */
export const AGREEMENT_ENDED = 'agreement-ended';

/** The agreement with whose people got it is over: a critical result that nobody answered keeps them in the room, and has somebody call them; any other lets them go. */
export function roomEnding(before: DeliveryState, { server }: FactOf<'room.ending'>, at: Millis): DeliveryDecision {
  const isOpen = before.critical && before.eventId !== undefined && before.phase !== 'answered' && before.keepsRoom !== 'closed';
  if (!isOpen) return { ...kept(before, 'the agreement is over, and it needs its room no more'), raise: letGo(before) };
  const reason = `the agreement with ${server} is over, and nobody has answered this critical result: call them, then \`aceso held close\`; or give it to somebody else with \`aceso held assign\``;
  return hold({ ...before, keepsRoom: 'open' }, { code: AGREEMENT_ENDED, reason }, at);
}

/** There is an agreement again. */
export const roomKept = ({ keepsRoom: _, ...before }: DeliveryState, at: Millis): DeliveryDecision =>
  went(before.held?.code === AGREEMENT_ENDED ? released(before) : before, { at, what: 'an agreement is in force again' });

/** Its members may go once it was answered, closed by hand or given to somebody else; until then the hold stays, whatever else is heard. */
export function untilClosed(before: DeliveryState | undefined, decision: DeliveryDecision): DeliveryDecision {
  const { state } = decision;
  if (before?.keepsRoom !== 'open' || state?.keepsRoom === undefined) return decision;
  if (state.keepsRoom === 'open' && state.phase !== 'answered') return { ...decision, state: state.held || !before.held ? state : { ...state, held: before.held } };
  const closed: DeliveryState = { ...state, keepsRoom: 'closed' };
  return { ...decision, state: closed.held?.code === AGREEMENT_ENDED ? released(closed) : closed, raise: [...(decision.raise ?? []), ...letGo(state)] };
}

/** Somebody else takes it over, as a delivery of its own; this one is closed. */
export function takenOver(before: DeliveryState, { by, party }: FactOf<'operator.assign'>, at: Millis): DeliveryDecision {
  const { report, source, news, labels, content, files, owner, acceptedAt } = before;
  const id = `${before.id}.${party.id}` as DeliveryId;
  const requested: RaisedFact = {
    aggregate: { kind: 'delivery', id },
    body: { type: 'delivery.requested', report, source, party, rule: `assigned by ${by}`, news, critical: before.critical, content, owner, acceptedAt, supersedes: before.id, ...(labels ? { labels } : {}), ...(files ? { files: files.map(asRequested) } : {}) },
  };
  return went({ ...before, keepsRoom: 'closed' }, { at, what: `given to ${party.name}`, by, proof: id }, { raise: [requested, { aggregate: { kind: 'report', id: report }, body: { type: 'delivery.assigned', delivery: before.id, party } }] });
}

const asRequested = ({ eventId: _event, failed: _failed, missed: _missed, refused: _refused, noticeId: _notice, ...file }: FileState): DeliveryFile => file;

const letGo = ({ id, party }: DeliveryState): readonly RaisedFact[] => (party ? [{ aggregate: { kind: 'room', id: party.id }, body: { type: 'room.released', delivery: id } }] : []);
