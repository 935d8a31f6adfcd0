import { as, type EffectId, type FactId, type RoomId } from '../brand.ts';
import type { Effect } from '../effect.ts';
import type { GovernedRoom } from './governed.ts';

/** The room that came after a former one. */
export const successorOf = ({ roomId, former = [] }: GovernedRoom, closed: RoomId): RoomId => [...former, ...(roomId === undefined ? [] : [roomId])][former.indexOf(closed) + 1] ?? closed;

/** A former room is closed, and leads to the one that came after it. */
export function closing(room: GovernedRoom, closed: RoomId, fact: FactId): Effect {
  const { key } = room;
  const successor = successorOf(room, closed);
  return { id: as<EffectId>(`close:${fact}:${closed}`), lane: `close:${key}`, body: { type: 'room.close', roomId: closed, successor } };
}

/** Whoever isn't let in any more is taken out of its former rooms, too. */
export const closingAll = (state: GovernedRoom, fact: FactId): readonly Effect[] => (state.former ?? []).map((closed) => closing(state, closed, fact));
