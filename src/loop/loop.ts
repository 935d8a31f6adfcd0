import { errorCode } from '../ports/telemetry.ts';
import { actOnDue, type ActParts } from './act.ts';
import { decideDue, type DecideParts } from './decide.ts';
import { createSlots } from './slots.ts';
import { LEASE_MS, RENEW_EVERY_MS, type Hands } from './lease.ts';

export type Loop = {
  start(): void;
  /** Something may have come in: look now. */
  nudge(): void;
  /** What effects with this failure code wait for has come: they are tried at once. */
  wake(code: string): Promise<void>;
  /** Takes no new work, and waits for what is under way, at most `withinMs`. What is left undone is leased out and done by the next start. */
  stop(withinMs: number): Promise<void>;
};

const IDLE_MS = 250;
const TIMERS_AT_ONCE = 100;

/** Decide, act and tick around one store, each at its own pace (docs/architecture.md). */
export function createLoop(given: Omit<DecideParts & ActParts, 'hands'>): Loop {
  const hands: Hands = { facts: new Set(), effects: new Set() };
  const parts = { ...given, hands };
  let isRunning = false;
  let wakers: (() => void)[] = [];
  const wakes = new Map<string, number>();
  let renewals: NodeJS.Timeout | undefined;
  const turns: Promise<void>[] = [];

  const nudge = (): void => {
    const waiting = wakers;
    wakers = [];
    for (const wake of waiting) wake();
  };
  const idle = (): Promise<void> => new Promise((resolve) => {
    const timer = setTimeout(resolve, IDLE_MS);
    wakers.push(() => { clearTimeout(timer); resolve(); });
  });

  /** Repeats a verb while it finds work, and rests when it doesn't. */
  async function turn(verb: string, once: () => Promise<number>): Promise<void> {
    while (isRunning) {
      try {
        const found = await once();
        if (found > 0) nudge();
        else await idle();
      } catch (error) {
        parts.log.error('loop.failed', { verb, error: errorCode(error) });
        await idle();
      }
    }
  }

  const slots = createSlots(() => performance.now());
  const renew = (): Promise<void> => parts.store.renew(parts.worker, { facts: [...hands.facts], effects: [...hands.effects] }, parts.now(), LEASE_MS)
    .catch((error: unknown) => parts.log.warn('lease.not-renewed', { error: errorCode(error) }));

  return {
    start() {
      if (isRunning) return;
      isRunning = true;
      renewals = setInterval(() => void renew(), RENEW_EVERY_MS);
      turns.push(turn('decide', () => decideDue(parts)), turn('act', () => actOnDue(parts, wakes, slots, nudge)), turn('tick', () => parts.store.tick(parts.now(), TIMERS_AT_ONCE)));
    },
    nudge,
    async wake(code) {
      wakes.set(code, (wakes.get(code) ?? 0) + 1);
      await parts.store.wake(code, parts.now());
      nudge();
    },
    async stop(withinMs) {
      isRunning = false;
      nudge();
      const deadline = performance.now() + withinMs;
      await Promise.race([Promise.allSettled(turns), new Promise((resolve) => setTimeout(resolve, withinMs).unref())]);
      while (hands.effects.size > 0 && performance.now() < deadline) await idle();
      clearInterval(renewals);
    },
  };
}
