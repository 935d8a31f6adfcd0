/** Fail-over: the worker that holds the courier is killed while results flow, and somebody else must go on. */
import type { Aceso } from '../support/aceso.ts';
import { until } from '../support/until.ts';
import { keepRunning } from './kills.ts';
import type { ChaosOptions } from './options.ts';
import { randomOf } from './random.ts';
import type { Figures, Scene } from './run.ts';
import { victimsOf } from './victims.ts';

/** The killed one stays away for this long: nobody is saved by its coming back. */
const AWAY_MS = 20_000;
/** How long after the kill a pause in what clients read is counted to it. */
const AFTERMATH_MS = 30_000;
/** So long after a kill its gap is over, if results are read again. */
const SETTLED_MS = 10_000;
const TARGET_SECONDS = 5;

export async function failOver({ kills: wanted, seed }: ChaosOptions, { stage, tally, note, say, signal }: Scene): Promise<Figures> {
  const random = randomOf(seed, 'failover');
  const keeping = new AbortController();
  const keeper = keepRunning(victimsOf(stage), AbortSignal.any([keeping.signal, signal]));
  const killedAt: number[] = [];
  const flows = (): boolean => Date.now() - (tally.times().at(-1) ?? 0) < 1000;
  while (killedAt.length < wanted && !signal.aborted) {
    const holder = await until('a worker to hold the courier, another to be there, and results to flow', async () => (flows() ? holderAmong(stage.workers) : undefined), 90_000, 200);
    await pause(random.between(2000, 5000));
    const victim = keeper.victims[stage.workers.indexOf(holder)];
    if (!victim) break;
    killedAt.push(Date.now());
    await keeper.kill(victim, AWAY_MS);
    note(`kill ${killedAt.length} of ${wanted}: ${victim.name}, which held the courier`);
    await until('results to flow again', () => signal.aborted || ((tally.times().at(-1) ?? 0) > (killedAt.at(-1) ?? 0) + 1000 && flows() && Date.now() > (killedAt.at(-1) ?? 0) + SETTLED_MS), 90_000, 100);
    const gap = longestPause(tally.times(), killedAt.at(-1) ?? 0);
    say(`the gap of kill ${killedAt.length}: ${gap} s`);
    await pause(1000);
  }
  await keeper.settle();
  keeping.abort();
  const gaps = killedAt.map((at) => longestPause(tally.times(), at));
  const gapSeconds = Math.max(0, ...gaps);
  return { kills: killedAt.length, gaps, gapSeconds, target: TARGET_SECONDS, within: gapSeconds <= TARGET_SECONDS ? 'yes' : 'no', endedByThemselves: keeper.ownEnds, failedStarts: keeper.failedStarts.length };
}

/** Seconds between two messages that were read one after the other, the longest such time around the kill. Results are pushed all the time. */
function longestPause(times: readonly number[], killedAt: number): number {
  let longest = 0;
  for (const [index, time] of times.entries()) {
    const before = times[index - 1];
    if (before === undefined || time < killedAt || before > killedAt + AFTERMATH_MS) continue;
    longest = Math.max(longest, time - before);
  }
  return Math.round(longest / 10) / 100;
}

type Ready = { readonly courier: string; readonly seats?: readonly { readonly state: string }[] };

/** The worker with the courier, when another one is there to take over. */
async function holderAmong(workers: readonly Aceso[]): Promise<Aceso | undefined> {
  const answers = await Promise.all(workers.map(async (worker) => ({ worker, ready: await readinessOf(worker) })));
  if (answers.some(({ ready }) => ready === undefined)) return undefined;
  return answers.find(({ ready }) => (ready?.seats ? ready.seats.some(({ state }) => state === 'ready') : ready?.courier === 'ready'))?.worker;
}

async function readinessOf({ operationsUrl }: Aceso): Promise<Ready | undefined> {
  try {
    return (await (await fetch(`${operationsUrl}/readyz`, { signal: AbortSignal.timeout(2000) })).json()) as Ready;
  } catch {
    return undefined;
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
