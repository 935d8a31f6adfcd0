/**
 * A device id that comes back with other keys is another device. The engine refuses the new keys for as long as it knows the old ones, and would go
 * on writing to keys that nobody has any more. So it is told first that the device is gone, then that there is one: whether that one may get
 * keys is asked anew (its owner's signature), its encrypted channel is a new one, and the keys of the rooms that the old one was in change.
 */
import { RequestType } from '@matrix-org/matrix-sdk-crypto-wasm';
import type { RoomId, UserId } from '../../domain/brand.ts';
import type { Engine } from './engine.ts';
import { asRecord } from './homeserver.ts';
import { ids } from './people.ts';
import type { Store } from './store.ts';

export type Resets = {
  /** Takes the answer to a query of keys. Gives what the engine may be told at once; `after` tells it the rest. */
  look(answer: string): Promise<{ readonly answer: string; after(): Promise<void> }>;
  /** Whether a device of one of these people was reset since the room's key changed for that. */
  concern(roomId: RoomId, members: readonly UserId[]): boolean;
  /** Whose reset was interrupted: the engine was told that their devices are gone, and not yet which there are. They must be asked for again. */
  unfinished(): readonly UserId[];
  /** The room's key was changed. */
  settled(roomId: RoomId): Promise<void>;
};

type Devices = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export async function createResets(engine: Engine, store: Store, changed: (userId: UserId) => void): Promise<Resets> {
  const { machine } = engine;
  const rows = await store.durable((sql) => sql.prepare("SELECT name, value FROM courier_fact WHERE name LIKE 'reset:%' OR name LIKE 'resetting:%' OR name LIKE 'rotated:%'").all());
  const facts = new Map(rows.map((row) => [String(row['name']), Number(row['value'])]));
  const note = async (name: string): Promise<void> => {
    const at = Date.now();
    await store.durable((sql) => sql.prepare('INSERT OR REPLACE INTO courier_fact VALUES (?, ?)').run(name, `${at}`));
    facts.set(name, at);
  };
  const forget = async (name: string): Promise<void> => {
    await store.durable((sql) => sql.prepare('DELETE FROM courier_fact WHERE name = ?').run(name));
    facts.delete(name);
  };

  /** The devices that the engine knows with other keys than these. */
  const resetOf = async (userId: UserId, devices: Devices[string]): Promise<readonly string[]> => {
    const [person] = ids([userId]);
    if (!person) return [];
    using id = person;
    using known = await engine.within('getUserDevices', machine.getUserDevices(id));
    return known.devices().flatMap((device) => {
      using handle = device;
      using deviceId = handle.deviceId;
      using identityKey = handle.ed25519Key;
      using channelKey = handle.curve25519Key;
      const name = deviceId.toString();
      const keys = asRecord(asRecord(devices[name])['keys']);
      const isSame = devices[name] === undefined || (keys[`ed25519:${name}`] === identityKey?.toBase64() && keys[`curve25519:${name}`] === channelKey?.toBase64());
      return isSame ? [] : [name];
    });
  };

  return {
    async look(answer) {
      const parsed = asRecord(JSON.parse(answer));
      const all = asRecord(parsed['device_keys']) as Devices;
      const reset = new Map<UserId, readonly string[]>();
      for (const [userId, devices] of Object.entries(all)) {
        const names = await resetOf(userId as UserId, devices);
        if (names.length > 0) reset.set(userId as UserId, names);
        else if (facts.has(`resetting:${userId}`)) await forget(`resetting:${userId}`);
      }
      if (reset.size === 0) return { answer, after: () => Promise.resolve() };
      for (const userId of reset.keys()) {
        await note(`reset:${userId}`);
        await note(`resetting:${userId}`);
      }
      const left = Object.fromEntries(Object.entries(all).map(([userId, devices]) => [userId, Object.fromEntries(Object.entries(devices).filter(([name]) => !reset.get(userId as UserId)?.includes(name)))]));
      return {
        answer: JSON.stringify({ ...parsed, device_keys: left }),
        async after() {
          using again = machine.queryKeysForUsers(ids([...reset.keys()]));
          await engine.within('markRequestAsSent', machine.markRequestAsSent(again.id, RequestType.KeysQuery, answer));
          for (const userId of reset.keys()) {
            await forget(`resetting:${userId}`);
            changed(userId);
          }
        },
      };
    },
    concern: (roomId, members) => members.some((userId) => (facts.get(`reset:${userId}`) ?? 0) > (facts.get(`rotated:${roomId}`) ?? 0)),
    unfinished: () => [...facts.keys()].filter((name) => name.startsWith('resetting:')).map((name) => name.slice('resetting:'.length) as UserId),
    settled: (roomId) => note(`rotated:${roomId}`),
  };
}
