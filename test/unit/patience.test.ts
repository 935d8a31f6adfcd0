import { expect } from 'chai';
import { as, type Millis } from '../../src/domain/brand.ts';
import { nextWait } from '../../src/loop/patience.ts';

const at = as<Millis>(0);
const waits = (code: string): readonly (number | undefined)[] => [0, 1, 7, 15, 40].map((attempts) => nextWait(code, attempts, at, at));

describe('What failed is tried again', () => {
  it('after half a second, then after twice as long each time, up to a minute', () => expect(waits('unavailable')).to.deep.equal([500, 1000, 60_000, 60_000, 60_000]));
  it('up to six hours when it lacks keys: their coming wakes it', () => expect(waits('keys-missing')).to.deep.equal([500, 1000, 64_000, 16_384_000, 21_600_000]));
  it('no more once a month is over without its keys; anything else for ever', () => {
    const month = as<Millis>(30 * 86_400_000);
    expect([nextWait('keys-missing', 9, at, month), nextWait('unavailable', 9, at, month)]).to.deep.equal([undefined, 60_000]);
  });
  it('a file of a source for an hour from when it was asked for last, and no more after that', () => {
    const hour = as<Millis>(3_600_000);
    expect([nextWait('source-away', 0, at, hour), nextWait('source-away', 0, hour, hour)]).to.deep.equal([undefined, 500]);
  });
});
