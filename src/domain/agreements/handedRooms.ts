import type { RoomId } from '../brand.ts';
import type { Fact } from '../fact.ts';
import type { Handed, Register } from './register.ts';

export type HandedRoom = { readonly partner: string; readonly roomId: RoomId; readonly room: Handed['room'] };

/** What is handed over to whom: as the registers have it, and as was asked for since. Where Aceso is down, what was asked for isn't decided yet. */
export function handedRooms(registers: readonly Pick<Register, 'server' | 'handed'>[], undecided: readonly Pick<Fact, 'aggregate' | 'body'>[]): readonly HandedRoom[] {
  const rooms = new Map<string, HandedRoom>();
  const hand = (each: HandedRoom): unknown => rooms.set(nameOf(each), each);
  for (const { server: partner, handed = {} } of registers) for (const [roomId, { room }] of Object.entries(handed) as [RoomId, Handed][]) hand({ partner, roomId, room });
  for (const { aggregate: { id: partner }, body } of undecided) {
    if (body.type === 'operator.hand-over') hand({ partner, roomId: body.roomId, room: body.room });
    if (body.type === 'operator.take-back') rooms.delete(nameOf({ partner, roomId: body.roomId }));
  }
  return [...rooms.values()];
}

const nameOf = ({ partner, roomId }: Pick<HandedRoom, 'partner' | 'roomId'>): string => `${partner} ${roomId}`;
