/** The courier's device at the test hospital Mercy: started, given rooms and members, killed in a process of its own. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { createCourier, type CourierLog, type CourierOptions, type IdentityKeeper } from '../../src/adapters/crypto/courier.ts';
import { as, type RoomId, type UserId } from '../../src/domain/brand.ts';
import { Sealed } from '../../src/domain/sealed.ts';
import type { Courier, EncryptedEvent, OutgoingMessage } from '../../src/ports/courier.ts';
import type { Client } from './clients/client.ts';
import type { ChildCommand, ChildReport } from './courierChild.ts';
import { sharedHospitals, takeSlot, type Hospital, type Slot } from './lab.ts';
import { matrix, matrixAnswer, text } from './matrixHttp.ts';
import { own } from './processes.ts';
import { shared } from './shared.ts';
import { until } from './until.ts';

/** A courier's settings, and what a test asks of the homeserver in its name. */
export type Place = {
  readonly hospital: Hospital;
  readonly userId: UserId;
  readonly options: Omit<CourierOptions, 'log'>;
  /** A room that the courier is in, encrypted from its first event, with these people invited. */
  room(people: readonly string[]): Promise<RoomId>;
  invite(roomId: RoomId, person: string): Promise<void>;
  event(roomId: RoomId, eventId: string): Promise<EncryptedEvent>;
  /** All encrypted events of the courier in the room, oldest first. */
  sent(roomId: RoomId): Promise<readonly EncryptedEvent[]>;
  call(path: string, body?: unknown, method?: 'POST' | 'PUT'): Promise<Record<string, unknown>>;
  /** One `/sync` of the courier's device, as it came. */
  sync(query: URLSearchParams): Promise<Record<string, unknown>>;
  /** Removes the store. */
  clear(): void;
};

let places = 0;

