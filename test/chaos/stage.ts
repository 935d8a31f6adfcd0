/** Everything that takes part: two hospitals, Aceso's workers, a database, people with clients of their own, parties for results. */
import { randomBytes } from 'node:crypto';
import { newAceso, type Aceso } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { temporaryFolder, removeFolder } from '../support/folders.ts';
import { startHospitals, type Hospitals, type Slot } from '../support/lab.ts';
import { policyServerFor } from '../support/policyServer.ts';
import { freePort } from '../support/ports.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';
import type { Party } from './laboratory.ts';
import type { Wiring } from './wiring.ts';

export type StageOptions = {
  readonly store: 'sqlite' | 'postgres';
  readonly workers: number;
  /** Teams of two or one, whose rooms nobody has yet: each is made when its first result comes. */
  readonly lateParties: number;
  /** Through what the parts reach each other. */
  readonly wiring: Wiring;
  readonly policyServer: 'its own' | 'none';
  readonly say: (line: string) => void;
};

export type Stage = {
  readonly hospitals: Hospitals;
  readonly postgres: Postgres | undefined;
  /** Where Aceso reaches its database. */
  readonly postgresUrl: string | undefined;
  readonly workers: readonly Aceso[];
  readonly clients: readonly Client[];
  /** One for each client, whose room is there from the start. */
  readonly people: readonly Party[];
  readonly late: readonly Party[];
  readonly doors: readonly string[];
  readonly token: string;
  /** The user id of Aceso's courier. */
  readonly courier: string;
  readonly folder: string;
  /** Of the policy server, where there is one. */
  readonly policyPort: number | undefined;
  stop(): Promise<void>;
};

const PASSWORD = 'password-of-chaos';
/** At St. Anne, and the last one at Mercy. */
const CLIENTS = ['chaos0', 'chaos1', 'chaos2', 'chaos3'] as const;
const NPI = 'http://hl7.org/fhir/sid/us-npi';
const npiOf = (index: number): string => String(5_000_000_000 + index);

export async function setTheStage(options: StageOptions): Promise<Stage> {
  const { say, wiring } = options;
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.toReversed()) await end().catch((error: unknown) => say(`while ending: ${String(error)}`));
  };
  try {
    say(`two Synapses${options.store === 'postgres' ? ', PostgreSQL' : ''} start`);
    const federation = await wiring.federation();
    const [hospitals, postgres] = await Promise.all([
      startHospitals({ mercy: { slots: 1, ports: federation.mercy }, stAnne: { ports: federation.stAnne } }),
      options.store === 'postgres' ? startPostgres() : undefined,
    ]);
    stops.push(() => hospitals.stop(), async () => postgres?.stop(), () => wiring.stop());
    await federation.open();
    const users = await Promise.all(CLIENTS.map((user, index) => homeOf(hospitals, index).register(user, PASSWORD)));
    const teams = Array.from({ length: options.lateParties }, (_, index) => teamOf(users, index));
    const folder = temporaryFolder('chaos');
    stops.push(async () => removeFolder(folder));
    const database = await postgres?.createDatabase('chaos');
    const postgresUrl = database === undefined || !postgres ? undefined : atPort(database, await wiring.link('Aceso → PostgreSQL', 'tcp', [postgres.port]));
    const token = randomBytes(24).toString('base64url');
    const slot = hospitals.takeSlot();
    const slots = await slotsOf(slot, options.workers, wiring);
    const homeserverUrl = `http://127.0.0.1:${await wiring.link('Aceso → Mercy', 'http', [portOf(hospitals.mercy.baseUrl)])}`;
    const policyServer = options.policyServer === 'none' ? undefined : await policyServerFor(hospitals);
    const workers: Aceso[] = [];
    for (const [index, own] of slots.entries()) {
      workers.push(await newAceso({
        mercy: hospitals.mercy, slot: own, partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], folder, worker: String(index), token, homeserverUrl,
        ...(postgresUrl === undefined ? {} : { postgresUrl }), ...(policyServer === undefined ? {} : { policyServer }),
        source: { requests_per_minute: 1_000_000 },
        people: users.map((user, person) => ({ id: `chaos${person}`, name: `Dr. Chaos ${person}`, user_id: user, npi: npiOf(person) })),
        teams: teams.map(({ npi, readers }, team) => ({ id: `team${team}`, name: `Team ${team}`, members: readers, identifiers: [{ system: NPI, value: npi }] })),
      }));
    }
    stops.push(() => Promise.all(workers.map(async (worker) => (worker.ended() === undefined ? worker.stop() : undefined))));
    const doors = await Promise.all(workers.map(async ({ baseUrl }) => `http://127.0.0.1:${await wiring.link('laboratory → Aceso', 'http', [portOf(baseUrl)])}/fhir`));

    say(`${CLIENTS.length} clinicians log in, ${CLIENTS.length - 1} of them at St. Anne`);
    const stAnneUrl = `http://127.0.0.1:${await wiring.link('client → St. Anne', 'http', [portOf(hospitals.stAnne.baseUrl)])}`;
    const clients: Client[] = [];
    stops.push(() => Promise.all(clients.map((client) => client.stop())));
    for (const [index, user] of CLIENTS.entries()) {
      clients.push(await startJsClient({ baseUrl: index === CLIENTS.length - 1 ? hospitals.mercy.baseUrl : stAnneUrl, user, password: PASSWORD }));
    }
    say(`Aceso starts${workers.length > 1 ? `, ${workers.length} workers` : ''}`);
    for (const worker of workers) await worker.launch();
    await until('one worker to be ready', async () => (await Promise.all(workers.map(({ operationsUrl }) => fetch(`${operationsUrl}/readyz`).then(({ ok }) => ok, () => false)))).some(Boolean), 60_000, 200);
    return {
      hospitals, postgres, postgresUrl, workers, clients, doors, token, folder, stop, policyPort: policyServer?.port,
      courier: `@${slot.prefix}courier:${hospitals.mercy.serverName}`,
      people: users.map((user, index) => ({ npi: npiOf(index), readers: [user] })), late: teams,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const homeOf = (hospitals: Hospitals, index: number): Hospitals['mercy'] => (index === CLIENTS.length - 1 ? hospitals.mercy : hospitals.stAnne);

/** One of them, or two, in their turn. */
function teamOf(users: readonly string[], index: number): Party {
  const first = index % users.length;
  const second = (first + 1 + (Math.floor(index / users.length) % (users.length - 1))) % users.length;
  return { npi: npiOf(100 + index), readers: (index % 2 === 0 ? [users[first], users[second]] : [users[first]]).flatMap((user) => user ?? []) };
}

/** The appservice's registration names one address: with several workers, or a bad network, something stands there and passes on. */
async function slotsOf(slot: Slot, workers: number, wiring: Wiring): Promise<readonly Slot[]> {
  if (workers === 1 && wiring.between === 'nothing') return [slot];
  const ports = await Promise.all(Array.from({ length: workers }, () => freePort()));
  await wiring.link('Mercy → Aceso', 'http', ports, slot.port);
  return ports.map((port) => ({ ...slot, port }));
}

const portOf = (url: string): number => Number(new URL(url).port);

function atPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
}

/** Where each program writes its log. */
export const logsOf = ({ hospitals, postgres, workers }: Stage): readonly string[] => [
  ...workers.map(({ logFile }) => logFile), hospitals.mercy.logFile, hospitals.stAnne.logFile, ...(postgres ? [postgres.logFile] : []),
];
