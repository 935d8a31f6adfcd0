/** What is judged, from outside: by what the clients of honest hospitals are shown, never by what Aceso says of itself. Pure. */
import type { Attempt, Seen, Shown } from './attempt.ts';
import type { Cause, Lost } from './lost.ts';
import { isPassing } from './person.ts';

/** By whom an event was lost, and the count that it goes into. */
const LOST = { synapse: 'lostToSynapse', 'full-queue': 'lostToFullQueue', eastside: 'lostByEastside' } as const satisfies Readonly<Record<Cause, string>>;

export type Finding = { readonly what: 'forbiddenAccepted' | 'allowedRefused' | (typeof LOST)[Cause]; readonly kind: string; readonly way: string; readonly number: number; readonly server: string; readonly how: string; readonly eventId?: string };

export type Counts = { sent: number; refusedAtSender: number; /** Shown, and taken out within ten seconds. */ takenOut: number; wrong: number; /** By a homeserver's doing, by what its log or database says. */ lost: number };

export type Verdict = {
  readonly forbiddenSent: number;
  readonly allowedSent: number;
  readonly forbiddenAccepted: number;
  readonly allowedRefused: number;
  readonly lostToSynapse: number;
  readonly lostToFullQueue: number;
  readonly lostByEastside: number;
  /** Allowed events that never came to be seen at a server: where, by whose doing, and what was forged beside them. */
  readonly allowedLost: readonly Loss[];
  readonly takenOut: number;
  readonly findings: readonly Finding[];
  readonly forbidden: Readonly<Record<string, Counts>>;
  readonly allowed: Readonly<Record<string, Counts>>;
};

export type Loss = { readonly server: string; readonly cause: Cause | 'unknown' | 'refused'; readonly beside: string; readonly events: number };

export type Evidence = { readonly attempts: readonly Attempt[]; /** Of each server that asks policy servers. */ readonly shown: readonly Shown[]; readonly seen: readonly Seen[]; /** Of each server, what was shown before the agreement ended. */ readonly arrived?: readonly Shown[]; /** Allowed events that a server lost by itself. */ readonly lost?: readonly Lost[]; /** From when it was sent until it may not be seen any more. */ readonly shownForMs?: number };

export function judge({ attempts, shown, seen, arrived = [], lost = [], shownForMs = 10_000 }: Evidence): Verdict {
  const causes = new Map(lost.map((each) => [`${each.server} ${each.eventId}`, each]));
  const lostFor: Record<Cause, number> = { synapse: 0, 'full-queue': 0, eastside: 0 };
  const losses = new Map<string, Loss>();
  const findings: Finding[] = [];
  const forbidden: Record<string, Counts> = {};
  const allowed: Record<string, Counts> = {};
  for (const attempt of attempts) {
    const counts = ((attempt.allowed ? allowed : forbidden)[`${attempt.kind} (${attempt.way})`] ??= { sent: 0, refusedAtSender: 0, takenOut: 0, wrong: 0, lost: 0 });
    counts.sent += 1;
    if (attempt.eventId === undefined) counts.refusedAtSender += 1;
    const found = attempt.allowed ? missing(attempt, shown, arrived) : accepted(attempt, { shown, seen, shownForMs });
    const causeAt = (server: string): Pick<Lost, 'cause' | 'told'> | undefined => causes.get(`${server} ${attempt.eventId ?? ''}`) ?? (isFaultOfEastside(attempt) ? { cause: 'eastside', told: 'its sender\'s own server never took it' } : undefined);
    const wrong = found.filter(({ server }) => causeAt(server) === undefined);
    const [first] = found;
    if (wrong.length > 0) counts.wrong += 1;
    else if (first) {
      counts.lost += 1;
      lostFor[causeAt(first.server)?.cause ?? 'synapse'] += 1;
    }
    else if (!attempt.allowed && seen.some((each) => tracesOf(attempt).some((trace) => each.at.has(trace)))) counts.takenOut += 1;
    for (const { server, how } of found) {
      const because = causeAt(server);
      findings.push({
        what: !attempt.allowed ? 'forbiddenAccepted' : because === undefined ? 'allowedRefused' : LOST[because.cause], kind: attempt.kind, way: attempt.way, number: attempt.number, server,
        how: `${how}${because === undefined ? '' : `: ${because.told}`}${attempt.beside === undefined ? '' : ` (beside ${attempt.beside})`}`, ...(attempt.eventId === undefined ? {} : { eventId: attempt.eventId }),
      });
      if (attempt.allowed) {
        const [cause, beside] = [because?.cause ?? (attempt.eventId === undefined ? 'refused' : 'unknown'), attempt.beside ?? 'nothing'] as const;
        const name = `${server} ${cause} ${beside}`;
        losses.set(name, { server, cause, beside, events: (losses.get(name)?.events ?? 0) + 1 });
      }
    }
  }
  const sum = (of: Readonly<Record<string, Counts>>, what: keyof Counts): number => Object.values(of).reduce((total, counts) => total + counts[what], 0);
  return {
    forbiddenSent: sum(forbidden, 'sent'), allowedSent: sum(allowed, 'sent'), forbiddenAccepted: sum(forbidden, 'wrong'), allowedRefused: sum(allowed, 'wrong'), lostToSynapse: lostFor.synapse, lostToFullQueue: lostFor['full-queue'], lostByEastside: lostFor.eastside, allowedLost: [...losses.values()], takenOut: sum(forbidden, 'takenOut'),
    findings, forbidden, allowed,
  };
}

