import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { newAceso, type Aceso, type Person } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { ADA_NPI } from '../support/fhir.ts';
import { sharedHospitals, type Hospitals } from '../support/lab.ts';
import { sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-reload';

describe('A partner and a person that come into the configuration while Aceso runs', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let aceso: Aceso;
  let ada: Client;
  let person: Person;
  const change = (changes: Readonly<Record<string, unknown>>): void => writeFileSync(aceso.configFile, stringify({ ...(parse(readFileSync(aceso.configFile, 'utf8')) as object), ...changes }));

  before(async () => {
    hospitals = await sharedHospitals();
    person = { id: 'dr-okafor', name: 'Dr. Ada Okafor', user_id: await hospitals.stAnne.register('reload', PASSWORD), npi: ADA_NPI };
    ada = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'reload', password: PASSWORD });
    aceso = await newAceso({ mercy: hospitals.mercy, slot: hospitals.takeSlot(), partners: [] });
    await aceso.start();
  });
  after(async () => {
    await Promise.all([ada.stop(), aceso.stop()]);
    aceso.remove();
  });

  it('get their results, also what was held for want of them, without a restart', async () => {
    await tell(aceso, 'RELOAD-1', ADA_NPI);
    const unknown = await aceso.delivery('nobody to send it to', ({ held }) => held?.code === 'no-recipient');
    change({ directory: { people: [person] } });
    await aceso.cli('config', 'reload');
    await until('the directory to know her', async () => (await aceso.cli<readonly { readonly id: string }[]>('people', 'list')).some(({ id }) => id === person.id));
    await tell(aceso, 'RELOAD-2', ADA_NPI);
    await aceso.delivery('no agreement with her hospital', ({ party, held }) => party === person.id && held?.code === 'no-agreement');
    change({ partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }] });
    await aceso.cli('config', 'reload');
    await aceso.cli('held', 'assign', unknown.id, person.id);
    await aceso.cli('held', 'retry');
    await Promise.all([sees(ada, 'RELOAD-1', 60_000), sees(ada, 'RELOAD-2', 60_000)]);
    expect(ada.undecryptable).to.deep.equal([]);
  });
});
