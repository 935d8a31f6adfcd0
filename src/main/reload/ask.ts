import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { SECTIONS, type Change } from '../../config/sections.ts';
import type { Notes } from '../../ports/notes.ts';
import type { Store, WorkerSeen } from '../../ports/store.ts';
import { GONE_MS } from '../presence.ts';
import { table, type Printed } from '../print.ts';
import { ANSWERS, ASKED, nameOf, sectionsOf, type ReloadAnswer, type ReloadAsked } from './words.ts';

export type AskParts = {
  readonly store: Pick<Store, 'workers' | 'clock'>; readonly notes: Notes;
  /** Of the configuration file, for what people are told. */
  readonly path: string;
  readonly by: string;
  readonly mode: ReloadAsked['mode'];
  readonly withinMs: number;
  /** Told how many workers have not answered yet; 0 at the end. */
  readonly waiting: (workers: number) => void;
};

type Answered = { readonly worker: WorkerSeen; readonly answer: ReloadAnswer | undefined };

const LOOK_EVERY_MS = 200;
/** Of a table that somebody reads: a first directory has thousands of people. */
const MOST_ROWS = 100;

/** Asks every living worker to take over the configuration file that it has, and waits for what they say. `failed`: not all of it is in force with all of them. */
export async function askReload(parts: AskParts): Promise<Printed & { readonly failed: boolean }> {
  const { store, notes, path, by, mode } = parts;
  const asked: ReloadAsked = { id: randomUUID(), by, at: await store.clock(), mode };
  await forgetTheGone(parts);
  await notes.write(ASKED, JSON.stringify(asked));
  const answered = await answersTo(parts, asked);
  const isSame = new Set(answered.map(({ answer }) => answer?.inForce)).size <= 1;
  const isFull = answered.length > 0 && isSame && answered.every(({ answer }) => answer !== undefined && (answer.outcome === 'taken' || answer.outcome === 'would-take') && answer.changes.every(({ takes }) => takes === 'reload'));
  return {
    failed: !isFull,
    json: { mode, complete: isFull, same: isSame, workers: answered.map(({ worker, answer }) => ({ worker: worker.id, roles: worker.roles, outcome: answer?.outcome ?? 'no-answer', changes: answer?.changes ?? [], unchanged: answer === undefined ? [] : unchanged(answer.changes), problems: answer?.problems ?? [], in_force: answer?.inForce })) },
    text: answered.length === 0 ? `No worker runs that could take it: the next \`aceso start\` goes by ${path}.` : textOf(answered, isSame ? 'same' : 'different'),
  };
}

/** Who stops meanwhile is not waited for; who starts meanwhile is. */
async function answersTo({ store, notes, withinMs, waiting }: AskParts, asked: ReloadAsked): Promise<readonly Answered[]> {
  const until = performance.now() + withinMs;
  for (;;) {
    if (!(await notes.read(ASKED))?.includes(asked.id)) throw new Error('Another reload was asked for meanwhile, which took the place of this one. Ask again to see where things are.');
    const answers = await notes.list(ANSWERS);
    const answered = (await living(store)).map((worker): Answered => {
      const text = answers.get(`${ANSWERS}${worker.id}`);
      const answer = text === undefined ? undefined : (JSON.parse(text) as ReloadAnswer);
      return { worker, answer: answer?.request === asked.id ? answer : undefined };
    });
    const silent = answered.filter(({ answer }) => answer === undefined).length;
    waiting(performance.now() > until ? 0 : silent);
    if (silent === 0 || performance.now() > until) return answered;
    await pause(LOOK_EVERY_MS);
  }
}

async function living(store: AskParts['store']): Promise<readonly WorkerSeen[]> {
  const [workers, now] = await Promise.all([store.workers(), store.clock()]);
  return workers.filter(({ seenAt }) => now - seenAt <= GONE_MS);
}

/** A worker that was killed leaves its answer behind. */
async function forgetTheGone({ store, notes }: AskParts): Promise<void> {
  const known = new Set((await store.workers()).map(({ id }) => `${ANSWERS}${id}`));
  for (const name of (await notes.list(ANSWERS)).keys()) if (!known.has(name)) await notes.remove(name);
}

const unchanged = (changes: readonly Change[]): readonly string[] => SECTIONS.filter((section) => !changes.some((change) => change.section === section));

function textOf(answered: readonly Answered[], files: 'same' | 'different'): string {
  const short = ({ id }: WorkerSeen): string => id.slice(0, 8);
  const kinds = Map.groupBy(answered.filter(({ answer }) => answer !== undefined && (answer.outcome !== 'refused' || answer.changes.length > 0)), ({ answer }) => JSON.stringify([answer?.outcome, answer?.changes]));
  const changes = [...kinds.values()].flatMap((same) => {
    const { changes: theirs = [], outcome } = same[0]?.answer ?? {};
    const whose = kinds.size === 1 ? [] : [`With ${same.map(({ worker }) => short(worker)).join(', ')}:`];
    return ['', ...whose, table(['SETTING', 'CHANGE', 'TAKES EFFECT'], theirs.slice(0, MOST_ROWS).map((change) => [nameOf(change), change.change, effectOf(change, outcome)]), 'The file says what was in force.'), ...(theirs.length > MOST_ROWS ? [`… and ${theirs.length - MOST_ROWS} more: --json has all.`] : []), ...(theirs.length === 0 ? [] : [`Unchanged: ${unchanged(theirs).join(', ')}`])];
  });
  const problems = (outcome: ReloadAnswer['outcome']): readonly string[] => answered.flatMap(({ worker, answer }) => (answer?.outcome === outcome ? answer.problems : []).map((problem) => `  - ${short(worker)}: ${problem}`));
  const told = (heading: string, lines: readonly string[]): readonly string[] => (lines.length === 0 ? [] : ['', heading, ...lines]);
  return [
    table(['WORKER', 'ROLES', 'BY', 'ANSWER'], answered.map(({ worker, answer }) => [short(worker), worker.roles.join(', '), answer?.inForce.slice(0, 12) ?? '?', outcomeOf(answer)]), ''),
    ...(files === 'same' ? [] : ['', 'NOT THE SAME: not all workers go by the same configuration (column BY). Give all of them the same file, then ask again.']),
    ...told('Refused, and nothing was changed there:', problems('refused')),
    ...told('Begun, and not finished there: people or rules of the file may be in the database, and the rest is as before:', problems('partly')),
    ...changes,
  ].join('\n');
}

function outcomeOf(answer: ReloadAnswer | undefined): string {
  if (answer === undefined) return 'NO ANSWER: see its log, then ask again';
  const later = sectionsOf(answer.changes, 'restart');
  const rest = later.length === 0 ? '' : `, but NEEDS A RESTART for ${later.join(', ')}`;
  switch (answer.outcome) {
    case 'taken': return `took it${rest}`;
    case 'would-take': return `would take it${rest}`;
    case 'refused': return 'REFUSED: what was in force stays so';
    case 'partly': return 'PARTLY: begun, and tried again by itself; look with `aceso status`';
  }
}

function effectOf({ section, change, takes }: Change, outcome: ReloadAnswer['outcome'] | undefined): string {
  if (outcome === 'refused') return 'no: refused';
  if (outcome === 'partly') return 'when it is finished';
  if (takes === 'restart') return 'NEEDS A RESTART';
  if (section === 'directory' && change === 'removed') return 'no: who is in the directory stays there';
  return outcome === 'taken' ? 'now' : 'at a reload';
}
