/** One thing at a time per key, first come first served; giving up while waiting leaves the queue whole. */
export type Locks = {
  /** Runs `work` when everything asked before it under the same key has ended. Rejects with the signal's reason when that takes too long. */
  run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
};

export function createLocks(): Locks {
  const tails = new Map<string, Promise<void>>();
  return {
    async run(key, signal, work) {
      const before = tails.get(key) ?? Promise.resolve();
      const { promise: mine, resolve: release } = Promise.withResolvers<undefined>();
      const tail = before.then(() => mine);
      tails.set(key, tail);
      try {
        await orAborted(before, signal);
        return await work();
      } finally {
        release(undefined);
        if (tails.get(key) === tail) tails.delete(key);
      }
    },
  };
}

/** `promise`, or a rejection with the signal's reason, whichever comes first. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
