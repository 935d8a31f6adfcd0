/** After the chaos: everything comes back, what is under way arrives, and the outcome is judged. */
import type { DeliveryView } from '../support/aceso.ts';
import { until } from '../support/until.ts';
import { encryptedHistory } from './history.ts';
import type { Laboratory } from './laboratory.ts';
import type { Stage } from './stage.ts';
import type { Tally } from './tally.ts';
import { judge, type Evidence, type Verdict } from './verdict.ts';

const LOOK_BACK_EVERY_MS = 8_000;

/** How long everything may take to come back before what it waits for is told. */
const SLOW_MS = 20_000;

/** Waits until every accepted result is read by all who must, at most `withinMs`. */
export async function drain(stage: Stage, laboratory: Laboratory, tally: Tally, withinMs: number, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  const { clients } = stage;
  const slow = setTimeout(() => void tellWaiting(stage, tally.missing(laboratory.accepted), laboratory, say), SLOW_MS);
  const lookBack = setInterval(() => void openRooms(clients), LOOK_BACK_EVERY_MS);
  await until('every accepted result to be read', () => signal.aborted || tally.missing(laboratory.accepted).length === 0, withinMs, 200).catch(() => undefined);
  clearInterval(lookBack);
  clearTimeout(slow);
}

/** What the first of them wait for, as Aceso says it, and whether the homeservers have their events. */
async function tellWaiting({ workers, hospitals }: Stage, missing: readonly string[], { accepted }: Laboratory, say: (line: string) => void): Promise<void> {
  const deliveries = (await workers[0]?.cli<readonly DeliveryView[]>('deliveries', 'list', '--limit', '99999').catch(() => [])) ?? [];
  const histories = [hospitals.mercy, hospitals.stAnne].map((hospital) => ({ hospital, events: new Set(encryptedHistory(hospital).map(({ eventId }) => eventId)) }));
  for (const accession of missing.slice(0, 3)) {
    const factId = accepted.find((each) => each.accession === accession)?.factId ?? '';
    const delivery = deliveries.find(({ id }) => factId !== '' && id.startsWith(factId));
    const places = histories.filter(({ events }) => delivery?.eventId !== undefined && events.has(delivery.eventId)).map(({ hospital }) => hospital.name);
    say(`slow: ${accession}, delivery ${delivery?.id ?? 'unknown'} ${delivery?.phase ?? ''} ${delivery?.held ? `${delivery.held.code}: ${delivery.held.reason}` : ''}; its event is at ${places.join(' and ') || 'no homeserver'}`);
  }
}

/** What clients have read, and what both homeservers hold. */
export async function gather(stage: Stage, laboratory: Laboratory, tally: Tally): Promise<Evidence> {
  const { clients, hospitals } = stage;
  await openRooms(clients);
  // Keys may come after the message: a client that says "can't" gets its time.
  await until('what came without its keys to be read', () => clients.every(({ undecryptable }) => undecryptable.length === 0), 20_000, 200).catch(() => undefined);
  const rooms = new Map<string, string[]>();
  for (const { userId, joinedRooms } of clients) for (const room of joinedRooms) rooms.set(room, [...(rooms.get(room) ?? []), userId]);
  return {
    accepted: laboratory.accepted, read: tally.read(), rooms, courier: stage.courier,
    unread: clients.flatMap((client) => client.undecryptable.map((event) => ({ ...event, client: client.userId }))),
    history: [hospitals.mercy, hospitals.stAnne].flatMap(encryptedHistory),
  };
}

export async function conclude(stage: Stage, laboratory: Laboratory, tally: Tally, withinMs: number, say: (line: string) => void, signal: AbortSignal): Promise<{ readonly evidence: Evidence; readonly verdict: Verdict; readonly recoverySeconds: number }> {
  const from = performance.now();
  await drain(stage, laboratory, tally, withinMs, say, signal);
  const recoverySeconds = Math.round((performance.now() - from) / 100) / 10;
  const evidence = await gather(stage, laboratory, tally);
  return { evidence, verdict: judge(evidence), recoverySeconds };
}

/** As a person who opens each room and looks back: what a gap in the sync left out is fetched. */
async function openRooms(clients: Stage['clients']): Promise<void> {
  await Promise.all(clients.map(async (client) => {
    for (const room of client.joinedRooms) await client.scrollBack(room).catch(() => undefined);
  }));
}
