/** How much one source may ask: requests at one time, and a minute. In memory: a limit, not a promise. */
import type { ScimSource } from './config.ts';

/** Gives what ends the request, or the seconds to wait. */
export type Limits = (source: ScimSource, mostInFlight: number, nowMs: number) => (() => void) | number;

export function createLimits(): Limits {
  const sources = new Map<string, { inFlight: number; left: number; at: number }>();
  return ({ id, requestsPerMinute = Infinity }, mostInFlight, now) => {
    const used = sources.get(id) ?? { inFlight: 0, left: requestsPerMinute, at: now };
    sources.set(id, used);
    const left = requestsPerMinute === Infinity ? Infinity : Math.min(requestsPerMinute, used.left + ((now - used.at) * requestsPerMinute) / 60_000);
    Object.assign(used, { left, at: now });
    if (left < 1) return Math.ceil(((1 - left) * 60) / requestsPerMinute);
    if (used.inFlight >= mostInFlight) return 1;
    used.left -= 1;
    used.inFlight += 1;
    return () => { used.inFlight -= 1; };
  };
}
