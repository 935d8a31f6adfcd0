import { expect } from 'chai';
import { createDeadlines, type Deadline } from '../../../src/adapters/federation/deadlines.ts';
import { until } from '../../support/until.ts';

const never = (): Promise<never> => new Promise(() => undefined);

describe('The deadline of a question', () => {
  it('leaves what is found out in time as it is, also that it failed', async () => {
    const { within } = createDeadlines();
    expect(await within(60_000, async () => 'found', 'late')).to.equal('found');
    expect(await within(60_000, () => Promise.reject(new Error('broken')), 'late').catch(String)).to.equal('Error: broken');
  });

  it('ends the wait for what hangs when it is over, and says so to the work, so that nothing more is begun', async () => {
    const { within } = createDeadlines();
    let seen: Deadline | undefined;
    const began = performance.now();
    const answer = await within(300, (deadline) => { seen = deadline; return never(); }, 'late');
    expect(answer).to.equal('late');
    expect(performance.now() - began, 'a tick sooner at most').to.be.greaterThan(240);
    expect(seen?.isOver).to.equal(true);
  });

  it('ends each wait by its own time, whichever began first', async () => {
    const { within } = createDeadlines();
    const ended: string[] = [];
    const wait = async (ms: number, name: string): Promise<void> => { await within(ms, never, undefined); ended.push(name); };
    await Promise.all([wait(600, 'long'), wait(100, 'short')]);
    expect(ended).to.deep.equal(['short', 'long']);
  });

  it('hears no more of work that fails after its time', async () => {
    const { within } = createDeadlines();
    let fail = (_: Error): void => undefined;
    expect(await within(60, () => new Promise<never>((_, reject) => { fail = reject; }), 'late')).to.equal('late');
    fail(new Error('too late: unheard, this test would end with it'));
    expect(await within(60_000, async () => 'next', 'late')).to.equal('next');
  });

  it('needs one clock for any number of questions, which stops when there are none', async () => {
    const { setInterval: start, clearInterval: stop } = globalThis;
    // Those of other questions stop meanwhile, too.
    const [started, running] = [[] as unknown[], new Set<unknown>()];
    globalThis.setInterval = ((...given: Parameters<typeof start>) => { const clock = start(...given); started.push(clock); running.add(clock); return clock; });
    globalThis.clearInterval = (clock) => { running.delete(clock); stop(clock); };
    try {
      const { within } = createDeadlines();
      let go = (): void => undefined;
      const held = new Promise<void>((resolve) => { go = resolve; });
      const all = Array.from({ length: 1000 }, () => within(60_000, () => held, undefined));
      expect([started.length, running.size]).to.deep.equal([1, 1]);
      go();
      await Promise.all(all);
      await until('the clock to stop', () => running.size === 0);
      await within(60_000, async () => undefined, undefined);
      expect(started.length).to.equal(2);
      await until('it to stop again', () => running.size === 0);
    } finally {
      globalThis.setInterval = start;
      globalThis.clearInterval = stop;
    }
  });
});
