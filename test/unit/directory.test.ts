import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bringParties } from '../../src/main/directory.ts';
import type { LoadedConfig } from '../../src/config/load.ts';
import { as } from '../../src/domain/brand.ts';
import type { Party } from '../../src/domain/people/party.ts';
import { enrol, enrolCsv, knownRoles } from '../../src/main/people.ts';
import { ada, ben, T0 } from '../support/reports.ts';
import { openTestStore, type OpenStore } from '../support/stores.ts';

describe('Bringing people into the directory', () => {
  let open: OpenStore;
  const taken = async (): Promise<number> => (await open.store.counts(T0)).undecided;
  const csv = (...lines: readonly string[]): string => {
    const path = join(open.folder, 'people.csv');
    writeFileSync(path, ['id,name,user_id,npi', ...lines].join('\n'));
    return path;
  };
  const outcome = (run: Promise<unknown>): Promise<string> => run.then(() => 'taken', (error: unknown) => (error as Error).message);
  beforeEach(async () => { open = await openTestStore('sqlite', () => T0); });
  afterEach(() => open.store.close());

  it('refuses two who come together with one identifier: neither is taken', async () => {
    expect(await outcome(bringParties(open.store, [ada, { ...ben, identifiers: ada.identifiers }], 'it', 'now'))).to.include('already belongs to dr-okafor');
    expect(await taken()).to.equal(0);
  });

  it('takes all lines of a file or none', async () => {
    const first = 'dr-okafor,Dr. Ada Okafor,@ada:stanne.example,1234567893';
    expect(await outcome(enrolCsv(open.store, csv(first, 'dr-ruiz,Dr. Ben Ruiz,@ben:mercy.example,1234567893'), 'it', undefined)), 'one NPI twice').to.include('1234567893 already belongs to dr-okafor');
    expect(await outcome(enrolCsv(open.store, csv(first, 'dr-okafor,Dr. Ben Ruiz,@ben:mercy.example,'), 'it', undefined)), 'one short name twice').to.include('already belongs to dr-okafor');
    expect(await taken()).to.equal(0);
    expect(await outcome(enrolCsv(open.store, csv(first, 'dr-ruiz,Dr. Ben Ruiz,@ben:mercy.example,'), 'it', undefined))).to.equal('taken');
    expect(await taken()).to.equal(2);
  });

  const facts = async (): Promise<readonly (Party | undefined)[]> => (await open.store.claimFacts('w', as(Date.now() + 1000), 1000, 10)).map(({ work: { body } }) => (body.type === 'party.changed' ? body.party : undefined));

  it('takes roles and what else rules look at from a command, over what is known, and from the columns of a file', async () => {
    const { standing: _, ...bare } = ada;
    await enrol(open.store, 'dr-okafor', { name: ada.name, userId: ada.members, npi: '1234567893', role: ['physician', 'privacy-officer'], department: 'ICU', trained: '2026-09-30', mfa: 'yes', by: 'it' });
    const path = join(open.folder, 'roles.csv');
    writeFileSync(path, 'id,name,user_id,npi,roles,department,trained_at\nrn-cole,Cole RN,@cole:mercy.example,,nurse;unit-clerk,ICU,2026-01-31\nrn-dee,Dee RN,@dee:mercy.example,,,,\n');
    await enrolCsv(open.store, path, 'it', undefined);
    expect(await facts()).to.deep.equal([
      { ...bare, standing: { roles: ['physician', 'privacy-officer'], department: 'ICU', mfa: true, trainedAt: Date.UTC(2026, 8, 30) } },
      { id: 'rn-cole', kind: 'person', name: 'Cole RN', members: ['@cole:mercy.example'], identifiers: [], standing: { roles: ['nurse', 'unit-clerk'], department: 'ICU', trainedAt: Date.UTC(2026, 0, 31) } },
      { id: 'rn-dee', kind: 'person', name: 'Dee RN', members: ['@dee:mercy.example'], identifiers: [] },
    ]);
    expect(await outcome(enrol(open.store, 'dr-okafor', { trained: '30.9.2026', userId: ada.members, by: 'it' }))).to.include('a day is written 2026-09-30');
  });

  it('takes nobody with a role that the rules don\'t know', async () => {
    const config = { at: (name: string) => name } as unknown as LoadedConfig;
    expect(await outcome(knownRoles(config, ['nurse', 'physican']))).to.include('physican is not a role. There are physician');
    expect(await outcome(knownRoles(config, ['nurse']))).to.equal('taken');
  });
});
