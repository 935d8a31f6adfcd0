/** One hospital's homeserver: a real Synapse on loopback, configured, started, stopped, killed and restarted by the test. */
import { createHmac, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { stringify } from 'yaml';
import { matrix, matrixAnswer, text } from './matrixHttp.ts';
import { startProcess, untilReady, type OwnedProcess } from './processes.ts';
import { python } from './python.ts';
import { synapseConfig, synapseLogConfig, type SynapseSettings } from './synapseConfig.ts';

/** Where Synapse finds Aceso's module, for hospitals that load it (`modules`). */
const MODULES = join(import.meta.dirname, '../../docker/synapse');

/** A logged-in user with a device. */
export type Session = { readonly userId: string; readonly accessToken: string; readonly deviceId: string; readonly baseUrl: string };

export type Hospital = {
  /** For people: `Mercy`. */
  readonly name: string;
  /** The part after the colon of its ids: `localhost:PORT`, where its federation API listens with TLS. */
  readonly serverName: string;
  /** Where its client API listens, without TLS: `http://127.0.0.1:PORT`. */
  readonly baseUrl: string;
  readonly dataDir: string;
  readonly configFile: string;
  readonly logFile: string;
  readonly database: SynapseSettings['database'];
  /** Its SQLite file; throws when this Synapse runs on PostgreSQL. */
  readonly databaseFile: string;
  /** Of the running Synapse; throws when it is stopped. */
  readonly pid: number;
  readonly state: 'running' | 'stopped';
  /** Resolves when its client API answers. Does nothing when it runs. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Makes an account and gives its user id. Needs no rate limit and no appservice. */
  register(user: string, password: string, role?: 'user' | 'admin'): Promise<string>;
  /** Logs in: a new device each time, unless `deviceId` names one. */
  login(user: string, password: string, deviceName?: string, deviceId?: string): Promise<Session>;
  /** Adds the registration to homeserver.yaml and restarts. */
  addAppservice(registrationYamlPath: string): Promise<void>;
  /** Adds keys to homeserver.yaml (they win over the laboratory's) and restarts. */
  reconfigure(more: Readonly<Record<string, unknown>>): Promise<void>;
};

export type HospitalOptions = Omit<SynapseSettings, 'sharedSecret'> & { readonly name: string; /** Where else modules of Synapse are found. */ readonly modulePath?: string };

/** A hospital that isn't started yet; its signing key must be in `dataDir/signing.key`. */
export function createHospital(options: HospitalOptions): Hospital {
  const { name, serverName, dataDir } = options;
  const baseUrl = `http://127.0.0.1:${options.clientPort}`;
  const configFile = join(dataDir, 'homeserver.yaml');
  const logFile = join(dataDir, 'synapse.log');
  const sharedSecret = randomBytes(24).toString('hex');
  let appservices = options.appservices;
  let more = options.more;
  let synapse: OwnedProcess | undefined;

  const writeConfig = (): void => {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(configFile, stringify(synapseConfig({ ...options, sharedSecret, appservices, more })), { mode: 0o600 });
    writeFileSync(join(dataDir, 'log.yaml'), stringify(synapseLogConfig(options.logLevel)));
  };
  const running = (): OwnedProcess | undefined => (synapse?.ended() === undefined ? synapse : undefined);

  return {
    name, serverName, baseUrl, dataDir, configFile, logFile,
    database: options.database,
    get databaseFile() {
      if (options.database.kind !== 'sqlite') throw new Error(`${name} keeps its data in PostgreSQL: see hospital.database.url`);
      return options.database.file;
    },
    get pid() {
      const { pid } = running() ?? {};
      if (pid === undefined) throw new Error(`${name} isn't running. Call start() first.`);
      return pid;
    },
    get state() {
      return running() ? 'running' : 'stopped';
    },
    async start() {
      if (running()) return;
      writeConfig();
      const started = await startProcess(python(), ['-m', 'synapse.app.homeserver', '-c', configFile], { cwd: dataDir, logFile, env: { ...process.env, PYTHONPATH: [MODULES, ...(options.modulePath === undefined ? [] : [options.modulePath])].join(delimiter), PYTHONDONTWRITEBYTECODE: '1' } });
      synapse = started;
      await untilReady(`${name} (Synapse)`, started, logFile, async () => (await matrixAnswer(baseUrl, '/_matrix/client/versions')).status === 200);
    },
    async stop() {
      await running()?.stop();
    },
    async kill() {
      await running()?.kill();
    },
    async restart() {
      await this.stop();
      await this.start();
    },
    register: (user, password, role = 'user') => registerAt(baseUrl, sharedSecret, { user, password, role }),
    login: (user, password, deviceName, deviceId) => loginAt(baseUrl, { user, password, deviceName, deviceId }),
    async addAppservice(registrationYamlPath) {
      appservices = [...appservices, registrationYamlPath];
      await this.restart();
    },
    async reconfigure(added) {
      more = { ...more, ...added };
      await this.restart();
    },
  };
}

/** Makes an account by the shared secret (Synapse's admin API; Dendrite has it too); gives its user id. */
export async function registerAt(baseUrl: string, sharedSecret: string, { user, password, role }: { readonly user: string; readonly password: string; readonly role: 'user' | 'admin' }): Promise<string> {
  const path = '/_synapse/admin/v1/register';
  const nonce = text(await matrix(baseUrl, path), 'nonce');
  const admin = role === 'admin';
  const mac = createHmac('sha1', sharedSecret).update([nonce, user, password, admin ? 'admin' : 'notadmin'].join('\0')).digest('hex');
  return text(await matrix(baseUrl, path, { body: { nonce, username: user, password, admin, mac, inhibit_login: true } }), 'user_id');
}

export async function loginAt(baseUrl: string, { user, password, deviceName, deviceId }: { readonly user: string; readonly password: string; readonly deviceName: string | undefined; readonly deviceId: string | undefined }): Promise<Session> {
  const body = await matrix(baseUrl, '/_matrix/client/v3/login', {
    body: {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user },
      password,
      initial_device_display_name: deviceName ?? 'test',
      ...(deviceId === undefined ? {} : { device_id: deviceId }),
    },
  });
  return { userId: text(body, 'user_id'), accessToken: text(body, 'access_token'), deviceId: text(body, 'device_id'), baseUrl };
}
