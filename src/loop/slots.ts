import type { EffectId, ServerName } from '../domain/brand.ts';
import type { Effect } from '../domain/effect.ts';
import type { Destinations } from '../ports/store.ts';

/**
 * How many effects are done at once, and for whom. One partner's server that answers slowly, or not at all, must not keep the others'
 * messages waiting: what has been under way for it for more than `SLOW_MS` takes nobody's place any more, and until it is quick again it gets
 * one effect at a time. What takes nobody's place is still sockets and memory, and has an end: the more hangs, the less is begun for any one
 * partner's server, so that many that hang leave room for those that don't, and always for our own homeserver.
 */
export type Slots = {
  /** What may be claimed now: the first with the rest, then one each for slow servers for which nothing is under way, which shows whether they are quick again. */
  claims(): readonly { readonly limit: number; readonly destinations: Destinations }[];
  began(effect: Effect): void;
  ended(effect: Effect): void;
  /** How many are under way. */
  readonly inUse: number;
};

export const AT_ONCE = 16;
const AT_MOST = 128;
/** Of those, how many may hang for partners' servers. */
const HANGING_AT_MOST = AT_MOST - AT_ONCE;
/** So many servers that begin to hang one after the other find room for several effects each. */
const SHARES = 7;
/** So many slow servers are tried at one time: till it shows that they hang, they take the others' place. */
const TRIED_AT_ONCE = 4;
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

  return {
    claims() {
      look();
      const underWay = [...inHand.values()];
      const hanging = underWay.filter(isSlow).length;
      const free = Math.min(AT_ONCE - (underWay.length - hanging), AT_MOST - underWay.length);
      if (free <= 0) return [];
      if (hanging >= HANGING_AT_MOST) return [{ limit: free, destinations: { only: undefined } }];
      const share = Math.max(1, Math.min(AT_ONCE, Math.floor((HANGING_AT_MOST - hanging) / SHARES)));
      const busy = Map.groupBy(underWay, ({ destination }) => destination);
      const tried = underWay.filter((each) => each.destination !== undefined && slow.has(each.destination) && !isSlow(each)).length;
      const full = [...busy].flatMap(([server, theirs]) => (server !== undefined && theirs.length >= share && !slow.has(server) ? [server] : []));
      return [
        { limit: Math.min(free, share), destinations: { except: [...slow.keys(), ...full] } },
        ...[...slow.keys()].filter((server) => !busy.has(server)).slice(0, Math.max(0, TRIED_AT_ONCE - tried)).map((only) => ({ limit: 1, destinations: { only } })),
      ];
    },
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
