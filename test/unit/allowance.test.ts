import { expect } from 'chai';
import { createAllowance } from '../../src/loop/allowance.ts';

describe('An allowance', () => {
  it('is so many at once, then one each so many milliseconds, and never more than so many', () => {
    let now = 0;
    const may = createAllowance(() => now, 3, 1000);
    const told = (): number => Array.from({ length: 10 }, () => may()).filter(Boolean).length;
    expect(told()).to.equal(3);
    now = 1500;
    expect(told()).to.equal(1);
    now = 2000;
    expect(told(), 'halves are kept').to.equal(1);
    now = 1_000_000;
    expect(told()).to.equal(3);
  });
});
