/**
 * How fast results go from the push to the room, beside baselines that run in the same minutes on the same homeserver: `npm run bench -- --help`.
 * The machine varies, so what counts is the ratio. The last line is JSON.
 */
import { say } from './load.ts';
import { readOptions, type Options, type Part } from './options.ts';
import { latency } from './parts/latency.ts';
import { throughput } from './parts/throughput.ts';
import { openStage, type Stage } from './stage.ts';

const onStage: Partial<Record<Part, (stage: Stage, options: Options) => Promise<Record<string, unknown>>>> = { a: throughput, c: latency };

async function run(options: Options): Promise<Record<string, unknown>> {
  const figures: Record<string, unknown> = { date: new Date().toISOString(), store: options.store };
  if (options.parts.some((part) => part in onStage)) {
    const stage = await openStage(options);
    try {
      for (const part of options.parts) {
        const measure = onStage[part];
        if (measure) figures[part] = await measure(stage, options);
        if (measure) say(`${part}: ${JSON.stringify(figures[part])}`);
      }
      if (stage.profile) figures['profile'] = stage.profile.report();
    } finally {
      await stage.stop();
    }
  }
  return figures;
}

const options = readOptions(process.argv.slice(2));
if (options) process.stdout.write(`${JSON.stringify(await run(options))}\n`);
process.exit();
