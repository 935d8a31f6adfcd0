import { statfs } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Millis } from '../domain/brand.ts';
import type { Courier } from '../ports/courier.ts';
import type { Homeserver } from '../ports/homeserver.ts';
import type { Store } from '../ports/store.ts';
import { errorCode, type Log } from '../ports/telemetry.ts';

/** Something that keeps Aceso from doing its work, or soon will. No PHI: a code, and what to do. */
export type Problem = { readonly part: 'store' | 'courier' | 'homeserver' | 'disk' | 'clock' | 'config' | 'policy' | 'policy-server' | 'agreements'; readonly code: string; readonly message: string; /** Milliseconds since the epoch. */ readonly since: number };

export type Health = {
  /** Looks now; who asks while somebody looks gets what they find. */
  look(): Promise<readonly Problem[]>;
  /** What the last look found. */
  known(): readonly Problem[];
  /** Looks every few seconds, and logs what begins and what ends. Gives what stops it. */
  watch(): () => void;
};

export type HealthParts = {
  readonly store: Pick<Store, 'check'>; /** None without the role `sender`. */ readonly courier: Pick<Courier, 'status'> | undefined; readonly homeserver: Pick<Homeserver, 'ping'>; readonly log: Log;
  /** Where the databases lie. */
  readonly dataDir: string;
  readonly now: () => Millis;
  /** What of the configuration file is not in force. */
  readonly config: () => Omit<Problem, 'since'> | undefined;
  /** Why the rules in force are not those of the folder. */
  readonly policy: () => Omit<Problem, 'since'> | undefined;
  /** Whether homeservers reach the policy server; absent where there is none. */
  readonly policyServer?: () => Promise<Omit<Problem, 'since'> | undefined>;
  /** What of the agreements somebody has to do something about. */
  readonly agreements: () => Omit<Problem, 'since'> | undefined;
  /** What waits for this part is worth another try. */
  readonly ended: (part: Problem['part']) => void;
  /** Never goes back (milliseconds). */
  readonly steady: () => number;
};

const LOOK_EVERY_MS = 5000;
/** SQLite waits up to 5 s for another program's lock, and then says so. */
const STORE_MS = 6000;
const LOW_BYTES = 256 * 1024 * 1024;
const LOW_SHARE = 0.05;
const FULL_BYTES = 1024 * 1024;
const JUMP_MS = 2000;
const JUMP_SHOWN_MS = 60_000;

/** Watches what Aceso stands on. Each problem ends by itself when its cause does. */
export function createHealth(parts: HealthParts): Health {
  const { log, now, steady } = parts;
  let known: readonly Problem[] = [];
  let clock = { wall: now() as number, steady: steady() };
  let jumped: { readonly at: number; readonly by: number } | undefined;

  const clockProblem = (): Omit<Problem, 'since'> | undefined => {
    const here = { wall: now() as number, steady: steady() };
    const by = here.wall - clock.wall - (here.steady - clock.steady);
    if (Math.abs(by) > JUMP_MS) jumped = { at: here.steady, by };
    clock = here;
    if (!jumped || here.steady - jumped.at > JUMP_SHOWN_MS) return undefined;
    return { part: 'clock', code: 'jumped', message: `the clock of this machine was set ${jumped.by > 0 ? 'forward' : 'back'} by ${Math.round(Math.abs(jumped.by) / 1000)} s: see that it is kept by NTP, in small steps` };
  };

  const lookNow = async (): Promise<readonly Problem[]> => {
    const outside = await Promise.all([storeProblem(parts), homeserverProblem(parts), diskProblem(parts.dataDir), parts.policyServer?.()]);
    const found = [...outside, courierProblem(parts), clockProblem(), parts.config(), parts.policy(), parts.agreements()].filter((problem) => problem !== undefined);
    const before = known;
    known = found.map((problem) => ({ ...problem, since: before.find(({ part, code }) => part === problem.part && code === problem.code)?.since ?? now() }));
    for (const { part, code } of known.filter((problem) => !has(before, problem))) log.warn('problem.began', { part, code });
    for (const { part, code, since } of before.filter((problem) => !has(known, problem))) {
      log.info('problem.ended', { part, code, seconds: Math.round((now() - since) / 1000) });
      parts.ended(part);
    }
    return known;
  };

  // However many ask, the database and the homeserver are asked by one at a time.
  let looking: Promise<readonly Problem[]> | undefined;
  const look = (): Promise<readonly Problem[]> => (looking ??= lookNow().finally(() => { looking = undefined; }));

  return {
    look,
    known: () => known,
    watch() {
      const timer = setInterval(() => void look().catch((error: unknown) => log.error('health.failed', { error: errorCode(error) })), LOOK_EVERY_MS).unref();
      return () => clearInterval(timer);
    },
  };
}

const has = (problems: readonly Problem[], { part, code }: Problem): boolean => problems.some((problem) => problem.part === part && problem.code === code);

type Found = Promise<Omit<Problem, 'since'> | undefined>;

/** A database that hangs is told of before whoever asks gives up. */
async function storeProblem({ store }: HealthParts): Found {
  const checked = await Promise.race([store.check(), pause(STORE_MS, undefined, { ref: false })]);
  if (!checked) return { part: 'store', code: 'silent', message: 'the database doesn\'t answer: see that its server is well, and the network on the way to it' };
  return checked.ok ? undefined : { part: 'store', code: checked.error.code, message: checked.error.message };
}

async function homeserverProblem({ homeserver }: HealthParts): Found {
  const answered = await homeserver.ping();
  return answered.ok ? undefined : { part: 'homeserver', code: answered.error.code, message: `${answered.error.message}. What is taken in waits, and goes out when it answers` };
}

function courierProblem({ courier }: HealthParts): Omit<Problem, 'since'> | undefined {
  if (!courier) return undefined;
  const { state, problem } = courier.status();
  return state === 'ready' && problem === undefined ? undefined : { part: 'courier', code: state === 'ready' ? 'not-syncing' : state, message: problem ?? 'the encrypting device is not ready yet' };
}

/** A full disk stops everything that is taken in: it is told while there is still time. */
async function diskProblem(dataDir: string): Found {
  const disk = await statfs(dataDir).catch(() => undefined);
  if (!disk) return undefined;
  const free = disk.bavail * disk.bsize;
  if (free < FULL_BYTES) return { part: 'disk', code: 'full', message: `no room is left in ${dataDir}: free some space, and it goes on by itself` };
  if (free >= LOW_BYTES || free >= disk.blocks * disk.bsize * LOW_SHARE) return undefined;
  return { part: 'disk', code: 'low', message: `${Math.round(free / 1024 / 1024)} MB are free in ${dataDir}: make room before it is full` };
}
