/**
 * What a hospital's Synapse lost by a fault of its own (1.163.2): an event that it rejects, stored in one batch with honest ones, makes it drop the whole batch, and it can't
 * take what builds on any of them. Told by its log, event by event: whatever is missing without such a line is not put down to it.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import type { Hospital } from '../support/lab.ts';

export type Lost = { readonly server: string; readonly eventId: string; /** The event that the log says was dropped: itself, or one that it builds on. */ readonly dropped: string };

type Disk = Pick<Hospital, 'serverName' | 'databaseFile' | 'logFile'>;

const FAULT = 'Attempt to access state_group of rejected event';
const DROPPED = /Failed to handle PDU (\$[A-Za-z0-9_-]{43})/u;
const ENTRY = /^\d{4}-\d{2}-\d{2} /u;
const MOST_STEPS = 5000;

/** Of the events that a server never showed, those that its log accounts for. `others`: who has them. */
export async function lostAt(at: Disk, others: readonly Disk[], missing: readonly string[]): Promise<readonly Lost[]> {
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
    return missing.flatMap((eventId) => {
      const cause = causeOf(eventId, dropped, (id) => before(id).filter((each) => has.get(each) === undefined));
      return cause === undefined ? [] : [{ server: at.serverName, eventId, dropped: cause }];
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
