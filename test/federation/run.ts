/** One run: the stage, what is tried on it, and what of it can be seen afterwards. Whatever goes wrong on the way is counted; what ends it early leaves the figures up to there. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { removeFolder } from '../support/folders.ts';
import type { Hospitals } from '../support/lab.ts';
import { encryptedContent } from '../support/megolm.ts';
import { until } from '../support/until.ts';
import { arrive } from './arrive.ts';
import type { Shown } from './attempt.ts';
import { costOf } from './cost.ts';
import type { Way } from './forbidden.ts';
import { createLedger } from './ledger.ts';
import type { FederationOptions } from './options.ts';
import { outcomeOf, shownTo, type Outcome } from './outcome.ts';
import { createPace } from './pace.ts';
import { sendAs } from './person.ts';
import { planOf } from './plan.ts';
import { afterTheEnd, anchorOf, Meaningless, play, type Play } from './play.ts';
import { startProgress } from './progress.ts';
import { sendAllowed } from './sending.ts';
import { setTheStage, enter, type Stage } from './stage.ts';
import { createTroubles, type Troubles } from './trouble.ts';
import { isAsItMustBe } from './verdict.ts';
import { watch, type Watch } from './watch.ts';

/** After the last event, before what is shown is looked at: time to be seen for what shouldn't be. */
const LOOKED_AT_AFTER_MS = 10_000;

export async function run(options: FederationOptions, signal: AbortSignal, say: (line: string) => void, shared?: Hospitals): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'aceso-federation-'));
  let outcome: Outcome | undefined;
  const watches: Watch[] = [];
  const troubles = createTroubles();
  let stage: Stage | undefined;
  try {
    stage = await setTheStage(options, folder, say, shared);
    for (const person of [stage.people.bob, stage.people.ada]) watches.push(await watch(person, troubles));
    outcome = await tried(options, { stage, watches, troubles }, signal, say);
    return outcome;
  } finally {
    await Promise.all(watches.map((each) => each.stop()));
    await stage?.stop();
    if (signal.aborted || (outcome !== undefined && isAsItMustBe(outcome) && !options.keep)) removeFolder(folder);
    else say(`logs and databases are in ${folder}`);
  }
}

type Set = { readonly stage: Stage; readonly watches: readonly Watch[]; readonly troubles: Troubles };

async function tried(options: FederationOptions, { stage, watches, troubles }: Set, signal: AbortSignal, say: (line: string) => void): Promise<Outcome> {
  const { people, rooms, dendrite, hospitals: { mercy, stAnne } } = stage;
  const { bob, ada } = people;
  const over = new AbortController();
  const ledger = createLedger(troubles);
  const pace = createPace([mercy, stAnne]);
  const anchors = await anchorsOf(stage, watches);
  const sendMs = options.pairs > 0 && rooms[0] ? await costOf(options.pairs, bob, ada, rooms[0].roomId).catch((error: unknown) => (troubles.note('what the policy server costs was not measured', String(error)), undefined)) : undefined;
  const progress = startProgress({ options, ledger, watches, stage, say, giveUp: (reason) => over.abort(new Meaningless(reason)) });
  const ways: readonly Way[] = ['client', 'cheat', 'linear', 'forked', ...('dan' in dendrite ? ['dendrite' as const] : [])];
  const all: Play = {
    seed: options.seed, lanes: options.lanes, people, rooms, dendrite, ledger, anchors, watches, pace, signal: AbortSignal.any([signal, over.signal]), progress: () => progress.played(),
    forge: stage.forge((eventId) => watches.every((each) => each.has(eventId))),
  };
  const isOver = (): boolean => all.signal.aborted;
  let arrived: readonly Shown[] = [];
  let late = 0;
  let eventsPerSecond = 0;
  try {
    const incomplete = await reasonToEnd(all.signal, async () => {
      const played = await Promise.allSettled([play(all, planOf({ events: options.events, seed: options.seed, ways })), guestsCome(all, stage)]);
      eventsPerSecond = progress.perSecond();
      for (const each of played) if (each.status === 'rejected') throw each.reason;
      if (isOver()) return;
      const arrival = await arrive(all, () => shownTo(stage), say);
      [arrived, late] = [arrival.shown, arrival.late.length];
      if (isOver()) return;
      say('the agreement with Eastside ends');
      await endTheAgreement(stage);
      await afterTheEnd(all, Math.max(4, Math.floor(options.events / 100)));
      await new Promise((resolve) => setTimeout(resolve, LOOKED_AT_AFTER_MS));
    });
    return await outcomeOf({ stage, ledger, watches, pace, arrived, shownForMs: options.shownForMs }, { played: progress.count(), ...(incomplete === undefined ? {} : { incomplete }), allowedLate: late, eventsPerSecond, sendMs, seconds: progress.seconds() });
  } finally {
    progress.stop();
    pace.close();
  }
}

/** What made it end before its end; undefined when nothing did. */
async function reasonToEnd(signal: AbortSignal, work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
  } catch (error) {
    return signal.aborted ? messageOf(signal.reason) : messageOf(error);
  }
  return signal.aborted ? messageOf(signal.reason) : undefined;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A message of each person in each room that nobody may remove. */
async function anchorsOf({ people: { bob, ada, eve }, rooms, dendrite }: Stage, watches: readonly Watch[]): Promise<ReadonlyMap<string, string>> {
  const anchors = new Map<string, string>();
  const speakers = [...rooms.map(({ roomId }) => ({ roomId, people: [bob, ada, eve] })), ...('dan' in dendrite ? dendrite.rooms.map(({ roomId }) => ({ roomId, people: [bob, ada, dendrite.dan] })) : [])];
  for (const { roomId, people } of speakers) for (const person of people) {
    const eventId = await until(`${person.userId} to send to ${roomId}`, async () => {
      const { status, body } = await sendAs(person, roomId, { type: 'm.room.encrypted', content: encryptedContent() });
      if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
      return String(body['event_id']);
    }, 60_000, 1000);
    anchors.set(anchorOf(roomId, person.userId), eventId);
  }
  await until('the first messages to be seen at both hospitals', () => [...anchors.values()].every((id) => watches.every((each) => each.has(id))), 180_000, 100);
  return anchors;
}

/** People who are invited while all this goes on, one after the other, and write at once. */
async function guestsCome(all: Play, { aceso, guests, people: { bob, ada, eve }, rooms, keyOf }: Stage): Promise<void> {
  for (const [index, guest] of guests.entries()) {
    const room = rooms[index % rooms.length];
    if (!room || all.signal.aborted) return;
    try {
      await aceso.cli('rooms', 'create', 'consult', '--key', keyOf(room), ...[bob, ada, eve, guest].flatMap(({ userId }) => ['--member', userId]));
      await enter(guest, room.roomId);
      await sendAllowed(all, { name: 'invited-and-writes', way: 'client', room, number: 2_000_000 + index, sender: guest }, { type: 'm.room.encrypted', content: encryptedContent() });
    } catch (error) {
      all.ledger.troubles.note('somebody who was invited did not get in', `${guest.userId}, ${room.roomId}: ${messageOf(error)}`);
    }
  }
}

/** As a hospital does it: out of its configuration, which is read anew. */
async function endTheAgreement({ aceso, eastside }: Stage): Promise<void> {
  const config = parse(readFileSync(aceso.configFile, 'utf8')) as { readonly partners: readonly { readonly server_name: string }[] };
  writeFileSync(aceso.configFile, stringify({ ...config, partners: config.partners.filter(({ server_name: name }) => name !== eastside.serverName) }));
  await aceso.cli('config', 'reload');
}
