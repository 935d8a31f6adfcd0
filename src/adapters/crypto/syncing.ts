/**
 * What the homeserver has for our device: messages from other devices, how many one-time keys are left, whose devices changed
 * (client-server API §7.4, §11.12). The place in the stream moves on only after the engine has stored what came.
 */
import { DeviceLists, ProcessedToDeviceEventType } from '@matrix-org/matrix-sdk-crypto-wasm';
import { setTimeout as wait } from 'node:timers/promises';
import type { UserId } from '../../domain/brand.ts';
import type { Engine } from './engine.ts';
import type { Faults } from './faults.ts';
import { asArray, asRecord, asTexts, HomeserverError, type Homeserver } from './homeserver.ts';
import { IdentityRefused, IdentityUnavailable } from './identity.ts';
import type { Outgoing } from './outgoing.ts';
import { ids, type People } from './people.ts';
import type { FromThread } from './protocol.ts';
import type { SharedRooms } from './sharedRooms.ts';
import type { Store } from './store.ts';
import type { SyncPace } from './syncPace.ts';

export type Parts = {
  readonly engine: Engine;
  readonly homeserver: Homeserver;
  readonly outgoing: Outgoing;
  readonly people: People;
  readonly sharedRooms: SharedRooms;
  readonly store: Store;
  readonly faults: Faults;
  readonly stopping: AbortSignal;
  readonly tell: (message: FromThread) => void;
};

/** Membership stays in: without it, Synapse doesn't tell whose devices changed (facts in docs/decisions). */
const filter = JSON.stringify({
  presence: { not_types: ['*'] },
  account_data: { not_types: ['*'] },
  room: { account_data: { not_types: ['*'] }, ephemeral: { not_types: ['*'] }, state: { types: ['m.room.member'] }, timeline: { types: ['m.room.member'], limit: 20 } },
});
const longestPauseMs = 30_000;

/** Syncs until `stopping`. Failures are told, and tried again with growing pauses. */
export async function keepSyncing(parts: Parts, pace: SyncPace): Promise<void> {
  const { store, homeserver, outgoing, stopping, tell } = parts;
  const row = await store.durable((sql) => sql.prepare("SELECT value FROM courier_fact WHERE name = 'since'").get());
  let since = typeof row?.['value'] === 'string' ? row['value'] : undefined;
  await untilStopped(parts, async () => {
    const { restMs, pollMs } = pace.next();
    if (restMs > 0) await wait(restMs, undefined, { signal: stopping });
    const query = { filter, timeout: `${pollMs}`, set_presence: 'offline', ...(since === undefined ? {} : { since }) };
    const answer = await homeserver.json({ method: 'GET', path: 'client/v3/sync', query, timeoutMs: pollMs + 60_000, signal: stopping });
    pace.answered();
    since = await takeSync(parts, answer);
    await outgoing.flush(stopping);
    tell({ kind: 'synced', at: Date.now() });
    return 'again';
  });
}

/** Repeats `work`, with a pause after each failure that grows while it keeps failing. */
export async function untilStopped({ stopping, tell }: Pick<Parts, 'stopping' | 'tell'>, work: () => Promise<'done' | 'again'>): Promise<void> {
  let pauseMs = 0;
  const stopped = (): boolean => stopping.aborted;
  while (!stopped()) {
    try {
      if (await work() === 'done') return;
      pauseMs = 0;
    } catch (error) {
      if (stopped()) return;
      pauseMs = Math.min(Math.max(pauseMs * 2, 500), longestPauseMs);
      const { code, reason, message, retryAfterMs } = troubleOf(error);
      tell({ kind: 'log', event: { level: 'warn', code, reason } });
      tell({ kind: 'problem', message });
      await wait(Math.max(pauseMs, retryAfterMs), undefined, { signal: stopping }).catch(() => undefined);
    }
  }
}

function troubleOf(error: unknown): { readonly code: string; readonly reason: string; readonly message: string; readonly retryAfterMs: number } {
  if (error instanceof HomeserverError) return { code: 'homeserver-trouble', reason: `${error.message} ${error.path}`, message: problemOf(error), retryAfterMs: error.retryAfterMs ?? 0 };
  if (error instanceof IdentityRefused) return { code: 'identity-refused', reason: 'foreign-keys', message: error.message, retryAfterMs: 0 };
  if (error instanceof IdentityUnavailable) return { code: 'identity-unavailable', reason: 'store', message: "the identity that all the courier's devices share can't be had from the store now, or another worker is making it. It is tried again.", retryAfterMs: 0 };
  const reason = error instanceof Error ? error.name : 'unknown';
  return { code: 'engine-error', reason, message: `the encryption engine failed (${reason}). It is tried again.`, retryAfterMs: 0 };
}

function problemOf({ status, errcode, path }: HomeserverError): string {
  if (status === 0) return `the homeserver can't be reached (${errcode}). It is tried again.`;
  if (errcode === 'M_UNKNOWN_TOKEN') return "the homeserver doesn't know the application service's token. Add the registration file to its configuration and restart it.";
  if (errcode === 'M_EXCLUSIVE') return "the courier's user id isn't in the namespace of the registration. Generate it again with `aceso registration`.";
  if (status === 400 && path === 'client/v3/keys/upload') return "the homeserver has other keys of the courier's device than its store: was an old copy put back? Choose a new device id and a new store.";
  return `the homeserver refuses the courier: ${status} ${errcode} (${path}). Its registration needs io.element.msc4190: true.`;
}

/** Takes one answer; gives the place in the stream from which to go on. */
export async function takeSync({ engine, people, sharedRooms, store, faults, tell }: Parts, answer: Readonly<Record<string, unknown>>): Promise<string> {
  const { next_batch: next } = answer;
  if (typeof next !== 'string') throw new HomeserverError(200, 'no-next-batch', 'client/v3/sync');
  const lists = asRecord(answer['device_lists']);
  const [changed, left] = [asTexts(lists['changed']) as UserId[], asTexts(lists['left']) as UserId[]];
  const fallback = answer['device_unused_fallback_key_types'];
  const counts = Object.entries(asRecord(answer['device_one_time_keys_count'])).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  using devices = new DeviceLists(ids(changed), ids(left));
  const events = JSON.stringify(asArray(asRecord(answer['to_device'])['events']));
  const processed = await engine.within('receiveSyncChanges', engine.machine.receiveSyncChanges(events, devices, new Map(counts), fallback === undefined ? undefined : new Set(asTexts(fallback))));
  const senders = new Set<UserId>();
  for (const event of processed) {
    if (event.type === ProcessedToDeviceEventType.Decrypted && 'rawEvent' in event) {
      const { type, sender } = asRecord(JSON.parse(event.rawEvent));
      if (type === 'm.room_key' || type === 'm.forwarded_room_key') senders.add(sender as UserId);
    }
    event.free();
  }
  const members = sharedRooms.read(answer);
  // A filtered sync may not say so, but devices of those who weren't here may have changed without our being told.
  if (members.came.length > 0) await people.changed(members.came);
  if (changed.length > 0) people.noteChanges();
  await sharedRooms.lost(left);
  await faults.reached('synced');
  await store.durable((sql) => {
    members.apply(sql);
    sql.prepare("INSERT OR REPLACE INTO courier_fact VALUES ('since', ?)").run(next);
  });
  await faults.reached('sync-committed');
  if (senders.size > 0) tell({ kind: 'keys', change: { kind: 'room-keys', userIds: [...senders] } });
  return next;
}
