/** Part e: how large Aceso is, and how soon it is there, with many rooms; and what becomes of it when results pile up because the homeserver is away. */
import { until } from '../../test/support/until.ts';
import { openHouse, type House } from '../house.ts';
import { inParallel, percentiles, round, say } from '../load.ts';
import type { Options } from '../options.ts';
import { peak, usage } from '../usage.ts';

const AT_ONCE = 16;

export async function scale({ rooms: { stub: rooms }, waiting }: Options): Promise<Record<string, unknown>> {
  const house = await openHouse('stub');
  try {
    const empty = usage(house.acesoPid).rssMb;
    say(`e: ${rooms} rooms at the stub`);
    const growSeconds = await house.grow(rooms);
    const grown = usage(house.acesoPid).rssMb;
    const readyMs = await house.restart();
    // What was left to do with rooms just made is done by now.
    const readyAgainMs = await house.restart();
    const fresh = usage(house.acesoPid).rssMb;
    say(`e: ready ${Math.round(readyMs)} ms after a start with ${rooms} rooms just made, ${Math.round(readyAgainMs)} ms after another, ${Math.round(fresh)} MB`);
    return { rooms, roomsPerSecond: round(rooms / growSeconds), readyMs: round(readyMs, 0), readyAgainMs: round(readyAgainMs, 0), rssMb: { empty: round(empty, 0), grown: round(grown, 0), restarted: round(fresh, 0) }, mountain: await mountain(house, rooms, waiting), complaints: house.stub?.complaints };
  } finally {
    await house.stop();
  }
}

async function mountain(house: House, rooms: number, waiting: number): Promise<Record<string, unknown>> {
  const { stub, aceso } = house;
  await stub?.stop();
  say(`e: the homeserver is away; ${waiting} results come`);
  const accepts: number[] = [];
  const health: number[] = [];
  const done = new AbortController();
  const watching = (async () => {
    while (!done.signal.aborted) {
      const started = performance.now();
      await fetch(`${aceso.baseUrl}/healthz`);
      health.push(performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  })();
  const progress = setInterval(() => say(`  ${accepts.length} accepted, ${Math.round(usage(house.acesoPid).rssMb)} MB`), 10_000);
  const seconds = await inParallel(waiting, AT_ONCE, async (index) => {
    const started = performance.now();
    await house.push(index % rooms, `Z-${index}`);
    accepts.push(performance.now() - started);
  });
  const full = peak(house.acesoPid);
  say(`e: ${waiting} wait; peak ${Math.round(full.peakRssMb)} MB; the homeserver comes back`);
  await stub?.start();
  const started = performance.now();
  const before = stub?.counts.encryptedEvents ?? 0;
  clearInterval(progress);
  const draining = setInterval(() => say(`  ${(stub?.counts.encryptedEvents ?? 0) - before} of ${waiting} sent, ${Math.round(usage(house.acesoPid).rssMb)} MB`), 10_000);
  await until('all that waited to be sent', () => (stub?.counts.encryptedEvents ?? 0) - before >= waiting, 7_200_000, 500);
  const drainSeconds = (performance.now() - started) / 1000;
  clearInterval(draining);
  done.abort();
  await watching;
  return {
    waiting, acceptedPerSecond: round(waiting / seconds), msToAccept: percentiles(accepts), msToHealth: percentiles(health), peakRssMb: { waiting: round(full.peakRssMb, 0), drained: round(peak(house.acesoPid).peakRssMb, 0) },
    drainedPerSecond: round(waiting / drainSeconds), sentTwice: (stub?.counts.encryptedEvents ?? 0) - before - waiting,
  };
}
