/**
 * Things that are started once per test run and shared: `shared('name', start)` gives the same promise to every test that asks.
 * What was started last is stopped first, when the run ends.
 */
type Stop = () => Promise<void> | void;
const started = new Map<string, Promise<unknown>>();
const stops: Stop[] = [];

export function shared<T>(name: string, start: () => Promise<{ readonly value: T; readonly stop: Stop }>): Promise<T> {
  const known = started.get(name);
  if (known) return known as Promise<T>;
  const starting = start().then(({ value, stop }) => {
    stops.push(stop);
    return value;
  });
  started.set(name, starting);
  return starting;
}

export async function stopAll(): Promise<void> {
  await Promise.allSettled(started.values());
  for (const stop of stops.reverse()) await stop();
  stops.length = 0;
  started.clear();
}
