/** Aceso as a hospital runs it: its own process, its own configuration folder, one application service of Mercy. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createKeyFile } from '../../src/adapters/keys/keyfile.ts';
import { loadConfig } from '../../src/config/load.ts';
import { openStore } from '../../src/main/compose.ts';
import { listDeliveries } from '../../src/main/deliveries.ts';
import type { Printed } from '../../src/main/print.ts';
import type { Store } from '../../src/ports/store.ts';
import { removeFolder, temporaryFolder } from './folders.ts';
import type { Hospital, Slot } from './lab.ts';
import { freePort } from './ports.ts';
import { startProcess, untilReady, type OwnedProcess } from './processes.ts';
import { until } from './until.ts';

export const ROOT = join(import.meta.dirname, '..', '..');
/** Bytes that a command may print: a list of 10,000 people has 5 MB. */
const MOST_OUTPUT = 64 * 1024 * 1024;
const MAIN = join(ROOT, 'src', 'main.ts');

export type Person = { readonly id: string; readonly name: string; readonly user_id: string; readonly npi?: string; readonly roles?: readonly string[]; readonly identifiers?: readonly { readonly system: string; readonly value: string }[] };

export type AcesoOptions = {
  readonly mercy: Pick<Hospital, 'baseUrl' | 'serverName'>;
  readonly slot: Slot;
  readonly partners: readonly { readonly server_name: string; readonly name: string; readonly room_version?: string }[];
  readonly people?: readonly Person[];
  readonly teams?: readonly unknown[];
  /** Merged over the source `lab`. */
  readonly source?: Readonly<Record<string, unknown>>;
  readonly moreSources?: readonly Readonly<Record<string, unknown>>[];
  readonly unsignedDevices?: 'allow' | 'withhold';
  readonly postgresUrl?: string;
  readonly folder?: string;
  /** Several workers share one folder: each has a configuration and a log of its own, named after it. */
  readonly worker?: string;
  /** What this process does; all when left out. */
  readonly roles?: readonly string[];
  /** Of a second `ingress` on this machine: the homeserver brings its events to the first. */
  readonly appservicePort?: number;
  /** The source's bearer token; a new one when left out. */
  readonly token?: string;
  /** Where Aceso reaches Mercy, when not directly. */
  readonly homeserverUrl?: string;
  readonly httpPort?: number;
  readonly patienceMinutes?: number;
  /** Relative to the folder; workers with one each are on machines of their own. */
  readonly dataDir?: string;
  /** Merged over the courier's settings. */
  readonly courier?: Readonly<Record<string, unknown>>;
  /** The token that a homeserver with Aceso's module has too, in a file. */
  readonly moduleTokenFile?: string;
  /** A policy server of its own, with the laboratory's certificate. */
  readonly policyServer?: Readonly<Record<string, unknown>>;
};

export type Answer = { readonly status: number; readonly headers: Headers; readonly text: string; readonly body: Record<string, unknown> };

export type DeliveryView = {
  readonly id: string; readonly phase: string; readonly party?: string; readonly held?: { readonly code: string; readonly reason: string; readonly owner: string };
  readonly files?: readonly { readonly name: string; readonly eventId?: string; readonly failed?: string }[];
  readonly eventId?: string; readonly roomId?: string; readonly members: Record<string, string>; readonly critical: boolean; readonly news: string; readonly supersedes?: string;
  readonly acceptedAt: number; readonly sentAt?: number; readonly history: readonly { readonly at: number; readonly what: string; readonly by?: string; readonly proof?: string }[];
};

