/** A homeserver with as many people as wanted who take messages and read nothing, and Aceso beside it: what parts d, e, policy and the soak run on. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newAceso, type Aceso, type AcesoOptions } from '../test/support/aceso.ts';
import { potassiumReport } from '../test/support/fhir.ts';
import { temporaryFolder } from '../test/support/folders.ts';
import { startHospitals } from '../test/support/lab.ts';
import { matrix } from '../test/support/matrixHttp.ts';
import { createSlots } from '../test/support/slots.ts';
import { forgeDevice, forgeIdentity } from '../test/support/stub/forge.ts';
import { startStub, type Stub, type StubOptions } from '../test/support/stub/stub.ts';
import { until } from '../test/support/until.ts';
import { inParallel, say } from './load.ts';
import { profiling, type Profiling } from './profile/profiling.ts';
import { npiOf, UNLIMITED } from './stage.ts';
import { usage } from './usage.ts';

export type House = {
  readonly aceso: Aceso;
  readonly acesoPid: number;
  /** Undefined at Synapse. */
  readonly stub: Stub | undefined;
  readonly profile: Profiling | undefined;
  /** Makes it so many people, each with a results room that they have joined. Gives the seconds it took. */
  grow(people: number): Promise<number>;
  push(person: number, accession: string): Promise<void>;
  /** How often a push was put off (429, 503) and made again. */
  putOff(): number;
  /** Results that Aceso has sent since it was started. */
  sent(): Promise<number>;
  metric(name: string): Promise<number>;
  /** Stops Aceso and starts it again; gives the milliseconds until it was ready. */
  restart(): Promise<number>;
  stop(): Promise<void>;
};

type Home = { readonly baseUrl: string; readonly serverName: string; readonly slot: Awaited<ReturnType<typeof createSlots>>[number]; readonly stub?: Stub; newPerson(index: number): Promise<string>; accept(index: number): Promise<void>; stop(): Promise<void> };

export type HouseOptions = { readonly profile?: string | undefined; readonly keptEvents?: number; /** Of the stub. */ readonly federation?: StubOptions['federation']; /** Of each of the stub's people (1). */ readonly devices?: number; readonly policyServer?: NonNullable<AcesoOptions['policyServer']> };

export async function openHouse(kind: 'Synapse' | 'stub', { profile: folder, keptEvents = 20, federation = {}, devices = 1, policyServer }: HouseOptions = {}): Promise<House> {
  const profile = folder === undefined ? undefined : profiling(folder);
  const home = kind === 'stub' ? await stubHome(keptEvents, federation, devices) : await synapseHome();
  const aceso = await newAceso({ mercy: home, slot: home.slot, partners: [{ server_name: 'partner.example', name: 'Partner' }], source: UNLIMITED, ...(policyServer === undefined ? {} : { policyServer }) });
  let pid = 0;
  let people = 0;
  let putOff = 0;
  const launch = async (): Promise<number> => {
    const started = performance.now();
    ({ pid } = await aceso.launch(profile?.env));
    await until('Aceso to be ready', async () => (await fetch(`${aceso.operationsUrl}/readyz`)).ok, 120_000, 20);
    return performance.now() - started;
  };
  await launch();

  return {
    aceso, profile, stub: home.stub,
    get acesoPid() { return pid; },
    async grow(wanted) {
      const started = performance.now();
      const rows: string[] = [];
      const before = people;
      for (; people < wanted; people += 1) rows.push(`p${people},Dr. ${people},${await home.newPerson(people)},${npiOf(people)}`);
      const file = join(aceso.folder, 'people.csv');
      writeFileSync(file, ['id,name,user_id,npi', ...rows].join('\n'));
      await aceso.cli('people', 'enrol', '--csv', file);
      const accepted = home.stub ? undefined : inParallel(wanted - before, 4, (index) => home.accept(before + index));
      // At the stub it is seen by who has joined: to ask Aceso takes as long as making dozens of rooms.
      if (home.stub) await joined(home.stub, wanted, () => usage(pid).rssMb);
      let last = -1;
      await until(`${wanted} rooms`, async () => {
        const listed = await aceso.cli<readonly { readonly room?: { readonly members: Readonly<Record<string, string>> } }[]>('people', 'list');
        const ready = listed.filter(({ room }) => room && Object.values(room.members).includes('joined')).length;
        if (ready !== last) say(`  ${ready} of ${wanted} rooms, ${Math.round(usage(pid).rssMb)} MB`);
        last = ready;
        return ready >= wanted;
      }, 3_600_000, 3000);
      await accepted;
      return (performance.now() - started) / 1000;
    },
    async push(person, accession) {
      // As a source does: what is put off is pushed again when Aceso says so.
      for (;;) {
        const { status, text, headers } = await aceso.push('/DiagnosticReport', potassiumReport({ accession, mrn: accession, npi: npiOf(person) }));
        if (status === 201) return;
        if (status !== 429 && status !== 503) throw new Error(`a push was answered ${status}: ${text}`);
        putOff += 1;
        await new Promise((resolve) => setTimeout(resolve, 1000 * Number(headers.get('retry-after') ?? 1)));
      }
    },
    putOff: () => putOff,
    sent: async () => metricOf(aceso, /^aceso_effects_settled_total\{[^}]*type="room.send"[^}]*state="done"[^}]*\} (\S+)/mu),
    metric: (name) => metricOf(aceso, new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, 'mu')),
    async restart() {
      await aceso.stop();
      return launch();
    },
    async stop() {
      await aceso.stop();
      await home.stop();
      aceso.remove();
    },
  };
}

