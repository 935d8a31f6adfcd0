/** Whose devices the engine keeps track of, and whether what it knows of them is fresh. */
import { DeviceLists, OtherUserIdentity, UserId as EngineUserId } from '@matrix-org/matrix-sdk-crypto-wasm';
import type { UserId } from '../../domain/brand.ts';
import type { Engine } from './engine.ts';
import type { ThreadOptions } from './options.ts';
import { serverOf, type Outgoing } from './outgoing.ts';
import type { SharedRooms } from './sharedRooms.ts';
import { together } from './together.ts';

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
  /** Makes what is known of these people as fresh as their servers let it be. Throws a HomeserverError when our own doesn't answer. */
  refresh(userIds: readonly UserId[], signal: AbortSignal): Promise<void>;
  /** Whether what a refresh found stays true until a change is told. */
  staysFresh(userId: UserId): boolean;
  devicesOf(userId: UserId): Promise<readonly PersonDevice[]>;
  /** Whether the person's identity is another than the one that was seen first, and nobody has accepted that. Its signatures count for nothing meanwhile. */
  hasChangedIdentity(userId: UserId): Promise<boolean>;
  acceptIdentity(userId: UserId): Promise<void>;
};

export function createPeople(options: ThreadOptions, engine: Engine, outgoing: Outgoing, sharedRooms: SharedRooms): People {
  const { machine } = engine;
  let epoch = 0;

  const markStale = together(async (userIds: readonly UserId[]): Promise<void> => {
    await engine.within('updateTrackedUsers', machine.updateTrackedUsers(ids(userIds)));
    using lists = new DeviceLists(ids(userIds));
    // The variant for callers that don't know the number of one-time keys: `receiveSyncChanges` would take "none given" for "none left".
    await engine.within('receiveSyncChanges', machine.receiveSyncChangesMsc4186('[]', lists, new Map()));
  });

  const identityOf = async (userId: UserId): Promise<OtherUserIdentity | undefined> => {
    using person = idOf(userId);
    const identity = person && await engine.within('getIdentity', machine.getIdentity(person));
    if (identity instanceof OtherUserIdentity) return identity;
    identity?.free();
    return undefined;
  };
  const hasChangedIdentity = async (userId: UserId): Promise<boolean> => {
    if (options.trust === 'any') return false; // then no signature is asked for
    using identity = await identityOf(userId);
    if (identity?.identityNeedsUserApproval() !== true) return false;
    if (options.changedIdentities !== 'accept') return true;
    await identity.pinCurrentMasterKey();
    return false;
  };

  return {
    get epoch() {
      return epoch;
    },
    noteChanges: () => {
      epoch += 1;
    },
    async changed(userIds) {
      epoch += 1;
      await markStale(userIds);
    },
    async refresh(userIds, signal) {
      await engine.within('updateTrackedUsers', machine.updateTrackedUsers(ids(userIds)));
      const untold = userIds.filter((userId) => !sharedRooms.with(userId));
      if (untold.length > 0) await markStale(untold);
      await outgoing.flush(signal);
      // The engine waits up to a quarter of an hour before it asks a silent server again; a message that waits for it doesn't.
      const silent = userIds.filter((userId) => outgoing.silent.devices.has(serverOf(userId)));
      if (silent.length > 0) await outgoing.exclusively(signal, (send) => send(machine.queryKeysForUsers(ids(silent))));
    },
    staysFresh: (userId) => sharedRooms.with(userId) && !outgoing.silent.devices.has(serverOf(userId)),
    hasChangedIdentity,
    async acceptIdentity(userId) {
      using identity = await identityOf(userId);
      await identity?.pinCurrentMasterKey();
      epoch += 1;
    },
    async devicesOf(userId) {
      using person = idOf(userId);
      if (!person) return [];
      using known = await engine.within('getUserDevices', machine.getUserDevices(person));
      const isOther = await hasChangedIdentity(userId);
      return known.devices().map((device) => {
        using handle = device;
        using deviceId = handle.deviceId;
        using key = handle.curve25519Key;
        const signed = handle.isCrossSignedByOwner();
        const may = !isOther && !handle.isDeleted() && !handle.isBlacklisted() && key !== undefined;
        const entitled = may && (signed || (options.trust === 'any' && !handle.isDehydrated));
        return { name: `${userId} ${deviceId.toString()} ${key?.toBase64() ?? ''}`, signed, entitled, readable: entitled && !handle.isDehydrated };
      });
    },
  };
}

/** The engine's own ids, which the call that takes them uses up. */
/** What isn't a user id is left out: one odd name from outside must not keep the others from being told. */
export const ids = (userIds: readonly UserId[]): EngineUserId[] => userIds.flatMap((userId) => idOf(userId) ?? []);

function idOf(userId: UserId): EngineUserId | undefined {
  try {
    return new EngineUserId(userId);
  } catch {
    return undefined;
  }
}
