/** Rooms: made, entered, left, governed (client-server API §10; room versions 10 to 12). */
import { randomBytes } from 'node:crypto';
import type { z } from 'zod';
import { serverOf } from './federation.ts';
import type * as shapes from './shapes.ts';
import type { Json } from './signing.ts';
import { Refusal, type Room, type RoomEvent, type User, type World } from './world.ts';

const forbidden = (error: string): Refusal => new Refusal(403, 'M_FORBIDDEN', error);

export function roomFor(world: World, roomId: string, user: User): Room {
  const room = world.rooms.get(roomId);
  if (room?.members.get(user.userId) !== 'join') throw forbidden(`${user.userId} is not in the room ${roomId}`);
  return room;
}

export const stateOf = (room: Room, type: string, key = ''): Json | undefined => room.state.get(`${type}\0${key}`)?.content;

/** Above all levels from version 12 on (MSC4289). */
export const levelOf = (room: Room, userId: string): number => {
  if (Number(room.version) >= 12 && userId === room.creator) return Number.MAX_SAFE_INTEGER;
  const levels = stateOf(room, 'm.room.power_levels') ?? {};
  return Number((levels['users'] as Readonly<Record<string, number>> | undefined)?.[userId] ?? levels['users_default'] ?? 0);
};

export function need(room: Room, userId: string, action: 'invite' | 'kick' | 'ban' | 'redact', usual: number): void {
  if (levelOf(room, userId) < Number(stateOf(room, 'm.room.power_levels')?.[action] ?? usual)) throw forbidden(`${userId} may not ${action} in ${room.roomId}`);
}

export function needToSend(room: Room, userId: string, type: string, kind: 'state' | 'message'): void {
  const levels = stateOf(room, 'm.room.power_levels') ?? {};
  const needed = (levels['events'] as Readonly<Record<string, number>> | undefined)?.[type] ?? (kind === 'state' ? levels['state_default'] ?? 50 : levels['events_default'] ?? 0);
  if (levelOf(room, userId) < Number(needed)) throw forbidden(`You don't have permission to post ${type} in ${room.roomId}`);
}

export function createRoom(world: World, creator: User, wanted: z.infer<typeof shapes.createRoom>): Json {
  const version = wanted.room_version ?? '12';
  if (!['10', '11', '12'].includes(version)) throw new Refusal(400, 'M_UNSUPPORTED_ROOM_VERSION', `room version ${version}`);
  const alias = wanted.room_alias_name === undefined ? undefined : `#${wanted.room_alias_name}:${world.serverName}`;
  if (alias !== undefined && world.aliases.has(alias)) throw new Refusal(400, 'M_ROOM_IN_USE', 'Room alias already taken');
  if (alias !== undefined) exclusive(world, alias, creator);
  const users = (wanted.power_level_content_override?.['users'] ?? {}) as Json;
  if (Number(version) >= 12 && creator.userId in users) throw new Refusal(400, 'M_BAD_JSON', 'a creator must not be in users');
  const roomId = Number(version) >= 12 ? `!${randomBytes(32).toString('base64url')}` : `!${randomBytes(9).toString('base64url')}:${world.serverName}`;
  const room: Room = { roomId, version, creator: creator.userId, state: new Map(), timeline: [], members: new Map() };
  world.rooms.set(roomId, room);
  const put = (type: string, content: Json, key = ''): unknown => world.append(room, { type, sender: creator.userId, content, state_key: key });
  put('m.room.create', { room_version: version, ...wanted.creation_content, ...(Number(version) < 11 ? { creator: creator.userId } : {}) });
  put('m.room.member', { membership: 'join', displayname: creator.displayName }, creator.userId);
  const levels = { users: Number(version) >= 12 ? {} : { [creator.userId]: 100 }, users_default: 0, events: {}, events_default: 0, state_default: 50, ban: 50, kick: 50, redact: 50, invite: 0, historical: 100 };
  put('m.room.power_levels', { ...levels, ...wanted.power_level_content_override });
  if (alias !== undefined) {
    world.aliases.set(alias, { room, creator: creator.userId });
    put('m.room.canonical_alias', { alias });
  }
  const initial = wanted.initial_state ?? [];
  const preset: readonly (readonly [string, Json])[] = [['m.room.join_rules', { join_rule: wanted.preset === 'public_chat' ? 'public' : 'invite' }], ['m.room.history_visibility', { history_visibility: 'shared' }], ['m.room.guest_access', { guest_access: 'can_join' }]];
  for (const [type, content] of preset) if (!initial.some((event) => event.type === type)) put(type, content);
  for (const { type, state_key: key, content } of initial) put(type, content, key);
  if (wanted.name !== undefined) put('m.room.name', { name: wanted.name });
  if (wanted.topic !== undefined) put('m.room.topic', { topic: wanted.topic });
  for (const invitee of wanted.invite ?? []) invite(world, room, creator, invitee);
  return { room_id: roomId };
}

