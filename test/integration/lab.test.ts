import { expect } from 'chai';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { missingForNheko, startNheko } from '../support/clients/nheko.ts';
import { startNioClient } from '../support/clients/nio.ts';
import { registerPusher, startPushGateway } from '../support/clients/pushGateway.ts';
import { dumpDatabase, sharedHospitals, type Hospitals, type Session } from '../support/lab.ts';
import { matrix, text } from '../support/matrixHttp.ts';
import { query, sharedPostgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';

describe('the test laboratory', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  const people = new Map<string, Session>();

  before(async () => {
    hospitals = await sharedHospitals();
    for (const [hospital, user] of [[hospitals.mercy, 'lab_anna'], [hospitals.stAnne, 'lab_bela']] as const) {
      await hospital.register(user, 'a long password');
      people.set(user, await hospital.login(user, 'a long password'));
    }
  });

  it('carries a message from Mercy to St. Anne', async () => {
    const anna = person('lab_anna');
    const bela = person('lab_bela');
    const room = text(await matrix(anna.baseUrl, '/_matrix/client/v3/createRoom', { token: anna.accessToken, body: { preset: 'private_chat', invite: [bela.userId] } }), 'room_id');
    const path = (rest: string): string => `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/${rest}`;
    await until('the invitation to be accepted', () => matrix(bela.baseUrl, `/_matrix/client/v3/join/${encodeURIComponent(room)}?via=${hospitals.mercy.serverName}`, { token: bela.accessToken, body: {} }));
    const eventId = text(await matrix(anna.baseUrl, path('send/m.room.message/1'), { method: 'PUT', token: anna.accessToken, body: { msgtype: 'm.text', body: 'over the wall' } }), 'event_id');
    const seen = await until('the message at St. Anne', () => matrix(bela.baseUrl, path(`event/${encodeURIComponent(eventId)}`), { token: bela.accessToken }));
    expect(seen).to.have.nested.property('content.body', 'over the wall');
    expect(await dumpDatabase(hospitals.stAnne)).to.include('over the wall');
  });

  it('has clients of two independent makes that decrypt each other across federation', async () => {
    const { mercy, stAnne } = hospitals;
    await mercy.register('lab_carla', 'a long password');
    await stAnne.register('lab_dora', 'a long password');
    const [carla, dora] = await Promise.all([
      startJsClient({ baseUrl: mercy.baseUrl, user: 'lab_carla', password: 'a long password' }),
      startNioClient({ baseUrl: stAnne.baseUrl, user: 'lab_dora', password: 'a long password' }),
    ]);
    try {
      const room = await encryptedRoom(carla, [dora.userId]);
      await until('dora to join', () => carla.joinedRooms.has(room) && dora.joinedRooms.has(room));
      const question = await carla.send(room, { msgtype: 'm.text', body: 'potassium 6.9 mmol/L' });
      expect(await dora.waitForMessage(({ eventId }) => eventId === question)).to.deep.include({ wasEncrypted: true, content: { msgtype: 'm.text', body: 'potassium 6.9 mmol/L' } });
      const answer = await dora.reply(room, question, 'on my way');
      expect(await carla.waitForMessage(({ eventId }) => eventId === answer)).to.deep.include({ wasEncrypted: true, shieldReason: 'UNSIGNED_DEVICE' });
      const thumb = await dora.react(room, question, '👍');
      expect(await carla.waitForMessage(({ eventId }) => eventId === thumb)).to.include({ type: 'm.reaction', wasEncrypted: false });
      for (const hospital of [mercy, stAnne]) expect(await dumpDatabase(hospital)).to.not.include('potassium 6.9');
    } finally {
      await Promise.all([carla.stop(), dora.stop()]);
    }
  });

  it('has a push gateway that sees what a phone service would see', async () => {
    const anna = person('lab_anna');
    const gateway = await startPushGateway();
    try {
      await registerPusher({ baseUrl: anna.baseUrl, accessToken: anna.accessToken, gateway, format: 'event_id_only' });
      await hospitals.mercy.register('lab_emil', 'a long password');
      const emil = await hospitals.mercy.login('lab_emil', 'a long password');
      const room = text(await matrix(emil.baseUrl, '/_matrix/client/v3/createRoom', { token: emil.accessToken, body: { preset: 'trusted_private_chat', invite: [anna.userId], is_direct: true } }), 'room_id');
      const push = await gateway.waitForPush(({ notification }) => notification['room_id'] === room);
      expect(push.notification).to.include.keys('event_id', 'counts').and.to.not.include.keys('content', 'sender');
    } finally {
      await gateway.stop();
    }
  });

  it('shows what a person reads in nheko, a stock desktop client', async function () {
    const missing = missingForNheko();
    if (missing.length > 0) {
      if (this.test) this.test.title += ` (not run on ${new Date().toISOString().slice(0, 10)}: ${missing.join(', ')} not installed)`;
      this.skip();
    }
    const { mercy } = hospitals;
    for (const user of ['lab_frida', 'lab_greta']) await mercy.register(user, 'a long password');
    const frida = await mercy.login('lab_frida', 'a long password', 'nheko');
    const [nheko, greta] = await Promise.all([startNheko(frida), startJsClient({ baseUrl: mercy.baseUrl, user: 'lab_greta', password: 'a long password' })]);
    if (nheko === 'not installed') throw new Error('nheko was there a moment ago');
    try {
      const room = await encryptedRoom(greta, [frida.userId], 'Ward 4 results');
      await matrix(mercy.baseUrl, `/_matrix/client/v3/join/${encodeURIComponent(room)}`, { token: frida.accessToken, body: {} });
      await greta.send(room, { msgtype: 'm.text', body: 'Potassium critical' });
      await nheko.openRoom('Ward 4');
      await nheko.waitForText(/Potassium critical/);
      await nheko.reply('Acknowledged');
      const answer = await greta.waitForMessage(({ sender }) => sender === frida.userId);
      expect(answer).to.include({ wasEncrypted: true, shieldColour: 'none' });
    } finally {
      await Promise.all([nheko.stop(), greta.stop()]);
    }
  });

  it('gives each taker an appservice that Mercy knows', async () => {
    const slot = hospitals.takeSlot();
    const answer = await matrix(hospitals.mercy.baseUrl, '/_matrix/client/v3/account/whoami', { token: slot.asToken });
    expect(answer).to.have.property('user_id', `@${slot.senderLocalpart}:${hospitals.mercy.serverName}`);
    expect(hospitals.takeSlot().id).to.not.equal(slot.id);
  });

  it('has a PostgreSQL with databases of UTF-8 and C collation', async () => {
    const url = await (await sharedPostgres()).createDatabase('lab');
    const rows = await query(url, `SELECT 1 AS one, pg_encoding_to_char(encoding) AS encoding, datcollate FROM pg_database WHERE datname = 'lab'`);
    expect(rows).to.deep.equal([{ one: 1, encoding: 'UTF8', datcollate: 'C' }]);
  });

  async function encryptedRoom(by: Client, invite: readonly string[], name = 'results'): Promise<string> {
    const encryption = { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } };
    return text(await matrix(hospitals.mercy.baseUrl, '/_matrix/client/v3/createRoom', { token: by.accessToken, body: { name, preset: 'private_chat', invite, initial_state: [encryption] } }), 'room_id');
  }

  function person(name: string): Session {
    const session = people.get(name);
    if (!session) throw new Error(`${name} isn't logged in`);
    return session;
  }
});
