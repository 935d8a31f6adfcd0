import { expect } from 'chai';
import { as, type Millis, type RoomId, type SubjectId, type UserId } from '../../src/domain/brand.ts';
import type { FoundAggregate } from '../../src/domain/decision.ts';
import { personName } from '../../src/domain/people/party.ts';
import type { Question } from '../../src/domain/policy/question.ts';
import { createWriters, type AskWriter } from '../../src/main/policy/writers.ts';
import { organisations } from '../support/reports.ts';

const bob = as<UserId>('@bob:mercy.example');
const ada = as<UserId>('@ada:stanne.example');
const room = as<RoomId>('!r');
const patient = as<SubjectId>('patient-1');

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
    expect(await ask(bob, 'consult', room)).to.deep.include({ roles: ['nurse'] }).and.to.have.nested.property('verdict.allowed', true);
    expect(asked[0]).to.deep.include({ action: 'send', target: { type: 'room', kind: 'consult' } });
  });

  it('asks the directory once in a minute, and then hears of another role', async () => {
    await ask(bob, 'consult', room);
    lookup = async () => party(['billing']);
    clock += 59_000;
    expect(await ask(bob, 'consult', room)).to.have.nested.property('verdict.allowed', true);
    clock += 2000;
    expect(await ask(bob, 'consult', room)).to.have.nested.property('verdict.allowed', false);
    expect(reads).to.equal(2);
  });

  for (const [what, answer] of [['is away', () => Promise.reject(new Error('away'))], ['hangs', () => new Promise<never>(() => undefined)]] as const) it(`goes by what was known last while the database ${what}, for five minutes and no longer`, async () => {
    await ask(bob, 'consult', room);
    lookup = answer;
    clock += 299_000;
    expect(await ask(bob, 'consult', room)).to.have.nested.property('verdict.allowed', true);
    clock += 2000;
    expect(await ask(bob, 'consult', room)).to.equal('unknown');
  });

  it('doesn\'t let somebody pass of whom nothing was ever known while the database is away', async () => {
    lookup = () => Promise.reject(new Error('away'));
    expect(await ask(bob, 'consult', room)).to.equal('unknown');
  });

  it('takes whom the directory doesn\'t name for a recipient in results rooms, and for a stranger elsewhere', async () => {
    lookup = async () => new Map();
    await ask(bob, 'results', room);
    await ask(bob, 'consult', room);
    expect(asked.map(({ who: { roles } }) => roles)).to.deep.equal([['recipient'], []]);
  });

  it('doesn\'t ask about people of a partner whose agreement ended: they answer what is open until they are led out', async () => {
    inForce = false;
    expect(await ask(ada, 'results', room)).to.equal('not-asked');
    expect(await ask(bob, 'results', room), 'the hospital\'s own').to.be.an('object');
  });

  describe('in a room of patients', () => {
    const npi = { system: 'npi', value: '1' };
    const known = (more: Readonly<Record<string, unknown>>): ReadonlyMap<string, FoundAggregate> => new Map([
      [personName(bob), { aggregate: { kind: 'party', id: 'bob' }, state: { id: 'bob', kind: 'person', name: 'Bob', members: [bob], identifiers: [npi], standing: { roles: ['nurse'] } } }],
      [room, { aggregate: { kind: 'governed', id: 'k' }, state: { key: 'k', template: 'patient', ...more } }],
    ]);
    const team = (until?: number): readonly [string, FoundAggregate] => [patient, { aggregate: { kind: 'patient', id: patient }, state: { id: patient, teams: { t: { source: 'ehr', active: true, carers: [{ identifiers: [npi], ...(until === undefined ? {} : { until }) }] } } } }];
    const inCare = async (kind: 'patient' | 'care-team' | 'consult' | 'results', more: Readonly<Record<string, unknown>>, teams: readonly (readonly [string, FoundAggregate])[] = []): Promise<boolean | undefined> => {
      lookup = async () => new Map([...known(more), ...teams]);
      await ask(bob, kind, room);
      return asked.at(-1)?.circumstances.inCare;
    };

    it('the patient is in the care of whom a care team names, until their time is over', async () => {
      expect(await inCare('patient', { patient }, [team(clock + 10_000)])).to.equal(true);
      clock += 10_000;
      expect(await inCare('patient', { patient }, [team(clock)]), 'within the minute').to.equal(false);
    });
    it('of nobody else\'s, and of nobody\'s in a room that isn\'t known here', async () => {
      expect(await inCare('care-team', { patient })).to.equal(false);
      lookup = async () => party(['nurse']);
      await ask(bob, 'patient', as('!other'));
      expect(asked.at(-1)?.circumstances.inCare).to.equal(false);
    });
    it('of everybody\'s by the word of who made it, and where it is about no patient', async () => {
      expect(await inCare('patient', { inCare: 'attested' })).to.equal(true);
      clock += 61_000;
      expect(await inCare('care-team', { template: 'care-team' })).to.equal(true);
    });
    it('of whom it names only now, without a minute\'s wait', async () => {
      expect(await inCare('patient', { patient })).to.equal(false);
      clock += 2000;
      expect(await inCare('patient', { patient }, [team()])).to.equal(true);
    });
    it('and of no other room it is asked: a result reaches who is responsible for it', async () => {
      lookup = async () => party(['nurse']);
      for (const kind of ['results', 'consult'] as const) {
        await ask(bob, kind, as('!other'));
        expect(asked.at(-1)?.circumstances).to.include({ inCare: true, responsible: kind === 'results' });
      }
      expect(reads, 'the directory alone').to.equal(1);
    });
  });
});
