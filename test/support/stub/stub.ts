/** A homeserver in this process: what it checks, README.md says. */
import type { Server } from 'node:http';
import { freePort } from '../ports.ts';
import type { Slot } from '../slots.ts';
import { startPusher, type Pusher } from './appservice.ts';
import { newFederation, type Federation } from './federation.ts';
import { forgeDevice, forgeIdentity } from './forge.ts';
import { createStubServer } from './server.ts';
import { deviceKeys, type CrossSigningKey, type OneTimeKey } from './shapes.ts';
import { World, type Counts } from './world.ts';

export type Session = { readonly userId: string; readonly accessToken: string; readonly deviceId: string; readonly baseUrl: string };

export type Stub = {
  readonly name: string;
  readonly serverName: string;
  readonly baseUrl: string;
  /** What no client should ever have sent. */
  readonly complaints: readonly string[];
  readonly counts: Counts;
  register(user: string, password: string): Promise<string>;
  login(user: string, password: string, deviceName?: string, deviceId?: string): Promise<Session>;
  /** A person of another server with signed devices, who accepts every invitation at once. Gives the user id. */
  person(userId: string, options?: { readonly devices?: number; readonly accepts?: boolean }): string;
  /** The person has read an event: the application service is told. */
  reads(userId: string, roomId: string, eventId: string): void;
  /** Stops answering; what it knows stays. */
  stop(): Promise<void>;
  /** Answers again, at the same address. */
  start(): Promise<void>;
};

export type StubOptions = {
  readonly serverName: string;
  readonly appservices: readonly Slot[];
  readonly port?: number;
  /** Events that each room keeps; all when left out. */
  readonly keptEvents?: number;
  /** Servers that it knows, where there is a federation. */
  readonly federation?: Partial<Omit<Federation, 'signing'>>;
};

const MOST_COMPLAINTS = 100;

export async function startStub({ serverName, appservices, port: wanted, keptEvents = Infinity, federation }: StubOptions): Promise<Stub> {
  const world = new World(serverName, appservices, keptEvents, newFederation(federation));
  for (const { senderLocalpart } of appservices) world.addUser(`@${senderLocalpart}:${serverName}`);
  const complaints: string[] = [];
  const port = wanted ?? (await freePort());
  const baseUrl = `http://127.0.0.1:${port}`;
  const pushers = new Map<string, Pusher>();
  let server: Server | undefined;

  async function start(): Promise<void> {
    if (server) return;
    const started = createStubServer(world, (what) => {
      if (complaints.length < MOST_COMPLAINTS) complaints.push(what);
    });
    await new Promise<void>((resolve, reject) => {
      started.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    server = started;
  }

  await start();
  for (const slot of appservices) pushers.set(slot.id, startPusher(world, slot, () => server !== undefined));
  return {
    name: 'the stub', serverName, baseUrl, complaints, counts: world.counts, start,
    async stop() {
      const stopped = server;
      server = undefined;
      stopped?.closeAllConnections();
      await new Promise<void>((resolve) => { if (stopped) stopped.close(() => resolve()); else resolve(); });
    },
    async register(user, password) {
      return world.addUser(`@${user}:${serverName}`, { password }).userId;
    },
    async login(user, password, deviceName, deviceId) {
      const answer = await fetch(`${baseUrl}/_matrix/client/v3/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ type: 'm.login.password', identifier: { type: 'm.id.user', user }, password, initial_device_display_name: deviceName ?? 'test', ...(deviceId === undefined ? {} : { device_id: deviceId }) }) });
      const body = (await answer.json()) as { readonly user_id: string; readonly access_token: string; readonly device_id: string };
      return { userId: body.user_id, accessToken: body.access_token, deviceId: body.device_id, baseUrl };
    },
    person(userId, { devices = 1, accepts = true } = {}) {
      const identity = forgeIdentity(userId);
      const forged = new Map(Array.from({ length: devices }, (_, index) => `DEVICE${index}`).map((deviceId) => [deviceId, forgeDevice(userId, deviceId, identity)]));
      const oneTimeKey = (deviceId: string): Readonly<Record<string, OneTimeKey>> | undefined => forged.get(deviceId)?.oneTimeKey() as Readonly<Record<string, OneTimeKey>> | undefined;
      const user = world.addUser(userId, { person: { accepts, oneTimeKey } });
      for (const [deviceId, { deviceKeys: keys }] of forged) world.addDevice(user, deviceId).keys = deviceKeys.parse(keys);
      Object.assign(user.crossSigning, { master: identity.master as CrossSigningKey, selfSigning: identity.selfSigning as CrossSigningKey, userSigning: identity.userSigning as CrossSigningKey });
      world.devicesChanged(userId);
      return userId;
    },
    reads(userId, roomId, eventId) {
      for (const pusher of pushers.values()) pusher.receipt(roomId, { [eventId]: { 'm.read': { [userId]: { ts: Date.now() } } } });
    },
  };
}
