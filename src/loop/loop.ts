import { errorCode } from '../ports/telemetry.ts';
import { as, type Millis } from '../domain/brand.ts';
import { actOnDue, type ActParts } from './act.ts';
import { decideDue, type DecideParts } from './decide.ts';
import { createSlots } from './slots.ts';
import { LEASE_MS, RENEW_EVERY_MS, type Hands } from './lease.ts';

export type Loop = {
  start(): void;
  /** Something may have come in: this worker looks now, and the others are told. */
  nudge(): void;
  /** This worker looks now. */
  look(): void;
  /** What effects with this failure code wait for has come, or has come from these people (`naming`): they are tried at once. */
  wake(code: string, naming?: readonly string[]): Promise<void>;
  /** Takes no new work, and waits for what is under way, at most `withinMs`. What is left undone is free for another worker, or the next start, at once. */
  stop(withinMs: number): Promise<void>;
};

const IDLE_MS = 250;
const TIMERS_AT_ONCE = 100;

export type Verb = 'decide' | 'act' | 'tick';

export type LoopParts = Omit<DecideParts & ActParts, 'hands'> & {
  /** Which of them this worker does; others do the rest. */
  readonly verbs: readonly Verb[];
  /** Tells the other workers that there may be something to do. */
  readonly announce: () => void;
};

/** Decide, act and tick around one store, each at its own pace (docs/architecture.md). */
export function createLoop(given: LoopParts): Loop {
  const hands: Hands = { facts: new Set(), effects: new Set() };
  const parts = { ...given, hands };
  let isRunning = false;
  const wakers = new Set<() => void>();
  let nudges = 0;
  const wakes = new Map<string, number>();
  let renewals: NodeJS.Timeout | undefined;
  const turns: Promise<void>[] = [];
  let endRest = (): void => undefined;

  const look = (): void => {
    nudges += 1;
    for (const wake of wakers) wake();
  };
  const nudge = (): void => {
    look();
    parts.announce();
  };
  const idle = (): Promise<void> => new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      wakers.delete(wake);
      resolve();
    };
    const timer = setTimeout(wake, IDLE_MS);
    wakers.add(wake);
  });

  /** Repeats a verb while it finds work, and rests when it doesn't. What came while it looked, it may not have seen: then it looks again. */
  async function turn(verb: string, once: () => Promise<number>): Promise<void> {
    while (isRunning) {
      const before = nudges;
      try {
        const found = await once();
        if (found > 0) nudge();
        else if (nudges === before) await idle();
      } catch (error) {
        parts.log.error('loop.failed', { verb, error: errorCode(error) });
        await idle();
      }
    }
  }

  /** Time wakes it, and nothing else: a look costs a transaction. */
  async function tick(): Promise<void> {
    while (isRunning) {
      const found = await parts.store.tick(parts.now(), TIMERS_AT_ONCE).catch((error: unknown) => {
        parts.log.error('loop.failed', { verb: 'tick', error: errorCode(error) });
        return 0;
      });
      if (found > 0) nudge();
      if (found < TIMERS_AT_ONCE) await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, IDLE_MS);
        endRest = () => { clearTimeout(timer); resolve(); };
      });
    }
  }

  const slots = createSlots(() => performance.now());
  const verbs: Readonly<Record<Verb, () => Promise<void>>> = {
    decide: () => turn('decide', () => decideDue(parts, nudge)),
    act: () => turn('act', () => actOnDue(parts, wakes, slots, nudge)),
    tick,
  };
  const renew = (): Promise<void> => parts.store.renew(parts.worker, { facts: [...hands.facts], effects: [...hands.effects] }, parts.now(), LEASE_MS)
    .catch((error: unknown) => parts.log.warn('lease.not-renewed', { error: errorCode(error) }));

  const letGo = (): Promise<void> => parts.store.renew(parts.worker, { facts: [...hands.facts], effects: [...hands.effects] }, as<Millis>(parts.now() - 1), 0)
    .catch((error: unknown) => parts.log.warn('lease.not-released', { error: errorCode(error) }));

  return {
    start() {
      if (isRunning) return;
      isRunning = true;
      renewals = setInterval(() => void renew(), RENEW_EVERY_MS);
      for (const verb of parts.verbs) turns.push(verbs[verb]());
    },
    nudge,
    look,
    async wake(code, naming) {
      wakes.set(code, (wakes.get(code) ?? 0) + 1);
      await parts.store.wake(code, parts.now(), naming && { naming });
      nudge();
    },
    async stop(withinMs) {
      isRunning = false;
      endRest();
      look();
      const deadline = performance.now() + withinMs;
      await Promise.race([Promise.allSettled(turns), new Promise((resolve) => setTimeout(resolve, withinMs).unref())]);
      while (hands.effects.size + hands.facts.size > 0 && performance.now() < deadline) await idle();
      clearInterval(renewals);
      await letGo();
    },
  };
}
