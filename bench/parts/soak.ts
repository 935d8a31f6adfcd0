/** A steady stream against the stub homeserver, for as long as wanted: does memory stay flat, does anything fall behind? */
import { until } from '../../test/support/until.ts';
import { openHouse } from '../house.ts';
import { gate, paced, percentiles, round, say, slope, type Point } from '../load.ts';
import type { Options } from '../options.ts';
import { peak, usage } from '../usage.ts';

const ROOMS = 100;
const SAMPLE_MS = 5000;
/** Requests that the source has under way at one time; what it can't push then waits with it. */
const IN_FLIGHT = 64;
/** Of the time, at the beginning, in which caches fill. */
const WARM_UP = 0.2;

export async function soak({ profile }: Options, { seconds, rate }: { readonly seconds: number; readonly rate: number }): Promise<Record<string, unknown>> {
  const house = await openHouse('stub', { profile });
  try {
    say(`soak: ${ROOMS} rooms, then ${rate} results a second for ${seconds} s`);
    await house.grow(ROOMS);
    await house.profile?.begin();
    const rss: Point[] = [];
    const heap: Point[] = [];
    const behind: number[] = [];
    const accepts: number[] = [];
    const { counts } = house.stub ?? { counts: { encryptedEvents: 0 } };
    const before = counts.encryptedEvents;
    const cpuBefore = usage(house.acesoPid).cpuMs;
    const started = performance.now();
    const sample = async (): Promise<void> => {
      const x = (performance.now() - started) / 3_600_000;
      rss.push({ x, y: usage(house.acesoPid).rssMb });
      heap.push({ x, y: (await house.metric('aceso_nodejs_heap_size_used_bytes')) / 1e6 });
      behind.push(accepts.length - (counts.encryptedEvents - before));
      if (rss.length % 6 === 1) say(`  ${accepts.length} accepted, ${behind.at(-1) ?? 0} behind, ${Math.round(rss.at(-1)?.y ?? 0)} MB`);
    };
    const sampling = setInterval(() => void sample().catch(() => undefined), SAMPLE_MS);
    const total = Math.round(seconds * rate);
    const inFlight = gate(IN_FLIGHT);
    const took = await paced(total, rate, (index) => inFlight(async () => {
      if (performance.now() - started > seconds * 1000) return; // the time is over: what couldn't be pushed in it isn't
      const begun = performance.now();
      await house.push(index % ROOMS, `S-${index}`);
      accepts.push(performance.now() - begun);
    }));
    const pushed = accepts.length;
    await until('the last to be sent', () => counts.encryptedEvents - before >= pushed, 600_000, 50);
    clearInterval(sampling);
    await house.profile?.end(pushed);
    const settled = (points: readonly Point[]): readonly Point[] => points.slice(Math.floor(points.length * WARM_UP));
    return {
      seconds, rate, results: pushed, keptRate: round(pushed / took), tookSeconds: round((performance.now() - started) / 1000), msToAccept: percentiles(accepts), mostBehind: Math.max(0, ...behind), putOff: house.putOff(),
      sentTwice: counts.encryptedEvents - before - pushed, acesoCpuMsPerResult: round((usage(house.acesoPid).cpuMs - cpuBefore) / pushed, 1),
      rssMb: { end: round(usage(house.acesoPid).rssMb, 0), peak: round(peak(house.acesoPid).peakRssMb, 0), perHour: round(slope(settled(rss))) }, heapMb: { end: round(heap.at(-1)?.y ?? 0), perHour: round(slope(settled(heap))) },
      writtenKbPerResult: round((peak(house.acesoPid).writtenMb * 1000) / pushed, 1), complaints: house.stub?.complaints, ...(house.profile ? { profile: house.profile.report() } : {}),
    };
  } finally {
    await house.stop();
  }
}
