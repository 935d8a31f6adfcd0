import { expect } from 'chai';
import { createPace, MOST_UNDECIDED } from '../../src/loop/pace.ts';
import { until } from '../support/until.ts';

describe('The pace at which results are taken', () => {
  let undecided: number | Error;
  let asked: number;
  let skipped: number;
  const steady = (): number => performance.now() + skipped;
  const count = async (limit: number): Promise<number> => {
    asked += 1;
    if (undecided instanceof Error) throw undecided;
    return Math.min(undecided, limit);
  };
  beforeEach(() => { [undecided, asked, skipped] = [0, 0, 0]; });

  it('is as they come while few wait to be decided, and costs one look for all of a moment', async () => {
    const pace = createPace(count, steady);
    undecided = MOST_UNDECIDED;
    await Promise.all(Array.from({ length: 50 }, () => pace.wait()));
    expect(asked).to.equal(1);
  });

  it('waits while more do, until they are decided', async () => {
    const pace = createPace(count, steady);
    undecided = MOST_UNDECIDED + 1;
    let isTaken = false;
    const taken = pace.wait().then(() => { isTaken = true; });
    await until('it to look again', () => asked >= 2);
    expect(isTaken).to.equal(false);
    undecided = MOST_UNDECIDED;
    await taken;
  });

  it('turns nobody away: after five seconds a result is taken all the same', async () => {
    const pace = createPace(count, steady);
    undecided = 1_000_000;
    const taken = pace.wait();
    await until('it to look', () => asked >= 1);
    skipped = 5000;
    await taken;
  });

  it('is not slowed by a database that can\'t be asked: what stores the result tells of that', async () => {
    const pace = createPace(count, steady);
    undecided = new Error('gone');
    await pace.wait();
  });
});
