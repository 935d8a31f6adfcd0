/** Load at a constant number at a time, or at a constant pace; and the few figures that are made of what it measured. */

export const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);

/** Runs `task` for each index below `count`, `concurrency` at a time; gives the seconds it took. */
export async function inParallel(count: number, concurrency: number, task: (index: number) => Promise<void>): Promise<number> {
  const started = performance.now();
  let next = 0;
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, async () => {
    while (next < count) {
      next += 1;
      await task(next - 1);
    }
  }));
  return (performance.now() - started) / 1000;
}

/** Starts `task` for each index below `count` at its time, whatever became of those before (an open load); gives the seconds until all had ended. */
export async function paced(count: number, perSecond: number, task: (index: number) => Promise<void>): Promise<number> {
  const started = performance.now();
  const running = new Set<Promise<void>>();
  for (let index = 0; index < count; index += 1) {
    const waitMs = started + (index * 1000) / perSecond - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const ended = task(index).then(() => void running.delete(ended));
    running.add(ended);
  }
  await Promise.all(running);
  return (performance.now() - started) / 1000;
}

/** Lets at most so many through at one time; the others wait their turn, as they came. */
export function gate(atOnce: number): <T>(task: () => Promise<T>) => Promise<T> {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}

export const round = (value: number, digits = 2): number => Math.round(value * 10 ** digits) / 10 ** digits;

export type Percentiles = { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number };

/** By the nearest rank. */
export function percentiles(values: readonly number[], digits = 0): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN, digits);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

export type Point = { readonly x: number; readonly y: number };

/** The least-squares slope: how much y grows with each x. */
export function slope(points: readonly Point[]): number {
  const mean = (pick: (point: Point) => number): number => points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const [mx, my] = [mean(({ x }) => x), mean(({ y }) => y)];
  const spread = points.reduce((sum, { x }) => sum + (x - mx) ** 2, 0);
  return spread === 0 ? 0 : points.reduce((sum, { x, y }) => sum + (x - mx) * (y - my), 0) / spread;
}
