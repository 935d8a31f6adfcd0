/** `/sync` as far as a device of ours uses it (client-server API §7.4): to-device messages, one-time keys, device lists, and membership of its rooms. */
import { clientEvent } from './rooms.ts';
import type { Json } from './signing.ts';
import { Refusal, type Device, type Room, type RoomEvent, type User, type World } from './world.ts';

type Filter = { readonly room?: { readonly rooms?: readonly string[]; readonly timeline?: { readonly types?: readonly string[]; readonly limit?: number }; readonly state?: { readonly types?: readonly string[] } } };

const MOST_TO_DEVICE = 100;
const FEED_LIMIT = 20_000;

export async function sync(world: World, user: User, device: Device, query: URLSearchParams, signal: AbortSignal): Promise<Json> {
  const sinceText = query.get('since');
  const since = sinceText === null ? undefined : Number(/^s(\d+)$/u.exec(sinceText)?.[1] ?? Number.NaN);
  if (Number.isNaN(since)) throw new Refusal(400, 'M_INVALID_PARAM', 'since is not a place of this stream');
  const filter = JSON.parse(query.get('filter') ?? '{}') as Filter;
  const timeout = Number(query.get('timeout') ?? 0);
  if (since === undefined) return answer(world, user, device, filter, undefined).body;
  while (device.inbox[0] && device.inbox[0].pos <= since) device.inbox.shift(); // it has them
  const deadline = performance.now() + timeout;
  for (;;) {
    const { body, news } = answer(world, user, device, filter, since);
    const left = deadline - performance.now();
    if (news || left <= 0 || signal.aborted) return body;
    await world.waitFor(user.userId, left, signal);
  }
}

function answer(world: World, user: User, device: Device, filter: Filter, since: number | undefined): { readonly body: Json; readonly news: boolean } {
  const to = device.inbox.slice(0, MOST_TO_DEVICE);
  const upTo = device.inbox.length > MOST_TO_DEVICE ? to.at(-1)?.pos ?? world.pos : world.pos;
  const feed = since === undefined ? [] : user.feed.slice(firstAfter(user.feed, since)).filter(({ pos }) => pos <= upTo);
  if (user.feed.length > FEED_LIMIT) user.feed.splice(0, user.feed.length - FEED_LIMIT);
  const rooms = since === undefined ? everything(user, filter) : changes(user, filter, feed);
  const lists = since === undefined ? { changed: [], left: [] } : deviceLists(world, user, since, upTo, feed);
  return {
    body: {
      next_batch: `s${upTo}`, rooms, to_device: { events: to.map(({ event }) => event) }, device_lists: lists,
      device_one_time_keys_count: { signed_curve25519: device.oneTimeKeys.size },
      device_unused_fallback_key_types: device.fallback && !device.fallback.used ? ['signed_curve25519'] : [],
      'org.matrix.msc2732.device_unused_fallback_key_types': device.fallback && !device.fallback.used ? ['signed_curve25519'] : [],
    },
    news: to.length > 0 || feed.length > 0 || lists.changed.length > 0 || lists.left.length > 0,
  };
}

function everything(user: User, filter: Filter): Json {
  const wanted = filter.room?.state?.types;
  return { join: Object.fromEntries([...user.joined].map((room) => [room.roomId, roomAnswer([...room.state.values()].filter(({ type }) => wanted?.includes(type) ?? true), [])])), invite: {}, leave: {} };
}

function changes(user: User, filter: Filter, feed: User['feed']): Json {
  const join: Record<string, Json> = {};
  const leave: Record<string, Json> = {};
  const invite: Record<string, Json> = {};
  const byRoom = Map.groupBy(feed, ({ room }) => room);
  for (const [room, entries] of byRoom) {
    const events = entries.map(({ event }) => event);
    const is = room.members.get(user.userId);
    const justJoined = events.some((event) => event.state_key === user.userId && event.content['membership'] === 'join');
    if (is === 'join') join[room.roomId] = roomAnswer(justJoined ? membersOf(room).filter((event) => !events.includes(event)) : [], matching(events, filter));
    else if (is === 'invite') invite[room.roomId] = { invite_state: { events: [] } };
    else leave[room.roomId] = roomAnswer([], matching(events, filter));
  }
  return { join, invite, leave };
}

const membersOf = (room: Room): readonly RoomEvent[] => [...room.state.values()].filter(({ type }) => type === 'm.room.member');
const matching = (events: readonly RoomEvent[], { room }: Filter): readonly RoomEvent[] => events.filter(({ type }) => room?.timeline?.types?.includes(type) ?? true);

const roomAnswer = (state: readonly RoomEvent[], timeline: readonly RoomEvent[]): Json => ({ state: { events: state.map(clientEvent) }, timeline: { events: timeline.map(clientEvent), limited: false, prev_batch: 's0' } });

/** Changed: those with new devices who share a room, and those with whom one is shared since. Left: those with whom none is any more. */
function deviceLists(world: World, user: User, since: number, upTo: number, feed: User['feed']): { readonly changed: readonly string[]; readonly left: readonly string[] } {
  const changed = new Set<string>();
  const left = new Set<string>();
  for (const { userId, pos } of world.deviceChanges.slice(firstAfter(world.deviceChanges, since))) {
    const other = world.users.get(userId);
    if (pos <= upTo && other && (other === user || world.shareRoom(user, other))) changed.add(userId);
  }
  for (const { room, event } of feed) {
    const others = event.state_key === user.userId ? [...room.members.keys()].filter((member) => member !== user.userId) : [event.state_key ?? ''];
    for (const userId of others) {
      const other = world.users.get(userId);
      if (other && world.shareRoom(user, other)) changed.add(userId);
      else if (other && event.content['membership'] !== 'invite') left.add(userId);
    }
  }
  return { changed: [...changed], left: [...left] };
}

function firstAfter(list: readonly { readonly pos: number }[], since: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.pos ?? Infinity) <= since) low = middle + 1;
    else high = middle;
  }
  return low;
}
