import { expect } from 'chai';
import { dumpDatabase, sharedHospitals, type Hospitals, type Session } from '../support/lab.ts';
import { matrix, text } from '../support/matrixHttp.ts';
import { query, sharedPostgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';

describe('the test laboratory', function () {
  this.timeout(60_000);
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

  function person(name: string): Session {
    const session = people.get(name);
    if (!session) throw new Error(`${name} isn't logged in`);
    return session;
  }
});
