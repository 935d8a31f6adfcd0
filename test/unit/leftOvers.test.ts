import { expect } from 'chai';
import { as } from '../../src/domain/brand.ts';
import type { FoundAggregate } from '../../src/domain/decision.ts';
import type { LeftOver } from '../../src/domain/policy/leftOver.ts';
import { createLeftOvers, type LeftOvers } from '../../src/loop/leftOvers.ts';
import type { IncomingFact } from '../../src/ports/store.ts';
import { T0 } from '../support/reports.ts';
import { until } from '../support/until.ts';

describe('What was refused and is taken out', () => {
  const left = (id: string): LeftOver => ({ roomId: as('!r'), eventId: as(id), sender: as('@eve:eastside.example') });
  let received: IncomingFact[];
  let counted: string[];
  let failures: number;
  let leftOvers: LeftOvers;
  beforeEach(() => {
    [received, counted, failures] = [[], [], 0];
    leftOvers = createLeftOvers({
      store: {
        lookup: async () => {
          if (failures > 0) { failures -= 1; throw new Error('the database is away'); }
          return new Map([['!r', { aggregate: { kind: 'governed', id: 'k' } } as FoundAggregate]]);
        },
        receive: async (facts) => { received.push(...facts); return []; },
      },
      now: () => T0, log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      metrics: { count: (name, labels) => void counted.push(`${name} ${labels?.['outcome'] ?? ''}`), observe: () => undefined }, nudge: () => undefined,
    });
  });
  afterEach(() => leftOvers.stop());

  it('becomes a fact of its room once, though each hospital asks about it', async () => {
    leftOvers.note(left('$a'));
    leftOvers.note(left('$a'));
    await until('the fact', () => received.length > 0, 5000);
    await leftOvers.stop();
    expect(received).to.deep.equal([{ source: 'matrix', key: 'refused:$a', aggregate: { kind: 'governed', id: 'k' }, at: T0, body: { type: 'room.clear-text', roomId: '!r', eventId: '$a', sender: '@eve:eastside.example' } }]);
  });

  it('is tried again while the database is away', async () => {
    failures = 2;
    leftOvers.note(left('$a'));
    await until('the fact', () => received.length === 1, 5000);
  });

  it('is bounded: whoever sends thousands can\'t have the guardian send as many', async () => {
    for (let index = 0; index < 2100; index += 1) leftOvers.note(left(`$${index}`));
    expect(counted.filter((line) => line === 'policy_left_over too-many')).to.have.length(100);
    await leftOvers.stop();
    expect(received.length).to.be.lessThan(100);
  });
});
