import type { EventId, Millis } from '../domain/brand.ts';
import type { LeftOver } from '../domain/policy/leftOver.ts';
import type { IncomingFact, Store } from '../ports/store.ts';
import { errorCode, type Log, type Metrics } from '../ports/telemetry.ts';

export type LeftOverParts = { readonly store: Pick<Store, 'lookup' | 'receive'>; readonly now: () => Millis; readonly log: Log; readonly metrics: Metrics; readonly nudge: () => void };

export type LeftOvers = { note(left: LeftOver): void; stop(): Promise<void> };

/** Each is one event of the guardian's more, in a room that a stranger to the rules fills: so many a second, and no more than this wait. */
const AT_ONCE = 20;
const EVERY_MS = 500;
const MOST = 2000;

/**
 * Has taken out what was refused, and is shown in part all the same. The policy server doesn't wait for the database: what it notes here becomes a fact in a moment, and is
 * tried again while the database is away. Noted twice is taken out once.
 */
export function createLeftOvers({ store, now, log, metrics, nudge }: LeftOverParts): LeftOvers {
  const waiting = new Map<EventId, LeftOver>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  async function write(): Promise<void> {
    const some = [...waiting.values()].slice(0, AT_ONCE);
    if (some.length === 0) return;
    try {
      const rooms = [...new Set(some.map(({ roomId }) => roomId))];
      const found = await store.lookup(rooms.flatMap((name) => [{ kind: 'room', name } as const, { kind: 'governed', name } as const]));
      const facts = some.flatMap(({ roomId, eventId, sender }): readonly IncomingFact[] => {
        const aggregate = found.get(roomId)?.aggregate;
        return aggregate ? [{ source: 'matrix', key: `refused:${eventId}`, aggregate, at: now(), body: { type: 'room.clear-text', roomId, eventId, sender } }] : [];
      });
      await store.receive(facts);
      for (const { eventId } of some) waiting.delete(eventId);
      for (const _ of facts) metrics.count('policy_left_over', { outcome: 'taken-out' });
      nudge();
    } catch (error) {
      log.error('policy.left-over', { error: errorCode(error), waiting: waiting.size });
    }
  }
  const flush = (): Promise<void> => (writing = writing.then(write));
  const arm = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      void flush().then(() => { if (waiting.size > 0) arm(); });
    }, EVERY_MS).unref();
  };

  return {
    note(left) {
      if (waiting.size >= MOST && !waiting.has(left.eventId)) {
        metrics.count('policy_left_over', { outcome: 'too-many' });
        return;
      }
      waiting.set(left.eventId, left);
      arm();
    },
    async stop() {
      clearTimeout(timer);
      await flush();
    },
  };
}
