import { as, type Millis, type UserId } from '../brand.ts';
import type { Timer } from '../decision.ts';
import type { RoomState } from './room.ts';

/**
 * How long a team's messages wait for a member who hasn't accepted their invitation, or to whom it can't be brought: what is sent before they
 * are invited, they can never read, and what is sent while they join, they may have to look back for. Enough for a homeserver that restarts; short enough that the others of the team learn of a critical result in time. Somebody
 * whose server limits invitations isn't waited for: that lasts minutes.
 */
export const MISSING_PATIENCE_MS = 20_000;

export const MISSING_TIMER = 'missing-member';

/** After a member was invited: the team begins to wait for them to join, once in the life of a room. */
export function awaitJoin(state: RoomState, at: Millis): { readonly state: RoomState; readonly timers: readonly Timer[] } {
  if (state.party.members.length < 2 || state.missing !== undefined) return { state, timers: [] };
  return { state: { ...state, missing: 'awaited' }, timers: [{ name: MISSING_TIMER, dueAt: as<Millis>(at + MISSING_PATIENCE_MS) }] };
}

/** After a member's invitation failed for now: the team begins to wait for them, once; the rest of the team is there to be told when that is over. */
export function awaitMissing(before: RoomState, after: RoomState, userId: UserId, at: Millis): { readonly state: RoomState; readonly timers: readonly Timer[] } {
  const isNew = before.members[userId] === 'wanted' && after.members[userId] === 'unreachable';
  const isAlone = after.party.members.every((member) => member === userId || after.members[member] !== 'unreachable');
  if (!isNew || after.party.members.length < 2 || (after.missing !== undefined && !isAlone)) return { state: after, timers: [] };
  return { state: { ...after, missing: 'awaited' }, timers: [{ name: MISSING_TIMER, dueAt: as<Millis>(at + MISSING_PATIENCE_MS) }] };
}

/** They didn't come in time: who is there is told without them, now and until they are in. */
export const goOnWithout = (state: RoomState): RoomState => (state.missing === 'awaited' ? { ...state, missing: 'given-up' } : state);
