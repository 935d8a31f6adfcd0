/**
 * More comes in than can be decided: what comes then is answered more slowly, and whoever sends one after the other sends less. Nobody is turned away for it: a result
 * lies safer here, late, than with a sender that gives up; and while nothing is decided at all, the alert on undecided facts says so.
 */
export type Pace = {
  /** Resolves when few enough facts wait to be decided, or after five seconds. */
  wait(): Promise<void>;
};

/** Decided within seconds: what is more would make each result wait longer for all that lie before it. */
export const MOST_UNDECIDED = 1000;
const LONGEST_MS = 5000;
const LOOK_MS = 250;

/** `undecided` counts up to its limit; `steady`: milliseconds that never go back. A database that can't be asked slows nothing. */
export function createPace(undecided: (limit: number) => Promise<number>, steady: () => number): Pace {
  let seen = { at: -Infinity, isBehind: false };
  let looking: Promise<boolean> | undefined;

  const look = async (): Promise<boolean> => {
    const isBehind = await undecided(MOST_UNDECIDED + 1).then((count) => count > MOST_UNDECIDED, () => false);
    seen = { at: steady(), isBehind };
    return isBehind;
  };
  const isBehind = async (): Promise<boolean> => (steady() - seen.at < LOOK_MS ? seen.isBehind : (looking ??= look().finally(() => { looking = undefined; })));

  return {
    async wait() {
      const deadline = steady() + LONGEST_MS;
      while ((await isBehind()) && steady() < deadline) await new Promise((resolve) => { setTimeout(resolve, LOOK_MS); });
    },
  };
}
