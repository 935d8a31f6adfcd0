/** Kills, one after another, at instants and of victims that the seed gives; and what stands for systemd: it starts again what ended. */
import { until } from '../support/until.ts';
import type { Random } from './random.ts';
import type { Victim } from './victims.ts';

export type KillOptions = {
  readonly kills: number;
  /** On average, from one to the next. */
  readonly everyMs: number;
  readonly random: Random;
  /** Resolves when work comes in: half of the kills aim at the moments after. */
  readonly busy: () => Promise<void>;
  /** How many results were accepted so far. */
  readonly accepted: () => number;
  readonly keeper: Keeper;
  readonly onKill: (count: number, victim: string) => void;
  readonly signal: AbortSignal;
};

/** After most kills so many results are accepted before the next, however slow the machine: kills of a program that never gets to work show little. */
const BREATH = 10;

/** Ends when all are done, or at the signal. The victim may be in the middle of coming back from the kill before. */
export async function killAround({ kills, everyMs, random, busy, accepted, keeper, onKill, signal }: KillOptions): Promise<void> {
  const quarter = Math.round(everyMs / 4);
  let before = accepted();
  for (let count = 1; count <= kills && !signal.aborted; count += 1) {
    await pause(random.between(quarter, 7 * quarter), signal);
    const victim = random.weighted(keeper.victims.map((each) => [each, each.weight] as const));
    const aim = random.chance(0.5) ? random.between(0, 400) : undefined;
    const breathes = random.chance(0.75);
    const downMs = random.chance(0.6) ? 0 : random.between(200, 2500);
    if (breathes) await until('results to be accepted', () => signal.aborted || accepted() >= before + BREATH, 5 * everyMs, 100).catch(() => undefined);
    await until(`${victim.name} to run again`, () => signal.aborted || victim.isRunning(), 60_000);
    if (aim !== undefined) {
      await Promise.race([busy(), pause(3000, signal)]);
      await pause(aim, signal);
    }
    await keeper.kill(victim, downMs);
    before = accepted();
    onKill(count, victim.name);
  }
}

export type Keeper = {
  readonly victims: readonly Victim[];
  /** Ends it with SIGKILL; it is started again `downMs` later. */
  kill(victim: Victim, downMs: number): Promise<void>;
  /** Who ended without having been killed, in order: after its start was over, or during it. */
  readonly ownEnds: readonly string[];
  readonly failedStarts: readonly string[];
  /** Resolves when every one runs; from then on nobody is started again. */
  settle(): Promise<void>;
};

/** Looks after them until the signal. */
export function keepRunning(victims: readonly Victim[], signal: AbortSignal): Keeper {
  /** Until when a killed one stays down. */
  const down = new Map<Victim, number>();
  const starting = new Set<Victim>();
  const ownEnds: string[] = [];
  const failedStarts: string[] = [];
  const startAgain = async (victim: Victim): Promise<void> => {
    if (signal.aborted || starting.has(victim) || victim.isRunning() || Date.now() < (down.get(victim) ?? 0)) return;
    if (!down.delete(victim)) (victim.hadStarted() ? ownEnds : failedStarts).push(victim.name);
    starting.add(victim);
    await victim.start().catch(() => undefined); // tried again at the next look
    starting.delete(victim);
  };
  const timer = setInterval(() => {
    for (const victim of victims) void startAgain(victim);
  }, 50);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  return {
    victims, ownEnds, failedStarts,
    async kill(victim, downMs) {
      down.set(victim, Number.POSITIVE_INFINITY); // it is down before anybody can look
      await victim.kill();
      down.set(victim, Date.now() + downMs);
    },
    async settle() {
      await until('every program to run again', () => signal.aborted || victims.every((victim) => victim.isRunning() && !starting.has(victim)), 60_000);
    },
  };
}

const pause = (ms: number, signal: AbortSignal): Promise<void> => new Promise((resolve) => {
  const timer = setTimeout(done, ms);
  function done(): void {
    clearTimeout(timer);
    signal.removeEventListener('abort', done);
    resolve();
  }
  signal.addEventListener('abort', done, { once: true });
});
