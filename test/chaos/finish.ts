/** After the chaos: everything comes back, what is under way arrives, and the outcome is judged. */
import type { DeliveryView } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { matrix } from '../support/matrixHttp.ts';
import { until } from '../support/until.ts';
import { encryptedHistory } from './history.ts';
import type { Laboratory } from './laboratory.ts';
import type { Stage } from './stage.ts';
import type { Tally } from './tally.ts';
import { judge, type Evidence, type Verdict } from './verdict.ts';

const LOOK_BACK_EVERY_MS = 8_000;
const LONGEST_MS = 20 * 60_000;

/** How long everything may take to come back before what it waits for is told. */
const SLOW_MS = 20_000;

/** Waits until every accepted result is read by all who must; gives up when nothing more was read for so long. */
export async function drain(stage: Stage, laboratory: Laboratory, tally: Tally, idleMs: number, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  const slow = setTimeout(() => void tellWaiting(stage, tally.missing(laboratory.accepted), laboratory, say), SLOW_MS);
  const lookBack = setInterval(() => void roomsOf(stage).then((rooms) => openRooms(rooms, say)).catch(() => undefined), LOOK_BACK_EVERY_MS);
  let least = Number.POSITIVE_INFINITY;
  let since = performance.now();
  await until('every accepted result to be read', () => {
    const left = tally.missing(laboratory.accepted).length;
    if (left < least) [least, since] = [left, performance.now()];
    return signal.aborted || left === 0 || performance.now() - since > idleMs;
  }, LONGEST_MS, 200).catch(() => undefined);
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
export async function gather(stage: Stage, laboratory: Laboratory, tally: Tally, say: (line: string) => void): Promise<Evidence> {
  const { clients, hospitals } = stage;
  const joined = await until('the homeservers to say who is in which room', () => roomsOf(stage), 60_000, 500);
  // Keys may come after the message, and a homeserver fetches what it missed from the other one only when somebody looks: both get their time.
  const isAllRead = (): boolean => tally.missing(laboratory.accepted).length === 0 && clients.every(({ undecryptable }) => undecryptable.length === 0);
  await until('what came late to be read', () => openRooms(joined, say).then(isAllRead), 20_000, 2000).catch(() => undefined);
  const rooms = new Map<string, string[]>();
  for (const [{ userId }, itsRooms] of joined) for (const room of itsRooms) rooms.set(room, [...(rooms.get(room) ?? []), userId]);
  return {
    accepted: laboratory.accepted, read: tally.read(), rooms, courier: stage.courier,
    unread: clients.flatMap((client) => client.undecryptable.map((event) => ({ ...event, client: client.userId }))),
    history: [hospitals.mercy, hospitals.stAnne].flatMap(encryptedHistory),
  };
}

export async function conclude(stage: Stage, laboratory: Laboratory, tally: Tally, idleMs: number, say: (line: string) => void, signal: AbortSignal): Promise<{ readonly evidence: Evidence; readonly verdict: Verdict; readonly recoverySeconds: number }> {
  const from = performance.now();
  await drain(stage, laboratory, tally, idleMs, say, signal);
  const recoverySeconds = Math.round((performance.now() - from) / 100) / 10;
  const evidence = await gather(stage, laboratory, tally, say);
  return { evidence, verdict: judge(evidence), recoverySeconds };
}

/** As a person who opens each room and looks back: what a gap in the sync left out is fetched. */
async function openRooms(rooms: ReadonlyMap<Client, readonly string[]>, say: (line: string) => void): Promise<void> {
  await Promise.all([...rooms].map(async ([client, joined]) => {
    for (const room of joined) await client.scrollBack(room).catch((error: unknown) => say(`${client.userId} can't look back in ${room}: ${String(error)}`));
  }));
}

/** The rooms that each of them is in, as their own homeserver says. */
async function roomsOf({ clients, hospitals }: Stage): Promise<ReadonlyMap<Client, readonly string[]>> {
  return new Map(await Promise.all(clients.map(async (client): Promise<[Client, readonly string[]]> => {
    const home = client.userId.endsWith(`:${hospitals.mercy.serverName}`) ? hospitals.mercy : hospitals.stAnne;
    const { joined_rooms: joined } = (await matrix(home.baseUrl, '/_matrix/client/v3/joined_rooms', { token: client.accessToken })) as { readonly joined_rooms?: readonly string[] };
    return [client, joined ?? []];
  })));
}
