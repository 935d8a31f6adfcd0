/** What came of a run, as far as it went: the verdict, and figures beside it. */
import type { Shown } from './attempt.ts';
import { quantilesOf, type Cost, type Quantiles } from './cost.ts';
import { DENDRITE } from './dendrite.ts';
import { onDisk } from './disk.ts';
import type { Room } from './forge.ts';
import type { Ledger } from './ledger.ts';
import { lostOf } from './lost.ts';
import type { Pace } from './pace.ts';
import type { Stage } from './stage.ts';
import type { Trouble } from './trouble.ts';
import { judge, missing, type Verdict } from './verdict.ts';
import { look, type Watch } from './watch.ts';

export type Outcome = Measured & {
  readonly verdict: Verdict;
  /** Forbidden events that the policy server signed. */
  readonly signed: Ledger['signed'];
  readonly storedSoftFailed: number;
  readonly storedRejected: number;
  readonly shownByNonChecking: number;
  /** Its version, or why it took no part. */
  readonly dendrite: string;
  readonly policyMs: Quantiles & { readonly asked: number };
  readonly sentAgain: number;
  readonly troubles: ReadonlyMap<string, Trouble>;
  /** For how long, all lanes together, the run waited for the hospitals to take in what they had been sent; the most that waited in one room. */
  readonly pace: { readonly heldBackMs: number; readonly longestQueue: number };
  /** Server name → whose it is. */
  readonly names: Readonly<Record<string, string>>;
};

export type Measured = {
  /** Of the plan. */
  readonly played: number;
  /** Why it didn't come to its end, if it didn't. */
  readonly incomplete?: string;
  /** Allowed events that came to a hospital only with the next messages of their room. */
  readonly allowedLate: number;
  /** While they were tried. */
  readonly eventsPerSecond: number;
  readonly sendMs: Cost | undefined;
  readonly seconds: number;
};

type Evidence = { readonly stage: Stage; readonly ledger: Ledger; readonly watches: readonly Watch[]; readonly pace: Pace; readonly arrived: readonly Shown[]; readonly shownForMs: number };

/** Of a run that ended early, whoever can't be asked any more is left out. */
export async function outcomeOf({ stage, ledger, watches, pace, arrived, shownForMs }: Evidence, measured: Measured): Promise<Outcome> {
  const { people: { eve }, rooms, dendrite, hospitals: { mercy, stAnne }, eastside } = stage;
  const { attempts, troubles } = ledger;
  const problems: string[] = measured.incomplete === undefined ? [] : [measured.incomplete];
  if ('dan' in dendrite && dendrite.ended() !== undefined) problems.push('Dendrite ended, and what its people would have sent was not tried');
  const asked = async <T>(what: string, question: () => Promise<T> | T, otherwise: T): Promise<T> => {
    try {
      return await question();
    } catch (error) {
      problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      return otherwise;
    }
  };
  const shown = await asked('what the hospitals show', () => shownInTheEnd(stage, ledger, shownForMs), arrived);
  const absent = attempts.flatMap((attempt) => (attempt.allowed && attempt.eventId !== undefined ? missing(attempt, shown, arrived).map(({ server }) => ({ ...attempt, server, eventId: attempt.eventId ?? '' })) : []));
  const lost = await asked('who lost what is missing', () => lostOf(absent, { hospitals: [mercy, stAnne], eastside, overflows: pace.overflows }), []);
  const verdict = judge({ attempts, shown, arrived, lost, seen: watches.map((each) => each.seen()), shownForMs });
  const disks = await asked('what lies on the disks', () => [onDisk(mercy), onDisk(stAnne)], []);
  const forbidden = attempts.filter(({ allowed, kind, eventId }) => !allowed && eventId !== undefined && kind !== 'replay-of-accepted').map(({ eventId }) => eventId ?? '');
  const elsewhere = [
    ...await asked('what Eastside shows', async () => [await look(eve, idsOf(rooms))], []),
    // Without Dendrite the verdict is the same: it is the hospitals that are judged.
    ...('dan' in dendrite ? await look(dendrite.dan, idsOf(dendrite.rooms)).then((each) => [each], (error: unknown) => (troubles.note('what Dendrite shows was not to be had', String(error)), [])) : []),
  ];
  const { incomplete: _, ...figures } = measured;
  return {
    ...figures, ...(problems.length === 0 ? {} : { incomplete: problems.join('; ') }), verdict, signed: ledger.signed,
    storedSoftFailed: new Set(forbidden.filter((id) => disks.some(({ softFailed }) => softFailed.has(id)))).size,
    storedRejected: new Set(forbidden.filter((id) => disks.some(({ rejected }) => rejected.has(id)))).size,
    shownByNonChecking: new Set(forbidden.filter((id) => elsewhere.some(({ events, redacted }) => events.has(id) && !redacted.has(id)))).size,
    dendrite: 'dan' in dendrite ? DENDRITE : dendrite.absent,
    policyMs: { ...quantilesOf(ledger.checks), asked: ledger.checks.length }, sentAgain: ledger.again, troubles: troubles.all, pace: pace.figures(),
    names: Object.fromEntries([mercy, stAnne, eastside, ...('dan' in dendrite ? [dendrite.dan.home] : [])].map(({ serverName, name }) => [serverName, name])),
  };
}

const idsOf = (rooms: readonly Room[]): readonly string[] => rooms.map(({ roomId }) => roomId);

/** Asked again while something forbidden is shown that still may be taken out in time. */
async function shownInTheEnd(stage: Stage, { attempts }: Ledger, shownForMs: number): Promise<readonly Shown[]> {
  const until = Math.max(0, ...attempts.map(({ sentAt }) => sentAt)) + shownForMs;
  for (;;) {
    const shown = await shownTo(stage);
    if (judge({ attempts, shown, seen: [] }).forbiddenAccepted === 0 || Date.now() > until) return shown;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** To people at both hospitals. */
export const shownTo = ({ people: { bob, ada }, rooms, dendrite }: Stage): Promise<readonly Shown[]> =>
  Promise.all([bob, ada].map((person) => look(person, idsOf([...rooms, ...('dan' in dendrite ? dendrite.rooms : [])]))));
