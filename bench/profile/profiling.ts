/** Profiles Aceso's process from outside, through what count.ts does inside it. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { until } from '../../test/support/until.ts';
import { say } from '../load.ts';
import { summary } from './summary.ts';

export type Profiling = {
  /** For the process that is to be profiled. */
  readonly env: NodeJS.ProcessEnv;
  begin(): Promise<void>;
  /** Ends the window in which `results` results went through. */
  end(results: number): Promise<void>;
  /** What all windows together say, per result: for people on standard error, and as figures. */
  report(): Record<string, unknown>;
};

type Counts = Readonly<Record<string, number>>;

export function profiling(into: string): Profiling {
  const folder = resolve(into);
  mkdirSync(folder, { recursive: true });
  const control = join(folder, 'control');
  writeFileSync(control, '');
  const threads = (): readonly { readonly thread: string; readonly window: string; readonly counts: Counts }[] => readdirSync(folder).filter((name) => name.startsWith('counts-')).flatMap((name) => {
    try {
      return [{ thread: name.slice('counts-'.length, -'.json'.length), ...JSON.parse(readFileSync(join(folder, name), 'utf8')) as { readonly window: string; readonly counts: Counts } }];
    } catch {
      return []; // it is being written
    }
  });
  const turnTo = async (window: string): Promise<void> => {
    writeFileSync(control, window);
    await until('the profiler to follow', () => threads().length > 0 && threads().every((thread) => thread.window === window), 30_000, 20);
  };
  const totals = new Map<string, number>();
  let windows = 0;
  let total = 0;
  let before: ReturnType<typeof threads> = [];

  return {
    env: { NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${join(import.meta.dirname, 'count.ts')}`, ACESO_BENCH_PROFILE: folder },
    async begin() {
      await turnTo(`window${(windows += 1)}`);
      before = threads();
    },
    async end(results) {
      await turnTo('');
      total += results;
      for (const { thread, counts } of threads()) {
        const earlier = before.find((known) => known.thread === thread)?.counts ?? {};
        for (const [what, count] of Object.entries(counts)) totals.set(`${thread} ${what}`, (totals.get(`${thread} ${what}`) ?? 0) + count - (earlier[what] ?? 0));
      }
    },
    report() {
      const perResult = Object.fromEntries([...totals].filter(([, count]) => count / total >= 0.005).sort().map(([what, count]) => [what, Math.round((count / total) * 100) / 100]));
      for (const [what, count] of Object.entries(perResult)) say(`per result: ${what.padEnd(60)} ${count}`);
      const profiles = readdirSync(folder).filter((name) => /^window\d+-.*\.cpuprofile$/u.test(name));
      const cpu = summary(profiles.map((name) => join(folder, name)), total);
      return { perResult, cpu };
    },
  };
}
