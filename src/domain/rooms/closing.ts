import type { RoomId, UserId } from '../brand.ts';
import type { StateOfRoom } from './assess.ts';
import { isSame } from './same.ts';
import { powerLevels } from './template.ts';

type Content = Readonly<Record<string, unknown>>;
type Setting = { readonly type: string; readonly stateKey: string; readonly content: Content };

/** What people send; removing one's own messages stays theirs. */
const WRITTEN = ['m.room.encrypted', 'm.room.message', 'm.reaction'];
const CLOSED = 100;

/** What is still to be set in a room that was replaced: the way to its successor, then levels that let nobody write. Pure; nothing when it is as it must be. */
export function closingOf(state: StateOfRoom, successor: RoomId, guardian: UserId): readonly Setting[] {
  const contentOf = (type: string): Content => state.find((event) => event.type === type && event.stateKey === '')?.content ?? {};
  const { room_version: version } = contentOf('m.room.create');
  // Ours, not those that are there: somebody may have lowered what settings need.
  const levels = powerLevels(typeof version === 'string' ? version : '1', guardian);
  const events = { ...(levels['events'] as Content), ...Object.fromEntries(WRITTEN.map((type) => [type, CLOSED])) };
  const wanted: readonly Setting[] = [
    { type: 'm.room.tombstone', stateKey: '', content: { body: 'This room was replaced. Go on in the new one.', replacement_room: successor } },
    { type: 'm.room.power_levels', stateKey: '', content: { ...levels, events } },
  ];
  return wanted.filter(({ type, content }) => !isSame(contentOf(type), content));
}
