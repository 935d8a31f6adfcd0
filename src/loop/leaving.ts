/**
 * Seats beyond those that there are: `courier.devices` was lowered. They are kept for what waits for their devices, which may have begun it and alone
 * know; then they leave.
 */
import type { Lease } from '../ports/store.ts';
import type { SeatsParts } from './seats.ts';

/** How often it is looked at which seats are to leave. When none is, a worker that was told of more seats than we may still have made one. */
const LOOK_MS = 5000;
const NONE_LOOK_MS = 60_000;

export type Leaving = {
  /** How many effects wait for each, as far as was looked. */
  waiting(): ReadonlyMap<number, number>;
  /** Looks again when it is time. */
  look(): Promise<'looked' | 'not-yet'>;
  /** Whether it is one of them, and nothing waits for it at this moment. */
  isDone(seat: number): Promise<boolean>;
  /** Ends its device, and puts its store away: should the seat come back, so will another device. Audited with it. False when the lease was lost. */
  retire(seat: number, lease: Lease, isOurs: () => boolean): Promise<boolean>;
};

export function createLeaving({ store, clock, terms, devices, steady, log }: Pick<SeatsParts, 'store' | 'clock' | 'terms' | 'devices' | 'steady' | 'log'>): Leaving {
  let waiting: ReadonlyMap<number, number> = new Map();
  let lookedAt = -Infinity;

  return {
    waiting: () => waiting,
    async look() {
      if (steady() - lookedAt < (waiting.size > 0 ? LOOK_MS : NONE_LOOK_MS)) return 'not-yet';
      lookedAt = steady();
      waiting = new Map((await store.seatsFrom(terms.seats)).map((each) => [each.seat, each.waiting]));
      return 'looked';
    },
    isDone: async (seat) => seat >= terms.seats && !(await store.seatsFrom(terms.seats)).some((each) => each.seat === seat && each.waiting > 0),
    async retire(seat, lease, isOurs) {
      const row = await store.seat(seat);
      if (!isOurs()) return false;
      if (row) await devices.retire(row.deviceId);
      if (devices.here(seat)) devices.setAside(seat);
      const retired = { device: row?.deviceId ?? 'none' };
      const note = { at: await clock(), kind: 'courier', aggregate: `${seat}`, action: 'seat.retired', because: 'there are fewer seats, and nothing waits for its device', detail: retired } as const;
      if (!await store.removeSeat(lease, seat, note)) return false;
      log.warn('seat.retired', { seat, ...retired });
      return true;
    },
  };
}
