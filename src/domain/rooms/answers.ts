import { as, type EffectId, type EventId, type Millis } from '../brand.ts';
import type { AuditEntry, Context, Decision } from '../decision.ts';
import { relatedTo } from '../encryptedEvent.ts';
import type { Fact, FactOf, RaisedFact } from '../fact.ts';
import { seatOf, type RoomState, type UnreadReply } from './room.ts';

type RoomDecision = Decision<RoomState | undefined>;

/** Keys often come a little after what they open. What still can't be read by then, a person must ask for. */
const PATIENCE_MS = 15 * 60_000;
const UNREAD_LIMIT = 200;
const TIMER = 'unread:';

const decryptionOf = (eventId: EventId): EffectId => as<EffectId>(`decrypt:${eventId}`);

/** The events of ours that a fact may be an answer to. */
export function answeredEvents({ body }: Fact): readonly EventId[] {
  switch (body.type) {
    case 'room.reaction': return [body.relatesTo];
    case 'room.receipt': return [body.eventId];
    case 'room.encrypted': return relatedTo(body.event.content);
    case 'effect.done': return body.result.type === 'event.decrypt' ? body.result.relatesTo : [];
    default: return [];
  }
}

/** An encrypted event is opened by the courier; until then the room remembers whose it is. */
export function arrived(before: RoomState, { roomId, event }: FactOf<'room.encrypted'>, context: Context): RoomDecision {
  const { event_id: eventId, sender, content } = event;
  const delivery = deliveryAmong(context, relatedTo(content));
  const entry: UnreadReply = { sender, ...(delivery ? { delivery: delivery.id } : {}) };
  const full = Object.keys(before.unread ?? {}).length >= UNREAD_LIMIT ? Object.keys(before.unread ?? {})[0] : undefined;
  const told = full === undefined ? { state: before, audit: [] } : overdue(before, as(full));
  const { state = before, raise = [], audit } = full === undefined ? told : { ...told, state: told.state && without(told.state, as(full)) };
  return {
    state: { ...state, unread: { ...state.unread, [eventId]: entry } }, raise,
    effects: [{ id: decryptionOf(eventId), lane: `decrypt:${eventId}`, seat: seatOf(state), body: { type: 'event.decrypt', roomId, event } }],
    audit: [...audit, { action: 'reply.arrived', because: 'an encrypted event of a member', detail: { event: eventId, sender } }],
  };
}

/** It was opened: it goes to the delivery that it is about, and a delivery that was held because it couldn't be read goes on. */
export function opened(before: RoomState, result: Extract<FactOf<'effect.done'>['result'], { type: 'event.decrypt' }>, context: Context): RoomDecision {
  const { eventId, eventType, sender, signedByOwner, content, relatesTo } = result;
  const entry = before.unread?.[eventId];
  const state = without(before, eventId);
  const raise = entry?.told ? [toDelivery(entry.told, { type: 'reply.readable', eventId })] : [];
  const passed = ((): RoomDecision => {
    switch (eventType) {
      case 'm.room.message':
      case 'm.sticker':
        return pass(state, context, relatesTo, { type: 'reply.received', eventId, sender, signedByOwner, content });
      case 'm.reaction':
        return pass(state, context, relatesTo, { type: 'reaction.received', eventId, sender });
      default:
        return { state, audit: [{ action: 'answer.other', because: 'neither a message nor a reaction: it answers nothing', detail: { event: eventId } }] };
    }
  })();
  return { ...passed, raise: [...(passed.raise ?? []), ...raise], clearTimers: [`${TIMER}${eventId}`] };
}

/** It can't be opened. For good: a person is told now; or not yet: when patience ends. Either way it is tried again whenever keys come. */
export function unreadable(state: RoomState, { effect, code, message, final }: FactOf<'effect.failed'>, at: Millis): RoomDecision {
  const eventId = as<EventId>(effect.slice(decryptionOf(as('')).length));
  const audit: AuditEntry = { action: 'reply.undecryptable', because: message, detail: { code, effect, final } };
  const entry = state.unread?.[eventId];
  if (!entry || entry.told) return { state, audit: [audit] };
  if (final) return { ...overdue(state, eventId), clearTimers: [`${TIMER}${eventId}`], audit: [audit] };
  if (entry.since !== undefined) return { state, audit: [audit] };
  return { state: { ...state, unread: { ...state.unread, [eventId]: { ...entry, since: at } } }, timers: [{ name: `${TIMER}${eventId}`, dueAt: as<Millis>(at + PATIENCE_MS) }], audit: [audit] };
}

export const isUnreadTimer = (name: string): boolean => name.startsWith(TIMER);

export const patienceEnded = (state: RoomState, name: string): RoomDecision => overdue(state, as<EventId>(name.slice(TIMER.length)));

/** Somebody must answer for it: the owner of the delivery it is about; if that isn't known, of the newest in this room. */
function overdue(state: RoomState, eventId: EventId): RoomDecision {
  const entry = state.unread?.[eventId];
  if (!entry || entry.told) return { state, audit: [] };
  const delivery = entry.delivery ?? state.open.at(-1);
  const audit: AuditEntry = { action: 'reply.unread', because: delivery ? 'its owner is asked to call the sender' : 'no delivery in this room to hold', detail: { event: eventId, sender: entry.sender } };
  if (delivery === undefined) return { state: without(state, eventId), audit: [audit] };
  return {
    state: { ...state, unread: { ...state.unread, [eventId]: { ...entry, told: delivery } } },
    raise: [toDelivery(delivery, { type: 'reply.unread', eventId, sender: entry.sender })],
    audit: [audit],
  };
}

/** Passes an answer on to the delivery it is about. */
export function pass(state: RoomState, context: Context, about: readonly EventId[], body: RaisedFact['body']): RoomDecision {
  const delivery = deliveryAmong(context, about);
  if (!delivery) return { state, audit: [{ action: 'answer.unrelated', because: 'it relates to no delivery of ours', detail: { type: body.type } }] };
  return { state, raise: [{ aggregate: delivery, body }], audit: [] };
}

const deliveryAmong = ({ found }: Context, about: readonly EventId[]): RaisedFact['aggregate'] | undefined => about.map((eventId) => found.get(eventId)?.aggregate).find((each) => each !== undefined);

const toDelivery = (id: string, body: RaisedFact['body']): RaisedFact => ({ aggregate: { kind: 'delivery', id }, body });

function without(state: RoomState, eventId: EventId): RoomState {
  const { [eventId]: _, ...unread } = state.unread ?? {};
  return { ...state, unread };
}
