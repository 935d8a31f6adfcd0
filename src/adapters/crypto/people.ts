/** Whose devices the engine keeps track of, and whether what it knows of them is fresh. */
import { DeviceLists, UserId as EngineUserId } from '@matrix-org/matrix-sdk-crypto-wasm';
import type { UserId } from '../../domain/brand.ts';
import type { Engine } from './engine.ts';
import type { ThreadOptions } from './options.ts';
import { serverOf, type Outgoing } from './outgoing.ts';
import type { Store } from './store.ts';

export type PersonDevice = {
  /** User, device and identity key: a device that comes back with other keys is another one. */
  readonly name: string;
  readonly signed: boolean;
  /** May get room keys. */
  readonly entitled: boolean;
  /** A person can read on it. A dehydrated device only keeps keys for the next one. */
  readonly readable: boolean;
};

export type People = {
  /** Rises whenever a device of somebody may have changed: what was computed at another epoch must be computed again. */
  readonly epoch: number;
  /** The engine was told of changes by somebody else. */
  noteChanges(): void;
  /** Devices of these people changed, or they came: they are tracked, and asked for at the next refresh. */
  changed(userIds: readonly UserId[]): Promise<void>;
  /** They share no room with us, or soon won't, and changes of their devices won't be told: should they come back, nothing known of them counts. */
  unseen(userIds: readonly UserId[]): Promise<void>;
  /** Makes what is known of these people as fresh as their servers let it be. Throws a HomeserverError when our own doesn't answer. */
  refresh(userIds: readonly UserId[], signal: AbortSignal): Promise<void>;
  devicesOf(userId: UserId): Promise<readonly PersonDevice[]>;
};

export async function createPeople(options: ThreadOptions, engine: Engine, outgoing: Outgoing, store: Store): Promise<People> {
  const { machine } = engine;
  const rows = await store.durable((sql) => sql.prepare('SELECT user_id FROM courier_unseen').all());
  const gone = new Set(rows.map((row) => row['user_id'] as UserId));
  let epoch = 0;

  const track = (userIds: readonly UserId[]): Promise<void> => engine.within('updateTrackedUsers', machine.updateTrackedUsers(ids(userIds)));
  const changed = async (userIds: readonly UserId[]): Promise<void> => {
    epoch += 1;
    await track(userIds);
    using lists = new DeviceLists(ids(userIds));
    // The variant for callers that don't know the number of one-time keys: `receiveSyncChanges` would take "none given" for "none left".
    await engine.within('receiveSyncChanges', machine.receiveSyncChangesMsc4186('[]', lists, new Map()));
  };

  return {
    get epoch() {
      return epoch;
    },
    noteChanges: () => {
      epoch += 1;
    },
    changed,
    async unseen(userIds) {
      const news = userIds.filter((userId) => !gone.has(userId));
      if (news.length === 0) return;
      epoch += 1;
      await store.durable((sql) => {
        const insert = sql.prepare('INSERT OR IGNORE INTO courier_unseen VALUES (?)');
        for (const userId of news) insert.run(userId);
      });
      for (const userId of news) gone.add(userId);
    },
    async refresh(userIds, signal) {
      const back = userIds.filter((userId) => gone.has(userId));
      if (back.length > 0) {
        await changed(back);
        await store.durable((sql) => {
          const remove = sql.prepare('DELETE FROM courier_unseen WHERE user_id = ?');
          for (const userId of back) remove.run(userId);
        });
        for (const userId of back) gone.delete(userId);
      } else {
        await track(userIds);
      }
      await outgoing.flush(signal);
      // The engine waits up to a quarter of an hour before it asks a silent server again; a message that waits for it doesn't.
      const silent = userIds.filter((userId) => outgoing.silent.devices.has(serverOf(userId)));
      if (silent.length > 0) await outgoing.exclusively(signal, (send) => send(machine.queryKeysForUsers(ids(silent))));
    },
    async devicesOf(userId) {
      using person = new EngineUserId(userId);
      using known = await engine.within('getUserDevices', machine.getUserDevices(person));
      return known.devices().map((device) => {
        using handle = device;
        using deviceId = handle.deviceId;
        using key = handle.curve25519Key;
        const signed = handle.isCrossSignedByOwner();
        const may = !handle.isDeleted() && !handle.isBlacklisted() && key !== undefined;
        const entitled = may && (signed || (options.trust === 'any' && !handle.isDehydrated));
        return { name: `${userId} ${deviceId.toString()} ${key?.toBase64() ?? ''}`, signed, entitled, readable: entitled && !handle.isDehydrated };
      });
    },
  };
}

/** The engine's own ids, which the call that takes them uses up. */
export const ids = (userIds: readonly UserId[]): EngineUserId[] => userIds.map((userId) => new EngineUserId(userId));
