/** How often what waits for people is tried again at most, however much comes from them. Milliseconds. */
const EVERY_MS = 5000;

/**
 * Tells at once whom something came from, and gathers who comes within the next seconds: one client that is busy, or means ill, must not have everything that
 * waits tried over and over. Whom `tell` failed for are told of again. What is lost with the process, the next one finds when it takes the seat.
 */
export function createGathered(tell: (userIds: readonly string[]) => Promise<void>): (userIds: readonly string[]) => void {
  const gathered = new Set<string>();
  let rest: NodeJS.Timeout | undefined;

  const told = (): void => {
    rest = undefined;
    if (gathered.size === 0) return;
    const userIds = [...gathered];
    gathered.clear();
    rest = setTimeout(told, EVERY_MS).unref();
    void tell(userIds).catch(() => {
      for (const userId of userIds) gathered.add(userId);
      rest ??= setTimeout(told, EVERY_MS).unref(); // it may have taken longer to fail than the rest lasts
    });
  };

  return (userIds) => {
    for (const userId of userIds) gathered.add(userId);
    if (rest === undefined) told();
  };
}
