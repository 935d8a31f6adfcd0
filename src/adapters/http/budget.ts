/** Bytes of request bodies that are in hand at one time, over all requests of a route. */
export type Budget = {
  /** False when they would be too many. */
  take(bytes: number): boolean;
  give(bytes: number): void;
};

export function createBudget(mostBytes: number): Budget {
  let inHand = 0;
  return {
    take(bytes) {
      // One request alone always gets in: its own limit is for its source to say.
      if (inHand > 0 && inHand + bytes > mostBytes) return false;
      inHand += bytes;
      return true;
    },
    give(bytes) { inHand -= bytes; },
  };
}
