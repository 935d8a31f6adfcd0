/** Part d: whether a message costs more when there are more rooms. The same ten people get the same number of messages, with few and with many others there. */
import { until } from '../../test/support/until.ts';
import { openHouse, type House } from '../house.ts';
import { inParallel, round, say } from '../load.ts';
import type { Options } from '../options.ts';
import { usage } from '../usage.ts';

type Cost = { readonly perSecond: number; readonly acesoCpuMs: number; readonly rssMb: number };

const AT_ONCE = 16;

export async function rooms({ rooms: { few, many, stub }, results, profile }: Options): Promise<Record<string, unknown>> {
  const at = async (kind: 'Synapse' | 'stub', most: number): Promise<Record<string, unknown>> => {
    const house = await openHouse(kind, { profile: kind === 'stub' ? profile : undefined });
    try {
      say(`d: ${few} rooms at ${kind}`);
      await house.grow(few);
      const before = await cost(house, few, results, 'F');
      say(`d: ${few} rooms at ${kind}: ${JSON.stringify(before)}; now ${most}`);
      const seconds = await house.grow(most);
      const after = await cost(house, few, results, 'M');
      const spread = await cost(house, Math.min(most, 200), results, 'S');
      return { rooms: [few, most], before, after, spread, cpuRatio: round(after.acesoCpuMs / before.acesoCpuMs), timeRatio: round(before.perSecond / after.perSecond), roomsPerSecond: round((most - few) / seconds), complaints: house.stub?.complaints ?? [] };
    } finally {
      await house.stop();
    }
  };
  return { synapse: await at('Synapse', many), stub: await at('stub', stub) };
}

/** After each of these people has had one message, so that keys are where they must be. */
async function cost(house: House, people: number, results: number, prefix: string): Promise<Cost> {
  await deliver(house, people, people, `${prefix}W`);
  const cpu = usage(house.acesoPid).cpuMs;
  const seconds = await deliver(house, people, results, prefix);
  const after = usage(house.acesoPid);
  return { perSecond: round(results / seconds), acesoCpuMs: round((after.cpuMs - cpu) / results, 1), rssMb: round(after.rssMb, 0) };
}

/** Pushes, and waits until all are sent; gives the seconds. */
export async function deliver(house: House, people: number, results: number, prefix: string): Promise<number> {
  const before = await house.sent();
  const started = performance.now();
  await inParallel(results, AT_ONCE, (index) => house.push(index % people, `${prefix}-${index}`));
  await until('every result to be sent', async () => (await house.sent()) >= before + results, 3_600_000, 100);
  return (performance.now() - started) / 1000;
}
