/**
 * How fast a room is spoken to: no faster than the hospitals take it in. A Synapse (1.163.2) whose queue for one room holds a hundred events throws away all but the last
 * ones of it, and fetches the rest from others, which fails where a refused event stands between. That a flood of messages does harm is another question than whether a policy holds.
 */
import { DatabaseSync } from 'node:sqlite';
import type { Hospital } from '../support/lab.ts';

export type Pace = {
  /** Resolves when both hospitals have taken in most of what was sent to the room. */
  turn(roomId: string): Promise<void>;
  /** For how long steps were held back, in all, ms; and the longest queue of one room that was seen. */
  figures(): { readonly heldBackMs: number; readonly longestQueue: number };
  /** When a server's queue for a room was so long that Synapse throws parts of it away; ms since 1970. */
  readonly overflows: readonly Overflow[];
  close(): void;
};

export type Overflow = { readonly server: string; readonly roomId: string; readonly at: number };

/** Synapse's own limit: `prune_staged_events_in_room`. */
const PRUNED_FROM = 100;
/** What is under way already comes on top: a transaction holds up to 50. */
const LONGEST_QUEUE = 30;
const LOOK_EVERY_MS = 100;
/** A queue that doesn't shrink holds nothing up for ever. */
const LONGEST_MS = 30_000;

type Target = Pick<Hospital, 'serverName' | 'databaseFile'>;

export function createPace(targets: readonly Target[]): Pace {
  const queues = targets.map(({ serverName, databaseFile }) => {
    const database = new DatabaseSync(databaseFile, { readOnly: true });
    return { serverName, database, count: database.prepare('SELECT room_id, COUNT(*) AS events FROM federation_inbound_events_staging GROUP BY room_id') };
  });
  const overflows: Overflow[] = [];
  let lengths: ReadonlyMap<string, number> = new Map();
  let [heldBackMs, longestQueue] = [0, 0];

  function look(): void {
    const longest = new Map<string, number>();
    for (const { serverName, count } of queues) for (const { room_id: room, events } of rowsOf(() => count.all())) {
      const [roomId, length] = [String(room), Number(events)];
      longest.set(roomId, Math.max(longest.get(roomId) ?? 0, length));
      if (length >= PRUNED_FROM) overflows.push({ server: serverName, roomId, at: Date.now() });
    }
    lengths = longest;
    longestQueue = Math.max(longestQueue, ...longest.values());
  }

  const ticker = setInterval(look, LOOK_EVERY_MS);
  return {
    overflows,
    async turn(roomId) {
      const began = Date.now();
      while ((lengths.get(roomId) ?? 0) > LONGEST_QUEUE && Date.now() - began < LONGEST_MS) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      heldBackMs += Date.now() - began;
    },
    figures: () => ({ heldBackMs, longestQueue }),
    close() {
      clearInterval(ticker);
      for (const { database } of queues) database.close();
    },
  };
}

/** None while the database is busy: the next look is soon. */
function rowsOf(read: () => readonly Record<string, unknown>[]): readonly Record<string, unknown>[] {
  try {
    return read();
  } catch {
    return [];
  }
}
