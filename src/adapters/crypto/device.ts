/** The device as a whole, inside its thread: the store, the engine and what drives them, put together. */
import type { UserId } from '../../domain/brand.ts';
import { fail, ok } from '../../domain/outcome.ts';
import { decrypt } from './decrypting.ts';
import { openEngine } from './engine.ts';
import { createFaults, noFaults, type Action } from './faults.ts';
import { prune } from './growth.ts';
import { createHomeserver } from './homeserver.ts';
import { establishIdentity } from './identity.ts';
import { createJournal } from './journal.ts';
import { createLocks, orAborted } from './locks.ts';
import { createMedia } from './media.ts';
import type { CourierLog, FaultPoint, ThreadOptions } from './options.ts';
import { createOutgoing, serverOf } from './outgoing.ts';
import { createPeople } from './people.ts';
import type { Calls, FromThread, IdentityAnswer, IdentityAsk } from './protocol.ts';
import { createResets } from './resets.ts';
import { createRoomKeys } from './roomKeys.ts';
import { send, sendFailure } from './sending.ts';
import { createSharedRooms } from './sharedRooms.ts';
import { openStore } from './store.ts';
import { keepSyncing, untilStopped } from './syncing.ts';
import { createSyncPace } from './syncPace.ts';

/** The calls of the protocol, each within the time of `signal`. */
export type Device = {
  readonly [Name in Exclude<keyof Calls, 'stop'>]: (ask: Calls[Name]['ask'], signal: AbortSignal) => Promise<Calls[Name]['answer']>;
} & {
  /** Publishes the identity, then syncs, until `close`. */
  run(): Promise<void>;
  /** Stops syncing at once. */
  stopSyncing(): void;
  close(): Promise<void>;
};

export type DeviceHooks = {
  readonly tell: (message: FromThread) => void;
  /** A call of the engine never came back: the thread must end. */
  readonly giveUp: (what: string) => void;
  readonly askFault: (name: FaultPoint) => Promise<Action>;
  readonly askIdentity: (ask: IdentityAsk) => Promise<IdentityAnswer>;
  /** Another holder has taken the store: the thread must end, for good. */
  readonly fenced: () => void;
};

/** How long a call waits for the identity to be published; milliseconds. */
const beginningMs = 5_000;

