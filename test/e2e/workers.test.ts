import { expect } from 'chai';
import { newWorkers, type Aceso } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { ADA_NPI, potassiumReport } from '../support/fhir.ts';
import { sharedHospitals, type Hospitals } from '../support/lab.ts';
import { openTestDatabase } from '../support/stores.ts';
import { until } from '../support/until.ts';

type Status = { readonly workers: readonly { readonly roles: readonly string[]; readonly state: string }[] };

describe('Aceso in several processes on one PostgreSQL', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let ada: Client;
  let all: Readonly<Record<'ingress' | 'decider' | 'other' | 'sender' | 'second', Aceso>>;

  before(async () => {
    hospitals = await sharedHospitals();
    const user = await hospitals.stAnne.register('workers', 'password-of-workers');
    ada = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'workers', password: 'password-of-workers' });
    all = await newWorkers({
      mercy: hospitals.mercy, slot: hospitals.takeSlot(), partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], postgresUrl: await openTestDatabase(),
      people: [{ id: 'dr-okafor', name: 'Dr. Ada Okafor', user_id: user, npi: ADA_NPI }],
    }, { ingress: ['ingress'], decider: ['decider', 'janitor'], other: ['decider'], sender: ['sender'], second: ['sender'] });
    const { second, ...first } = all;
    await Promise.all(Object.values(first).map((worker) => worker.start()));
    await second.start();
  });
  after(async () => {
    await Promise.all([ada.stop(), ...Object.values(all).map((worker) => worker.stop())]);
    all.ingress.remove();
  });

  const push = async (accession: string): Promise<void> => {
    const { status, text } = await all.ingress.push('/DiagnosticReport', potassiumReport({ accession, mrn: accession }));
    expect(status, text).to.equal(201);
  };
  const pushAll = async (name: string, count: number): Promise<readonly string[]> => {
    const accessions = Array.from({ length: count }, (_, index) => `${name}-${index}-`);
    for (const accession of accessions) await push(accession);
    return accessions;
  };
  const seen = (accession: string): number => ada.messages.filter(({ content }) => String(content['body']).includes(accession)).length;
  const arrivedOnce = async (accessions: readonly string[]): Promise<void> => {
    await until('every result to arrive', () => accessions.every((accession) => seen(accession) > 0), 60_000);
    expect(accessions.map(seen), 'each once').to.deep.equal(accessions.map(() => 1));
    expect(ada.undecryptable).to.deep.equal([]);
  };

  it('brings a result from the door of one, by the decisions of another, through the courier of a third', async () => {
    const started = performance.now();
    await arrivedOnce(await pushAll('first', 1));
    await arrivedOnce(await pushAll('second', 1));
    expect(performance.now() - started).to.be.lessThan(20_000);
  });

  it('shows who is at work, and each answers for its own health', async () => {
    const { workers } = await until('all to be seen', async () => {
      const status = await all.ingress.cli<Status>('status');
      return status.workers.length === 5 ? status : undefined;
    });
    expect(workers.map(({ roles, state }) => `${roles.join(' ')}: ${state}`).sort()).to.deep.equal(['decider janitor: alive', 'decider: alive', 'ingress: alive', 'sender: alive', 'sender: alive']);
    for (const worker of Object.values(all)) expect((await fetch(`${worker.operationsUrl}/metrics`)).status).to.equal(200);
    expect(await all.sender.push('/DiagnosticReport', potassiumReport()).then(({ status }) => status, () => 'closed'), 'a door that is not there').to.equal('closed');
  });

  it('goes on within 5 s when a decider is killed with facts in hand', async () => {
    await all.decider.stop();
    await all.decider.start({ ACESO_TEST_KILL_AT: 'decide.claimed:3' });
    const accessions = await pushAll('decider', 12);
    await until('it to be killed', () => all.decider.ended() === 'SIGKILL');
    const since = performance.now();
    await arrivedOnce(accessions);
    expect(performance.now() - since, 'milliseconds after the kill').to.be.lessThan(8000);
    await all.decider.start();
  });

  it('goes on within 5 s when the sender with the courier is killed between sending and saying so, and sends nothing twice', async () => {
    await all.second.stop();
    await all.sender.stop();
    await all.sender.start({ ACESO_TEST_KILL_AT: 'courier.put:4' });
    await all.second.start();
    const accessions = await pushAll('sender', 10);
    await until('it to be killed', () => all.sender.ended() === 'SIGKILL');
    const since = performance.now();
    await arrivedOnce(accessions);
    expect(performance.now() - since, 'milliseconds after the kill').to.be.lessThan(10_000);
    await all.sender.start();
  });

  it('stops in order, and is seen no more', async () => {
    await all.other.stop();
    expect(all.other.ended()).to.equal('code 0');
    const { workers } = await all.ingress.cli<Status>('status');
    expect(workers.filter(({ roles }) => roles.join(' ') === 'decider')).to.deep.equal([]);
    await arrivedOnce(await pushAll('fewer', 1));
  });
});
