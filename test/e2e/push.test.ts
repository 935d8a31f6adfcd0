import { expect } from 'chai';
import { newAceso, type Aceso, type Person } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { registerPusher, startPushGateway, type PushGateway } from '../support/clients/pushGateway.ts';
import { sharedHospitals, type Hospitals } from '../support/lab.ts';
import { matrix } from '../support/matrixHttp.ts';
import { sees, tell } from '../support/results.ts';

const PASSWORD = 'password-of-push';
const NPI = { ada: '1000000041', ben: '1000000042' } as const;
const CLINICAL = ['Quintana', 'Rosa', '1958', '00481516', 'otassium', 'mmol', 'aemolysed', '2823-3', 'PUSH-', 'critical', 'Okafor'];

describe('What wakes a phone, with the push rules that everybody has by default', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let aceso: Aceso;
  let ada: Client; // her app asks for event ids only, as today's do
  let ben: Client; // his asks for everything that the server knows
  let gateway: PushGateway;
  let fullGateway: PushGateway;

  before(async () => {
    hospitals = await sharedHospitals();
    const { mercy, stAnne } = hospitals;
    const people = await Promise.all((['ada', 'ben'] as const).map(async (id): Promise<Person> => ({ id, name: `Dr. ${id}`, user_id: await stAnne.register(`push_${id}`, PASSWORD), npi: NPI[id] })));
    aceso = await newAceso({ mercy, slot: hospitals.takeSlot(), people, partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }] });
    const start = (id: string): Promise<Client> => startJsClient({ baseUrl: stAnne.baseUrl, user: `push_${id}`, password: PASSWORD });
    [ada, ben, gateway, fullGateway] = await Promise.all([start('ada'), start('ben'), startPushGateway(), startPushGateway()]);
    await registerPusher({ baseUrl: stAnne.baseUrl, accessToken: ada.accessToken, gateway, format: 'event_id_only' });
    await registerPusher({ baseUrl: stAnne.baseUrl, accessToken: ben.accessToken, gateway: fullGateway, format: 'full' });
    await aceso.start();
    // The first result brings the invitation; the second finds them in the room.
    await tell(aceso, 'PUSH-1', NPI.ada);
    await tell(aceso, 'PUSH-1-b', NPI.ben);
    await Promise.all([sees(ada, 'PUSH-1'), sees(ben, 'PUSH-1-b')]);
  });
  after(async () => {
    await Promise.all([ada.stop(), ben.stop(), aceso.stop(), gateway.stop(), fullGateway.stop()]);
    aceso.remove();
  });

  it('is an event id, a room id and a count: the invitation and each result wake it, and the push service learns nothing else', async () => {
    await gateway.waitForPush(({ notification }) => notification['event_id'] !== undefined);
    await tell(aceso, 'PUSH-2', NPI.ada);
    const message = await sees(ada, 'PUSH-2');
    const { notification } = await gateway.waitForPush(({ notification: { event_id: id } }) => id === message.eventId);
    expect(notification).to.have.all.keys('event_id', 'room_id', 'counts', 'devices', 'prio');
    expect(notification).to.include({ event_id: message.eventId, room_id: message.roomId, prio: 'high' });
    expect(notification['counts']).to.have.property('unread');
    for (const marker of CLINICAL) expect(gateway.raw.join('\n'), marker).not.to.include(marker);
  });

  it('is ciphertext, names of the hospital and of no one else, for an app that asks for everything', async () => {
    await tell(aceso, 'PUSH-3', NPI.ben);
    const message = await sees(ben, 'PUSH-3');
    const { notification } = await fullGateway.waitForPush(({ notification: { event_id: id } }) => id === message.eventId);
    expect(notification).to.include({ type: 'm.room.encrypted', room_name: 'Clinical results', sender_display_name: 'Mercy General Hospital results' });
    expect(notification['content']).to.include.keys('ciphertext').and.not.include.keys('body', 'm.mentions', 'org.aceso.fhir');
    for (const marker of CLINICAL) expect(fullGateway.raw.join('\n'), marker).not.to.include(marker);
  });

  it('rings as a mention once it is decrypted, also where the person has set the room to mentions only', async () => {
    const first = await sees(ada, 'PUSH-1');
    await matrix(hospitals.stAnne.baseUrl, `/_matrix/client/v3/pushrules/global/room/${encodeURIComponent(first.roomId)}`, { method: 'PUT', token: ada.accessToken, body: { actions: [] } });
    await tell(aceso, 'PUSH-4', NPI.ada);
    expect((await sees(ada, 'PUSH-4')).highlighted).to.equal(true);
  });
});
