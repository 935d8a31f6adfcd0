/** One run: the stage, what is tried on it, and what of it can be seen afterwards. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { removeFolder } from '../support/folders.ts';
import type { Hospitals } from '../support/lab.ts';
import { encryptedContent } from '../support/megolm.ts';
import { until } from '../support/until.ts';
import { arrive } from './arrive.ts';
import type { Attempt, Shown } from './attempt.ts';
import { costOf, quantilesOf, type Cost, type Quantiles } from './cost.ts';
import { DENDRITE } from './dendrite.ts';
import { onDisk } from './disk.ts';
import type { Way } from './forbidden.ts';
import type { Room } from './forge.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { lostAt, type Lost } from './lost.ts';
import type { FederationOptions } from './options.ts';
import { sendAs } from './person.ts';
import { planOf } from './plan.ts';
import { afterTheEnd, anchorOf, play, sendAllowed, type Play } from './play.ts';
import { setTheStage, enter, type Stage } from './stage.ts';
import { judge, LONGEST_SHOWN_MS, missing, type Verdict } from './verdict.ts';
import { look, watch, type Watch } from './watch.ts';

export type Outcome = {
  readonly verdict: Verdict;
  /** Forbidden events that the policy server signed. */
  readonly signed: Ledger['signed'];
  /** Allowed events that came to a hospital only with the next messages of their room. */
  readonly allowedLate: number;
  /** While they were tried. */
  readonly eventsPerSecond: number;
  readonly storedSoftFailed: number;
  readonly storedRejected: number;
  readonly shownByNonChecking: number;
  /** Its version, or why it took no part. */
  readonly dendrite: string;
  readonly policyMs: Quantiles & { readonly asked: number };
  readonly sentAgain: number;
  readonly sendMs: Cost | undefined;
  readonly seconds: number;
  /** Where logs and databases were kept. */
  readonly kept?: string;
};

export const isAsItMustBe = ({ verdict: { forbiddenAccepted, allowedRefused }, signed }: Pick<Outcome, 'verdict' | 'signed'>): boolean => forbiddenAccepted === 0 && allowedRefused === 0 && signed.length === 0;

const PROGRESS_EVERY_MS = 5000;

export async function run(options: FederationOptions, signal: AbortSignal, say: (line: string) => void, shared?: Hospitals): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'aceso-federation-'));
  let outcome: Outcome | undefined;
  const stage = await setTheStage(options, folder, say, shared);
  const watches: Watch[] = [];
  try {
    for (const person of [stage.people.bob, stage.people.ada]) watches.push(await watch(person));
    outcome = await tried(options, stage, watches, signal, say);
  } finally {
    await Promise.all(watches.map((each) => each.stop().catch((error: unknown) => say(`while watching: ${String(error)}`))));
    await stage.stop();
    if (signal.aborted || (outcome !== undefined && isAsItMustBe(outcome) && !options.keep)) removeFolder(folder);
    else say(`logs and databases are in ${folder}`);
  }
  return outcome;
}

async function tried(options: FederationOptions, stage: Stage, watches: readonly Watch[], signal: AbortSignal, say: (line: string) => void): Promise<Outcome> {
  const { people, rooms, dendrite, hospitals: { mercy, stAnne } } = stage;
  const forge = stage.forge((eventId) => watches.every((each) => each.has(eventId)));
  const { bob, ada, eve } = people;
  const anchors = await anchorsOf(stage, watches);
  const sendMs = options.pairs > 0 && rooms[0] ? await costOf(options.pairs, bob, ada, rooms[0].roomId) : undefined;
  const ledger = createLedger();
  const started = Date.now();
  let done = 0;
  const ticker = setInterval(() => say(`${done} of ${options.events} events, ${Math.round((Date.now() - started) / 1000)} s`), PROGRESS_EVERY_MS);
  const ways: readonly Way[] = ['client', 'cheat', 'linear', 'forked', ...('dan' in dendrite ? ['dendrite' as const] : [])];
  const all: Play = { seed: options.seed, lanes: options.lanes, people, rooms, dendrite, forge, ledger, anchors, watches, signal, progress: () => { done += 1; } };
  try {
    await Promise.all([play(all, planOf({ events: options.events, seed: options.seed, ways })), guestsCome(all, stage)]);
    const eventsPerSecond = Math.round((options.events / (Date.now() - started)) * 10_000) / 10;
    const { shown: arrived, late } = await arrive(all, () => shownTo(stage), say);
    say('the agreement with Eastside ends');
    await endTheAgreement(stage);
    await afterTheEnd(all, Math.max(4, Math.floor(options.events / 100)));
    await new Promise((resolve) => setTimeout(resolve, LONGEST_SHOWN_MS));
    const shown = await shownTo(stage);
    const lost = await lostTo(stage, ledger.attempts, shown, arrived);
    const verdict = judge({ attempts: ledger.attempts, shown, arrived, lost, seen: watches.map((each) => each.seen()) });
    const disks = [onDisk(mercy), onDisk(stAnne)];
    const forbidden = ledger.attempts.filter(({ allowed, kind, eventId }) => !allowed && eventId !== undefined && kind !== 'replay-of-accepted').map(({ eventId }) => eventId ?? '');
    const elsewhere = [await look(eve, idsOf(rooms)), ...('dan' in dendrite ? [await look(dendrite.dan, idsOf(dendrite.rooms))] : [])];
    return {
      verdict, signed: ledger.signed, allowedLate: late.length, eventsPerSecond,
      storedSoftFailed: new Set(forbidden.filter((id) => disks.some(({ softFailed }) => softFailed.has(id)))).size,
      storedRejected: new Set(forbidden.filter((id) => disks.some(({ rejected }) => rejected.has(id)))).size,
      shownByNonChecking: new Set(forbidden.filter((id) => elsewhere.some(({ events, redacted }) => events.has(id) && !redacted.has(id)))).size,
      dendrite: 'dan' in dendrite ? DENDRITE : dendrite.absent,
      policyMs: { ...quantilesOf(ledger.checks), asked: ledger.checks.length }, sentAgain: ledger.again, sendMs, seconds: Math.round((Date.now() - started) / 1000),
    };
  } finally {
    clearInterval(ticker);
  }
}

