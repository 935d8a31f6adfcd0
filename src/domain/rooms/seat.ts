import type { PartyId } from '../brand.ts';
import { fnv1a } from '../fnv.ts';

/**
 * The courier's seat that a room is given when it is first wanted: rendezvous hashing, so that a seat more takes over its share of later rooms
 * and moves no others. A room stays with its seat: the device there knows who has which of its keys (architecture, invariants 9 and 10).
 */
export function seatFor(party: PartyId, seats: number): number {
  let best = 0;
  for (let seat = 1; seat < seats; seat += 1) if (weight(party, seat) > weight(party, best)) best = seat;
  return best;
}

/** The seat that a room has, unless there are fewer now than when it was given: then one of those. */
export const seatAmong = (seat: number, party: PartyId, seats: number): number => (seat < seats ? seat : seatFor(party, seats));

/** FNV-1a over the name, then the finaliser of MurmurHash3, so that neighbouring names and seats have nothing in common. 32 bits. */
function weight(party: PartyId, seat: number): number {
  let hash = fnv1a(`${seat}/${party}`);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
