/** What the demo has started: each thing is ended, in reverse order, however the demo ends. */

export type Resources = {
  /** Aborted once everything is being ended; for calls that can be broken off. */
  readonly signal: AbortSignal;
  /** Starts something and remembers how to end it, from this moment on: the end waits until it has started or failed to. Refuses when the end has begun. */
  take<T>(start: () => Promise<T> | T, stop: (started: T) => Promise<void> | void): Promise<T>;
  /** Ends everything, also what is still starting; gives what couldn't be ended. */
  close(): Promise<readonly string[]>;
};

export function createResources(): Resources {
  const stops: (() => Promise<void>)[] = [];
  const ending = new AbortController();
  return {
    signal: ending.signal,
    take(start, stop) {
      if (ending.signal.aborted) return Promise.reject(new Error('the demo is ending'));
      const starting = Promise.resolve().then(start);
      stops.push(async () => {
        const started = await starting.then((value) => ({ value }), () => undefined); // what didn't start has said so already
        if (started) await stop(started.value);
      });
      return starting;
    },
    async close() {
      ending.abort();
      const problems: string[] = [];
      for (let stop = stops.pop(); stop; stop = stops.pop()) {
        await stop().catch((error: unknown) => problems.push(error instanceof Error ? error.message : String(error)));
      }
      return problems;
    },
  };
}
