/**
 * How the device asks the homeserver for news. A long poll is woken by every event of every room it is in, and each time Synapse works out
 * anew, for all that came since the poll began, that there is nothing for us: in a stream that costs it half of what the messages themselves do
 * (docs/benchmarks.md). Giving the poll up doesn't help: Synapse goes on with it until its time is over. So while messages go out, the device
 * asks now and then, and the longer none did, the longer it waits at the homeserver.
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
const FIRST_POLL_MS = 1000;
/** A stream that begins costs the homeserver more for so long. A sync without news costs it about 5 ms. */
const LONGEST_POLL_MS = 10_000;

export function createSyncPace(): SyncPace {
  let messages = 0;
  let isAnswered = false;
  let pollMs = FIRST_POLL_MS;
  return {
    sent() {
      messages += 1;
    },
    answered() {
      isAnswered = true;
    },
    next() {
      const recent = messages;
      messages = 0;
      if (!isAnswered) return { restMs: 0, pollMs: 0 }; // the first answer comes at once
      const quietMs = pollMs;
      pollMs = recent > 0 ? FIRST_POLL_MS : Math.min(pollMs * 2, LONGEST_POLL_MS);
      if (recent > FEW) return { restMs: REST_MS, pollMs: 0 };
      return { restMs: 0, pollMs: recent > 0 ? FIRST_POLL_MS : quietMs };
    },
  };
}
