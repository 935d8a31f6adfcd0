import type { EffectId, ServerName } from '../domain/brand.ts';
import type { Effect } from '../domain/effect.ts';

/**
 * How many effects are done at once, and for whom. One partner's server that answers slowly, or not at all, must not keep the others'
 * messages waiting: what has been under way for it for more than `SLOW_MS` takes nobody's place any more, and until it is quick again it gets
 * one effect at a time.
 */
export type Slots = {
  /** How many effects may be started now. */
  free(): number;
  /** Servers that are slow: nothing more of theirs is started with the rest. */
  slow(): readonly ServerName[];
  /** Of those, the ones for which nothing is under way: one effect shows whether they are quick again. */
  idle(): readonly ServerName[];
  began(effect: Effect): void;
  ended(effect: Effect): void;
  /** How many are under way. */
  readonly inUse: number;
};

export const AT_ONCE = 16;
/** Those that take nobody's place are still sockets and memory. */
const AT_MOST = 128;
const SLOW_MS = 2000;
/** A server that has had nothing to do for this long is no longer taken for slow. */
const FORGOTTEN_MS = 60_000;

type UnderWay = { readonly since: number; readonly destination: ServerName | undefined };

/** `now`: milliseconds that never go back. */
export function createSlots(now: () => number): Slots {
  const inHand = new Map<EffectId, UnderWay>();
  const slow = new Map<ServerName, number>();

  const isSlow = ({ since, destination }: UnderWay): boolean => destination !== undefined && now() - since > SLOW_MS;
  const look = (): void => {
    for (const each of inHand.values()) if (isSlow(each) && each.destination !== undefined) slow.set(each.destination, now());
    for (const [server, at] of slow) if (now() - at > FORGOTTEN_MS) slow.delete(server);
  };
  const isBusy = (server: ServerName): boolean => [...inHand.values()].some(({ destination }) => destination === server);

  return {
    free() {
      look();
      const taken = [...inHand.values()].filter((each) => !isSlow(each)).length;
      return Math.max(0, Math.min(AT_ONCE - taken, AT_MOST - inHand.size));
    },
    slow: () => { look(); return [...slow.keys()]; },
    idle: () => { look(); return [...slow.keys()].filter((server) => !isBusy(server)); },
    began: ({ id, destination }) => { inHand.set(id, { since: now(), destination }); },
    ended({ id }) {
      const each = inHand.get(id);
      inHand.delete(id);
      if (each?.destination === undefined) return;
      if (isSlow(each)) slow.set(each.destination, now());
      else slow.delete(each.destination);
    },
    get inUse() { return inHand.size; },
  };
}
