import { setTimeout as pause } from 'node:timers/promises';

/** Does something at once, and again after each pause; `stop` waits a moment for what is under way. */
export function repeat(pauseMs: number, once: () => Promise<void>): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const running = (async () => {
    while (!stopping.signal.aborted) {
      await once();
      await pause(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await Promise.race([running, pause(1000, undefined, { ref: false })]);
    },
  };
}