async function joined({ counts }: Stub, wanted: number, rssMb: () => number): Promise<void> {
  const telling = setInterval(() => say(`  ${counts.joins} of ${wanted} rooms, ${Math.round(rssMb())} MB`), 10_000);
  try {
    await until(`${wanted} people to join`, () => counts.joins >= wanted, 3_600_000, 100);
  } finally {
    clearInterval(telling);
  }
}

async function metricOf(aceso: Aceso, pattern: RegExp): Promise<number> {
  return Number(pattern.exec(await (await fetch(`${aceso.operationsUrl}/metrics`)).text())?.[1] ?? 0);
}

async function stubHome(keptEvents: number, federation: NonNullable<HouseOptions['federation']>, devices: number): Promise<Home> {
  const [slot] = await createSlots(temporaryFolder('stub'), 'stub.example', 1);
  if (!slot) throw new Error('no application service');
  const stub = await startStub({ serverName: 'stub.example', appservices: [slot], keptEvents, federation });
  return { baseUrl: stub.baseUrl, serverName: stub.serverName, slot, stub, newPerson: async (index) => stub.person(`@p${index}:partner.example`, { devices }), accept: async () => undefined, stop: () => stub.stop() };
}

/** People of Synapse itself: accounts with a device and an identity that nobody uses. */
async function synapseHome(): Promise<Home> {
  const hospitals = await startHospitals({ mercy: { slots: 1 } });
  const { mercy } = hospitals;
  const tokens: string[] = [];
  const call = (token: string, path: string, body: unknown): Promise<Record<string, unknown>> => matrix(mercy.baseUrl, `/_matrix/client/v3${path}`, { method: 'POST', token, body });
  return {
    baseUrl: mercy.baseUrl, serverName: mercy.serverName, slot: hospitals.takeSlot(), stop: () => hospitals.stop(),
    async newPerson(index) {
      const userId = await mercy.register(`p${index}`, 'bench-password');
      const { accessToken, deviceId } = await mercy.login(`p${index}`, 'bench-password');
      const identity = forgeIdentity(userId);
      const device = forgeDevice(userId, deviceId, identity);
      const oneTime = Object.assign({}, ...Array.from({ length: 5 }, () => device.oneTimeKey())) as unknown;
      await call(accessToken, '/keys/device_signing/upload', { master_key: identity.master, self_signing_key: identity.selfSigning, user_signing_key: identity.userSigning });
      await call(accessToken, '/keys/upload', { device_keys: device.deviceKeys, one_time_keys: oneTime });
      tokens[index] = accessToken;
      return userId;
    },
    async accept(index) {
      const token = tokens[index] ?? '';
      let since: string | undefined;
      const room = await until(`the invitation of p${index}`, async () => {
        const answer = await matrix(mercy.baseUrl, `/_matrix/client/v3/sync?timeout=20000${since === undefined ? '' : `&since=${since}`}`, { token });
        since = String(answer['next_batch']);
        return Object.keys((answer['rooms'] as { readonly invite?: object } | undefined)?.invite ?? {})[0];
      }, 3_600_000, 10);
      await until('to join', () => call(token, `/join/${encodeURIComponent(room)}`, {}), 60_000);
    },
  };
}
