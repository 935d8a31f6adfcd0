/** What the homeserver knows: users with their devices, rooms, and one stream in which everything that happens has its place. */
import { randomBytes } from 'node:crypto';
import type { Slot } from '../slots.ts';
import type { Federation } from './federation.ts';
import type { CrossSigningKey, DeviceKeys, OneTimeKey } from './shapes.ts';
import type { Json } from './signing.ts';

export type Device = {
  readonly deviceId: string;
  displayName?: string | undefined;
  readonly token?: string | undefined;
  keys?: DeviceKeys;
  readonly oneTimeKeys: Map<string, OneTimeKey>;
  fallback?: { readonly id: string; readonly key: OneTimeKey; used: boolean };
  /** One-time keys that were given away, by key: an Olm message may begin with one of them, once. */
  readonly claimed: Set<string>;
  readonly inbox: { readonly pos: number; readonly event: Json }[];
  /** Transaction ids and what they gave, by path. */
  readonly transactions: Map<string, { readonly body: string; readonly answer: Json }>;
};

export type User = {
  readonly userId: string;
  readonly password?: string;
  displayName: string | null;
  /** Of another server: accepts invitations, and gives one-time keys without end. */
  readonly person?: { readonly accepts: boolean; oneTimeKey(deviceId: string): Readonly<Record<string, OneTimeKey>> | undefined };
  readonly devices: Map<string, Device>;
  readonly crossSigning: { master?: CrossSigningKey; selfSigning?: CrossSigningKey; userSigning?: CrossSigningKey };
  readonly joined: Set<Room>;
  /** Membership events of rooms of theirs, for the next sync; the newest last. */
  readonly feed: { readonly pos: number; readonly room: Room; readonly event: RoomEvent }[];
};

export type RoomEvent = { readonly event_id: string; readonly room_id: string; readonly type: string; readonly sender: string; readonly origin_server_ts: number; content: Json; readonly state_key?: string; unsigned?: Json; readonly redacts?: string };

export type Room = {
  readonly roomId: string;
  readonly version: string;
  readonly creator: string;
  readonly state: Map<string, RoomEvent>;
  readonly timeline: { readonly pos: number; readonly event: RoomEvent }[];
  readonly members: Map<string, string>;
};

/** What the server answers instead of doing it: the client-server API's standard error. */
export class Refusal extends Error {
  readonly status: number;
  readonly errcode: string;
  constructor(status: number, errcode: string, error: string) {
    super(error);
    this.status = status;
    this.errcode = errcode;
  }
}

/** What a real homeserver would let pass: it must not happen. */
export class Complaint extends Refusal {
  constructor(error: string) {
    super(400, 'M_BAD_JSON', error);
  }
}

export type Counts = { requests: Record<string, number>; encryptedEvents: number; toDevice: number; transactions: number; /** How often a person joined a room. */ joins: number };

export class World {
  readonly serverName: string;
  readonly appservices: readonly Slot[];
  readonly users = new Map<string, User>();
  readonly rooms = new Map<string, Room>();
  readonly aliases = new Map<string, { readonly room: Room; readonly creator: string }>();
  readonly media = new Map<string, Uint8Array>();
  /** Who changed their devices, and when. */
  readonly deviceChanges: { readonly pos: number; readonly userId: string }[] = [];
  /** The message indexes that each session has used. */
  readonly indexes = new Map<string, Set<number>>();
  readonly counts: Counts = { requests: {}, encryptedEvents: 0, toDevice: 0, transactions: 0, joins: 0 };
  /** Events that each room keeps; older ones are forgotten. */
  readonly keptEvents: number;
  readonly federation: Federation;
  pos = 1;
  readonly #listeners = new Set<(userId: string) => void>();
  readonly #onEvent: ((room: Room, event: RoomEvent) => void)[] = [];

  constructor(serverName: string, appservices: readonly Slot[], keptEvents: number, federation: Federation) {
    this.serverName = serverName;
    this.appservices = appservices;
    this.keptEvents = keptEvents;
    this.federation = federation;
  }

  user(userId: string): User {
    const user = this.users.get(userId);
    if (!user) throw new Refusal(404, 'M_NOT_FOUND', `${userId} is nobody here`);
    return user;
  }

  addUser(userId: string, more: Pick<User, 'password' | 'person'> = {}): User {
    const user: User = { userId, displayName: null, devices: new Map(), crossSigning: {}, joined: new Set(), feed: [], ...more };
    this.users.set(userId, user);
    return user;
  }

  addDevice(user: User, deviceId: string, more: { readonly displayName?: string | undefined; readonly token?: string } = {}): Device {
    const device: Device = { deviceId, oneTimeKeys: new Map(), claimed: new Set(), inbox: [], transactions: new Map(), ...more };
    user.devices.set(deviceId, device);
    return device;
  }

  /** Puts an event into its room, and tells everybody it concerns. */
  append(room: Room, event: Omit<RoomEvent, 'event_id' | 'room_id' | 'origin_server_ts'>): RoomEvent {
    const whole: RoomEvent = { ...event, event_id: `$${randomBytes(32).toString('base64url')}`, room_id: room.roomId, origin_server_ts: Date.now() };
    const pos = (this.pos += 1);
    room.timeline.push({ pos, event: whole });
    if (room.timeline.length > this.keptEvents) room.timeline.shift();
    if (whole.state_key !== undefined) room.state.set(`${whole.type}\0${whole.state_key}`, whole);
    if (whole.type === 'm.room.member' && whole.state_key !== undefined) this.#member(room, whole.state_key, String(whole.content['membership']), pos, whole);
    for (const listener of this.#onEvent) listener(room, whole);
    return whole;
  }

  #member(room: Room, userId: string, membership: string, pos: number, event: RoomEvent): void {
    const user = this.users.get(userId);
    if (user?.person && membership === 'join' && room.members.get(userId) !== 'join') this.counts.joins += 1;
    room.members.set(userId, membership);
    if (membership === 'join') user?.joined.add(room);
    else user?.joined.delete(room);
    const concerned = new Set([userId, ...[...room.members].filter(([, is]) => is === 'join').map(([member]) => member)]);
    for (const member of concerned) {
      const reader = this.users.get(member);
      if (!reader || reader.person) continue;
      reader.feed.push({ pos, room, event });
      this.#tell(member);
    }
  }

  devicesChanged(userId: string): void {
    this.deviceChanges.push({ pos: (this.pos += 1), userId });
    for (const room of this.users.get(userId)?.joined ?? []) for (const [member, is] of room.members) if (is === 'join') this.#tell(member);
    this.#tell(userId);
  }

  toDevice(user: User, device: Device, event: Json): void {
    if (user.person) return; // nobody reads it
    device.inbox.push({ pos: (this.pos += 1), event });
    this.#tell(user.userId);
  }

  shareRoom(a: User, b: User): boolean {
    const [few, many] = a.joined.size < b.joined.size ? [a, b] : [b, a];
    for (const room of few.joined) if (many.joined.has(room)) return true;
    return false;
  }

  onEvent(listener: (room: Room, event: RoomEvent) => void): void {
    this.#onEvent.push(listener);
  }

  /** Resolves when something happens that concerns the user, or after `ms`, or when `signal` says so. */
  waitFor(userId: string, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const listener = (told: string): void => {
        if (told === userId) end();
      };
      const timer = setTimeout(end, ms);
      this.#listeners.add(listener);
      signal.addEventListener('abort', end);
    });
  }

  #tell(userId: string): void {
    for (const listener of this.#listeners) listener(userId);
  }
}
