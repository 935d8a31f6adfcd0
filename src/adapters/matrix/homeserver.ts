import { Method } from 'matrix-js-sdk/lib/http-api/index.js';
import { as, type EventId, type RoomId, type ServerName, type UserId } from '../../domain/brand.ts';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import type { Homeserver, HomeserverFailure, RoomToCreate, StateEvent } from '../../ports/homeserver.ts';
import { apiFor, type Api, type HomeserverOptions } from './api.ts';
import { attempt } from './errors.ts';

export type { HomeserverOptions } from './api.ts';

type JsonObject = Record<string, unknown>;

const encode = encodeURIComponent;

/** The homeserver's client-server API, as the guardian and the courier of an application service. */
export function createHomeserver(options: HomeserverOptions): Homeserver {
  const { serverName, guardianLocalpart, courierLocalpart } = options;
  const guardian = as<UserId>(`@${guardianLocalpart}:${serverName}`);
  const courier = as<UserId>(`@${courierLocalpart}:${serverName}`);
  const asGuardian = apiFor(options, guardian);
  const asCourier = apiFor(options, courier);
  const unversioned = apiFor(options, guardian, '/_matrix/client');
  let isPrepared = false;
  const request = <T>(api: Api, method: Method, path: string, body?: JsonObject): Promise<T> => api.authedRequest<T>(method, path, undefined, body);

  async function prepareUser(api: Api, userId: UserId, localpart: string, name: string): Promise<Outcome<void, HomeserverFailure>> {
    const registered = await attempt(`register ${userId}`, () => request(api, Method.Post, '/register', { type: 'm.login.application_service', username: localpart, inhibit_login: true }));
    if (!registered.ok && registered.error.code !== 'in-use') return registered;
    const named = await attempt(`name ${userId}`, () => request(api, Method.Put, `/profile/${encode(userId)}/displayname`, { displayname: name }));
    return named.ok ? ok(undefined) : named;
  }

  /** Registers and names both, once; as long as that fails, everything that needs them waits and is tried again. */
  async function prepare(): Promise<Outcome<void, HomeserverFailure>> {
    if (isPrepared) return ok(undefined);
    for (const [api, userId, localpart, name] of [[asGuardian, guardian, guardianLocalpart, options.names.guardian], [asCourier, courier, courierLocalpart, options.names.courier]] as const) {
      const user = await prepareUser(api, userId, localpart, name);
      if (!user.ok) return fail(user.error.code, user.error.message, { ...user.error, retry: true });
    }
    isPrepared = true;
    return ok(undefined);
  }

  async function createRoom(room: RoomToCreate): Promise<Outcome<RoomId, HomeserverFailure>> {
    const prepared = await prepare();
    if (!prepared.ok) return prepared;
    const alias = `#${room.aliasLocalpart}:${serverName}`;
    const created = await attempt('create a room', () => request<{ readonly room_id: string }>(asGuardian, Method.Post, '/createRoom', creation(room)));
    if (created.ok) return ok(as<RoomId>(created.value.room_id));
    if (created.error.code !== 'in-use') return created;
    const found = await attempt('find the room by its alias', () => request<{ readonly room_id: string }>(asGuardian, Method.Get, `/directory/room/${encode(alias)}`));
    if (!found.ok) return found;
    const roomId = as<RoomId>(found.value.room_id);
    const whole = await isWhole(roomId, room);
    if (!whole.ok) return whole;
    if (whole.value) return ok(roomId);
    // Left half made by a crash of the homeserver: the alias is taken off it, and the next attempt makes another.
    const freed = await attempt('free the alias of a half-made room', () => request(asGuardian, Method.Delete, `/directory/room/${encode(alias)}`));
    return freed.ok ? fail('unavailable', 'a half-made room was set aside; a new one is made', { retry: true }) : freed;
  }

  /** Whether every state event that the plan asks for is there: a creation cut short lacks its last ones. Whether it can leave the hospital never changes: one that is otherwise than wanted by now is no room for it. */
  async function isWhole(roomId: RoomId, room: RoomToCreate): Promise<Outcome<boolean, HomeserverFailure>> {
    const state = await roomState(roomId);
    if (!state.ok) return state.error.code === 'forbidden' || state.error.code === 'not-found' ? ok(false) : state;
    const has = (type: string, key: string): boolean => state.value.some((event) => event.type === type && event.stateKey === key);
    const federates = state.value.find(({ type }) => type === 'm.room.create')?.content['m.federate'] !== false;
    return ok(federates === room.federated && has('m.room.power_levels', '') && has('m.room.name', '') && room.initialState.every(({ type, stateKey }) => has(type, stateKey)));
  }

  async function roomState(roomId: RoomId): Promise<Outcome<readonly StateEvent[], HomeserverFailure>> {
    const state = await attempt('read the state of a room', () => request<readonly { readonly type: string; readonly state_key: string; readonly content: JsonObject; readonly sender: string }[]>(asGuardian, Method.Get, `/rooms/${encode(roomId)}/state`));
    return state.ok ? ok(state.value.map(({ type, state_key: stateKey, content, sender }) => ({ type, stateKey, content, sender: as<UserId>(sender) }))) : state;
  }

  async function membership(roomId: RoomId, userId: UserId): Promise<Outcome<string | undefined, HomeserverFailure>> {
    const member = await attempt('read a membership', () => request<{ readonly membership: string }>(asGuardian, Method.Get, `/rooms/${encode(roomId)}/state/m.room.member/${encode(userId)}`));
    if (member.ok) return ok(member.value.membership);
    return member.error.code === 'not-found' ? ok(undefined) : member;
  }

  /** What may not be seen is answered as what doesn't exist (404): that means something only where the guardian sees everything. */
  async function shows(roomId: RoomId, eventId: EventId): Promise<Outcome<boolean, HomeserverFailure>> {
    const event = await attempt('look for an event', () => request(asGuardian, Method.Get, `/rooms/${encode(roomId)}/event/${encode(eventId)}`));
    if (event.ok) return ok(true);
    if (event.error.code !== 'not-found') return fail(event.error.code, event.error.message, { ...event.error, retry: true });
    const own = await membership(roomId, guardian);
    if (own.ok && own.value === 'join') return ok(false);
    return fail('forbidden', 'look for an event: the guardian is not in the room, so the homeserver shows it nothing', { retry: true });
  }

  /**
   * Synapse answers 502 both when a partner's server is away and when that server limits invitations (429, which it has tried again three times
   * by then). Whether that server answers a question for the profile tells the two apart; Synapse asks it even where it makes a pause.
   */
  async function whyNotBrought(userId: UserId, failure: Outcome<never, HomeserverFailure>): Promise<Outcome<never, HomeserverFailure>> {
    const server = userId.slice(userId.indexOf(':') + 1);
    if (server === serverName) return failure;
    const profile = await attempt(`ask the server of ${userId}`, () => request(asGuardian, Method.Get, `/profile/${encode(userId)}`));
    const isThere = profile.ok || profile.error.code === 'not-found' || profile.error.code === 'forbidden';
    return isThere ? fail('limited', `${server} answers, but takes no more invitations for ${userId} now. Aceso keeps trying; ask its administrators to lift the limit (Synapse: rc_invites)`, { retry: true }) : failure;
  }

  return {
    serverName: as<ServerName>(serverName),
    guardian,
    courier,
    createRoom,
    async invite(roomId, userId) {
      const member = await membership(roomId, userId);
      if (!member.ok) return member;
      if (member.value === 'join' || member.value === 'invite') return ok(undefined);
      const invited = await attempt(`invite ${userId}`, () => request(asGuardian, Method.Post, `/rooms/${encode(roomId)}/invite`, { user_id: userId }));
      if (invited.ok) return ok(undefined);
      return invited.error.code === 'unavailable' ? whyNotBrought(userId, invited) : invited;
    },
    async remove(roomId, userId, reason) {
      const member = await membership(roomId, userId);
      if (!member.ok) return member;
      if (member.value !== 'join' && member.value !== 'invite') return ok(undefined);
      const removed = await attempt(`remove ${userId}`, () => request(asGuardian, Method.Post, `/rooms/${encode(roomId)}/kick`, { user_id: userId, reason }));
      return removed.ok ? ok(undefined) : removed;
    },
    async joinAsCourier(roomId) {
      const joined = await attempt('join as the courier', () => request(asCourier, Method.Post, `/join/${encode(roomId)}`, {}));
      return joined.ok ? ok(undefined) : joined;
    },
    async joinAsGuardian(roomId) {
      const joined = await attempt('join as the guardian', () => request(asGuardian, Method.Post, `/join/${encode(roomId)}`, {}));
      return joined.ok ? ok(undefined) : joined;
    },
    async redact(roomId, eventId, id, reason) {
      const redacted = await attempt('redact an event', () => request(asGuardian, Method.Put, `/rooms/${encode(roomId)}/redact/${encode(eventId)}/${encode(id)}`, { reason }));
      return redacted.ok ? ok(undefined) : redacted;
    },
    async setState(roomId, { type, stateKey, content }) {
      const set = await attempt(`set ${type}`, () => request(asGuardian, Method.Put, `/rooms/${encode(roomId)}/state/${encode(type)}/${encode(stateKey)}`, content));
      return set.ok ? ok(undefined) : set;
    },
    state: roomState,
    shows,
    membership,
    async ping() {
      const versions = await attempt('ask for the versions', () => request<{ readonly versions: readonly string[] }>(unversioned, Method.Get, '/versions'));
      if (!versions.ok) return versions;
      if (!Array.isArray(versions.value.versions)) return fail('invalid', 'ask for the versions: the answer is not that of a homeserver', { retry: true });
      const known = await attempt('ask who we are', () => request(asGuardian, Method.Get, '/account/whoami'));
      // Before its first use the guardian isn't registered: the token is right all the same.
      return known.ok || known.error.code === 'forbidden' ? ok({ versions: versions.value.versions }) : known;
    },
  };
}

const creation = (room: RoomToCreate): JsonObject => ({
  room_alias_name: room.aliasLocalpart,
  room_version: room.version,
  visibility: 'private',
  preset: 'private_chat',
  name: room.name,
  topic: room.topic,
  creation_content: { 'm.federate': room.federated, ...(room.predecessor === undefined ? {} : { predecessor: { room_id: room.predecessor } }) },
  initial_state: room.initialState.map(({ type, stateKey, content }) => ({ type, state_key: stateKey, content })),
  power_level_content_override: room.powerLevels,
});
