/** Says how often something may still be told: so many at once, then one each so many milliseconds. */
export function createAllowance(now: () => number, most: number, eachMs: number): () => boolean {
  let [left, at] = [most, now()];
  return () => {
    [left, at] = [Math.min(most, left + (now() - at) / eachMs), now()];
    if (left < 1) return false;
    left -= 1;
    return true;
  };
}
