import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bringParties } from '../../src/main/directory.ts';
import { enrolCsv } from '../../src/main/people.ts';
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
});
