/**
 * The room's key goes to every entitled device before anything is encrypted with it (client-server API §11.12.4, MSC4153). Sharing comes
 * before each encryption: the engine panics on a session that is over or was never shared.
 */
import { CollectStrategy, EncryptionSettings, HistoryVisibility, RoomId, type ToDeviceRequest } from '@matrix-org/matrix-sdk-crypto-wasm';
import type { DatabaseSync } from 'node:sqlite';
import type { RoomId as Room, UserId } from '../../domain/brand.ts';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import type { Engine } from './engine.ts';
import { asRecord } from './homeserver.ts';
import type { ThreadOptions } from './options.ts';
import { serverOf, type Outgoing } from './outgoing.ts';
import { ids, type People, type PersonDevice } from './people.ts';
import type { PlainMessage } from './protocol.ts';
import type { Resets } from './resets.ts';
import { createSessionAges } from './sessionAges.ts';
import type { Store } from './store.ts';

/** Devices of members that have the room's key, and those that don't get it. */
export type Reached = { readonly devices: number; readonly withheld: number };

export type RoomKeys = {
  /** To be called under the room's lock. Throws a HomeserverError when the homeserver doesn't take a request. */
  share(message: Pick<PlainMessage, 'roomId' | 'members' | 'recipients' | 'rotation' | 'whenServerAway'>, signal: AbortSignal): Promise<Outcome<Reached, Unreached>>;
  /** The content of the event that was encrypted for the room, after `share` and under the same lock. */
  encrypted(roomId: Room, content: unknown): void;
  /** These devices are gone for good. */
  forget(names: readonly string[]): void;
};

/** Why a recipient can't read it. */
type Unreached = 'no-device' | 'server-away' | 'identity-changed';

/** What the last share found; it holds while nobody's devices changed, and the room's rules didn't. */
type Settled = { readonly epoch: number; readonly people: string; readonly rotation: string; readonly holders: readonly UserId[]; readonly reached: Reached };

/** The engine asks a server that gave no one-time keys again after this long, then after twice as long, and so on. */
const silentServerMs = 15_000;

export type Parts = { readonly options: ThreadOptions; readonly engine: Engine; readonly outgoing: Outgoing; readonly people: People; readonly store: Store; readonly resets: Resets };

export async function createRoomKeys({ options, engine, outgoing, people, store, resets }: Parts): Promise<RoomKeys> {
  const { machine } = engine;
  const settledRooms = new Map<Room, Settled>();
  const ages = createSessionAges();
  const rows = await store.durable((sql) => sql.prepare('SELECT device FROM courier_reached').all());
  /** Devices with which an encrypted channel exists: each share reaches them. */
  const channels = new Set(rows.map((row) => String(row['device'])));

  const claimMissing = (members: readonly UserId[], signal: AbortSignal): Promise<void> => outgoing.exclusively(signal, async (send) => {
    const claim = await engine.within('getMissingSessions', machine.getMissingSessions(ids(members)));
    if (claim) await send(claim);
  });

  const shareNow = async (roomId: Room, { members, rotation }: Pick<PlainMessage, 'members' | 'rotation'>, names: ReadonlyMap<string, string>, signal: AbortSignal): Promise<void> => {
    using settings = settingsOf(options.trust, rotation);
    using room = new RoomId(roomId);
    ages.asked(roomId, Date.now());
    const requests = await engine.within('shareRoomKey', machine.shareRoomKey(room, ids(members), settings));
    if (requests.length === 0) return;
    ages.shared(roomId, requests.length);
    await outgoing.exclusively(signal, async (send) => {
      for (const request of requests) {
        const news = keyed(request).map((device) => names.get(device) ?? device).filter((name) => !channels.has(name));
        await send(request, (sql) => noteChannels(sql, news));
        for (const name of news) channels.add(name);
      }
    });
  };

  const everybody = async (members: readonly UserId[]): Promise<ReadonlyMap<UserId, readonly PersonDevice[]>> => {
    const all = new Map<UserId, readonly PersonDevice[]>();
    for (const userId of members) all.set(userId, await people.devicesOf(userId));
    return all;
  };

  return {
    async share(message, signal) {
      const { roomId, members, recipients, whenServerAway } = message;
      const { epoch } = people;
      const who = `${members.toSorted().join(' ')}|${recipients.toSorted().join(' ')}`;
      using room = new RoomId(roomId);
      const known = settledRooms.get(roomId);
      const rotation = `${message.rotation.periodMs} ${message.rotation.messages}`;
      if (known?.epoch === epoch && known.people === who) {
        // Whom the key goes to is what it was; whether it is still the one to use, the engine need not be asked each time.
        if (known.rotation !== rotation || !ages.holds(roomId, message.rotation, Date.now())) await shareNow(roomId, { ...message, members: known.holders }, new Map(), signal);
        return ok(known.reached);
      }
      settledRooms.delete(roomId);
      await people.refresh(members, signal);
      const isAway = (userId: UserId): boolean => outgoing.silent.devices.has(serverOf(userId)) || outgoing.silent.oneTimeKeys.has(serverOf(userId));
      const silent = recipients.find((userId) => outgoing.silent.devices.has(serverOf(userId)));
      if (silent !== undefined && whenServerAway !== 'send') return away([silent]);
      await claimMissing(members, signal);

      const devices = await everybody(members);
      const canRead = (userId: UserId): boolean => (devices.get(userId) ?? []).some(({ readable, name }) => readable && channels.has(name));
      const waiting = recipients.filter((userId) => outgoing.silent.oneTimeKeys.has(serverOf(userId)) && (devices.get(userId) ?? []).some(({ entitled, name }) => entitled && !channels.has(name)));
      if (waiting.length > 0 && !(whenServerAway === 'send' && waiting.every(canRead))) return away(waiting);

      const keyless = new Set<UserId>();
      for (const userId of members) if (await people.hasChangedIdentity(userId)) keyless.add(userId);
      const holders = members.filter((userId) => !keyless.has(userId));
      const isReset = resets.concern(roomId, members);
      if (isReset) await engine.within('invalidateGroupSession', machine.invalidateGroupSession(room));
      const names = new Map([...devices.values()].flat().map(({ name }) => [withoutKey(name), name]));
      await shareNow(roomId, { ...message, members: holders }, names, signal);
      if (isReset) await resets.settled(roomId);
      const without = recipients.filter((userId) => !canRead(userId));
      const others = without.filter((userId) => keyless.has(userId));
      if (others.length > 0) return fail('identity-changed', otherIdentity(others));
      if (without.some(isAway)) return away(without.filter(isAway));
      if (without.length > 0) return fail('no-device', noDevice(without, devices, options.trust));

      const all = [...devices.values()].flat();
      const reached = { devices: all.filter(({ entitled, name }) => entitled && channels.has(name)).length, withheld: all.filter(({ entitled, name }) => !(entitled && channels.has(name))).length };
      const complete = all.every(({ entitled, name }) => !entitled || channels.has(name)) && members.every((userId) => people.staysFresh(userId));
      if (complete) settledRooms.set(roomId, { epoch, people: who, rotation, holders, reached });
      return ok(reached);
    },
    encrypted: (roomId, content) => ages.encrypted(roomId, content),
    forget(names) {
      for (const name of names) channels.delete(name);
    },
  };
}

