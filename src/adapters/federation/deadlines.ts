/** By when one question must be answered. */
export type Deadline = { readonly isOver: boolean };

export type Deadlines = {
  /** What the work gives, or `late` once so many milliseconds are over: at most a tick sooner, never later while the thread is free. The work goes on then, and nobody hears of it; so it looks at its deadline before it begins anything. */
  within<Value>(ms: number, work: (deadline: Deadline) => Promise<Value>, late: Value): Promise<Value>;
};

type Open = { isOver: boolean; readonly at: number; readonly end: () => void };

const TICK_MS = 50;

/** One clock ticks for all questions, and only while there are any: a timer and its listeners for each cost more than the rules. */
export function createDeadlines(): Deadlines {
  const open = new Set<Open>();
  let clock: NodeJS.Timeout | undefined;
  const tick = (): void => {
    const before = performance.now() + TICK_MS;
    for (const each of open) if (each.at <= before) each.end();
    if (open.size > 0) return;
    clearInterval(clock);
    clock = undefined;
  };
  return {
    within: (ms, work, late) => new Promise((resolve, reject) => {
      const each: Open = { isOver: false, at: performance.now() + ms, end: () => { each.isOver = true; open.delete(each); resolve(late); } };
      open.add(each);
      clock ??= setInterval(tick, TICK_MS);
      void work(each).then(resolve, reject).then(() => open.delete(each));
    }),
  };
}
