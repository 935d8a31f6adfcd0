import { isIPv6 } from 'node:net';

/** Failed log-ins of one address. In memory: it slows guessing down, and is no promise. */
export type Throttle = {
  /** Seconds to wait before another attempt is looked at; 0 when it may go on. */
  wait(address: string, nowMs: number): number;
  failed(address: string, nowMs: number): void;
  succeeded(address: string, nowMs: number): void;
};

const BURST = 20;
const REFILL_MS = 3000;
/** Where somebody proved themselves this lately, others are not locked out by a neighbour's mistakes: hospitals share addresses. */
const GOOD_MS = 3_600_000;
/** Addresses remembered at most; beyond it, the oldest are forgotten. */
const MOST = 10_000;

/** Twenty failures at once, then one each three seconds; `wait` says when the next is looked at. */
export function createThrottle(): Throttle {
  const seen = new Map<string, { left: number; at: number; goodUntil: number }>();
  const entry = (address: string, now: number): { left: number; at: number; goodUntil: number } => {
    const name = networkOf(address);
    const known = seen.get(name) ?? { left: BURST, at: now, goodUntil: 0 };
    known.left = Math.min(BURST, known.left + (now - known.at) / REFILL_MS);
    known.at = now;
    seen.delete(name);
    seen.set(name, known);
    const [oldest] = seen.keys();
    if (seen.size > MOST && oldest !== undefined) seen.delete(oldest);
    return known;
  };
  return {
    wait(address, now) {
      if (!seen.has(networkOf(address))) return 0;
      const { left, goodUntil } = entry(address, now);
      return left >= 1 || now < goodUntil ? 0 : Math.ceil(((1 - left) * REFILL_MS) / 1000);
    },
    failed(address, now) {
      const known = entry(address, now);
      known.left = Math.max(0, known.left - 1);
    },
    succeeded(address, now) { entry(address, now).goodUntil = now + GOOD_MS; },
  };
}

/** An IPv6 subscriber has at least a /64 of addresses: it counts as one. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = ''] = address.split('%');
  const [left = '', right] = head.toLowerCase().split('::');
  const parts = left === '' ? [] : left.split(':');
  const after = right === undefined || right === '' ? [] : right.split(':');
  const full = right === undefined ? parts : [...parts, ...Array.from({ length: Math.max(0, 8 - parts.length - after.length) }, () => '0'), ...after];
  return full.slice(0, 4).map((part) => part.replace(/^0+(?=.)/u, '')).join(':');
}
