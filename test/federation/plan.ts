/** What is tried, in which order: the same for the same seed, whatever the machine. Pure. */
import { randomOf } from '../chaos/random.ts';
import { KINDS, REPLAYS, type Kind, type Way } from './forbidden.ts';

/** Allowed events, and how often each is sent. */
export const ALLOWED = [['encrypted', 50], ['reply', 12], ['thread', 8], ['reaction', 15], ['own-removal', 8], ['own-name', 2]] as const;
export type AllowedName = (typeof ALLOWED)[number][0];

export type Step = {
  readonly number: number;
  /** Numbers that choose room, sender and such, each from 0 to 1. */
  readonly lots: readonly [number, number, number];
} & ({ readonly allowed: false; readonly kind: Kind | (typeof REPLAYS)[number]; readonly way: Way } | { readonly allowed: true; readonly name: AllowedName; readonly way: Exclude<Way, 'forked'> });

/** Of a hundred events, those that are forbidden. */
const FORBIDDEN_SHARE = 0.55;

export type PlanOptions = { readonly events: number; readonly seed: number; readonly ways: readonly Way[] };

/** Every forbidden kind by every way in its turn, in an order drawn by lot, among allowed ones. */
export function planOf({ events, seed, ways }: PlanOptions): readonly Step[] {
  const random = randomOf(seed, 'federation');
  const pairs: (readonly [Kind | (typeof REPLAYS)[number], Way])[] = [
    ...KINDS.flatMap((kind) => kind.ways.filter((way) => ways.includes(way)).map((way) => [kind, way] as const)),
    ...REPLAYS.map((name) => [name, 'linear'] as const),
  ];
  const turns = shuffled(pairs, () => random.next());
  const senders = ([['client', 60], ['cheat', 15], ['linear', 15], ['dendrite', 10]] as const).filter(([way]) => ways.includes(way));
  let forbiddenBefore = 0;
  return Array.from({ length: events }, (_, number): Step => {
    const lots = [random.next(), random.next(), random.next()] as const;
    const allowed = !random.chance(FORBIDDEN_SHARE);
    const turn = turns[forbiddenBefore % turns.length];
    if (!allowed && turn) {
      forbiddenBefore += 1;
      return { number, lots, allowed, kind: turn[0], way: turn[1] };
    }
    return { number, lots, allowed: true, name: random.weighted(ALLOWED), way: random.weighted(senders) };
  });
}

function shuffled<T>(from: readonly T[], next: () => number): readonly T[] {
  return from.map((each) => [next(), each] as const).sort(([one], [other]) => one - other).map(([, each]) => each);
}
