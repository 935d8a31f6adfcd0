import { as, type EffectId, type Millis, type RoomId, type UserId } from '../domain/brand.ts';
import { fail, ok, type Failure } from '../domain/outcome.ts';
import type { Executors } from '../ports/executor.ts';
import type { FoundEvent, FoundEvents, History } from '../ports/history.ts';
import type { HomeserverFailure, MatrixTransaction, RoomEvent } from '../ports/homeserver.ts';
import type { Notes } from '../ports/notes.ts';
import type { Store } from '../ports/store.ts';
import { errorCode, type Log } from '../ports/telemetry.ts';

/** The note by which all workers know that rooms must be read: since when (milliseconds since the epoch), and why. */
export const CATCH_UP = 'catch-up';

/** `receipts`: the rooms are read, and what remains are the receipts, for which a courier must be there. */
export type CatchUpAsked = { readonly since: number; readonly because: 'restored' | 'asked' | 'receipts' };

export const askCatchUp = (since: number, because: CatchUpAsked['because']): Readonly<Record<string, string>> => ({ [CATCH_UP]: JSON.stringify({ since, because } satisfies CatchUpAsked) });

/** What the homeserver had sent and was not taken yet when the backup was made, and clocks that differ. */
const BEFORE_MS = 15 * 60_000;
/** One room is read well within it. */
const LEASE_MS = 60_000;
const ROOMS_AT_ONCE = 50;

/** Beside the ciphertext of each message of ours: a pseudonym of its effect's id (docs/message.md). */
const MARK = 'org.aceso.txn';

export type CatchUpParts = {
  readonly store: Store; readonly notes: Notes; readonly found: FoundEvents; readonly history: History; readonly log: Log; readonly now: () => Millis; readonly worker: string;
  readonly courier: UserId;
  /** Whose comings and goings tell nothing: the guardian's and the courier's. */
  readonly ownUsers: readonly UserId[];
  /** The intake of the application service's transactions. */
  readonly take: (transaction: MatrixTransaction) => Promise<void>;
};

export type CatchUp = {
  /** Looks what was asked, and does it if no other worker is at it. Never rejects: what fails is tried at the next call. */
  run(): Promise<void>;
  /**
   * The executors, with one thing more to know: nothing is sent while it isn't known what was sent after the backup; what was is not sent again,
   * also when its source brings it once more, because the same result has the same effect id.
   */
  around(executors: Executors, markOf: (id: EffectId) => string): Executors;
};

/** Reads in the rooms what happened that the database doesn't know: after a restore, or when an operator says so. */
export async function createCatchUp(parts: CatchUpParts): Promise<CatchUp> {
  const { store, notes, found, log, now, worker } = parts;
  let asked: CatchUpAsked | undefined;
  let foundCount = 0;
  const look = async (): Promise<void> => {
    const text = await notes.read(CATCH_UP);
    const count = await found.count();
    // Both at once: were sending free before it is known how much was found, what was found would be sent again.
    foundCount = count;
    asked = text === undefined ? undefined : (JSON.parse(text) as CatchUpAsked);
  };
  await look();

  return {
    async run() {
      try {
        await look();
        if (!asked) return;
        const lease = await store.lease(CATCH_UP, worker, now(), LEASE_MS);
        if (!lease) return;
        log.info('catch-up.started', { because: asked.because, since: new Date(asked.since).toISOString() });
        const failure = await catchUp(parts, asked);
        if (failure) log.warn('catch-up.waits', { code: failure.code, reason: failure.message });
        await store.release(lease);
        await look();
      } catch (error) {
        log.warn('catch-up.waits', { code: errorCode(error) });
      }
    },
    around: (executors, markOf) => ({
      ...executors,
      async 'room.send'(effect) {
        if (asked?.because === 'restored') return fail('catching-up', 'this database was restored: what was sent since its backup is being read in the rooms first', { retry: true });
        const known = foundCount === 0 ? undefined : await found.find(markOf(effect.id));
        return known ? ok({ type: 'room.send', eventId: known.eventId, devices: 0, withheld: 0 }) : executors['room.send'](effect);
      },
    }),
  };
}

type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Failure<HomeserverFailure> };

/** Each half is noted as done by itself, so that sending goes on as soon as it is known what was sent. Gives what kept it from its end. */
async function catchUp(parts: CatchUpParts, { since, because }: CatchUpAsked): Promise<Failure<HomeserverFailure> | undefined> {
  const { notes, history, log, take } = parts;
  const rooms = await history.rooms();
  if (!rooms.ok) return rooms.error;
  if (because !== 'receipts') {
    const read = await readRooms(parts, rooms.value, as<Millis>(since - BEFORE_MS));
    if (!read.ok) return read.error;
    await notes.write(CATCH_UP, JSON.stringify({ since, because: 'receipts' } satisfies CatchUpAsked));
    log.info('catch-up.read', { because, rooms: rooms.value.length, ...read.value });
  }
  for (let from = 0; from < rooms.value.length; from += ROOMS_AT_ONCE) {
    const receipts = await history.receipts(rooms.value.slice(from, from + ROOMS_AT_ONCE));
    if (!receipts.ok) return receipts.error;
    await take({ events: [], ephemeral: receipts.value });
  }
  await notes.remove(CATCH_UP);
  log.info('catch-up.done');
  return undefined;
}

type Read = { readonly events: number; readonly found: number };

async function readRooms(parts: CatchUpParts, rooms: readonly RoomId[], since: Millis): Promise<Answer<Read>> {
  const { store, now, worker } = parts;
  let events = 0;
  let found = 0;
  for (const roomId of rooms) {
    if (!(await store.lease(CATCH_UP, worker, now(), LEASE_MS))) return fail('unavailable', 'another worker is at it');
    const read = await readRoom(parts, roomId, since);
    if (!read.ok) return read;
    events += read.value.events;
    found += read.value.found;
  }
  return ok({ events, found });
}

/** Also a room that the database doesn't know: it was made after the backup, and is found by its alias when it is wanted again. */
async function readRoom({ history, found, take, courier, ownUsers }: CatchUpParts, roomId: RoomId, since: Millis): Promise<Answer<Read>> {
  let marks = 0;
  const ofOthers = (events: readonly RoomEvent[]): readonly RoomEvent[] => events.filter(({ type, state_key: user }) => type !== 'm.room.member' || !ownUsers.some((own) => own === user));
  const read = await history.since(roomId, since, async (events) => {
    const ours = events.flatMap((event) => markedBy(courier, event));
    await found.save(ours);
    marks += ours.length;
    await take({ events: ofOthers(events), ephemeral: [] });
  });
  if (!read.ok) return read;
  const members = await history.members(roomId);
  if (!members.ok) return members;
  await take({ events: ofOthers(members.value), ephemeral: [] });
  return ok({ events: read.value, found: marks });
}

function markedBy(courier: UserId, { event_id: eventId, room_id: roomId, sender, content, origin_server_ts: at }: RoomEvent): readonly FoundEvent[] {
  const { [MARK]: mark } = content;
  return sender === courier && typeof mark === 'string' ? [{ mark, roomId, eventId, sentAt: as<Millis>(at) }] : [];
}
