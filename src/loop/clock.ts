import { as, type Millis } from '../domain/brand.ts';
import type { Store } from '../ports/store.ts';

/**
 * The time by which a worker decides, leases and waits: the database's, so that workers agree whose machines don't. Between two looks it goes
 * by what never jumps; a worker that stood still is behind until its next look, and so takes nothing from anybody (docs/decisions/0006).
 */
export type Clock = {
  now(): Millis;
  /** Asks the database again. Rejects when it doesn't answer; the time goes on all the same. */
  look(): Promise<void>;
};

/** `steady`: milliseconds since whenever, that never go back. */
export async function startClock(store: Pick<Store, 'clock'>, steady: () => number): Promise<Clock> {
  let ahead = 0;
  const look = async (): Promise<void> => {
    const before = steady();
    const told = await store.clock();
    // Told somewhere between the question and the answer.
    ahead = told - (before + steady()) / 2;
  };
  await look();
  return { now: () => as<Millis>(Math.floor(steady() + ahead)), look };
}