function settingsOf(trust: ThreadOptions['trust'], { periodMs, messages }: PlainMessage['rotation']): EncryptionSettings {
  const settings = new EncryptionSettings();
  settings.sharingStrategy = trust === 'signed' ? CollectStrategy.identityBasedStrategy() : CollectStrategy.allDevices();
  settings.rotationPeriod = BigInt(Math.round(periodMs)) * 1000n; // microseconds
  settings.rotationPeriodMessages = BigInt(Math.min(Math.max(Math.round(messages), 1), 10_000));
  settings.historyVisibility = HistoryVisibility.Invited; // no client may pass the key on as shared history (MSC4268)
  return settings;
}

/** The devices, as `user device`, that a to-device request brings the key itself: not those it tells that the key is withheld. */
function keyed(request: ToDeviceRequest): readonly string[] {
  if (request.event_type !== 'm.room.encrypted') return [];
  const messages = asRecord(asRecord(JSON.parse(request.body))['messages']);
  return Object.entries(messages).flatMap(([userId, devices]) => Object.keys(asRecord(devices)).map((deviceId) => `${userId} ${deviceId}`));
}

const withoutKey = (name: string): string => name.slice(0, name.lastIndexOf(' '));

function noteChannels(sql: DatabaseSync, names: readonly string[]): void {
  const insert = sql.prepare('INSERT OR IGNORE INTO courier_reached VALUES (?)');
  for (const name of names) insert.run(name);
}

const away = (userIds: readonly UserId[]): Outcome<never, 'server-away'> => {
  const servers = [...new Set(userIds.map(serverOf))].join(', ');
  return fail('server-away', `${servers} doesn't answer: which devices ${userIds.join(', ')} has now can't be known. It is sent once that server is back.`, { retry: true, retryAfterMs: silentServerMs });
};

const otherIdentity = (userIds: readonly UserId[]): string =>
  `${userIds.join(', ')}: has another identity than before (a reset of theirs, or somebody else). Call them; if it was they, accept it: \`aceso people accept\`. It is sent then.`;

function noDevice(userIds: readonly UserId[], devices: ReadonlyMap<UserId, readonly PersonDevice[]>, trust: ThreadOptions['trust']): string {
  const shut = userIds.filter((userId) => (devices.get(userId) ?? []).some(({ readable }) => readable));
  if (shut.length === userIds.length) return `${userIds.join(', ')}: their devices have run out of keys that others may claim. Have them open their app; it is sent then.`;
  const needed = trust === 'signed' ? 'a device that its owner has signed (verified by cross-signing)' : 'a device with encryption';
  return `${userIds.join(', ')}: needs ${needed}. It is sent once there is one.`;
}
