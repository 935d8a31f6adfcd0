import { expect } from 'chai';
import { as, type Millis, type UserId } from '../../src/domain/brand.ts';
import type { FoundAggregate } from '../../src/domain/decision.ts';
import { personName } from '../../src/domain/people/party.ts';
import type { Question } from '../../src/domain/policy/question.ts';
import { createWriters, type AskWriter } from '../../src/main/policy/writers.ts';
import { organisations } from '../support/reports.ts';

const bob = as<UserId>('@bob:mercy.example');
const ada = as<UserId>('@ada:stanne.example');

describe('Who may write in a room, asked of the policy', () => {
  let clock: number;
  let reads: number;
  let lookup: () => Promise<ReadonlyMap<string, FoundAggregate>>;
  let asked: Question[];
  let inForce: boolean;
  let ask: AskWriter;

  const party = (roles: readonly string[]): ReadonlyMap<string, FoundAggregate> => new Map([[personName(bob), { aggregate: { kind: 'party', id: 'bob' }, state: { id: 'bob', kind: 'person', name: 'Bob', members: [bob], identifiers: [], standing: { roles } } }]]);

  beforeEach(() => {
    [clock, reads, asked, inForce] = [1_800_000_000_000, 0, [], true];
    lookup = async () => party(['nurse']);
    ask = createWriters({
      store: { lookup: () => { reads += 1; return lookup(); } }, settings: () => ({ organisations, ownServer: 'mercy.example' }), isInForce: () => inForce, now: () => as<Millis>(clock),
      judge: (question) => { asked.push(question); return { allowed: question.who.roles.includes('nurse'), revision: 'r', rules: ['x'], message: '', warnings: [] }; },
    });
  });

  it('asks whether somebody of their role may send in that kind of room', async () => {
    expect(await ask(bob, 'consult')).to.deep.include({ roles: ['nurse'] }).and.to.have.nested.property('verdict.allowed', true);
    expect(asked[0]).to.deep.include({ action: 'send', target: { type: 'room', kind: 'consult' } });
  });

  it('asks the directory once in a minute, and then hears of another role', async () => {
    await ask(bob, 'consult');
    lookup = async () => party(['billing']);
    clock += 59_000;
    expect(await ask(bob, 'consult')).to.have.nested.property('verdict.allowed', true);
    clock += 2000;
    expect(await ask(bob, 'consult')).to.have.nested.property('verdict.allowed', false);
    expect(reads).to.equal(2);
  });

  for (const [what, answer] of [['is away', () => Promise.reject(new Error('away'))], ['hangs', () => new Promise<never>(() => undefined)]] as const) it(`goes by what was known last while the database ${what}, for five minutes and no longer`, async () => {
    await ask(bob, 'consult');
    lookup = answer;
    clock += 299_000;
    expect(await ask(bob, 'consult')).to.have.nested.property('verdict.allowed', true);
    clock += 2000;
    expect(await ask(bob, 'consult')).to.equal('unknown');
  });

  it('doesn\'t let somebody pass of whom nothing was ever known while the database is away', async () => {
    lookup = () => Promise.reject(new Error('away'));
    expect(await ask(bob, 'consult')).to.equal('unknown');
  });

  it('takes whom the directory doesn\'t name for a recipient in results rooms, and for a stranger elsewhere', async () => {
    lookup = async () => new Map();
    await ask(bob, 'results');
    await ask(bob, 'consult');
    expect(asked.map(({ who: { roles } }) => roles)).to.deep.equal([['recipient'], []]);
  });

  it('doesn\'t ask about people of a partner whose agreement ended: they answer what is open until they are led out', async () => {
    inForce = false;
    expect(await ask(ada, 'results')).to.equal('not-asked');
    expect(await ask(bob, 'results'), 'the hospital\'s own').to.be.an('object');
  });
});