export type Aceso = {
  readonly folder: string;
  readonly baseUrl: string;
  /** Where `/readyz` and `/metrics` are. */
  readonly operationsUrl: string;
  readonly fhirUrl: string;
  readonly token: string;
  readonly logFile: string;
  readonly configFile: string;
  /** Starts it; `env` may hold `ACESO_TEST_KILL_AT`. Resolves when `/readyz` says so, or as soon as the process has ended. */
  start(env?: NodeJS.ProcessEnv): Promise<void>;
  /** Starts it, and doesn't wait. */
  launch(env?: NodeJS.ProcessEnv): Promise<OwnedProcess>;
  stop(): Promise<void>;
  kill(): Promise<void>;
  ended(): string | undefined;
  /** Runs a command of the command line with `--json`. */
  cli<T = unknown>(...args: readonly string[]): Promise<T>;
  /** What a command that shows something prints with `--json`, without a process for it: for what is asked again and again. */
  show<T>(command: (store: Store) => Promise<Printed>): Promise<T>;
  push(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  deliveries(): Promise<readonly DeliveryView[]>;
  /** The first delivery that `wanted` accepts. */
  delivery(what: string, wanted: (delivery: DeliveryView) => boolean, timeoutMs?: number): Promise<DeliveryView>;
  log(): string;
  remove(): void;
};

export function createAceso(options: AcesoOptions, httpPort: number, operationsPort: number): Aceso {
  const folder = options.folder ?? temporaryFolder('run');
  const token = options.token ?? randomBytes(24).toString('base64url');
  const name = options.worker === undefined ? 'aceso' : `aceso-${options.worker}`;
  const configFile = join(folder, `${name}.yaml`);
  const logFile = join(folder, `${name}.log`);
  prepare(folder, configFile, token, options, { http: httpPort, operations: operationsPort });
  const baseUrl = `http://127.0.0.1:${httpPort}`;
  const operationsUrl = `http://127.0.0.1:${operationsPort}`;
  let running: OwnedProcess | undefined;

  const cli = <T>(...args: readonly string[]): Promise<T> => new Promise((resolve, reject) => {
    execFile(process.execPath, [MAIN, '--config', configFile, '--json', ...args], { env: { ...process.env, ACESO_OPERATOR: 'tester' }, maxBuffer: MOST_OUTPUT }, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr || error.message, { cause: error }));
      else resolve(JSON.parse(stdout) as T);
    });
  });
  const launch = async (env: NodeJS.ProcessEnv = {}): Promise<OwnedProcess> => {
    if (running && running.ended() === undefined) throw new Error('Aceso runs already');
    running = await startProcess(process.execPath, [MAIN, '--config', configFile, 'start', ...(options.roles ?? []).flatMap((role) => ['--role', role])], { cwd: folder, logFile, env: { ...process.env, ...env } });
    return running;
  };
  const show = async <T>(command: (store: Store) => Promise<Printed>): Promise<T> => {
    const { store } = await openStore(loadConfig(configFile), 'as-is');
    try {
      return JSON.parse(JSON.stringify((await command(store)).json)) as T;
    } finally {
      await store.close();
    }
  };
  const deliveries = (): Promise<readonly DeliveryView[]> => cli('deliveries', 'list');
  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');
  return {
    folder, baseUrl, operationsUrl, fhirUrl: `${baseUrl}/fhir`, token, logFile, configFile, cli, show, deliveries, log,
    launch,
    async start(env = {}) {
      const started = await launch(env);
      const isReady = async (): Promise<boolean> => (await fetch(`${operationsUrl}/readyz`)).ok;
      if (env['ACESO_TEST_KILL_AT'] === undefined) await untilReady('Aceso', started, logFile, isReady);
      else await until('Aceso to be ready, or killed', async () => started.ended() !== undefined || (await isReady()), 60_000);
    },
    async stop() {
      await running?.stop({ graceMs: 12_000 });
    },
    async kill() {
      await running?.kill();
    },
    ended: () => (running ? running.ended() : 'not started'),
    async push(path, body, headers = {}) {
      const response = await fetch(`${baseUrl}/fhir${path}`, {
        method: 'POST', headers: { 'content-type': 'application/fhir+json', authorization: `Bearer ${token}`, ...headers }, body: typeof body === 'string' || body instanceof Uint8Array ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {} };
    },
    delivery: (what, wanted, timeoutMs = 60_000) => until(`a delivery: ${what}`, async () => (await show<readonly DeliveryView[]>((store) => listDeliveries(store, 50))).find(wanted), timeoutMs, 200).catch(async (cause: unknown) => {
      throw new Error(`${what}: not seen. There are ${JSON.stringify(await deliveries(), null, 1)}\nThe log ends:\n${log().slice(-4000)}`, { cause });
    }),
    remove: () => removeFolder(folder),
  };
}

/** Several processes of one Aceso on one PostgreSQL, by name; they share a folder, keys and a source. */
export async function newWorkers<Name extends string>(options: AcesoOptions, workers: Readonly<Record<Name, readonly string[]>>): Promise<Readonly<Record<Name, Aceso>>> {
  const folder = options.folder ?? temporaryFolder('run');
  const token = options.token ?? randomBytes(24).toString('base64url');
  const made: [string, Aceso][] = [];
  for (const worker of Object.keys(workers) as Name[]) made.push([worker, await newAceso({ ...options, folder, token, worker, roles: workers[worker] })]);
  return Object.fromEntries(made) as Record<Name, Aceso>;
}

export const newAceso = async (options: AcesoOptions): Promise<Aceso> => createAceso(options, options.httpPort ?? (await freePort()), await freePort());

function prepare(folder: string, configFile: string, token: string, options: AcesoOptions, ports: { readonly http: number; readonly operations: number }): void {
  const { mercy, slot, partners, people = [], teams = [], source = {}, moreSources = [] } = options;
  mkdirSync(join(folder, 'templates'), { recursive: true });
  copyFileSync(join(ROOT, 'config', 'templates', 'results.yaml'), join(folder, 'templates', 'results.yaml'));
  if (!existsSync(join(folder, 'keys.json'))) createKeyFile(join(folder, 'keys.json'));
  if (options.postgresUrl !== undefined) writeFileSync(join(folder, 'postgres-url'), options.postgresUrl, { mode: 0o600 });
  writeFileSync(configFile, stringify({
    organisation: { name: 'Mercy General Hospital' },
    homeserver: { url: options.homeserverUrl ?? mercy.baseUrl, server_name: mercy.serverName },
    appservice: { id: slot.id, prefix: slot.prefix, url: slot.url, port: options.appservicePort ?? slot.port, registration_file: slot.registrationFile, ...(options.moduleTokenFile === undefined ? {} : { module_token_file: options.moduleTokenFile }) },
    http: { port: ports.http },
    operations: { port: ports.operations },
    ...(options.postgresUrl === undefined ? {} : { store: { postgres_url_file: 'postgres-url' } }),
    courier: { unsigned_devices: options.unsignedDevices ?? 'withhold', ...options.courier },
    ...(options.policyServer === undefined ? {} : { policy_server: options.policyServer }),
    ...(options.dataDir === undefined ? {} : { data_dir: options.dataDir }),
    partners, directory: { people, teams },
    invitations: { patience_minutes: options.patienceMinutes ?? 15 },
    sources: [{ id: 'lab', name: 'Mercy Laboratory', token_sha256: sha256(token), owner: 'Laboratory desk, ext. 4410', ...source }, ...moreSources],
  }));
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
