/** Tries what the plan says, several events at one time, and writes down what was answered. */
import { until } from '../support/until.ts';
import { encryptedContent } from '../support/megolm.ts';
import type { Attempt } from './attempt.ts';
import { ENDED, type Kind, type Subject, type Way } from './forbidden.ts';
import { UNANSWERED, type Forge, type Forged, type Room } from './forge.ts';
import type { Ledger } from './ledger.ts';
import type { Pace } from './pace.ts';
import { isPassing, reasonOf, sendAs, type Person, type Sendable } from './person.ts';
import type { AllowedName, Step } from './plan.ts';
import { PASSING_REFUSALS } from '../../src/domain/policy/admissionRules.ts';
import { ask, forgeAllowed, handOver, noteAnswer, sendAllowed } from './sending.ts';
import type { People, Stage } from './stage.ts';
import type { Watch } from './watch.ts';

/** Messages that stay as they are: nobody may remove them. By room and sender. */
export type Anchors = ReadonlyMap<string, string>;
export const anchorOf = (roomId: string, sender: string): string => `${roomId} ${sender}`;

export type Play = {
  readonly seed: number;
  readonly lanes: number;
  readonly people: People;
  readonly rooms: readonly Room[];
  readonly dendrite: Stage['dendrite'];
  readonly forge: Forge;
  readonly ledger: Ledger;
  readonly anchors: Anchors;
  readonly watches: readonly Watch[];
  readonly pace: Pick<Pace, 'turn'>;
  /** Aborted when somebody interrupts, or nothing of what follows would mean anything. */
  readonly signal: AbortSignal;
  readonly progress: () => void;
};

/** The rest of the run wouldn't mean anything. */
export class Meaningless extends Error {}

/** Which share of what is forged is shown to the policy server first. */
const ASKED_SHARE = 0.6;
const REACTIONS = ['👍', '✅', '👀', '🙏', '❤'];
/** For an honest event that was sent beside a forged one to be seen at both hospitals; whether it comes later, the end shows. */
const BESIDE_WITHIN_MS = 30_000;
const MOST_FAILED_IN_A_ROW = 100;

/** An event that can't be tried is counted, and the next one is; so many of them in a row end it with {@link Meaningless}. */
export async function play(all: Play, steps: readonly Step[]): Promise<void> {
  let next = 0;
  let failedInARow = 0;
  const lane = async (): Promise<void> => {
    for (let step = steps[next++]; step && !all.signal.aborted && failedInARow < MOST_FAILED_IN_A_ROW; step = steps[next++]) {
      failedInARow = await isTried(all, step, () => take(all, step)) ? 0 : failedInARow + 1;
      all.progress();
    }
  };
  await Promise.all(Array.from({ length: all.lanes }, lane));
  if (failedInARow >= MOST_FAILED_IN_A_ROW) throw new Meaningless(`${failedInARow} events in a row could not be tried`);
}

