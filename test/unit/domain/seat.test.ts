import { expect } from 'chai';
import { as } from '../../../src/domain/brand.ts';
import { seatFor } from '../../../src/domain/rooms/seat.ts';

const parties = Array.from({ length: 3000 }, (_, index) => as<Parameters<typeof seatFor>[0]>(`dr-${index}`));
const share = (seats: number): readonly number[] => parties.reduce((counts, party) => counts.with(seatFor(party, seats), (counts[seatFor(party, seats)] ?? 0) + 1), Array.from({ length: seats }, () => 0));

describe('The seat for a room', () => {
  it('is the only one there is', () => expect(parties.every((party) => seatFor(party, 1) === 0)).to.equal(true));
  it('is shared out evenly', () => {
    for (const seats of [2, 3, 4, 8]) for (const count of share(seats)) expect(count, `${seats} seats: ${share(seats).join(', ')}`).to.be.within(0.85 * (3000 / seats), 1.15 * (3000 / seats));
  });
  it('changes, when there is one seat more, for the rooms of that seat alone', () => {
    for (const party of parties) expect([seatFor(party, 4), 4]).to.include(seatFor(party, 5));
  });
});
