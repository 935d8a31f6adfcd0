/** Which chaos: kills, a bad network, a fail-over, a policy server that is away. */
import { badNetwork, type BadNetwork } from './badNetwork.ts';
import { failOver } from './failover.ts';
import { keepRunning, killAround } from './kills.ts';
import type { ChaosOptions } from './options.ts';
import { policyAway } from './policyAway.ts';
import { randomOf } from './random.ts';
import { run, type Figures, type Outcome, type Scene } from './run.ts';
import { victimsOf } from './victims.ts';
import { directWiring } from './wiring.ts';

export function play(options: ChaosOptions, signal: AbortSignal, say: (line: string) => void): Promise<Outcome> {
  if (options.mode === 'kills') return run(options, directWiring(), (scene) => kills(options, scene), signal, say);
  if (options.mode === 'failover') return run(options, directWiring(), (scene) => failOver(options, scene), signal, say);
  if (options.mode === 'policy') return run(options, directWiring(), (scene) => policyAway(options, scene), signal, say);
  const network = badNetwork(options.seed);
  return run(options, network, (scene) => storm(options, network, scene), signal, say);
}

async function storm({ seconds }: ChaosOptions, network: BadNetwork, { stage, progress, note, signal }: Scene): Promise<Figures> {
  const started = Date.now();
  const keeping = new AbortController();
  const keeper = keepRunning(victimsOf(stage), AbortSignal.any([keeping.signal, signal]));
  let faults = 0;
  await network.storm({
    ms: seconds * 1000, signal,
    onFault(way, fault) {
      faults += 1;
      progress(Math.min(1, (Date.now() - started) / (seconds * 1000)));
      note(`fault ${faults}: ${way}: ${fault}`);
    },
  });
  await keeper.settle();
  keeping.abort();
  return { faults, endedByThemselves: keeper.ownEnds, failedStarts: keeper.failedStarts.length };
}

async function kills({ kills: wanted, everySeconds, seed }: ChaosOptions, { stage, laboratory, progress, note, signal }: Scene): Promise<Figures> {
  const keeping = new AbortController();
  const keeper = keepRunning(victimsOf(stage), AbortSignal.any([keeping.signal, signal]));
  const killed: Record<string, number> = {};
  let kills = 0;
  try {
    await killAround({
      kills: wanted, everyMs: everySeconds * 1000, random: randomOf(seed, 'kills'), busy: () => laboratory.busy(), accepted: () => laboratory.accepted.length, keeper, signal,
      onKill(count, victim) {
        kills = count;
        killed[victim] = (killed[victim] ?? 0) + 1;
        progress(count / wanted);
        note(`kill ${count} of ${wanted}: ${victim}`);
      },
    });
    await keeper.settle();
  } finally {
    keeping.abort();
  }
  return { kills, killed: Object.entries(killed).map(([victim, count]) => `${victim}: ${count}`), endedByThemselves: keeper.ownEnds, failedStarts: keeper.failedStarts.length };
}
