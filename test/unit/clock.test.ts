import { expect } from 'chai';
import { as, type Millis } from '../../src/domain/brand.ts';
import { startClock } from '../../src/loop/clock.ts';

describe('A worker\'s clock', () => {
  /** A machine that has been on for `steady` ms, a database that answers after 10 ms. */
  let steady: number;
  let database: number;
  const store = { clock: async (): Promise<Millis> => { steady += 5; database += 5; const told = database; steady += 5; database += 5; return as<Millis>(told); } };
  const pass = (ms: number): void => { steady += ms; database += ms; };
  beforeEach(() => { steady = 50_000; database = 1_800_000_000_000; });

  it('is the database\'s, whatever the machine\'s own says', async () => {
    const clock = await startClock(store, () => steady);
    expect(clock.now()).to.equal(database);
    pass(700);
    expect(clock.now()).to.equal(database);
  });

  it('follows the database\'s when that is set, from the next look on', async () => {
    const clock = await startClock(store, () => steady);
    database -= 3_600_000;
    expect(clock.now()).to.equal(database + 3_600_000);
    await clock.look();
    expect(clock.now()).to.equal(database);
  });

  it('is behind, and never ahead, after its machine stood still: it takes nobody\'s lease for ended that isn\'t', async () => {
    const clock = await startClock(store, () => steady);
    database += 30_000;
    expect(clock.now()).to.be.lessThan(database);
  });

  it('goes on when the database doesn\'t answer', async () => {
    let isAway = false;
    const clock = await startClock({ clock: async () => { if (isAway) throw new Error('away'); return store.clock(); } }, () => steady);
    isAway = true;
    expect(await clock.look().then(() => 'told', () => 'away')).to.equal('away');
    pass(1000);
    expect(clock.now()).to.equal(database);
  });
});