export async function openDevice(options: ThreadOptions, { tell, giveUp, askFault, askIdentity, fenced }: DeviceHooks): Promise<Device> {
  const store = await openStore(options, fenced);
  const engine = await openEngine(options, giveUp);
  const homeserver = createHomeserver(options, { mayLeave: () => store.checkFence(), unknownDevice: () => tell({ kind: 'removed' }) });
  const faults = options.faults === 'on' ? createFaults(engine, askFault) : noFaults;
  const resets = await createResets(engine, store, (userId) => tell({ kind: 'log', event: { level: 'warn', code: 'device-reset', userId } }));
  const stop = new AbortController();
  const stopping = stop.signal;
  const outgoing = createOutgoing(engine, homeserver, store, faults, resets, stopping);
  const sharedRooms = await createSharedRooms(store);
  const people = createPeople(options, engine, outgoing, sharedRooms);
  const journal = createJournal(store, options.storeKey);
  const media = createMedia(options, homeserver, journal, faults);
  const roomKeys = await createRoomKeys({ options, engine, outgoing, people, store, resets });
  const pace = createSyncPace();
  const sending = { options, engine, homeserver, journal, media, roomKeys, rooms: createLocks(), pace, faults, log: (event: CourierLog) => tell({ kind: 'log', event }) };
  const { promise: published, resolve: nowPublished } = Promise.withResolvers<undefined>();
  let identity: 'unpublished' | 'published' = 'unpublished';
  const untilPublished = (signal: AbortSignal): Promise<undefined> => orAborted(published, AbortSignal.any([signal, AbortSignal.timeout(beginningMs)]));

  // The engine tells of a person's devices and identity one after the other; listeners hear of both at once.
  const news = new Set<UserId>();
  const devicesChanged = (userIds: readonly string[]): void => {
    people.noteChanges();
    if (news.size === 0) setTimeout(() => tellNews(), 50).unref();
    for (const userId of userIds) news.add(userId as UserId);
  };
  const tellNews = (): void => {
    const userIds = [...news].filter((userId) => userId !== options.userId);
    news.clear();
    if (userIds.length > 0) tell({ kind: 'keys', change: { kind: 'devices', userIds } });
  };
  engine.machine.registerDevicesUpdatedCallback(async (userIds) => devicesChanged(userIds));
  engine.machine.registerUserIdentityUpdatedCallback(async (userId) => {
    using handle = userId;
    devicesChanged([handle.toString()]);
  });

  return {
    async run() {
      await untilStopped({ stopping, tell }, async () => {
        await establishIdentity({ options, engine, homeserver, outgoing, store, faults, stopping, askIdentity, tell });
        return 'done';
      });
      identity = 'published';
      nowPublished(undefined);
      await people.changed(resets.unfinished());
      await keepSyncing({ engine, homeserver, outgoing, people, sharedRooms, store, faults, stopping, tell }, pace);
    },
    async send(message, signal) {
      try {
        await untilPublished(signal);
        return await send(sending, message, signal);
      } catch (error) {
        if (signal.aborted || identity === 'unpublished') return fail('unavailable', 'the homeserver took too long. It is tried again.', { retry: true });
        const failure = sendFailure(error);
        if (failure) return failure;
        tell({ kind: 'log', event: { level: 'error', code: 'engine-error', id: message.id, roomId: message.roomId, reason: error instanceof Error ? error.name : 'unknown' } });
        return fail('engine', 'the encryption engine failed. It is tried again.', { retry: true });
      }
    },
    // Before our own identity is published, asking for others' devices would make the engine ask for ours, and find none.
    decrypt: ({ roomId, event }, signal) => decrypt(engine, roomId, event, () => (identity === 'published' ? people.refresh([event.sender], signal) : Promise.resolve())),
    async memberChanged({ roomId, userId, membership }) {
      if (userId === options.userId) return ok(undefined);
      if (membership === 'leave' || membership === 'ban') {
        await sharedRooms.left(userId, roomId);
        return ok(undefined);
      }
      await people.changed([userId]);
      void published.then(() => outgoing.flush(stopping)).catch(() => undefined); // asked for early; whoever sends asks again
      return ok(undefined);
    },
    async devices({ userId, whenServerAway }, signal) {
      try {
        await untilPublished(signal);
        await people.refresh([userId], signal);
      } catch {
        return fail('unavailable', `the homeserver doesn't say which devices ${userId} has. Try again later.`, { retry: true });
      }
      const devices = await people.devicesOf(userId);
      const isAway = outgoing.silent.devices.has(serverOf(userId)) || outgoing.silent.oneTimeKeys.has(serverOf(userId));
      if (isAway && (devices.length === 0 || whenServerAway !== 'send')) return fail('unavailable', `${serverOf(userId)} doesn't say which devices ${userId} has. Try again later.`, { retry: true });
      return ok({ entitled: devices.filter(({ readable }) => readable).length, unsigned: devices.filter(({ signed }) => !signed).length });
    },
    async acceptIdentity({ userId }, signal) {
      try {
        await untilPublished(signal);
        await people.refresh([userId], signal);
        await people.acceptIdentity(userId);
        return ok(undefined);
      } catch {
        return fail('unavailable', `the homeserver doesn't say which identity ${userId} has. Try again later.`, { retry: true });
      }
    },
    async prune({ before }) {
      return ok(await prune({ store, journal, people, roomKeys }, before));
    },
    stopSyncing: () => stop.abort(),
    async close() {
      stop.abort();
      engine.machine.close();
      await store.close();
    },
  };
}
