import { expect } from 'chai';
import { newAceso, type Aceso } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { ADA_NPI, potassiumReport } from '../support/fhir.ts';
import { startHospitals, type Hospitals } from '../support/lab.ts';
import { until } from '../support/until.ts';

describe('A homeserver that restarts', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let aceso: Aceso;
  let ada: Client;

  before(async () => {
    hospitals = await startHospitals({ mercy: { slots: 1 } });
    const user = await hospitals.stAnne.register('ada', 'ada-password');
    ada = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'ada', password: 'ada-password' });
    aceso = await newAceso({ mercy: hospitals.mercy, slot: hospitals.takeSlot(), partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], people: [{ id: 'dr-okafor', name: 'Dr. Ada Okafor', user_id: user, npi: ADA_NPI }] });
  });
  after(async () => {
    await Promise.all([ada.stop(), aceso.stop()]);
    await hospitals.stop();
    aceso.remove();
  });

  const arrived = (accession: string): Promise<unknown> => ada.waitForMessage(({ content }) => String(content['body']).includes(accession), 60_000);
  const times = (accession: string): number => ada.messages.filter(({ content }) => String(content['body']).includes(accession)).length;

  it('between the send and its answer makes no second event', async () => {
    await aceso.start({ ACESO_TEST_KILL_AT: 'courier.put' });
    await aceso.push('/DiagnosticReport', potassiumReport({ accession: 'R-1' }));
    await until('Aceso to be killed with the event at the homeserver', () => aceso.ended(), 60_000);
    await hospitals.mercy.kill();
    await hospitals.mercy.start();
    await aceso.start();
    await aceso.delivery('sent', ({ eventId }) => eventId !== undefined);
    await arrived('R-1');
    await aceso.push('/DiagnosticReport', potassiumReport({ accession: 'R-2' }));
    await arrived('R-2');
    expect(times('R-1')).to.equal(1);
    expect(ada.undecryptable).to.deep.equal([]);
  });

  it('that is down when Aceso starts delays nothing but the sending: results are taken, and arrive', async () => {
    await aceso.stop();
    await hospitals.mercy.stop();
    await aceso.launch();
    // Until its rules and its database are open, the door says 503, come again: what isn't the homeserver's business.
    await until('the result to be taken', async () => (await aceso.push('/DiagnosticReport', potassiumReport({ accession: 'R-0' })).catch(() => undefined))?.status === 201);
    expect((await fetch(`${aceso.operationsUrl}/readyz`)).status).to.equal(503);
    await hospitals.mercy.start();
    await arrived('R-0');
    await until('Aceso to be ready', async () => (await fetch(`${aceso.operationsUrl}/readyz`)).ok);
  });

  it('while results come in loses none: they are taken, wait, and arrive once it is back', async () => {
    await hospitals.mercy.stop();
    const statuses = await Promise.all(['R-3', 'R-4', 'R-5'].map(async (accession) => (await aceso.push('/DiagnosticReport', potassiumReport({ accession }))).status));
    expect(statuses).to.deep.equal([201, 201, 201]);
    await aceso.delivery('visibly held meanwhile', ({ held }) => held?.code === 'unavailable');
    await hospitals.mercy.start();
    for (const accession of ['R-3', 'R-4', 'R-5']) await arrived(accession);
    await aceso.push('/DiagnosticReport', potassiumReport({ accession: 'R-6' }));
    await arrived('R-6');
    for (const accession of ['R-3', 'R-4', 'R-5']) expect(times(accession), accession).to.equal(1);
    expect((await aceso.deliveries()).filter(({ held }) => held)).to.deep.equal([]);
  });
});
