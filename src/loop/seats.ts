/**
 * Keeps the courier's seats: each has one Matrix device at a time, held by one worker under a fenced lease. A dead worker's seat is taken by
 * the next one: with the same device where its store is, as a new device of the same identity where it isn't. A device that the homeserver removed is
 * followed by a new one too, on the spot (docs/decisions/0018). Seats that are none any more leave (leaving.ts).
 */
import { as, type Millis } from '../domain/brand.ts';
import { isGone, type Courier, type Couriers } from '../ports/courier.ts';
import type { AuditNote, Lease, Seat, Store } from '../ports/store.ts';
import { errorCode, type Log, type Metrics } from '../ports/telemetry.ts';
import { createLeaving } from './leaving.ts';
import { SEAT_LEASE_MS, seatLease, waitFor, type SeatDevices, type SeatTerms } from './seating.ts';
import { statusOf } from './seatStatus.ts';

export type SeatsParts = {
  readonly store: Pick<Store, 'lease' | 'release' | 'leases' | 'seat' | 'saveSeat' | 'removeSeat' | 'seatsFrom'>;
  readonly worker: string;
  /** The time by which leases go. */
  readonly clock: () => Promise<Millis>;
  readonly terms: SeatTerms;
  readonly devices: SeatDevices;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'count'>;
  /** A seat was taken: what waits for its device can be done. */
  readonly taken: () => void;
  /** Never goes back, and goes on while the process is stopped (milliseconds). */
  readonly steady: () => number;
};

/** A seat, as this worker sees it. `until`: our lease holds at least so long, by the steady clock. */
export type Place =
  | { readonly is: 'away'; readonly holder?: string; /** Since when nobody has it, as far as we saw. */ readonly freeSince?: number; readonly notBefore?: number; readonly failures: number; readonly problem?: string }
  | { readonly is: 'opening'; lease: Lease; until: number; readonly failures: number; /** The device that sat here till now: the homeserver has removed it. */ readonly removed?: string }
  | { readonly is: 'sitting'; lease: Lease; until: number; readonly courier: Courier };

export type Seats = Couriers & {
  start(): void;
  /** Renews what is held, and takes what is free: what the timer does. */
  tick(): Promise<void>;
};

const TICK_MS = 300;
const RENEW_MS = 800;
/** We stop sending this long before somebody else may begin: two machines' steady clocks don't run alike. */
const MARGIN_MS = 300;
const LONGEST_WAIT_MS = 30_000;
const MOST_RAISES = 10_000;
/** Somebody, or something, may go on removing devices: each new one is asked for by all who are to read it. */
const REPLACE_EVERY_MS = 60_000;

