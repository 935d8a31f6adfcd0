/**
 * By whose doing an allowed event is missing at a hospital, event by event, by what logs and databases say; what nothing accounts for is put down to nobody.
 * `synapse`: the hospital's own, by a fault of it (1.163.2): an event that it rejects, stored in one batch with honest ones, makes it drop the whole batch, and it can't take what builds on any of them.
 * `full-queue`: the hospital's own, too: so much waited for it in that room that it threw away all but the last of it (`pace.ts`).
 * `eastside`: the homeserver that cheats, and carries no mend, never sent what its own user said.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import type { Hospital } from '../support/lab.ts';
import type { Attempt } from './attempt.ts';
import type { Overflow } from './pace.ts';

export type Cause = 'synapse' | 'full-queue' | 'eastside';
export type Lost = { readonly server: string; readonly eventId: string; readonly cause: Cause; /** What says so. */ readonly told: string };

export type Absent = Pick<Attempt, 'roomId' | 'sentAt' | 'way'> & { readonly server: string; readonly eventId: string };

type Disk = Pick<Hospital, 'serverName' | 'databaseFile' | 'logFile'>;

const FAULT = 'Attempt to access state_group of rejected event';
const DROPPED = /Failed to handle PDU (\$[A-Za-z0-9_-]{43})/u;
const ENTRY = /^\d{4}-\d{2}-\d{2} /u;
const MOST_STEPS = 5000;

export type LostParts = { readonly hospitals: readonly Disk[]; readonly eastside: Disk; readonly overflows: readonly Overflow[] };

/** So long after it was sent an event may have waited in a queue that was cut. */
const QUEUED_FOR_MS = 180_000;

export async function lostOf(absent: readonly Absent[], { hospitals, eastside, overflows }: LostParts): Promise<readonly Lost[]> {
  const everybody = [...hospitals, eastside];
  const logged = (await Promise.all(hospitals.map((at) => lostAt(at, everybody.filter((each) => each !== at), absent.filter(({ server }) => server === at.serverName).map(({ eventId }) => eventId))))).flat();
  const known = new Set(logged.map(({ server, eventId }) => `${server} ${eventId}`));
  const rest = absent.filter(({ server, eventId }) => !known.has(`${server} ${eventId}`));
  return [...logged, ...rest.flatMap((each): readonly Lost[] => {
    const { server, eventId } = each;
    const overflow = overflowFor(each, overflows);
    if (overflow) return [{ server, eventId, cause: 'full-queue', told: `its queue for the room was full at ${new Date(overflow.at).toISOString()}` }];
    const unsent = each.way === 'cheat' ? unsentBy(eastside, each) : undefined;
    return unsent === undefined ? [] : [{ server, eventId, cause: 'eastside', told: unsent }];
  })];
}

/** When the room's queue was full while the event may have been in it. */
export const overflowFor = ({ server, roomId, sentAt }: Pick<Absent, 'server' | 'roomId' | 'sentAt'>, overflows: readonly Overflow[]): Overflow | undefined =>
  overflows.find((each) => each.server === server && each.roomId === roomId && each.at >= sentAt && each.at - sentAt <= QUEUED_FOR_MS);

/** Why an event of its own user never left a server; undefined when it did, or may have. */
export function unsentBy({ databaseFile }: Pick<Disk, 'databaseFile'>, { server, eventId }: Pick<Absent, 'server' | 'eventId'>): string | undefined {
  const database = new DatabaseSync(databaseFile, { readOnly: true });
  try {
    const event = database.prepare('SELECT stream_ordering, rejection_reason FROM events WHERE event_id = ?').get(eventId);
    if (event === undefined) return 'the server that cheats never stored it';
    if (event['rejection_reason'] !== null) return 'the server that cheats rejected it itself';
    const sent = database.prepare('SELECT last_successful_stream_ordering AS upto FROM destinations WHERE destination = ?').get(server)?.['upto'];
    return Number(sent ?? 0) < Number(event['stream_ordering']) ? 'the server that cheats has not sent it' : undefined;
  } finally {
    database.close();
  }
}

/** Of the events that a server never showed, those that its log accounts for. `others`: who has them. */
async function lostAt(at: Disk, others: readonly Disk[], missing: readonly string[]): Promise<readonly Lost[]> {
  const dropped = await droppedBy(createInterface({ input: createReadStream(at.logFile), crlfDelay: Infinity }));
  if (missing.length === 0 || dropped.size === 0) return [];
  const own = new DatabaseSync(at.databaseFile, { readOnly: true });
  const elsewhere = others.map(({ databaseFile }) => new DatabaseSync(databaseFile, { readOnly: true }));
  try {
    const has = own.prepare('SELECT 1 FROM events WHERE event_id = ? AND NOT outlier');
    const events = elsewhere.map((each) => each.prepare('SELECT json FROM event_json WHERE event_id = ?'));
    const before = (eventId: string): readonly string[] => {
      const found = events.map((each) => each.get(eventId)).find((each) => each !== undefined);
      return found === undefined ? [] : (JSON.parse(String(found['json'])) as { readonly prev_events: readonly string[] }).prev_events;
    };
    return missing.flatMap((eventId): readonly Lost[] => {
      const cause = causeOf(eventId, dropped, (id) => before(id).filter((each) => has.get(each) === undefined));
      return cause === undefined ? [] : [{ server: at.serverName, eventId, cause: 'synapse', told: `its log says that ${cause} was dropped` }];
    });
  } finally {
    for (const each of [own, ...elsewhere]) each.close();
  }
}

/** The dropped event that this is, or builds on, by way of events that are missing too. */
export function causeOf(eventId: string, dropped: ReadonlySet<string>, missingBefore: (eventId: string) => readonly string[]): string | undefined {
  const seen = new Set([eventId]);
  // A set gives what is added while it is gone through, too.
  for (const each of seen) {
    if (dropped.has(each)) return each;
    if (seen.size < MOST_STEPS) for (const previous of missingBefore(each)) seen.add(previous);
  }
  return undefined;
}

/** Events of which a log says that they were dropped for this fault, and no other. */
export async function droppedBy(lines: AsyncIterable<string>): Promise<ReadonlySet<string>> {
  const dropped = new Set<string>();
  let event: string | undefined;
  for await (const line of lines) {
    if (ENTRY.test(line)) event = DROPPED.exec(line)?.[1];
    else if (event !== undefined && line.includes(FAULT)) dropped.add(event);
  }
  return dropped;
}
