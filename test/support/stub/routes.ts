/** Which request is what: its method and path, whom it must come from, the queries it may have, the shape of its body. */
import { randomBytes } from 'node:crypto';
import type { z } from 'zod';
import type { Slot } from '../slots.ts';
import { offeredJoin, originOf, ownKeys, queriedKeys, sentJoin } from './federation.ts';
import * as keys from './keys.ts';
import { messages, once, putState, redact, sendEvent } from './messages.ts';
import { clientEvent, createRoom, exclusive, invite, join, leave, roomFor, stateOf } from './rooms.ts';
import * as shapes from './shapes.ts';
import type { Json } from './signing.ts';
import { sync } from './sync.ts';
import { Complaint, Refusal, type Device, type Room, type User, type World } from './world.ts';

export type Call = {
  readonly world: World;
  /** Parts of the path that the route names, decoded. */
  readonly path: (name: string) => string;
  /** The path as it came, for transaction ids. */
  readonly whole: string;
  /** Path and query, and the header, as they came. */
  readonly uri: string;
  readonly authorization: string | undefined;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly bytes: Uint8Array;
  readonly slot: Slot | undefined;
  readonly user: () => User;
  readonly device: () => Device;
  readonly signal: AbortSignal;
  /** Of the answer; 200 unless the route says otherwise. */
  readonly reply: { status: number };
};

export type Route = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly access: 'anybody' | 'token';
  readonly queries: readonly string[];
  /** `bytes`: not JSON. */
  readonly body: 'none' | 'json' | 'bytes';
  readonly answer: (call: Call) => Json | Uint8Array | Promise<Json>;
};

const route = (method: Route['method'], path: string, answer: Route['answer'], more: Partial<Pick<Route, 'access' | 'queries' | 'body'>> = {}): Route =>
  ({ method, path: `/_matrix/${path}`, access: 'token', queries: [], body: method === 'PUT' || method === 'POST' ? 'json' : 'none', answer, ...more });

function shaped<T extends z.ZodType>(shape: T, { body, whole }: Call): z.infer<T> {
  const parsed = shape.safeParse(body);
  if (!parsed.success) throw new Complaint(`${whole}: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; ')}`);
  return parsed.data;
}

const room = (path: string): string => `client/v3/rooms/:room/${path}`;

