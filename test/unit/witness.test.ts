import { expect } from 'chai';
import { as, type Millis } from '../../src/domain/brand.ts';
import { createWitness, type Witness } from '../../src/loop/witness.ts';
import type { IncomingFact } from '../../src/ports/store.ts';

const DAY = 86_400_000;

describe('What the policy server\'s door notes of partners\' homeservers', () => {
  let clock: number;
  let facts: IncomingFact[];
  let mood: { away?: true; known?: true };
  let witness: Witness;
  const quiet = (): void => undefined;
  const asks = (change: object = {}): void => witness.note({ origin: 'stanne.example', sender: as('@ada:stanne.example'), type: 'm.room.encrypted', sentAt: as(clock), room: { guardedSince: as(0), members: new Map([['@ada:stanne.example', { membership: 'join', by: as('@ada:stanne.example'), at: as(0) }]]) }, rule: 'encrypted', event: as('$e'), ...change });
  const told = async (): Promise<readonly string[]> => { await witness.stop(); return facts.map(({ aggregate: { id }, body }) => (body.type === 'partner.seen' ? `${id} ${body.trait} ${body.honoured} ${body.source} ${body.rooms.join(' ')}`.trim() : body.type)); };

  beforeEach(() => {
    [clock, facts, mood] = [1_800_000_000_000, [], {}];
    witness = createWitness({
      ownServer: 'mercy.example', now: () => as<Millis>(clock), log: { info: quiet, warn: quiet, error: quiet },
      store: {
        receive: async (incoming) => { if (mood.away) throw new Error('away'); facts.push(...incoming); return []; },
        load: async () => (mood.known ? { state: {}, version: 1 } : undefined),
        states: async () => [{ party: { id: 'ada' }, servers: ['mercy.example', 'stanne.example'] }, { party: { id: 'bob' }, servers: ['mercy.example'] }],
      },
    });
  });

  it('is told once a day, however much is asked; of a partner that isn\'t known yet, with the rooms that rely on it', async () => {
    for (let n = 0; n < 500; n += 1) asks();
    expect(await told()).to.deep.equal(['stanne.example asks-before-sending yes traffic ada']);
    clock += DAY;
    mood.known = true;
    asks();
    expect((await told()).slice(1)).to.deep.equal(['stanne.example asks-before-sending yes traffic']);
  });

  it('is told once an hour when it is amiss, and at once when it is tried', async () => {
    for (let n = 0; n < 3; n += 1) asks({ origin: 'mercy.example' });
    for (let n = 0; n < 2; n += 1) asks({ sender: as('@policy:policy.example'), type: 'org.aceso.probe', rule: 'probe' });
    expect((await told()).map((each) => each.replace(' ada', ''))).to.deep.equal(['stanne.example asks-before-sending no traffic', 'stanne.example asks-about-received yes check', 'stanne.example asks-about-received yes check']);
  });

  it('is told with the next question when the database was away', async () => {
    mood.away = true;
    asks();
    expect(await told()).to.deep.equal([]);
    delete mood.away;
    asks();
    expect(await told()).to.have.length(1);
  });
});
