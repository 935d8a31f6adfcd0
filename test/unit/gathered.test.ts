import { expect } from 'chai';
import { mock } from 'node:test';
import { createGathered } from '../../src/loop/gathered.ts';

describe('What comes from people', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('is told at once, then once in five seconds however much comes, with whom it came from', () => {
    const told: (readonly string[])[] = [];
    const came = createGathered(async (userIds) => void told.push(userIds));
    came(['@ada:x']);
    expect(told).to.deep.equal([['@ada:x']]);
    for (let index = 0; index < 1000; index += 1) came([index % 2 === 0 ? '@ben:x' : '@ada:x']);
    mock.timers.tick(4999);
    expect(told.length).to.equal(1);
    mock.timers.tick(1);
    expect(told.slice(1)).to.deep.equal([['@ben:x', '@ada:x']]);
    mock.timers.tick(60_000);
    expect(told.length, 'nothing more came').to.equal(2);
    came(['@cy:x']);
    expect(told.at(-1)).to.deep.equal(['@cy:x']);
  });

  it('is told again when it could not be', async () => {
    const told: (readonly string[])[] = [];
    let isAway = true;
    const came = createGathered(async (userIds) => { if (isAway) throw new Error('away'); told.push(userIds); });
    came(['@ada:x']);
    await new Promise(setImmediate);
    isAway = false;
    mock.timers.tick(5000);
    expect(told).to.deep.equal([['@ada:x']]);
  });

  it('is told again when it took longer to fail than the rest lasts', async () => {
    const told: (readonly string[])[] = [];
    let fail: ((error: Error) => void) | undefined = undefined as ((error: Error) => void) | undefined;
    const came = createGathered((userIds) => (fail === undefined ? new Promise<void>((_, reject) => { fail = reject; }) : Promise.resolve(void told.push(userIds))));
    came(['@ada:x']);
    mock.timers.tick(6000);
    fail?.(new Error('away'));
    await new Promise(setImmediate);
    mock.timers.tick(5000);
    expect(told).to.deep.equal([['@ada:x']]);
  });
});
