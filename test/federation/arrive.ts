/** Waits for what is allowed to arrive at both hospitals: by itself, or with the next messages of its room. */
import { encryptedContent } from '../support/megolm.ts';
import type { Attempt, Shown } from './attempt.ts';
import type { Play } from './play.ts';
import { sendAllowed } from './sending.ts';

export type Arrival = { readonly shown: readonly Shown[]; /** Events that came once more was said in their room, and not before. */ readonly late: readonly string[] };

/** Nothing more comes by itself. */
const QUIET_MS = 15_000;
const LONGEST_MS = 180_000;
const BROUGHT_WITHIN_MS = 60_000;

export async function arrive(all: Play, look: () => Promise<readonly Shown[]>, say: (line: string) => void): Promise<Arrival> {
  const wanted = all.ledger.attempts.filter(({ allowed, eventId }) => allowed && eventId !== undefined);
  await untilQuiet(all, wanted, say);
  const before = await look();
  const missing = wanted.filter(({ eventId = '' }) => !isEverywhere(eventId, before));
  if (missing.length === 0) return { shown: before, late: [] };
  say(`${missing.length} allowed events haven't come by themselves: more is said in their rooms`);
  await saySomething(all, new Set(missing.map(({ roomId }) => roomId)));
  const until = Date.now() + BROUGHT_WITHIN_MS;
  for (;;) {
    const began = Date.now();
    const shown = await look();
    const late = missing.filter(({ eventId = '' }) => isEverywhere(eventId, shown));
    if (late.length === missing.length || Date.now() > until || all.signal.aborted) return { shown, late: late.map(({ eventId = '' }) => eventId) };
    say(`${missing.length - late.length} of them haven't come yet`);
    // A look at long rooms takes the servers seconds: they have as much time for the rest.
    await pause(Math.max(3000, Date.now() - began));
  }
}

/** Until all of it was seen in `/sync` at both, or nothing more comes. */
async function untilQuiet({ watches, signal }: Play, wanted: readonly Attempt[], say: (line: string) => void): Promise<void> {
  const began = Date.now();
  let [fewest, since] = [Infinity, began];
  for (;;) {
    const left = wanted.filter(({ eventId = '' }) => !watches.every((watch) => watch.has(eventId))).length;
    const now = Date.now();
    if (left < fewest) [fewest, since] = [left, now];
    if (left === 0 || now - since > QUIET_MS || now - began > LONGEST_MS || signal.aborted) return;
    say(`${left} allowed events are on their way`);
    await pause(1000);
  }
}

async function saySomething(all: Play, roomIds: ReadonlySet<string>): Promise<void> {
  const { rooms, dendrite, people: { bob, ada, eve } } = all;
  const places = [...rooms.map((room) => ({ room, people: [bob, ada, eve] })), ...('dan' in dendrite ? dendrite.rooms.map((room) => ({ room, people: [bob, ada, dendrite.dan] })) : [])];
  let number = 3_000_000;
  for (const { room, people } of places.filter(({ room: { roomId } }) => roomIds.has(roomId))) for (const sender of people) {
    number += 1;
    await sendAllowed(all, { name: 'said-afterwards', way: 'client', room, number, sender }, { type: 'm.room.encrypted', content: encryptedContent() });
  }
}

const isEverywhere = (eventId: string, shown: readonly Shown[]): boolean => shown.every(({ events, state }) => events.has(eventId) || state.has(eventId));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