export function createSeats(parts: SeatsParts): Seats {
  const { store, worker, clock, terms, devices, log, metrics, steady } = parts;
  const places = new Map<number, Place>(Array.from({ length: terms.seats }, (_, seat) => [seat, { is: 'away', failures: 0 }]));
  const listeners: Parameters<Courier['onKeys']>[0][] = [];
  const openings = new Set<Promise<void>>();
  const untried = new Set(places.keys());
  const replacedAt = new Map<number, number>();
  const leaving = createLeaving(parts);
  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<void> | undefined;
  let stopped = false;

  const sitting = (seat: number): Extract<Place, { is: 'sitting' }> | undefined => {
    const place = places.get(seat);
    return place?.is === 'sitting' && steady() < place.until && !isGone(place.courier.status()) ? place : undefined;
  };
  const taken = (): number => [...places.values()].filter(({ is }) => is !== 'away').length;

  const renew = async (seat: number, place: Exclude<Place, { is: 'away' }>): Promise<void> => {
    const state = place.is === 'sitting' ? place.courier.status().state : undefined;
    if (state === 'lost') return leave(seat, place, 'fenced');
    if (place.is === 'sitting' && state === 'removed' && steady() - (replacedAt.get(seat) ?? -Infinity) >= REPLACE_EVERY_MS) {
      replace(seat, place);
      return undefined;
    }
    if (place.until - steady() > SEAT_LEASE_MS - MARGIN_MS - RENEW_MS) return undefined;
    const asked = steady();
    const lease = await store.lease(place.lease.name, worker, await clock(), SEAT_LEASE_MS);
    if (lease?.generation === place.lease.generation) {
      place.until = asked + SEAT_LEASE_MS - MARGIN_MS;
      return undefined;
    }
    if (lease) await store.release(lease); // it was somebody else's in between
    return leave(seat, place, 'lease-lost');
  };

  /** The device goes at once; an opening one as soon as it is open. */
  const leave = async (seat: number, place: Exclude<Place, { is: 'away' }>, reason: string): Promise<void> => {
    places.set(seat, { is: 'away', failures: 0 });
    log.warn('seat.lost', { seat, generation: place.lease.generation, reason });
    if (place.is === 'sitting') await place.courier.stop();
  };

  /** Under the same lease, so that nobody sits down in between. What the old device has under way ends first: its answers are worth more than looking for them. */
  const replace = (seat: number, { lease, until, courier }: Extract<Place, { is: 'sitting' }>): void => {
    replacedAt.set(seat, steady());
    const opening: Place = { is: 'opening', lease, until, failures: 0, removed: courier.deviceId };
    places.set(seat, opening);
    log.warn('seat.device-removed', { seat, device: courier.deviceId });
    begin(seat, opening, courier.stop());
  };

  const begin = (seat: number, place: Extract<Place, { is: 'opening' }>, before: Promise<void> = Promise.resolve()): void => {
    const opened = before.then(() => open(seat, place)).finally(() => openings.delete(opened));
    openings.add(opened);
  };

  const take = async (seat: number, place: Extract<Place, { is: 'away' }>, holder: string | undefined): Promise<void> => {
    const begins = terms.manner === 'at-once' && untried.delete(seat);
    if (holder !== undefined && !begins) {
      places.set(seat, { is: 'away', failures: place.failures, holder });
      return;
    }
    const { holder: _, ...rest } = place;
    const free: Place = { ...rest, freeSince: place.freeSince ?? steady() };
    places.set(seat, free);
    if (steady() < (place.notBefore ?? 0)) return;
    const row = await store.seat(seat);
    let here: ReturnType<SeatDevices['here']>;
    try {
      here = devices.here(seat);
    } catch (error) {
      notOpened(seat, place, error);
      return;
    }
    const wait = waitFor({ row, here, taken: taken(), terms });
    if (steady() - (free.freeSince ?? 0) < wait) return;
    const asked = steady();
    const at = await clock();
    const lease = await (begins ? store.lease(seatLease(seat), worker, as<Millis>(at + SEAT_LEASE_MS), 0) : store.lease(seatLease(seat), worker, at, SEAT_LEASE_MS));
    if (!lease) return;
    const opening: Place = { is: 'opening', lease, until: asked + SEAT_LEASE_MS - MARGIN_MS, failures: place.failures };
    places.set(seat, opening);
    begin(seat, opening);
  };

  const notOpened = (seat: number, place: { readonly failures: number }, error: unknown): void => {
    log.error('seat.not-opened', { seat, error: errorCode(error) });
    replacedAt.delete(seat);
    const failures = place.failures + 1;
    const problem = error instanceof SeatLost ? undefined : `the courier on seat ${seat} can't be opened: ${error instanceof Error ? error.message : 'an unknown error'}`;
    places.set(seat, { is: 'away', failures, notBefore: steady() + Math.min(250 * 2 ** failures, LONGEST_WAIT_MS), ...(problem === undefined ? {} : { problem }) });
  };

  /** One for whose device nothing waits is closed first, and asked about once more: what it had under way then has an outcome. */
  const lookAtLeaving = async (): Promise<void> => {
    if (await leaving.look() === 'not-yet') return;
    for (const [seat, waiting] of leaving.waiting()) {
      if (places.has(seat)) continue;
      places.set(seat, { is: 'away', failures: 0 });
      untried.add(seat);
      log.warn('seat.leaving', { seat, waiting });
    }
    for (const [seat, place] of places) {
      if (seat < terms.seats) continue;
      if (place.is === 'away' && !leaving.waiting().has(seat)) places.delete(seat); // another worker saw to it
      if (place.is === 'sitting' && !leaving.waiting().get(seat)) {
        const { lease, until, courier } = place;
        const opening: Place = { is: 'opening', lease, until, failures: 0 };
        places.set(seat, opening);
        begin(seat, opening, courier.stop());
      }
    }
  };

  const retire = async (seat: number, place: Extract<Place, { is: 'opening' }>): Promise<void> => {
    if (!await leaving.retire(seat, place.lease, () => places.get(seat) === place)) throw new SeatLost();
    places.delete(seat);
    await store.release(place.lease);
  };

  const open = async (seat: number, place: Extract<Place, { is: 'opening' }>): Promise<void> => {
    try {
      await raise(seat, place);
      if (await leaving.isDone(seat)) {
        await retire(seat, place);
        return;
      }
      const { row, how } = await settle(seat, place);
      const courier = await devices.open(row, place.lease);
      if (places.get(seat) !== place) {
        await courier.stop();
        return;
      }
      courier.onKeys((change) => {
        for (const listener of listeners) listener(change);
      });
      places.set(seat, { is: 'sitting', lease: place.lease, until: place.until, courier });
      metrics.count('courier_seats_taken', { how });
      log.info('seat.taken', { seat, how, device: row.deviceId, generation: place.lease.generation });
      parts.taken();
    } catch (error) {
      if (places.get(seat) !== place) {
        log.error('seat.not-opened', { seat, error: errorCode(error) });
        return;
      }
      notOpened(seat, place, error);
      await store.release(place.lease).catch(() => undefined); // it runs out by itself
    }
  };

  /** A database that was restored counts from an earlier number than a store that it finds: each taking is one more. */
  const raise = async (seat: number, place: Extract<Place, { is: 'opening' }>): Promise<void> => {
    const floor = devices.here(seat)?.generation ?? 0;
    for (let times = 0; place.lease.generation < floor; times += 1) {
      if (times === MOST_RAISES) throw new Error('the store was held by a generation far beyond the database\'s. Was an old copy of the database put back? Remove the store: the courier becomes a new device');
      await store.release(place.lease);
      const lease = await store.lease(seatLease(seat), worker, await clock(), SEAT_LEASE_MS);
      if (!lease) throw new SeatLost();
      place.lease = lease;
    }
  };

  /** Which device it is: the one of before when its store is here, or a new one, written down in the lease's name. */
  const settle = async (seat: number, { lease, removed }: Extract<Place, { is: 'opening' }>): Promise<{ readonly row: Seat; readonly how: 'first' | 'same' | 'new' | 'replaced' }> => {
    const before = await store.seat(seat);
    const here = devices.here(seat);
    const how = before === undefined ? 'first' : before.deviceId === removed ? 'replaced' : 'new';
    if (before && how !== 'replaced' && here?.storeId === before.storeId) return { row: before, how: 'same' };
    if (before) {
      // Refused from now on, whatever it still has in flight: only then is what the room holds all that it sent.
      await devices.retire(before.deviceId);
      log.warn('seat.device-retired', { seat, device: before.deviceId });
    }
    if (here && (before || seat !== 0)) devices.setAside(seat);
    const row: Seat = before ? { seat, ...devices.invent(seat), bornAt: await clock() } : { seat, ...devices.first(seat), bornAt: as<Millis>(0) };
    const because = how === 'replaced' ? 'the homeserver had removed the device before it' : 'the store of the device before it is not on this machine';
    const note: AuditNote | undefined = before && { at: row.bornAt, kind: 'courier', aggregate: `${seat}`, action: 'device.followed', because, detail: { device: row.deviceId, former: before.deviceId } };
    if (!await store.saveSeat(lease, row, note)) throw new SeatLost();
    return { row, how };
  };

  const tick = async (): Promise<void> => {
    if ([...places.values()].some(({ is }) => is === 'away')) {
      const at = await clock();
      const leases = new Map((await store.leases(seatLease(''))).map((lease) => [lease.name, lease]));
      for (const [seat, place] of places) {
        if (stopped || place.is !== 'away') continue;
        const lease = leases.get(seatLease(seat));
        await take(seat, place, lease !== undefined && lease.until > at ? lease.worker : undefined);
      }
    }
    for (const [seat, place] of places) if (place.is !== 'away') await renew(seat, place);
    await lookAtLeaving();
  };
  const safely = (): Promise<void> => tick().catch((error: unknown) => log.warn('seats.not-kept', { error: errorCode(error) }));
  const again = (): void => {
    turn = safely().then(() => {
      if (!stopped) timer = setTimeout(again, TICK_MS);
    });
  };

  return {
    start: again,
    tick,
    held: () => [...places.keys()].filter((seat) => sitting(seat) !== undefined),
    at: (seat) => sitting(seat)?.courier,
    onKeys: (listener) => {
      listeners.push(listener);
    },
    status: () => statusOf(places, { stopped: stopped ? 'yes' : 'no', worker, leaving: leaving.waiting() }),
    async prune(before) {
      for (const place of places.values()) if (place.is === 'sitting') await place.courier.prune(before);
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await turn;
      await Promise.all([...places].map(async ([seat, place]) => {
        if (place.is === 'away') return;
        places.set(seat, { is: 'away', failures: 0 });
        if (place.is === 'sitting') await place.courier.stop();
        await store.release(place.lease).catch(() => undefined);
      }));
      await Promise.all(openings);
    },
  };
}

/** Somebody else has the seat by now. */
class SeatLost extends Error {
  constructor() {
    super('the seat is another worker\'s by now');
    this.name = 'SeatLost';
  }
}
