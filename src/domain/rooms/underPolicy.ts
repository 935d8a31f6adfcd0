import { as, type EffectId, type FactId, type RoomId } from '../brand.ts';
import type { Effect } from '../effect.ts';
import type { FactOf } from '../fact.ts';
import type { RoomState } from './room.ts';

/**
 * A room that its homeservers don't ask the policy server about isn't used: nobody is invited and nothing is sent, and what waits for it is held, until it
 * is under it (again). `final`: it isn't tried any more by itself, but anew when somebody wants the room.
 */
export type Unprotected = { readonly message: string; readonly final: boolean };

export const UNPROTECTED = 'room-unprotected';

const laneOf = (roomId: RoomId): string => `protect:${roomId}`;

/** Puts a room under the policy server; each time is one of its own. */
export const protection = (roomId: RoomId, fact: FactId): Effect => ({ id: as<EffectId>(`${laneOf(roomId)}:${fact}`), lane: laneOf(roomId), body: { type: 'room.protect', roomId } });

/** The room that is used now: it can't be, where this effect was to protect it. That of a former one is told to the auditors only. */
export function notProtected(state: RoomState, { effect, message, final }: FactOf<'effect.failed'>): RoomState {
  if (state.roomId === undefined || !effect.startsWith(`${laneOf(state.roomId)}:`)) return state;
  return { ...state, unprotected: { message: `its homeservers don't ask the policy server (${message}): nothing is sent there until they do; then retry`, final } };
}

/** Tries anew what was given up. */
export function protectedAnew(state: RoomState, fact: FactId): { readonly state: RoomState; readonly effects: readonly Effect[] } {
  if (!state.unprotected?.final || state.roomId === undefined) return { state, effects: [] };
  return { state: { ...state, unprotected: { ...state.unprotected, final: false } }, effects: [protection(state.roomId, fact)] };
}