export const ROUTES: readonly Route[] = [
  route('GET', 'client/versions', () => ({ versions: ['v1.11', 'v1.12'], unstable_features: {} }), { access: 'anybody' }),
  route('POST', 'client/v3/login', (call) => logIn(call.world, shaped(shapes.login, call)), { access: 'anybody' }),
  route('POST', 'client/v3/register', register),
  route('GET', 'client/v3/account/whoami', ({ user }) => ({ user_id: user().userId, is_guest: false })),
  route('PUT', 'client/v3/profile/:user/displayname', (call) => {
    call.user().displayName = shaped(shapes.displayName, call).displayname;
    return {};
  }),
  route('GET', 'client/v3/profile/:user', ({ world, path }) => {
    const { displayName } = world.user(path('user'));
    return displayName === null ? {} : { displayname: displayName };
  }),
  route('PUT', 'client/v3/devices/:device', (call) => {
    const { display_name: displayName } = shaped(shapes.device, call);
    const known = call.user().devices.get(call.path('device'));
    if (known) known.displayName = displayName;
    else if (call.slot) {
      call.world.addDevice(call.user(), call.path('device'), { displayName });
      call.reply.status = 201; // MSC4190
    }
    else throw new Refusal(404, 'M_NOT_FOUND', 'no such device');
    return {};
  }),
  route('GET', 'client/v3/devices', ({ user }) => ({ devices: [...user().devices.values()].map(({ deviceId, displayName }) => ({ device_id: deviceId, display_name: displayName })) })),
  route('POST', 'client/v3/keys/upload', (call) => keys.upload(call.world, call.user(), call.device(), shaped(shapes.keysUpload, call))),
  route('POST', 'client/v3/keys/query', (call) => keys.query(call.world, call.user(), shaped(shapes.keysQuery, call))),
  route('POST', 'client/v3/keys/claim', (call) => keys.claim(call.world, shaped(shapes.keysClaim, call))),
  route('POST', 'client/v3/keys/device_signing/upload', (call) => keys.uploadSigning(call.world, call.user(), shaped(shapes.signingUpload, call))),
  route('POST', 'client/v3/keys/signatures/upload', (call) => keys.uploadSignatures(call.world, call.user(), shaped(shapes.signaturesUpload, call))),
  route('PUT', 'client/v3/sendToDevice/:type/:txn', (call) => once(call.device(), call.whole, call.body, () => keys.sendToDevice(call.world, call.user(), call.device(), call.path('type'), shaped(shapes.toDevice, call)))),
  route('GET', 'client/v3/sync', ({ world, user, device, query, signal }) => sync(world, user(), device(), query, signal), { queries: ['filter', 'since', 'timeout', 'set_presence', 'full_state', 'use_state_after', 'org.matrix.msc4222.use_state_after'] }),
  route('POST', 'client/v3/createRoom', (call) => createRoom(call.world, call.user(), shaped(shapes.createRoom, call))),
  route('GET', 'client/v3/directory/room/:alias', ({ world, path }) => ({ room_id: aliasOf(world, path('alias')).room.roomId, servers: [world.serverName] })),
  route('DELETE', 'client/v3/directory/room/:alias', ({ world, path, user }) => {
    aliasOf(world, path('alias'));
    exclusive(world, path('alias'), user());
    world.aliases.delete(path('alias'));
    return {};
  }),
  route('POST', 'client/v3/join/:room', (call) => {
    shaped(shapes.reason, call);
    return join(call.world, call.world.rooms.get(call.path('room')), call.user());
  }, { queries: ['via', 'server_name'] }),
  route('POST', room('join'), (call) => {
    shaped(shapes.reason, call);
    return join(call.world, call.world.rooms.get(call.path('room')), call.user());
  }),
  route('POST', room('invite'), (call) => invite(call.world, roomFor(call.world, call.path('room'), call.user()), call.user(), shaped(shapes.membership, call).user_id)),
  route('POST', room('leave'), (call) => leave(call.world, call.world.rooms.get(call.path('room')), call.user())),
  route('POST', room('kick'), (call) => leave(call.world, roomFor(call.world, call.path('room'), call.user()), call.user(), shaped(shapes.membership, call).user_id)),
  route('POST', room('ban'), (call) => leave(call.world, roomFor(call.world, call.path('room'), call.user()), call.user(), shaped(shapes.membership, call).user_id, 'ban')),
  route('GET', room('state'), ({ world, path, user }) => [...roomFor(world, path('room'), user()).state.values()].map(clientEvent) as unknown as Json),
  route('GET', room('joined_members'), ({ world, path, user }) => ({ joined: Object.fromEntries([...roomFor(world, path('room'), user()).members].filter(([, is]) => is === 'join').map(([member]) => [member, {}])) })),
  route('GET', room('state/:type'), ({ world, path, user }) => found(stateOf(roomFor(world, path('room'), user()), path('type')))),
  route('GET', room('state/:type/:key'), ({ world, path, user }) => found(stateOf(roomFor(world, path('room'), user()), path('type'), path('key')))),
  route('PUT', room('state/:type'), (call) => putState(call.world, call.user(), call.path('room'), call.path('type'), '', shaped(shapes.anything, call))),
  route('PUT', room('state/:type/:key'), (call) => putState(call.world, call.user(), call.path('room'), call.path('type'), call.path('key'), shaped(shapes.anything, call))),
  route('PUT', room('send/:type/:txn'), (call) => once(deviceOrPuppet(call), call.whole, call.body, () => sendEvent(call.world, call.user(), deviceOrPuppet(call), call.path('room'), call.path('type'), shaped(shapes.anything, call)))),
  route('PUT', room('redact/:event/:txn'), (call) => once(deviceOrPuppet(call), call.whole, call.body, () => redact(call.world, call.user(), call.path('room'), call.path('event'), shaped(shapes.reason, call)))),
  route('GET', room('event/:event'), ({ world, path, user }) => clientEvent(found(seenBy(user(), world.rooms.get(path('room')))?.timeline.find(({ event }) => event.event_id === path('event'))).event)),
  route('GET', room('messages'), ({ world, path, user, query }) => messages(world, user(), path('room'), query), { queries: ['dir', 'limit', 'from', 'to', 'filter'] }),
  route('POST', 'media/v3/upload', ({ world, bytes }) => {
    const id = randomBytes(12).toString('hex');
    world.media.set(id, bytes);
    return { content_uri: `mxc://${world.serverName}/${id}` };
  }, { body: 'bytes', queries: ['filename'] }),
  route('GET', 'key/v2/server', ({ world }) => ownKeys(world), { access: 'anybody' }),
  route('POST', 'key/v2/query', (call) => queriedKeys(call.world, shaped(shapes.serverKeys, call).server_keys), { access: 'anybody' }),
  route('GET', 'federation/v1/make_join/:room/:user', async ({ world, path, uri, authorization, query }) => {
    await originOf(world, authorization, { method: 'GET', uri });
    return offeredJoin(world.rooms.get(path('room')), path('user'), query.getAll('ver'));
  }, { access: 'anybody', queries: ['ver'] }),
  route('PUT', 'federation/v2/send_join/:room/:event', async (call) => {
    const { world, path, uri, authorization } = call;
    const content = shaped(shapes.anything, call);
    return sentJoin(world, world.rooms.get(path('room')), content, await originOf(world, authorization, { method: 'PUT', uri, content }));
  }, { access: 'anybody' }),
  route('GET', 'client/v1/media/download/:server/:id', ({ world, path }) => found(world.media.get(path('id')))),
];

