/** Requests of one source that are being taken in at one time. */
import { DEFAULT_MAX_IN_FLIGHT } from './config.ts';
import type { SourceConfig } from './config.ts';

/** Gives what ends the request; undefined when there are as many as may be. */
export type InFlight = (source: SourceConfig) => (() => void) | undefined;

export const createInFlight = (): InFlight => {
  const counts = new Map<string, number>();
  return ({ id, maxInFlight = DEFAULT_MAX_IN_FLIGHT }) => {
    const before = counts.get(id) ?? 0;
    if (before >= maxInFlight) return undefined;
    counts.set(id, before + 1);
    return () => { counts.set(id, (counts.get(id) ?? 1) - 1); };
  };
};
