import { expect } from 'chai';
import { paced } from '../../bench/load.ts';

describe('The load of npm run bench', () => {
  it('begins each at its time, whatever became of those before, and ends with the last of them', async () => {
    const began: number[] = [];
    let end = (): void => undefined;
    const held = new Promise<void>((resolve) => { end = resolve; });
    const started = performance.now();
    await paced(20, 100, async (index) => {
      began.push(performance.now() - started);
      if (index === 19) end();
      if (index === 0) await held;
    });
    expect(began.length).to.equal(20);
    for (const [index, at] of began.entries()) expect(at, `no sooner than its time: ${index}`).to.be.at.least(index * 10 - 2);
  });
});
