import { expect } from 'chai';
import { together } from '../../src/adapters/crypto/together.ts';

describe('work that is done together for all who ask', () => {
  it('does at once what was asked for while it was under way', async () => {
    const done: (readonly string[])[] = [];
    const { promise: gate, resolve: open } = Promise.withResolvers<undefined>();
    const ask = together<string>(async (all) => {
      done.push(all);
      if (done.length === 1) await gate;
    });
    const first = ask(['a']);
    await Promise.resolve();
    const others = Array.from({ length: 100 }, (_, index) => ask([`b${index % 3}`]));
    open(undefined);
    await Promise.all([first, ...others]);
    expect(done).to.deep.equal([['a'], ['b0', 'b1', 'b2']]);
  });

  it('never settles by work that began before it was asked for', async () => {
    let runs = 0;
    const gates = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    const ask = together<never>(async () => gates[runs++]?.promise);
    const first = ask([]);
    await Promise.resolve();
    let isDone = false;
    const second = ask([]).then(() => { isDone = true; });
    gates[0]?.resolve(undefined);
    await first;
    expect(isDone).to.equal(false);
    gates[1]?.resolve(undefined);
    await second;
    expect(runs).to.equal(2);
  });

  it('fails for those it was done for, and goes on for others', async () => {
    let runs = 0;
    const ask = together<string>(async () => {
      runs += 1;
      if (runs === 1) throw new Error('away');
    });
    const [one, two] = await Promise.allSettled([ask(['a']), ask(['b'])]);
    expect([one.status, two.status]).to.deep.equal(['rejected', 'rejected']);
    await ask(['c']);
    expect(runs).to.equal(2);
  });
});
