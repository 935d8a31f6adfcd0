/**
 * How fast results go from the push to the room, and the policy server answers, beside baselines that run in the same minutes on the same machine: `npm run bench -- --help`.
 * The machine varies, so what counts is the ratio. The last line is JSON.
 */
import { say } from './load.ts';
import { readOptions, type Options, type Part } from './options.ts';
import { bot } from './parts/bot.ts';
import { latency } from './parts/latency.ts';
import { policy } from './parts/policy.ts';
import { rooms } from './parts/rooms.ts';
import { scale } from './parts/scale.ts';
import { soak } from './parts/soak.ts';
import { throughput } from './parts/throughput.ts';
import { openStage, type Stage } from './stage.ts';

/** Parts that share the two hospitals, the clinicians and one Aceso. */
const onStage: Partial<Record<Part, (stage: Stage, options: Options) => Promise<Record<string, unknown>>>> = { a: throughput, b: bot, c: latency };
/** Parts that bring their own. */
const alone: Partial<Record<Part, (options: Options) => Promise<Record<string, unknown>>>> = { d: rooms, e: scale, policy };

async function run(options: Options): Promise<Record<string, unknown>> {
  const figures: Record<string, unknown> = { date: new Date().toISOString(), store: options.store };
  if (options.soak) return { ...figures, soak: await soak(options, options.soak) };
  const note = (part: Part, measured: Record<string, unknown>): void => {
    figures[part] = measured;
    say(`${part}: ${JSON.stringify(measured)}`);
  };
  if (options.parts.some((part) => part in onStage)) {
    const stage = await openStage(options);
    try {
      for (const part of options.parts) {
        const measured = await onStage[part]?.(stage, options);
        if (measured) note(part, measured);
      }
      if (stage.profile) figures['profile'] = stage.profile.report();
    } finally {
      await stage.stop();
    }
  }
  for (const part of options.parts) {
    const measured = await alone[part]?.(options);
    if (measured) note(part, measured);
  }
  return figures;
}

const options = readOptions(process.argv.slice(2));
if (options) process.stdout.write(`${JSON.stringify(await run(options))}\n`);
process.exit();