/** It never was sent: whose user it is, cheats itself. */
const isFaultOfEastside = ({ way, eventId, status, allowed }: Attempt): boolean => allowed && way === 'cheat' && eventId === undefined && status !== undefined && isPassing(status);

type Wrong = { readonly server: string; readonly how: string };

/** By what it would be recognised. What a replay repeats is there already, or has traces of its own. */
const tracesOf = ({ marker, eventId, kind }: Attempt): readonly string[] => (kind === 'replay-of-accepted' ? [] : [marker, ...(eventId === undefined ? [] : [eventId])]);

function accepted(attempt: Attempt, { shown, seen, shownForMs }: { readonly shown: readonly Shown[]; readonly seen: readonly Seen[]; readonly shownForMs: number }): readonly Wrong[] {
  const { eventId, marker, removes, kind } = attempt;
  const atTheEnd = shown.flatMap(({ server, events, redacted, state, markers }): readonly Wrong[] => [
    ...(kind !== 'replay-of-accepted' && eventId !== undefined && events.has(eventId) && !redacted.has(eventId) ? [{ server, how: 'in /messages' }] : []),
    ...(kind !== 'replay-of-accepted' && eventId !== undefined && state.has(eventId) && !redacted.has(eventId) ? [{ server, how: 'in the current state' }] : []),
    ...(kind === 'replay-of-accepted' && eventId !== undefined && (events.get(eventId) ?? 0) > 1 ? [{ server, how: 'twice in /messages' }] : []),
    ...(markers.has(marker) ? [{ server, how: 'its text is shown' }] : []),
    ...(removes !== undefined && redacted.has(removes) ? [{ server, how: 'removed what it may not remove' }] : []),
  ]);
  const meanwhile = seen.flatMap(({ server, at, removedAt }): readonly Wrong[] => tracesOf(attempt).some((trace) => at.has(trace))
    && !(eventId !== undefined && (removedAt.get(eventId) ?? Infinity) - attempt.sentAt <= shownForMs) ? [{ server, how: `in /sync for longer than ${shownForMs / 1000} s` }] : []);
  return [...atTheEnd, ...meanwhile];
}

export function missing({ eventId, refused, status }: Attempt, shown: readonly Shown[], arrived: readonly Shown[]): readonly Wrong[] {
  if (eventId === undefined) return [{ server: 'its own', how: `refused: ${status ?? ''} ${refused ?? ''}` }];
  const isShownAt = (at: string): boolean => [...shown, ...arrived].some(({ server, events, state }) => server === at && (events.has(eventId) || state.has(eventId)));
  return shown.filter(({ server }) => !isShownAt(server)).map(({ server }) => ({ server, how: 'never shown' }));
}

/** Whether a run shows what it should: it came to its end, and nothing forbidden got in, nothing allowed was kept out. */
export const isAsItMustBe = ({ verdict: { forbiddenAccepted, allowedRefused, lostToFullQueue }, signed, incomplete }: { readonly verdict: Pick<Verdict, 'forbiddenAccepted' | 'allowedRefused' | 'lostToFullQueue'>; readonly signed: readonly unknown[]; readonly incomplete?: string }): boolean =>
  incomplete === undefined && forbiddenAccepted === 0 && allowedRefused === 0 && lostToFullQueue === 0 && signed.length === 0;
