import type { RoomId, UserId } from '../brand.ts';
import type { StateOfRoom } from './assess.ts';
import { isSame } from './same.ts';

type Content = Readonly<Record<string, unknown>>;
type Setting = { readonly type: string; readonly stateKey: string; readonly content: Content };

/** What people send; removing one's own messages stays theirs. */
const WRITTEN = ['m.room.encrypted', 'm.room.message', 'm.reaction'];
const CLOSED = 100;

/** What is still to be set in a room that was replaced: the way to its successor, then levels that let nobody write. Pure; nothing when it is as it must be. */
export function closingOf(state: StateOfRoom, successor: RoomId, guardian: UserId): readonly Setting[] {
  const contentOf = (type: string): Content => state.find((event) => event.type === type && event.stateKey === '')?.content ?? {};
  const levels = contentOf('m.room.power_levels');
  const events = { ...(levels['events'] as Content | undefined), ...Object.fromEntries(WRITTEN.map((type) => [type, CLOSED])) };
  const wanted: readonly Setting[] = [
    { type: 'm.room.tombstone', stateKey: '', content: { body: 'This room was replaced. Go on in the new one.', replacement_room: successor } },
    { type: 'm.room.power_levels', stateKey: '', content: { ...levels, events_default: CLOSED, users_default: 0, users: guardiansOwn(levels['users'], guardian), events } },
  ];
  return wanted.filter(({ type, content }) => !isSame(contentOf(type), content));
}

/** Whoever could write by their level can't any more. From room version 12 on the guardian isn't listed: it stands above all levels. */
const guardiansOwn = (users: unknown, guardian: UserId): Content => Object.fromEntries(Object.entries((users ?? {}) as Content).filter(([user]) => user === guardian));