async function isTried({ ledger }: Play, { number, way }: { readonly number: number; readonly way: string }, attempt: () => Promise<void>): Promise<boolean> {
  try {
    await attempt();
    return true;
  } catch (error) {
    ledger.troubles.note('an event could not be tried', `number ${number} (${way}): ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

async function take(all: Play, step: Step): Promise<void> {
  const room = pick(roomsOf(all, step.way), step.lots[0]);
  if (step.way === 'dendrite' && 'dan' in all.dendrite && all.dendrite.ended() !== undefined) throw new Error('Dendrite has ended');
  await all.pace.turn(room.roomId);
  if (step.allowed) return allowed(all, step.name, step.way, room, step);
  if (typeof step.kind === 'string') return replay(all, step.kind, step);
  switch (step.way) {
    case 'client':
    case 'cheat':
    case 'dendrite':
      return byClient(all, step.kind, step.way, room, step);
    case 'linear':
      return linear(all, step.kind, room, step);
    case 'forked':
      return forked(all, step.kind, room, step);
  }
}

type Turn = Pick<Step, 'number' | 'lots'>;

const pick = <T>(from: readonly T[], lot: number): T => {
  const found = from[Math.floor(lot * from.length)];
  if (found === undefined) throw new Error('nothing to choose from');
  return found;
};

const roomsOf = ({ rooms, dendrite }: Play, way: Way): readonly Room[] => (way === 'dendrite' && 'dan' in dendrite ? dendrite.rooms : rooms);

function senderOf({ people: { bob, ada, eve }, dendrite }: Play, way: Way, lot: number): Person {
  if (way === 'dendrite' && 'dan' in dendrite) return dendrite.dan;
  return way === 'client' ? pick([bob, ada], lot) : eve;
}

function subjectOf({ seed, people: { bob, ben, ada, amy, eve, mallory }, anchors }: Play, { roomId }: Room, sender: Person, number: number): Subject {
  const marker = `FED-${seed}-${number}`;
  const colleague = sender === ada ? bob : ada;
  const stranger = sender === bob ? ben : sender === ada ? amy : mallory;
  const anchor = (of: Person): string => anchors.get(anchorOf(roomId, of.userId)) ?? '';
  return { text: `Potassium 6.8, ${marker}`, marker, sender: sender.userId, own: anchor(sender), others: anchor(colleague), stranger: stranger.userId, colleague: colleague.userId, server: eve.home.serverName };
}

/** Of one's own, the removal is no harm: what is said beside it is. */
const removalOf = ({ redacts }: Sendable, { own }: Subject): Pick<Attempt, 'removes'> => (redacts === undefined || redacts === own ? {} : { removes: redacts });

async function byClient(all: Play, kind: Kind, way: Way, room: Room, { number, lots }: Turn): Promise<void> {
  const sender = senderOf(all, way, lots[1]);
  const of = subjectOf(all, room, sender, number);
  const event = kind.event(of);
  const { sender: as } = kind.twist?.(of) ?? {};
  const actor = Object.values(all.people).find(({ userId }) => userId === as) ?? sender;
  const sentAt = Date.now();
  const { status, body } = await sendAs(actor, room.roomId, event);
  if (isPassing(status)) noteAnswer(all, actor, status, body);
  all.ledger.note({ number, kind: kind.name, way, allowed: false, roomId: room.roomId, marker: of.marker, sentAt, status, ...removalOf(event, of), ...(status === 200 ? { eventId: String(body['event_id']) } : { refused: reasonOf(body) }) });
}

/** At the end of the room's graph; some of it is shown to the policy server before. */
async function linear(all: Play, kind: Kind, room: Room, { number, lots }: Turn): Promise<void> {
  const of = subjectOf(all, room, all.people.eve, number);
  const event = kind.event(of);
  const forged = await all.forge.make(room, event, kind.twist?.(of) ?? {});
  if (lots[2] < ASKED_SHARE) await ask(all, forged, kind.name);
  await deliver(all, kind, 'linear', room, { forged, event, of, number });
}

async function deliver(all: Play, kind: Kind, way: Way, room: Room, { forged, event, of, number }: { readonly forged: Forged; readonly event: Sendable; readonly of: Subject; readonly number: number }): Promise<void> {
  const sentAt = Date.now();
  await handOver(all, forged, all.forge.deliver(forged));
  all.ledger.putForged('refused', forged);
  all.ledger.note({ number, kind: kind.name, way, allowed: false, roomId: room.roomId, marker: of.marker, sentAt, eventId: forged.eventId, ...removalOf(event, of) });
}

/** Beside an honest event that is sent in the same moment; then an allowed one of the forger's joins both, and with it what came before. */
async function forked(all: Play, kind: Kind, room: Room, { number }: Turn): Promise<void> {
  const { forge, people: { bob, eve }, watches } = all;
  const of = subjectOf(all, room, eve, number);
  const event = kind.event(of);
  const place = await forge.place(room);
  const forged = await forge.make(room, event, { ...kind.twist?.(of), place });
  const [honest] = await Promise.all([
    sendAllowed(all, { name: 'beside-a-fork', way: 'client', room, number, sender: bob, beside: kind.name }, { type: 'm.room.encrypted', content: encryptedContent() }),
    deliver(all, kind, 'forked', room, { forged, event, of, number }),
  ]);
  if (honest === undefined) return;
  if (!await isSeen(all, honest)) {
    all.ledger.troubles.note('an honest event beside a forged one was not seen at both hospitals in time', `${honest}, event ${number} beside ${kind.name} ${forged.eventId} in ${room.roomId}; seen at ${watches.filter((watch) => watch.has(honest)).map(({ server }) => server).join(', ') || 'none'}`);
    return;
  }
  await forgeAllowed(all, { name: 'joining-a-fork', room, number, beside: kind.name }, { type: 'm.room.encrypted', content: encryptedContent() }, { prev: [forged.eventId, honest], depth: place.depth + 2 });
}

async function isSeen({ watches, signal }: Play, eventId: string): Promise<boolean> {
  const until = Date.now() + BESIDE_WITHIN_MS;
  while (!watches.every((watch) => watch.has(eventId))) {
    if (Date.now() > until || signal.aborted) return false;
    await pause(20);
  }
  return true;
}

async function replay(all: Play, name: string, { number, lots }: Turn): Promise<void> {
  const { forge, ledger, seed, rooms } = all;
  const of = name === 'replay-of-refused' ? ledger.refused : ledger.accepted;
  const forged = of.length === 0 ? undefined : pick(of, lots[1]);
  if (!forged) return;
  const sentAt = Date.now();
  await handOver(all, forged, forge.deliver(forged));
  ledger.note({ number, kind: name, way: 'linear', allowed: false, roomId: pick(rooms, 0).roomId, marker: `FED-${seed}-${number}`, sentAt, eventId: forged.eventId });
}

async function allowed(all: Play, name: AllowedName, way: Exclude<Way, 'forked'>, room: Room, { number, lots }: Turn): Promise<void> {
  const sender = senderOf(all, way, lots[1]);
  const event = allowedEvent(all, name, room, sender, { number, lots });
  const kept = event.type === 'm.room.encrypted' && event.redacts === undefined ? 'fresh' : 'done';
  // Its profile stays: what authorises what it forges must not change under it.
  const plain = way === 'linear' && event.stateKey !== undefined ? { type: 'm.room.encrypted', content: encryptedContent() } : event;
  const eventId = way === 'linear' ? await forgeAllowed(all, { name, room, number, isAsked: lots[2] < ASKED_SHARE }, plain) : await sendAllowed(all, { name, way, room, number, sender }, event);
  if (kept === 'fresh' && eventId !== undefined) all.ledger.putFresh(room.roomId, sender.userId, eventId);
}

function allowedEvent({ ledger, anchors, watches }: Play, name: AllowedName, { roomId }: Room, sender: Person, { number, lots }: Turn): Sendable {
  const message = encryptedContent();
  const own = anchors.get(anchorOf(roomId, sender.userId)) ?? '';
  const plain: Sendable = { type: 'm.room.encrypted', content: message };
  switch (name) {
    case 'encrypted': return plain;
    case 'reply': return { type: 'm.room.encrypted', content: { ...message, 'm.relates_to': { 'm.in_reply_to': { event_id: own } } } };
    case 'thread': return { type: 'm.room.encrypted', content: { ...message, 'm.relates_to': { rel_type: 'm.thread', event_id: own, is_falling_back: true, 'm.in_reply_to': { event_id: own } } } };
    case 'reaction': {
      const target = ledger.takeFresh(roomId, ({ eventId }) => watches.every((watch) => watch.has(eventId)));
      return target === undefined ? plain : { type: 'm.reaction', content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: target, key: pick(REACTIONS, lots[2]) } } };
    }
    case 'own-removal': {
      const target = ledger.takeFresh(roomId, (fresh) => fresh.sender === sender.userId && watches.every((watch) => watch.has(fresh.eventId)));
      return target === undefined ? plain : { type: 'm.room.redaction', redacts: target, content: {} };
    }
    case 'own-name': return { type: 'm.room.member', stateKey: sender.userId, content: { membership: 'join', displayname: `Dr. ${number}` } };
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What is sent in the name of a partner whose agreement has ended, once the policy server has heard of it: within 2 s (docs/agreements.md). */
export async function afterTheEnd(all: Play, events: number): Promise<void> {
  const room = pick(all.rooms, 0);
  await until('the policy server to know that the agreement has ended', async () => {
    const { granted: isGranted, rule } = await all.forge.ask(await all.forge.make(room, ENDED.event(subjectOf(all, room, all.people.eve, 0))));
    return !isGranted && rule !== UNANSWERED && !PASSING_REFUSALS.has(rule ?? '');
  }, 60_000, 200);
  for (let index = 0; index < events && !all.signal.aborted; index += 1) {
    const turn: Turn = { number: 1_000_000 + index, lots: [index / events, 0, 1] };
    const where = pick(all.rooms, index / events);
    const way = index % 2 === 0 ? 'linear' : 'cheat';
    await isTried(all, { number: turn.number, way }, () => (way === 'linear' ? linear(all, ENDED, where, turn) : byClient(all, ENDED, way, where, turn)));
  }
}