/** Aliases and users of an application service are its own. */
export function exclusive(world: World, name: string, user: User): void {
  const owner = world.appservices.find(({ prefix }) => name.slice(1).startsWith(prefix));
  if (owner && !user.userId.slice(1).startsWith(owner.prefix)) throw new Refusal(400, 'M_EXCLUSIVE', `${name} is of an application service`);
}

export function invite(world: World, room: Room, inviter: User, userId: string): Json {
  need(room, inviter.userId, 'invite', 0);
  const is = room.members.get(userId);
  if (is === 'join') throw forbidden(`${userId} is already in the room.`);
  if (is === 'ban') throw forbidden(`${userId} is banned from the room`);
  const invitee = world.users.get(userId) ?? guest(world, userId);
  if (!invitee && userId.endsWith(`:${world.serverName}`)) throw new Refusal(404, 'M_NOT_FOUND', `${userId} is nobody here`);
  if (!invitee) throw new Refusal(502, 'M_UNKNOWN', `the server of ${userId} can't be reached`);
  world.append(room, { type: 'm.room.member', sender: inviter.userId, state_key: userId, content: { membership: 'invite', displayname: invitee.displayName } });
  if (invitee.person?.accepts) setImmediate(() => join(world, room, invitee));
  return {};
}

/** A user of a server that joins for them, without devices. */
const guest = (world: World, userId: string): User | undefined => (world.federation.guests.has(serverOf(userId)) ? world.addUser(userId, { person: { accepts: false, oneTimeKey: () => undefined } }) : undefined);

export function join(world: World, room: Room | undefined, user: User): Json {
  if (!room) throw new Refusal(404, 'M_NOT_FOUND', "Can't join remote room because no servers that are in the room have been provided.");
  const is = room.members.get(user.userId);
  if (is === 'join') return { room_id: room.roomId };
  if (is !== 'invite' && stateOf(room, 'm.room.join_rules')?.['join_rule'] !== 'public') throw forbidden('You are not invited to this room.');
  world.append(room, { type: 'm.room.member', sender: user.userId, state_key: user.userId, content: { membership: 'join', displayname: user.displayName } });
  return { room_id: room.roomId };
}

export function leave(world: World, room: Room | undefined, user: User, target = user.userId, membership: 'leave' | 'ban' = 'leave'): Json {
  const is = room?.members.get(target);
  if (!room || (is !== 'join' && is !== 'invite' && membership === 'leave')) throw forbidden(`${target} is not in the room`);
  if (target !== user.userId) need(room, user.userId, membership === 'ban' ? 'ban' : 'kick', 50);
  world.append(room, { type: 'm.room.member', sender: user.userId, state_key: target, content: { membership } });
  return {};
}

/** As clients see it (client-server API, "ClientEvent"). */
export const clientEvent = (event: RoomEvent): Json => ({ ...event, unsigned: { age: Math.max(0, Date.now() - event.origin_server_ts), ...event.unsigned } });
