/** Who may take a free seat, and when. */
import type { Courier } from '../ports/courier.ts';
import type { Lease, Seat } from '../ports/store.ts';

/** How long a seat's lease holds without being renewed. Milliseconds. */
export const SEAT_LEASE_MS = 2500;
export const seatLease = (seat: number | ''): string => `courier/${seat}`;

export type SeatTerms = {
  /** How many there are. */
  readonly seats: number;
  /** How long a seat is left to a worker that has its store, before another one takes it with a new device. */
  readonly takeoverMs: number;
  /** `patient`: other workers may have seats. `at-once`: there is one worker, and whoever held a seat when it starts is dead. */
  readonly manner: 'patient' | 'at-once';
};

/** What a seat needs of the machine and the homeserver. */
export type SeatDevices = {
  /** The seat's store on this machine. `storeId` is undefined for one of before stores had names, or a damaged one. Throws when it can't be read now. */
  here(seat: number): { readonly storeId: string | undefined; readonly generation: number } | undefined;
  /** The device and store for a seat on which nobody has sat; an installation of before keeps its own. */
  first(seat: number): Pick<Seat, 'deviceId' | 'storeId'>;
  /** A new device and store. */
  invent(seat: number): Pick<Seat, 'deviceId' | 'storeId'>;
  /** Puts the seat's store away for good: its device is followed by another one. */
  setAside(seat: number): void;
  /** Ends a device at the homeserver. Rejects when that can't be had now. */
  retire(deviceId: string): Promise<void>;
  /** Rejects, with what to do, when the device's store can't be opened. */
  open(seat: Seat, lease: Lease): Promise<Courier>;
};

/** A worker that has a seat leaves others this long to take the next one, so that seats spread. Milliseconds. */
const OTHERS_FIRST_MS = 250;
/** The same for a seat on which nobody has ever sat: workers of a new installation start one after the other. */
const FIRST_TIME_MS = 5000;

export type FreeSeat = {
  readonly row: Seat | undefined;
  readonly here: ReturnType<SeatDevices['here']>;
  /** How many seats this worker has. */
  readonly taken: number;
  readonly terms: SeatTerms;
};

/** How long a seat must have been free before this worker takes it. Milliseconds. */
export function waitFor({ row, here, taken, terms }: FreeSeat): number {
  if (row && here?.storeId !== row.storeId) return terms.takeoverMs;
  if (taken === 0 || terms.manner === 'at-once') return 0;
  return row ? OTHERS_FIRST_MS : FIRST_TIME_MS;
}