/** A new courier user with an empty store, at the shared Mercy unless another hospital is given. */
export async function newPlace(changes: Partial<CourierOptions> = {}, at?: { readonly hospital: Hospital; readonly slot: Slot }): Promise<Place> {
  const { hospital, slot } = at ?? await shared('couriers', async () => ({ value: { hospital: (await sharedHospitals()).mercy, slot: await takeSlot() }, stop: () => undefined }));
  const userId = as<UserId>(`@${slot.prefix}courier${(places += 1)}:${hospital.serverName}`);
  const folder = mkdtempSync(join(tmpdir(), 'aceso-courier-'));
  const call: Place['call'] = (path, body, method) => {
    const url = new URL(`/_matrix/client/v3${path}`, hospital.baseUrl);
    url.searchParams.set('user_id', userId);
    return matrix(hospital.baseUrl, `${url.pathname}${url.search}`, { token: slot.asToken, ...(body === undefined ? {} : { body }), ...(method ? { method } : {}) });
  };
  const part = encodeURIComponent;
  return {
    hospital, userId, call,
    options: {
      homeserverUrl: hospital.baseUrl, asToken: slot.asToken, userId, deviceId: 'COURIER', deviceName: 'Aceso courier',
      storePath: folder, storeId: 'store', generation: 1, bornAt: 0, storeKey: new Uint8Array(32).fill(7), trust: 'signed', deadlineMs: 20_000, ...changes,
    },
    sync: (query) => matrix(hospital.baseUrl, `/_matrix/client/v3/sync?${new URLSearchParams([...query, ['user_id', userId], ['device_id', changes.deviceId ?? 'COURIER']]).toString()}`, { token: slot.asToken }),
    async room(people) {
      await matrixAnswer(hospital.baseUrl, '/_matrix/client/v3/register', { token: slot.asToken, body: { type: 'm.login.application_service', username: userId.slice(1).split(':')[0], inhibit_login: true } });
      const encryption = { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } };
      return as<RoomId>(text(await call('/createRoom', { preset: 'private_chat', invite: people, initial_state: [encryption] }), 'room_id'));
    },
    async invite(roomId, person) {
      await call(`/rooms/${part(roomId)}/invite`, { user_id: person });
    },
    event: async (roomId, eventId) => await until('the event to be there', () => call(`/rooms/${part(roomId)}/event/${part(eventId)}`)) as unknown as EncryptedEvent,
    async sent(roomId) {
      const filter = JSON.stringify({ senders: [userId], types: ['m.room.encrypted'] });
      const { chunk } = await call(`/rooms/${part(roomId)}/messages?dir=f&limit=1000&filter=${part(filter)}`);
      return chunk as EncryptedEvent[];
    },
    clear: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export type Started = Courier & { readonly logs: readonly CourierLog[]; readonly heard: readonly { readonly kind: 'room-keys' | 'devices'; readonly userIds: readonly UserId[] }[] };

/** Started in this process: those that a failed test left running are stopped when the run ends, since their threads would keep it alive. */
const running = (): Promise<Set<Courier>> => shared('courier threads', async () => {
  const couriers = new Set<Courier>();
  const stop = async (): Promise<void> => {
    await Promise.all([...couriers].map((courier) => courier.stop()));
  };
  return { value: couriers, stop };
});

/** Starts it in this process. It isn't ready yet: its methods wait. */
export async function start(place: Place, changes: Partial<CourierOptions> = {}): Promise<Started> {
  const logs: CourierLog[] = [];
  const heard: Started['heard'][number][] = [];
  const courier = await createCourier({ ...place.options, log: (event) => logs.push(event), ...changes });
  courier.onKeys((change) => heard.push(change));
  (await running()).add(courier);
  return { ...courier, logs, heard };
}

export const ready = (courier: Pick<Courier, 'status'>): Promise<unknown> =>
  until('the courier to be ready', () => courier.status().state === 'ready').catch((cause: unknown) => {
    throw new Error(`the courier isn't ready: ${JSON.stringify(courier.status())}`, { cause });
  });

/**
 * A room that all of these have joined. A message that was sent before the join of somebody at another server is there for those only who
 * scroll back, which the tests' clients don't.
 */
export async function joinedRoom(place: Place, people: readonly Client[]): Promise<RoomId> {
  const roomId = await place.room(people.map(({ userId }) => userId));
  await until('everybody to join', () => people.every(({ joinedRooms }) => joinedRooms.has(roomId)));
  return roomId;
}

/** A text for these people, all of them responsible. */
export function message(id: string, roomId: RoomId, people: readonly string[], body: string, changes: Partial<OutgoingMessage> = {}): OutgoingMessage {
  const members = people.map((person) => as<UserId>(person));
  return {
    id: as(id), createdAt: as(Date.now()), mark: `mark of ${id}`, roomId, members, recipients: members, type: 'm.room.message',
    content: Sealed.of(as('subject'), { msgtype: 'm.text', body }), rotation: { periodMs: 604_800_000, messages: 100 }, ...changes,
  };
}

/** Keeps the identity in a file, as the store of Aceso does for all workers. */
export const keptIn = (file: string): IdentityKeeper => ({
  recall: async () => (existsSync(file) ? readFileSync(file) : undefined),
  keep: async (identity) => writeFileSync(file, identity),
});

export type ChildChanges = {
  /** How much later than here it is there; milliseconds. */
  readonly clockMs?: number;
  readonly engine?: 'previous' | 'current';
  readonly options?: Partial<CourierOptions>;
};

/** A courier in a process of its own, while it runs. */
export type Child = {
  readonly reports: readonly Extract<ChildReport, { readonly id: string }>[];
  /** Codes of what it logged. */
  readonly logs: readonly string[];
  /** Whether SIGSTOP holds it (proc(5), `stat`). */
  isStopped(): boolean;
  resume(): void;
  /** How it ended. */
  ended(): Promise<string>;
  kill(): Promise<void>;
};

export async function startChild(place: Place, command: Omit<ChildCommand, 'options'>, { clockMs = 0, engine = 'current', options: changes = {} }: ChildChanges = {}): Promise<Child> {
  const { storeKey, identity: _, ...options } = { ...place.options, ...changes };
  const full: ChildCommand = { ...command, options: { ...options, storeKey: Buffer.from(storeKey).toString('hex') } };
  const hooks = pathToFileURL(join(import.meta.dirname, 'childHooks.ts')).href;
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--import', hooks, join(import.meta.dirname, 'courierChild.ts'), JSON.stringify(full)], {
    stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ACESO_CHILD_CLOCK_MS: `${clockMs}`, ACESO_CHILD_ENGINE: engine },
  });
  const reports: Child['reports'][number][] = [];
  const logs: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const report = JSON.parse(line) as ChildReport;
    if ('log' in report) logs.push(report.log);
    else reports.push(report);
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  const owned = await own(child);
  return {
    reports, logs,
    isStopped: () => /\) T /u.test(readFileSync(`/proc/${owned.pid}/stat`, 'utf8')),
    resume: () => void process.kill(owned.pid, 'SIGCONT'),
    async ended() {
      await until('the child to end', () => owned.ended(), 60_000, 10).finally(() => owned.kill());
      await closed;
      return owned.ended() ?? '';
    },
    kill: () => owned.kill(),
  };
}

/** Runs a courier in a process of its own until it has sent the messages or has killed itself; gives what it reported and how it ended. */
export async function inProcess(place: Place, command: Omit<ChildCommand, 'options'>, changes: ChildChanges = {}): Promise<{ readonly reports: Child['reports']; readonly ended: string }> {
  const child = await startChild(place, command, changes);
  return { ended: await child.ended(), reports: child.reports };
}

/** The place of a Megolm message in its session: which key encrypted it (Megolm's message format, §"Message format"). */
export function messageIndex(event: EncryptedEvent): string {
  const bytes = Buffer.from(String(event.content['ciphertext']), 'base64');
  let index = 0;
  for (let at = 2, shift = 0; ; at += 1, shift += 7) {
    const byte = bytes[at] ?? 0;
    index |= (byte & 127) << shift;
    if (byte < 128) return `${String(event.content['session_id'])} ${index}`;
  }
}
