/**
 * Brought into each thread of Aceso's process by `NODE_OPTIONS=--import` while it is profiled. It counts what the thread asks of SQLite and of
 * the network, and takes a CPU profile while the file `control` of its folder holds the name of a window.
 */
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { isMainThread, threadId } from 'node:worker_threads';

const LOOK_EVERY_MS = 100;
const SAMPLE_EVERY_US = 1000;

const folder = process.env['ACESO_BENCH_PROFILE'];
const counts: Record<string, number> = {};
const add = (what: string, by = 1): void => {
  counts[what] = (counts[what] ?? 0) + by;
};
if (folder !== undefined) {
  countSqlite();
  countRequests();
  watch(folder, isMainThread ? 'main' : `thread${threadId}`);
}

function countSqlite(): void {
  const { exec, prepare } = DatabaseSync.prototype;
  const timed = <T>(text: string, work: () => T): T => {
    const verb = /^\s*(\w+)/u.exec(text)?.[1]?.toLowerCase() ?? '';
    const started = performance.now();
    try {
      return work();
    } finally {
      add(`sql.${verb}`);
      add(`sqlMs.${verb}`, performance.now() - started);
    }
  };
  DatabaseSync.prototype.exec = function counted(text: string): void {
    timed(text, () => exec.call(this, text));
  };
  DatabaseSync.prototype.prepare = function counted(text: string, ...more): StatementSync {
    const statement = timed(`prepare ${text}`, () => prepare.call(this, text, ...more));
    for (const method of ['run', 'all', 'get'] as const) {
      const plain = statement[method].bind(statement) as (...parameters: readonly unknown[]) => never;
      Object.defineProperty(statement, method, { value: (...parameters: readonly unknown[]): unknown => timed(text, () => plain(...parameters)) });
    }
    return statement;
  };
}

/** What Node's own `fetch` tells of its requests and connections. */
function countRequests(): void {
  subscribe('undici:request:create', (message) => {
    const { request } = message as { readonly request: { readonly method: string; readonly path: string } };
    const path = request.path.replace(/\?.*$/u, '').split('/').map((part) => (/^(?:[A-Za-z_.]{0,20}|v\d)$/u.test(part) ? part : '…')).join('/');
    add(`http.${request.method} ${path}`);
  });
  subscribe('undici:client:connected', () => add('http.connections'));
}

function watch(into: string, thread: string): void {
  let window = '';
  let told = false;
  let session: Session | undefined;
  const look = async (): Promise<void> => {
    const wanted = read(join(into, 'control'));
    if (wanted !== window) {
      if (session) writeFileSync(join(into, `${window}-${thread}.cpuprofile`), JSON.stringify((await session.post('Profiler.stop')).profile));
      session?.disconnect();
      session = undefined;
      window = wanted;
      if (window !== '') {
        session = new Session();
        session.connect();
        await session.post('Profiler.enable');
        await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_US });
        await session.post('Profiler.start');
      }
      told = false;
    }
    if (!told) writeFileSync(join(into, `counts-${thread}.json`), JSON.stringify({ window, counts }));
    told = true;
  };
  let looking = false;
  setInterval(() => {
    if (looking) return;
    looking = true;
    void look().finally(() => { looking = false; });
  }, LOOK_EVERY_MS).unref();
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
