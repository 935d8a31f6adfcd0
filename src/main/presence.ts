import type { Clock } from '../loop/clock.ts';
import type { Store, WorkerSeen } from '../ports/store.ts';
import { errorCode, type Log } from '../ports/telemetry.ts';

const CLOCK_EVERY_MS = 1000;
const SEEN_EVERY_MS = 5000;
/** Who was not seen for this long is shown as gone. */
export const GONE_MS = 15_000;

/** Says, while this process lives, that it does (`aceso status`), and keeps to the database's clock. Gives what ends it, in order. */
export function keepPresent(store: Store, clock: Clock, log: Log, worker: Omit<WorkerSeen, 'startedAt' | 'seenAt'>): () => Promise<void> {
  const startedAt = clock.now();
  const say = (): Promise<void> => store.present({ ...worker, startedAt, seenAt: clock.now() }).catch((error: unknown) => log.warn('worker.not-seen', { error: errorCode(error) }));
  const looking = setInterval(() => void clock.look().catch(() => undefined), CLOCK_EVERY_MS).unref();
  const saying = setInterval(() => void say(), SEEN_EVERY_MS).unref();
  void say();
  return async () => {
    clearInterval(looking);
    clearInterval(saying);
    await store.absent(worker.id);
  };
}
