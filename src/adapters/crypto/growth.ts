/**
 * What the store may forget, so that it stops growing. The engine never deletes a room's key that it received or made, nor the mark of an encrypted message
 * between devices that it has seen; a busy hospital makes tens of thousands a year. After the time that the hospital keeps them none can be needed: a key of ours is
 * changed within its period and never read back, a key of somebody else's after theirs (a client that goes on with one for longer is shown as an answer that
 * can't be read), a replayed message is refused by the ratchet itself.
 */
import type { UserId } from '../../domain/brand.ts';
import { expire } from './indexeddb/mod.ts';
import type { Journal } from './journal.ts';
import type { People } from './people.ts';
import type { RoomKeys } from './roomKeys.ts';
import type { Store } from './store.ts';

export type Parts = { readonly store: Store; readonly journal: Journal; readonly people: People; readonly roomKeys: RoomKeys };

const DATABASE = 'courier::matrix-sdk-crypto';
const STORES = ['inbound_group_sessions3', 'olm_hashes', 'withheld_sessions'] as const;
/** At a time: a message that waits for the file waits for this many deletions at most. */
const BATCH = 500;

/** Forgets what is older than `before` (milliseconds since the epoch); gives how many rows. */
export async function prune({ store, journal, people, roomKeys }: Parts, before: number): Promise<number> {
  let gone = await journal.prune(before);
  for (const name of STORES) {
    for (let deleted = BATCH; deleted === BATCH;) {
      deleted = await store.durable((sql) => expire(sql, { database: DATABASE, store: name, seen: 'courier_seen', now: Date.now(), before, limit: BATCH }));
      gone += deleted;
    }
  }
  await store.durable((sql) => sql.prepare("DELETE FROM courier_fact WHERE (name LIKE 'reset:%' OR name LIKE 'rotated:%') AND CAST(value AS INTEGER) < ?").run(before));
  return gone + await forgetDevices({ store, people, roomKeys }, before);
}

/** Channels to devices that there aren't any more: not at once, since a server may leave a device out for a while. */
async function forgetDevices({ store, people, roomKeys }: Omit<Parts, 'journal'>, before: number): Promise<number> {
  const reached = await store.durable((sql) => sql.prepare('SELECT device FROM courier_reached').all().map((row) => String(row['device'])));
  const lost: string[] = [];
  for (const [userId, names] of Map.groupBy(reached, (name) => name.slice(0, name.indexOf(' ')) as UserId)) {
    const there = new Set((await people.devicesOf(userId)).map(({ name }) => name));
    lost.push(...names.filter((name) => !there.has(name)));
  }
  const forgotten = await store.durable((sql) => {
    const isLost = new Set(lost);
    const unmark = sql.prepare("DELETE FROM courier_seen WHERE store = 'lost' AND key = ?");
    for (const name of reached) if (!isLost.has(name)) unmark.run(Buffer.from(name));
    const mark = sql.prepare("INSERT OR IGNORE INTO courier_seen VALUES ('lost', ?, ?)");
    for (const name of lost) mark.run(Buffer.from(name), Date.now());
    const old = sql.prepare("SELECT key FROM courier_seen WHERE store = 'lost' AND since < ?").all(before).map((row) => Buffer.from(row['key'] as Uint8Array).toString());
    const drop = sql.prepare('DELETE FROM courier_reached WHERE device = ?');
    for (const name of old) {
      drop.run(name);
      unmark.run(Buffer.from(name));
    }
    return old;
  });
  roomKeys.forget(forgotten);
  return forgotten.length;
}
