/**
 * How the device asks the homeserver for news. A long poll is woken by every event of every room it is in, and the homeserver works out each
 * time that there is nothing for us: at ten messages a second this is a quarter of what a message costs it (docs/benchmarks.md). So while
 * messages go out, the device asks now and then instead.
 */
export type SyncPace = {
  /** A message went out. */
  sent(): void;
  /** The homeserver has answered a sync. */
  answered(): void;
  /** How the next sync is to be made: rest, then wait at the homeserver for news, at most so long. Milliseconds. */
  next(): { readonly restMs: number; readonly pollMs: number };
};

/** More than so many messages since the last sync are a stream. */
const FEW = 2;
/** News of devices, and keys of answers, come so much later in a stream. */
const REST_MS = 500;
const LONG_POLL_MS = 30_000;

export function createSyncPace(): SyncPace {
  let messages = 0;
  let isAnswered = false;
  return {
    sent() {
      messages += 1;
    },
    answered() {
      isAnswered = true;
    },
    next() {
      const isStream = messages > FEW;
      messages = 0;
      if (!isAnswered) return { restMs: 0, pollMs: 0 }; // the first answer comes at once
      return isStream ? { restMs: REST_MS, pollMs: 0 } : { restMs: 0, pollMs: LONG_POLL_MS };
    },
  };
}
