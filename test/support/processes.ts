/** Programs that the tests start: each is ended by the test that started it, at the latest when the test process ends. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { python } from './python.ts';
import { until } from './until.ts';

export type OwnedProcess = {
  readonly pid: number;
  /** How it ended, for people (`code 1`, `SIGKILL`); undefined while it runs. */
  ended(): string | undefined;
  /** SIGTERM (or `signal`), then SIGKILL after `graceMs`; resolves when it is gone. */
  stop(options?: { readonly signal?: NodeJS.Signals; readonly graceMs?: number }): Promise<void>;
  /** SIGKILL, as a power cut would; resolves when it is gone. */
  kill(): Promise<void>;
};

export type OwnedProcessOptions = {
  readonly cwd: string;
  /** Standard output and errors are appended here. */
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Run as this user; possible for root only. */
  readonly user?: { readonly uid: number; readonly gid: number };
};

const running = new Set<number>();
process.on('exit', () => {
  for (const pid of running) signalIfThere(pid, 'SIGKILL');
});

/** Starts `command`; it doesn't see the terminal's signals, and on Linux the kernel ends it even when this process is killed. */
export async function startProcess(command: string, args: readonly string[], options: OwnedProcessOptions): Promise<OwnedProcess> {
  const { uid, gid } = options.user ?? { uid: '-', gid: '-' };
  const log = openSync(options.logFile, 'a', 0o600);
  const child = spawn(python(), [join(import.meta.dirname, 'launch.py'), `${process.pid}`, `${uid}`, `${gid}`, command, ...args], {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  return own(child);
}

/** Takes charge of a child that was started elsewhere; fails when it couldn't be started. */
export async function own(child: ChildProcess): Promise<OwnedProcess> {
  let how: string | undefined;
  const exit = new Promise<void>((resolve) => child.once('exit', (code, signal) => {
    how = signal ?? `code ${code ?? 'unknown'}`;
    if (child.pid !== undefined) running.delete(child.pid);
    resolve();
  }));
  const pid = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => {
      if (child.pid === undefined) reject(new Error('the process has no id'));
      else resolve(child.pid);
    });
  });
  if (how === undefined) running.add(pid);
  child.unref(); // a forgotten server doesn't keep the test process alive: it ends with it
  const isRunning = (): boolean => how === undefined;
  const gone = async (): Promise<void> => {
    child.ref();
    await exit;
  };
  return {
    pid,
    ended: () => how,
    async stop({ signal = 'SIGTERM', graceMs = 10_000 } = {}) {
      if (isRunning()) signalIfThere(pid, signal);
      const force = setTimeout(() => isRunning() && signalIfThere(pid, 'SIGKILL'), graceMs);
      await gone();
      clearTimeout(force);
    },
    async kill() {
      if (isRunning()) signalIfThere(pid, 'SIGKILL');
      await gone();
    },
  };
}

/** Waits until `probe` gives something truthy; fails at once, with the end of the log, when the process ended instead. */
export async function untilReady(what: string, owned: OwnedProcess, logFile: string, probe: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  try {
    await until(`${what} to be ready`, async () => owned.ended() !== undefined || (await probe()), timeoutMs, 50);
  } catch (cause) {
    throw new Error(`${what} isn't ready after ${timeoutMs} ms. Its log ends:\n${logEnd(logFile)}`, { cause });
  }
  const how = owned.ended();
  if (how !== undefined) throw new Error(`${what} ended with ${how} while starting. Its log ends:\n${logEnd(logFile)}`);
}

function logEnd(logFile: string): string {
  return existsSync(logFile) ? readFileSync(logFile, 'utf8').slice(-3000) : '(no log)';
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended in the meantime.
  }
}
