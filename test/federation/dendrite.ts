/**
 * Dendrite, another make of homeserver: it asks no policy server, so that its people send and see what others refuse. Built once with Go, from the sources that the Go proxy
 * gives; kept beside the other tools of the tests. Version 12 of rooms it doesn't know.
 */
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { loginAt, registerAt } from '../support/hospital.ts';
import type { Tls } from '../support/synapseConfig.ts';
import { matrixAnswer } from '../support/matrixHttp.ts';
import { portFor } from '../support/ports.ts';
import { startProcess, untilReady } from '../support/processes.ts';
import { python } from '../support/python.ts';
import type { Home } from './person.ts';

export const DENDRITE = 'v0.13.8';

/** The program; or why there is none. */
export async function dendriteProgram(which: 'if-it-can-be-built' | 'if-it-is-built', say: (line: string) => void): Promise<{ readonly path: string } | { readonly absent: string }> {
  const cache = dirname(dirname(dirname(python())));
  const path = join(cache, `dendrite-${DENDRITE}`);
  if (existsSync(path)) return { path };
  if (which === 'if-it-is-built') return { absent: `Dendrite ${DENDRITE} is not built on this machine: npm run federation builds it once, with Go` };
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
  } catch {
    return { absent: 'Go is not on this machine, and without it Dendrite can\'t be built' };
  }
  say(`Dendrite ${DENDRITE} is built, once: some minutes`);
  const folder = join(cache, `dendrite-build-${process.pid}`);
  try {
    await promisify(execFile)('go', ['install', `github.com/matrix-org/dendrite/cmd/dendrite@${DENDRITE}`], { env: { ...process.env, GOBIN: folder }, maxBuffer: 1 << 26 });
  } catch (error) {
    return { absent: `Dendrite can't be built: ${error instanceof Error ? (error.message.split('\n').at(-2) ?? error.message) : String(error)}` };
  }
  renameSync(join(folder, 'dendrite'), path);
  return { path };
}

export type Dendrite = Home & { readonly logFile: string; /** How it ended; undefined while it runs. */ ended(): string | undefined; stop(): Promise<void> };

const DATABASES = ['federation_api', 'key_server', 'media_api', 'mscs', 'relay_api', 'room_server', 'sync_api'];

export async function startDendrite(path: string, dataDir: string, tls: Tls): Promise<Dendrite> {
  mkdirSync(dataDir, { recursive: true });
  const federationPort = await portFor('Dendrite\'s federation API');
  const clientPort = await portFor('Dendrite\'s client API');
  const serverName = `localhost:${federationPort}`;
  const baseUrl = `http://127.0.0.1:${clientPort}`;
  const sharedSecret = randomBytes(24).toString('hex');
  const logFile = join(dataDir, 'dendrite.log');
  const database = (name: string): Readonly<Record<string, unknown>> => ({ connection_string: `file:${join(dataDir, `${name}.db`)}` });
  writeFileSync(join(dataDir, 'key.pem'), `-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: ed25519:a_1\n\n${randomBytes(32).toString('base64')}\n-----END MATRIX PRIVATE KEY-----\n`, { mode: 0o600 });
  const configFile = join(dataDir, 'dendrite.yaml');
  writeFileSync(configFile, stringify({
    version: 2,
    global: { server_name: serverName, private_key: join(dataDir, 'key.pem'), key_validity_period: '168h0m0s', jetstream: { storage_path: join(dataDir, 'jetstream'), in_memory: true }, cache: { max_size_estimated: '64mb', max_age: '1h' } },
    ...Object.fromEntries(DATABASES.map((name) => [name, { database: database(name) }])),
    client_api: { registration_shared_secret: sharedSecret, registration_disabled: true, rate_limiting: { enabled: false } },
    media_api: { database: database('media_api'), base_path: join(dataDir, 'media'), max_file_size_bytes: 1_000_000, max_thumbnail_generators: 1 },
    user_api: { account_database: database('user_api'), bcrypt_cost: 4 },
    logging: [{ type: 'std', level: 'warn' }],
  }), { mode: 0o600 });
  const started = await startProcess(path, ['--config', configFile, '--http-bind-address', `127.0.0.1:${clientPort}`, '--https-bind-address', `127.0.0.1:${federationPort}`, '--tls-cert', tls.certificateFile, '--tls-key', tls.keyFile], {
    cwd: dataDir, logFile, env: { ...process.env, SSL_CERT_FILE: tls.caFile },
  });
  await untilReady('Dendrite', started, logFile, async () => (await matrixAnswer(baseUrl, '/_matrix/client/versions')).status === 200);
  return {
    name: 'Dendrite', serverName, baseUrl, logFile,
    register: (user, password, role = 'user') => registerAt(baseUrl, sharedSecret, { user, password, role }),
    login: (user, password, deviceName, deviceId) => loginAt(baseUrl, { user, password, deviceName, deviceId }),
    ended: () => started.ended(),
    stop: () => started.stop(),
  };
}
