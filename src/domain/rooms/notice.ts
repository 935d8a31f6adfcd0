import { as, type EffectId, type Millis, type RoomId, type SubjectId, type UserId } from '../brand.ts';
import type { AuditEntry, Decision, Settings } from '../decision.ts';
import type { Effect } from '../effect.ts';
import type { FactOf } from '../fact.ts';
import { destinationOf, personName, type Party } from '../people/party.ts';
import { Sealed } from '../sealed.ts';
import { seatOf, usable, type RoomState } from './room.ts';

/**
 * What one person must be told of a room and what to do about it. The guardian can't speak, so the courier tells them in their results room. `id` names the cause: each is told once.
 * Never PHI: words of rules, and the hospital's own names of rooms.
 */
export type Notice = { readonly id: string; readonly userId: UserId; readonly text: string };

/** `sentTo`: the room into which it is on its way. */
export type WaitingNotice = Notice & { readonly sentTo?: RoomId };

type RoomDecision = Decision<RoomState | undefined>;

/** Who never takes their invitation isn't written to without end; causes that were told are known for as long as they may come again. */
const WAITING_LIMIT = 20;
const TOLD_LIMIT = 50;
const DAY_MS = 86_400_000;

export const notTold = ({ id, userId }: Notice, because: string): AuditEntry => ({ action: 'person.not-told', because, detail: { user: userId, notice: id } });

/** Has somebody told, if the directory knows them; whether they may have a results room, that room decides. */
export function tell(notice: Notice, found: ReadonlyMap<string, { readonly state: unknown }>): Pick<RoomDecision, 'raise' | 'audit'> {
  const party = found.get(personName(notice.userId))?.state as Party | undefined;
  if (!party) return { audit: [notTold(notice, 'the directory doesn\'t know them')] };
  return { raise: [{ aggregate: { kind: 'room', id: party.id }, body: { type: 'room.wanted', party, notice } }], audit: [] };
}

/** The room with one notice more to bring. */
export function withNotice(state: RoomState, notice: Notice): { readonly state: RoomState; readonly audit: readonly AuditEntry[] } {
  const { notices = [], told = [] } = state;
  if (told.includes(notice.id) || notices.some(({ id }) => id === notice.id)) return { state, audit: [] };
  const all = [...notices, notice];
  return { state: { ...state, notices: all.slice(-WAITING_LIMIT) }, audit: all.slice(0, -WAITING_LIMIT).map((dropped) => notTold(dropped, 'too many wait for their results room to be usable')) };
}

/** Brings what waits as soon as the room can be used, and again into the room that replaced it. A lane of its own: no result waits behind it. */
export function bringing(decision: RoomDecision, { ownServer }: Settings): RoomDecision {
  const { state, effects = [] } = decision;
  const roomId = state?.roomId;
  const due = state && roomId !== undefined && usable(state) ? (state.notices ?? []).filter(({ sentTo }) => sentTo !== roomId) : [];
  if (!state || roomId === undefined || due.length === 0) return decision;
  const sends = due.map(({ id, userId, text }): Effect => ({
    id: effectOf(id), lane: `tell:${state.party.id}`, seat: seatOf(state), ...destinationOf(state.party, ownServer),
    body: { type: 'room.send', roomId, party: state.party.id, recipients: [userId], content: Sealed.of(as<SubjectId>(`notices:${state.party.id}`), { 'msgtype': 'm.text', 'body': text, 'm.mentions': { user_ids: [userId] } }) },
  }));
  return { ...decision, state: { ...state, notices: (state.notices ?? []).map((notice) => ({ ...notice, sentTo: roomId })) }, effects: [...effects, ...sends] };
}

const effectOf = (id: string): EffectId => as<EffectId>(`tell:${id}`);

export function brought(state: RoomState, effect: EffectId): RoomDecision {
  const notice = (state.notices ?? []).find(({ id }) => effectOf(id) === effect);
  if (!notice) return { state, audit: [] };
  return { state: over(state, notice), audit: [{ action: 'person.told', because: 'the courier told them in their results room', detail: { user: notice.userId, notice: notice.id } }] };
}

export function notBrought(state: RoomState, { effect, code, message, final }: FactOf<'effect.failed'>): RoomDecision {
  const notice = (state.notices ?? []).find(({ id }) => effectOf(id) === effect);
  if (!notice) return { state, audit: [] };
  return final ? { state: over(state, notice), audit: [notTold(notice, message)] } : { state, audit: [{ action: 'person.waits', because: message, detail: { user: notice.userId, notice: notice.id, code } }] };
}

const over = ({ notices = [], told = [], ...state }: RoomState, { id }: Notice): RoomState => ({ ...state, notices: notices.filter((each) => each.id !== id), told: [...told, id].slice(-TOLD_LIMIT) });

/** Of a message in clear that the guardian took out: once a day, however many there were. */
export const clearTextNotice = (userId: UserId, room: { readonly id: string; readonly words: string }, at: Millis): Notice => ({
  id: `clear-text:${room.id}:${userId}:${Math.floor(at / DAY_MS)}`, userId,
  text: `Your message in ${room.words} was not encrypted, so servers could read it, and it was taken out. Use a client with end-to-end encryption, for example Element, and send it again. [clear-text]`,
});