/** Whoever isn't in it learns nothing of it, nor whether it is there. */
const seenBy = ({ userId }: User, room: Room | undefined): Room | undefined => (room?.members.get(userId) === 'join' ? room : undefined);

const found = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Refusal(404, 'M_NOT_FOUND', 'Not found.');
  return value;
};

const aliasOf = (world: World, alias: string): NonNullable<ReturnType<World['aliases']['get']>> => {
  const known = world.aliases.get(alias);
  if (!known) throw new Refusal(404, 'M_NOT_FOUND', `Room alias ${alias} not found`);
  return known;
};

/** The guardian has no device: its transaction ids belong to its token. */
const puppets = new WeakMap<User, Device>();
function deviceOrPuppet(call: Call): Device {
  if (!call.slot || call.query.has('device_id')) return call.device();
  const known = puppets.get(call.user()) ?? { deviceId: '', oneTimeKeys: new Map(), claimed: new Set<string>(), inbox: [], transactions: new Map() };
  puppets.set(call.user(), known);
  return known;
}

function register(call: Call): Json {
  const { world, slot } = call;
  const { username } = shaped(shapes.registration, call);
  const userId = `@${username}:${world.serverName}`;
  if (!slot?.prefix || !username.startsWith(slot.prefix)) throw new Refusal(400, 'M_EXCLUSIVE', 'Invalid user localpart for this application service.');
  if (world.users.has(userId)) throw new Refusal(400, 'M_USER_IN_USE', 'User ID already taken.');
  world.addUser(userId);
  return { user_id: userId };
}

function logIn(world: World, { identifier: { user: localpart }, password, device_id: deviceId, initial_device_display_name: displayName }: z.infer<typeof shapes.login>): Json {
  const user = world.users.get(localpart.startsWith('@') ? localpart : `@${localpart}:${world.serverName}`);
  if (user?.password === undefined || user.password !== password) throw new Refusal(403, 'M_FORBIDDEN', 'Invalid username or password');
  const token = randomBytes(24).toString('base64url');
  const { deviceId: id } = world.addDevice(user, deviceId ?? randomBytes(5).toString('hex').toUpperCase(), { token, displayName });
  return { user_id: user.userId, access_token: token, device_id: id, home_server: world.serverName };
}
