import { expect } from 'chai';
import { setTimeout as pause } from 'node:timers/promises';
import { newAceso, type Aceso, type AcesoOptions } from '../support/aceso.ts';
import { startBalancer, type Balancer } from '../support/balancer.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { sharedHospitals, type Hospitals } from '../support/lab.ts';
import { matrixAnswer } from '../support/matrixHttp.ts';
import { encryptedContent } from '../support/megolm.ts';
import { policyServerFor, type PolicySettings } from '../support/policyServer.ts';
import { freePort } from '../support/ports.ts';
import { sees, tell } from '../support/results.ts';
import { openTestDatabase } from '../support/stores.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-instances';
const NPI = '1000000071';

describe('Two instances of the policy server under one name', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let balancer: Balancer;
  let one: Aceso; // takes what the homeserver brings, too
  let two: Aceso; // answers first
  let rest: Aceso;
  let ada: Client; // at St. Anne
  let bob: Client; // at Mercy
  let roomId: string;
  let ports: readonly [number, number];

  const put = async (client: Client, id: string, type: string, content: unknown): Promise<number> => {
    const hospital = client === ada ? hospitals.stAnne : hospitals.mercy;
    return (await matrixAnswer(hospital.baseUrl, `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/${type}/${id}`, { method: 'PUT', token: client.accessToken, body: content })).status;
  };

  before(async () => {
    hospitals = await sharedHospitals();
    const { mercy, stAnne } = hospitals;
    const settings = await policyServerFor(hospitals);
    ports = [await freePort(), await freePort()];
    balancer = await startBalancer(settings.port, ports);
    const users = [await stAnne.register('instance_ada', PASSWORD), await mercy.register('instance_bob', PASSWORD)];
    [ada, bob] = await Promise.all([startJsClient({ baseUrl: stAnne.baseUrl, user: 'instance_ada', password: PASSWORD }), startJsClient({ baseUrl: mercy.baseUrl, user: 'instance_bob', password: PASSWORD })]);
    const options: AcesoOptions = {
      mercy, slot: hospitals.takeSlot(), partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }], postgresUrl: await openTestDatabase(),
      teams: [{ id: 'icu', name: 'ICU', members: users, identifiers: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: NPI }] }],
    };
    const at = (port: number): PolicySettings => ({ ...settings, port });
    one = await newAceso({ ...options, worker: 'one', roles: ['ingress'], policyServer: at(ports[1]) });
    const shared = { ...options, folder: one.folder, token: one.token };
    two = await newAceso({ ...shared, worker: 'two', roles: ['ingress'], appservicePort: await freePort(), policyServer: at(ports[0]) });
    rest = await newAceso({ ...shared, worker: 'rest', roles: ['decider', 'sender', 'janitor'], policyServer: at(ports[0]) });
    await one.start();
    await Promise.all([two.start(), rest.start()]);
    await tell(one, 'TWO-1', NPI);
    ({ roomId } = await sees(ada, 'TWO-1', 60_000));
    await sees(bob, 'TWO-1');
  });
  after(async () => {
    await Promise.all([ada.stop(), bob.stop(), one.stop(), two.stop(), rest.stop()]);
    await balancer.stop();
    one.remove();
  });

  it('let sends go on within 5 seconds when one of them is killed under load; nothing forbidden passes, and what was refused meanwhile can be sent again', async () => {
    const sent: { readonly client: Client; readonly id: string; readonly content: unknown; status: number; at: number }[] = [];
    const forbidden: number[] = [];
    let isOver = false;
    const load = async (client: Client): Promise<void> => {
      for (let number = 0; !isOver; number += 1) {
        const each = { client, id: `load-${client === ada ? 'ada' : 'bob'}-${number}`, content: encryptedContent(), status: 0, at: 0 };
        sent.push(each);
        each.status = await put(client, each.id, 'm.room.encrypted', each.content);
        each.at = performance.now();
        forbidden.push(await put(client, `${each.id}-clear`, 'm.room.message', { msgtype: 'm.text', body: 'K 6.8 in clear' }));
        await pause(20);
      }
    };
    const loads = [load(ada), load(bob)];
    await until('the load to run', () => sent.filter(({ status }) => status === 200).length >= 10);
    const answeredFirst = balancer.taken.get(ports[0]) ?? 0;
    expect(answeredFirst, 'the one that is killed is the one that answers').to.be.greaterThan(0);
    await two.kill();
    const since = performance.now();
    const back = (client: Client): boolean => sent.some((each) => each.client === client && each.status === 200 && each.at > since);
    await until('sends to go on at both hospitals', () => back(ada) && back(bob), 10_000);
    const resumed = Math.max(...[ada, bob].map((client) => Math.min(...sent.filter((each) => each.client === client && each.status === 200 && each.at > since).map(({ at }) => at)))) - since;
    isOver = true;
    await Promise.all(loads);
    expect(resumed, 'milliseconds from the kill to the first that passed at each').to.be.lessThan(5000);
    expect(forbidden.filter((status) => status === 200), 'clear texts that passed').to.deep.equal([]);
    for (const each of sent.filter(({ status }) => status !== 200)) expect(await put(each.client, each.id, 'm.room.encrypted', each.content), `${each.id}, refused with ${each.status}, sent again`).to.equal(200);
    expect(balancer.taken.get(ports[1]) ?? 0, 'connections that the other took').to.be.greaterThan(0);
  });

  it('answer alike when the killed one is back, though only one of them hears what changes', async () => {
    await two.start();
    await one.stop();
    try {
      expect(await put(ada, 'back', 'm.room.encrypted', encryptedContent())).to.equal(200);
      expect(await put(bob, 'back-clear', 'm.room.message', { msgtype: 'm.text', body: 'K 6.8 in clear' })).to.equal(403);
    } finally {
      await one.start();
    }
  });
});