/** A message of each person in each room that nobody may remove. */
async function anchorsOf({ people: { bob, ada, eve }, rooms, dendrite }: Stage, watches: readonly Watch[]): Promise<ReadonlyMap<string, string>> {
  const anchors = new Map<string, string>();
  const speakers = [...rooms.map(({ roomId }) => ({ roomId, people: [bob, ada, eve] })), ...('dan' in dendrite ? dendrite.rooms.map(({ roomId }) => ({ roomId, people: [bob, ada, dendrite.dan] })) : [])];
  for (const { roomId, people } of speakers) for (const person of people) {
    const { status, body } = await sendAs(person, roomId, { type: 'm.room.encrypted', content: encryptedContent() });
    if (status !== 200) throw new Error(`${person.userId} can't send to ${roomId}: ${status} ${JSON.stringify(body)}`);
    anchors.set(anchorOf(roomId, person.userId), String(body['event_id']));
  }
  await until('the first messages to be seen at both hospitals', () => [...anchors.values()].every((id) => watches.every((each) => each.has(id))), 180_000, 100);
  return anchors;
}

/** People who are invited while all this goes on, one after the other, and write at once. */
async function guestsCome(all: Play, { aceso, guests, people: { bob, ada, eve }, rooms, keyOf }: Stage): Promise<void> {
  for (const [index, guest] of guests.entries()) {
    const room = rooms[index % rooms.length];
    if (!room || all.signal.aborted) return;
    await aceso.cli('rooms', 'create', 'consult', '--key', keyOf(room), ...[bob, ada, eve, guest].flatMap(({ userId }) => ['--member', userId]));
    await enter(guest, room.roomId);
    await sendAllowed(all, { name: 'invited-and-writes', way: 'client', room, number: 2_000_000 + index, sender: guest }, { type: 'm.room.encrypted', content: encryptedContent() });
  }
}

/** Of each hospital, what its Synapse lost by itself of what it never showed. */
async function lostTo({ hospitals: { mercy, stAnne }, eastside }: Stage, attempts: readonly Attempt[], shown: readonly Shown[], arrived: readonly Shown[]): Promise<readonly Lost[]> {
  const all = [mercy, stAnne, eastside];
  const absent = attempts.flatMap((attempt) => (attempt.allowed && attempt.eventId !== undefined ? missing(attempt, shown, arrived).map(({ server }) => ({ server, eventId: attempt.eventId ?? '' })) : []));
  return (await Promise.all([mercy, stAnne].map((at) => lostAt(at, all.filter((each) => each !== at), absent.filter(({ server }) => server === at.serverName).map(({ eventId }) => eventId))))).flat();
}

const idsOf = (rooms: readonly Room[]): readonly string[] => rooms.map(({ roomId }) => roomId);

const shownTo = ({ people: { bob, ada }, rooms, dendrite }: Stage): Promise<readonly Shown[]> =>
  Promise.all([bob, ada].map((person) => look(person, idsOf([...rooms, ...('dan' in dendrite ? dendrite.rooms : [])]))));

/** As a hospital does it: out of its configuration, which is read anew. */
async function endTheAgreement({ aceso, eastside }: Stage): Promise<void> {
  const config = parse(readFileSync(aceso.configFile, 'utf8')) as { readonly partners: readonly { readonly server_name: string }[] };
  writeFileSync(aceso.configFile, stringify({ ...config, partners: config.partners.filter(({ server_name: name }) => name !== eastside.serverName) }));
  await aceso.cli('config', 'reload');
}
