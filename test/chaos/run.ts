/** One run, whatever the chaos: the stage, a laboratory at work, what goes wrong, the verdict. */
import { until } from '../support/until.ts';
import { falsified } from './control.ts';
import { keepEvidence } from './evidence.ts';
import { conclude } from './finish.ts';
import { createLaboratory, type Laboratory, type Party } from './laboratory.ts';
import type { ChaosOptions } from './options.ts';
import { randomOf } from './random.ts';
import { setTheStage, type Stage } from './stage.ts';
import { createTally, type Tally } from './tally.ts';
import { judge, type Verdict } from './verdict.ts';
import type { Wiring } from './wiring.ts';

export type Scene = {
  readonly stage: Stage;
  readonly laboratory: Laboratory;
  readonly tally: Tally;
  /** From 0 to 1: how much of the chaos is over; parties whose room isn't made yet come in with it. */
  progress(done: number): void;
  /** One line of what happened, with its time: kept with the evidence. */
  note(line: string): void;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
};

/** Figures of one kind of chaos, for the last line. */
export type Figures = Readonly<Record<string, number | string | readonly string[] | readonly number[]>> & { readonly endedByThemselves: readonly string[]; /** What else must not be, for people. */ readonly wrong?: readonly string[] };

export type Outcome = { readonly figures: Readonly<Record<string, unknown>>; readonly verdict: Verdict; readonly failed: readonly string[]; readonly evidence?: string };

/** More results than this on their way: the laboratory waits, so that a slow machine still ends in time. */
const UNDER_WAY = { kills: 400, network: 400, failover: 80, policy: 400 } as const;
const PROGRESS_EVERY_MS = 5000;
/** Longer than any pause of a homeserver or of Aceso's own. */
const IDLE_MS = 150_000;

export async function run(options: ChaosOptions, wiring: Wiring, chaos: (scene: Scene) => Promise<Figures>, signal: AbortSignal, say: (line: string) => void): Promise<Outcome> {
  const stage = await setTheStage({ store: options.store, workers: options.workers, lateParties: options.lateParties, wiring, say, policyServer: options.mode === 'policy' ? 'its own' : 'none' });
  try {
    return await play(stage, options, chaos, signal, say);
  } finally {
    await stage.stop();
  }
}

async function play(stage: Stage, options: ChaosOptions, chaos: (scene: Scene) => Promise<Figures>, signal: AbortSignal, say: (line: string) => void): Promise<Outcome> {
  const tally = createTally(stage.clients);
  const random = randomOf(options.seed, 'parties');
  let progress = 0;
  const party = (): Party => {
    const known = stage.late.slice(0, Math.ceil(progress * stage.late.length));
    return known.length > 0 && random.chance(0.3) ? random.pick(known) : random.pick(stage.people);
  };
  const laboratory = createLaboratory({
    doors: stage.doors, token: stage.token, random: randomOf(options.seed, 'results'), party, perSecond: options.perSecond,
    isFull: () => laboratory.waiting.size + tally.missing(laboratory.accepted).length > UNDER_WAY[options.mode],
  });
  say('rooms are made, and everybody reads a first result');
  await Promise.all(stage.people.map((each) => laboratory.push(each)));
  await until('everybody to read a first result', () => tally.missing(laboratory.accepted).length === 0, 90_000, 100);

  const started = Date.now();
  const seconds = (): number => Math.round((Date.now() - started) / 100) / 10;
  const timeline: string[] = [];
  let last = '';
  const note = (line: string): void => {
    last = line;
    timeline.push(`${new Date().toISOString()} ${line}`);
  };
  const ticker = setInterval(() => say(`${seconds()} s: ${laboratory.accepted.length} accepted, ${laboratory.waiting.size} without an answer, ${tally.missing(laboratory.accepted).length} not read yet. ${last}`), PROGRESS_EVERY_MS);
  try {
    laboratory.start();
    const { wrong = [], ...figures } = await chaos({ stage, laboratory, tally, progress: (done) => { progress = done; }, note, say, signal });
    note('the chaos is over: what is under way arrives');
    await laboratory.stop(60_000);
    const { evidence, verdict, recoverySeconds } = await conclude(stage, laboratory, tally, IDLE_MS, say, signal);
    const judged = options.control === undefined ? verdict : judge(falsified(evidence, options.control));
    const failed = [
      ...(['lost', 'duplicated', 'undecryptable', 'indexReuse'] as const).flatMap((kind) => (judged[kind] === 0 ? [] : [`${kind}: ${judged[kind]}`])),
      ...(figures.endedByThemselves.length === 0 ? [] : [`ended by themselves, without having been killed: ${figures.endedByThemselves.join(', ')}`]),
      ...wrong,
      ...(laboratory.waiting.size === 0 ? [] : [`${laboratory.waiting.size} results were never answered 2xx`]),
    ];
    say(`answers to pushes: ${[...laboratory.answers].sort().map(([status, count]) => `${status === 0 ? 'none' : status}: ${count}`).join(', ')}`);
    const kept = (failed.length === 0 && !options.keep) || signal.aborted ? undefined : await keepEvidence(stage, judged, laboratory.accepted, timeline, say);
    return { figures: { ...figures, recoverySeconds, events: new Set(evidence.history.map(({ eventId }) => eventId)).size, seconds: seconds() }, verdict: judged, failed, ...(kept === undefined ? {} : { evidence: kept }) };
  } finally {
    clearInterval(ticker);
    await laboratory.stop(0);
  }
}
