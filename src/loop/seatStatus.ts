import type { Couriers, CourierStatus, SeatStatus } from '../ports/courier.ts';
import type { Place } from './seats.ts';

type Whole = ReturnType<Couriers['status']>;

/** What a person is told of the seats, and of all of them as if they were one courier. */
export function statusOf(places: ReadonlyMap<number, Place>, { stopped, worker, leaving }: { readonly stopped: 'yes' | 'no'; readonly worker: string; readonly leaving: ReadonlyMap<number, number> }): Whole {
  const seats = [...places].map(([seat, place]): SeatStatus => ({ ...seatStatus(seat, place, worker), ...(leaving.has(seat) ? { leaving: { waiting: leaving.get(seat) ?? 0 } } : {}) }));
  const devices = [...places.values()].flatMap((place) => (place.is === 'sitting' ? [place.courier.status()] : []));
  const lastSyncAt = Math.max(...devices.map((device) => device.lastSyncAt ?? 0));
  const problem = seats.find((seat) => seat.problem !== undefined)?.problem;
  return {
    state: stopped === 'yes' ? 'stopped' : worstOf(seats.filter((seat) => seat.leaving === undefined)),
    restarts: devices.reduce((sum, { restarts }) => sum + restarts, 0),
    ...(lastSyncAt > 0 ? { lastSyncAt } : {}), ...(problem === undefined ? {} : { problem }), seats,
  };
}

function seatStatus(seat: number, place: Place, worker: string): SeatStatus {
  if (place.is === 'opening') return { seat, state: 'opening', holder: worker, ...(place.removed === undefined ? {} : { problem: `the homeserver has removed the courier's device ${place.removed}: another one takes its place` }) };
  if (place.is === 'sitting') {
    const { state, problem } = place.courier.status();
    return { seat, state, holder: worker, deviceId: place.courier.deviceId, ...(problem === undefined ? {} : { problem }) };
  }
  if (place.holder !== undefined) return { seat, state: 'elsewhere', holder: place.holder };
  return { seat, state: 'free', ...(place.problem === undefined ? {} : { problem: place.problem }) };
}

function worstOf(seats: readonly SeatStatus[]): CourierStatus['state'] {
  const states = new Set(seats.map(({ state }) => state));
  if (states.has('removed')) return 'removed';
  if (states.has('recovering') || states.has('lost')) return 'recovering';
  return states.has('free') || states.has('opening') || states.has('starting') || states.has('stopped') ? 'starting' : 'ready';
}
