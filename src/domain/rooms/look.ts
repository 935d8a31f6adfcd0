import { as, type EffectId, type FactId, type Millis, type RoomId } from '../brand.ts';
import type { AuditEntry, Decision } from '../decision.ts';
import type { Effect, EffectResult } from '../effect.ts';
import type { FactOf } from '../fact.ts';
import { ROOM_RULES } from './assess.ts';

/** Changes come in a row: one look at the end of it sees them all. Never longer: what was opened stands open until then. */
const GATHER_MS = 500;

export const LOOK_TIMER = 'look';

/** The room is looked at in a moment; what else comes until then is seen by the same look. */
export function lookSoon<Room extends { readonly lookAt?: Millis }>(state: Room, { roomId, what, by }: Pick<FactOf<'room.changed'>, 'roomId' | 'what' | 'by'>, at: Millis): Decision<Room> {
  const audit: AuditEntry = { action: 'room.changed', because: 'it is looked at', detail: { room: roomId, what, by } };
  if (state.lookAt !== undefined && state.lookAt > at) return { state, audit: [] };
  const lookAt = as<Millis>(at + GATHER_MS);
  return { state: { ...state, lookAt }, timers: [{ name: LOOK_TIMER, dueAt: lookAt }], audit: [audit] };
}

export const lookEffect = (room: { readonly kind: 'room' | 'governed'; readonly id: string }, roomId: RoomId, fact: FactId): Effect =>
  ({ id: as<EffectId>(`look:${fact}`), lane: `look:${roomId}`, body: { type: 'room.repair', roomId, room } });

/** What a look found, for the audit: which rule, and whether it was put back. */
export const findingEntries = ({ roomId, findings, repaired }: Extract<EffectResult, { readonly type: 'room.repair' }>): readonly AuditEntry[] => findings.map(({ rule, type, user }) => ({
  action: repaired.includes(rule) ? 'room.repaired' : 'room.drift',
  because: `${ROOM_RULES[rule].say} (${ROOM_RULES[rule].cite})`,
  detail: { room: roomId, rule, type, ...(user === undefined ? {} : { user }) },
}));
