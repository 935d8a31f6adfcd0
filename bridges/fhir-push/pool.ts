/** A few threads for large bodies, with a queue that has an end. */
import type { Worker } from 'node:worker_threads';
import type { BridgeHost } from '../../src/ports/bridge.ts';
import type { Task } from './answer.ts';
import type { FhirPushConfig } from './config.ts';
import type { Done } from './create.ts';
import type { Result } from './outcome.ts';
import { runInThread } from './thread.ts';

export type PoolOptions = {
  /** Opens a thread that calls `serveTasks`. */
  readonly open: () => Worker;
  readonly threads: number;
  /** Bodies larger than this go to a thread. */
  readonly aboveBytes: number;
  /** Tasks that wait for a thread. */
  readonly mostWaiting: number;
  readonly withinMs: number;
  /** A thread without work ends after this: its definitions take 200 MB. */
  readonly idleMs: number;
};

export type Pool = {
  readonly aboveBytes: number;
  /** `full`: nothing was begun. Rejects when the task broke its thread. */
  run(host: BridgeHost, config: FhirPushConfig, task: Task): Promise<Result<Done> | 'full'>;
  stop(): Promise<void>;
};

export const createPool = ({ open, threads, aboveBytes, mostWaiting, withinMs, idleMs }: PoolOptions): Pool => {
  const idle = new Map<Worker, NodeJS.Timeout>();
  const all = new Set<Worker>();
  const waiting: ((thread: Worker) => void)[] = [];

  const start = (): Worker => {
    const thread = open();
    all.add(thread);
    thread.unref();
    thread.on('error', () => undefined).on('exit', () => { all.delete(thread); clearTimeout(idle.get(thread)); idle.delete(thread); });
    return thread;
  };
  const take = (): Promise<Worker> | 'full' => {
    const [known] = idle;
    if (known !== undefined) {
      clearTimeout(known[1]);
      idle.delete(known[0]);
      return Promise.resolve(known[0]);
    }
    if (all.size < threads) return Promise.resolve(start());
    return waiting.length < mostWaiting ? new Promise((resolve) => { waiting.push(resolve); }) : 'full';
  };
  const give = (thread: Worker): void => {
    const next = waiting.shift();
    if (next !== undefined) next(thread);
    else idle.set(thread, setTimeout(() => void thread.terminate(), idleMs).unref());
  };

  return {
    aboveBytes,
    async run(host, config, task) {
      const taken = take();
      if (taken === 'full') return 'full';
      const thread = await taken;
      try {
        const result = await runInThread(thread, host, config, task, withinMs);
        give(thread);
        return result;
      } catch (error) {
        // What broke it is not given to it again, and what waits gets a new one.
        all.delete(thread);
        void thread.terminate();
        const next = waiting.shift();
        if (next !== undefined) next(start());
        throw error;
      }
    },
    async stop() { await Promise.all([...all].map((thread) => thread.terminate())); },
  };
};
