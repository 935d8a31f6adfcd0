import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { newAceso, type Aceso, type Person } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { sharedHospitals, type Hospitals, type Slot } from '../support/lab.ts';
import { matrix, matrixAnswer, text } from '../support/matrixHttp.ts';
import { asGuardian, heldList, sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-rooms';
const NPI = { ada: '1000000021', bob: '1000000022', nod: '1000000023', eve: '1000000024', icu: '1000000025', night: '1000000026' } as const;
const SYSTEM = 'http://hl7.org/fhir/sid/us-npi';

type StateEvent = { readonly type: string; readonly state_key: string; readonly content: Readonly<Record<string, unknown>> };

describe('A results room', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let slot: Slot;
  let aceso: Aceso;
  let ada: Client; // at St. Anne
  let bob: Client; // at Mercy itself
  let roomId: string; // ada's
  let state: readonly StateEvent[];
  const clients: Client[] = [];
  const client = async (user: 'ada' | 'bob' | 'eve'): Promise<Client> => {
    const started = await startJsClient({ baseUrl: hospitals[user === 'bob' ? 'mercy' : 'stAnne'].baseUrl, user: `rooms_${user}`, password: PASSWORD });
    clients.push(started);
    return started;
  };
  const stateOf = async (roomId: string): Promise<readonly StateEvent[]> => JSON.parse(text(await asGuardian(hospitals.mercy, slot, `/rooms/${encodeURIComponent(roomId)}/state`), 'text')) as readonly StateEvent[]; // a list, which is no JSON object
  const contentOf = (state: readonly StateEvent[], type: string): StateEvent['content'] | undefined => state.find((event) => event.type === type && event.state_key === '')?.content;
  const joined = (state: readonly StateEvent[]): readonly string[] => state.filter(({ type, content }) => type === 'm.room.member' && content['membership'] === 'join').map(({ state_key: user }) => user).sort();
  const own = (name: 'guardian' | 'courier'): string => `@${slot.prefix}${name}:${hospitals.mercy.serverName}`;

  before(async () => {
    hospitals = await sharedHospitals();
    const { mercy, stAnne } = hospitals;
    slot = hospitals.takeSlot();
    const at = async (hospital: Hospitals['mercy'], id: 'ada' | 'bob' | 'nod' | 'eve'): Promise<Person> => ({ id, name: `Dr. ${id}`, user_id: await hospital.register(`rooms_${id}`, PASSWORD), npi: NPI[id] });
    const people = await Promise.all([at(stAnne, 'ada'), at(mercy, 'bob'), at(mercy, 'nod'), at(stAnne, 'eve')]);
    const team = (id: 'icu' | 'night', members: readonly number[]): unknown => ({ id, name: id, members: members.map((index) => people[index]?.user_id), identifiers: [{ system: SYSTEM, value: NPI[id] }] });
    aceso = await newAceso({ mercy, slot, partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }], people, teams: [team('icu', [0, 1]), team('night', [1, 2])] });
    [ada, bob] = await Promise.all([client('ada'), client('bob')]);
    await aceso.start();
    await tell(aceso, 'R-1', NPI.ada);
    ({ roomId } = await sees(ada, 'R-1'));
    await aceso.delivery('accepted', ({ party, members }) => party === 'ada' && Object.values(members).includes('joined'));
    state = await stateOf(roomId);
  });
  after(async () => {
    await Promise.all([...clients.map((each) => each.stop()), aceso.stop()]);
    aceso.remove();
  });

  it('of one person at a partner has the courier, the guardian and the recipient in it, and nobody else', () => {
    expect(joined(state)).to.deep.equal([ada.userId, own('guardian'), own('courier')].sort());
  });

  it('of one person at a partner is of version 12, encrypted with its rotation, for the invited, from their invitation on, for the two servers', () => {
    expect(contentOf(state, 'm.room.create')).to.include({ room_version: '12', 'm.federate': true });
    expect(contentOf(state, 'm.room.encryption')).to.deep.equal({ algorithm: 'm.megolm.v1.aes-sha2', rotation_period_ms: 604_800_000, rotation_period_msgs: 100 });
    expect(contentOf(state, 'm.room.join_rules')).to.deep.equal({ join_rule: 'invite' });
    expect(contentOf(state, 'm.room.history_visibility')).to.deep.equal({ history_visibility: 'invited' });
    expect(contentOf(state, 'm.room.guest_access')).to.deep.equal({ guest_access: 'forbidden' });
    const { allow, deny, allow_ip_literals: literals } = contentOf(state, 'm.room.server_acl') ?? {};
    expect(allow).to.have.members(['localhost', hospitals.mercy.serverName, hospitals.stAnne.serverName]);
    expect([deny, literals]).to.deep.equal([[], false]);
  });

  it('of one person at a partner lets only the guardian change it', () => {
    const levels = contentOf(state, 'm.room.power_levels');
    expect(levels).to.include({ users_default: 0, events_default: 100, state_default: 100, invite: 100, kick: 100, ban: 100, redact: 100 });
    expect(levels?.['users']).to.deep.equal({});
    expect(levels?.['events']).to.deep.equal({ 'm.room.encrypted': 0, 'm.room.message': 0, 'm.reaction': 0, 'm.room.redaction': 0, 'm.room.tombstone': 150 });
  });

  it('of one person at a partner says nothing clinical, and nobody\'s name, in its state', () => {
    const said = JSON.stringify(state.filter(({ type }) => type !== 'm.room.member'));
    for (const marker of ['Quintana', '00481516', 'R-1', 'otassium', '6.8', 'ada', 'Okafor']) expect(said, marker).not.to.include(marker);
    expect(contentOf(state, 'm.room.name')).to.deep.equal({ name: 'Clinical results' });
  });

  it('of one person at a partner keeps no clear text: the guardian takes it out', async () => {
    const room = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`;
    const { event_id: eventId } = await matrix(hospitals.stAnne.baseUrl, `${room}/send/m.room.message/clear`, { method: 'PUT', token: ada.accessToken, body: { msgtype: 'm.text', body: 'K 6.8 in clear' } });
    await until('the guardian to take it out, at the partner too', async () => {
      const { content } = await matrix(hospitals.stAnne.baseUrl, `${room}/event/${encodeURIComponent(String(eventId))}`, { token: ada.accessToken });
      return JSON.stringify(content) === '{}';
    });
    expect(aceso.log()).to.include('clear-text.removed').and.not.to.include('in clear');
  });

  it('of one person at a partner takes no change from the recipient: their own server refuses', async () => {
    const room = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}`;
    const attempts = [
      ['PUT', `${room}/send/org.example.message/txn1`, { body: 'in clear' }],
      ['PUT', `${room}/state/m.room.name/`, { name: 'K 6.8' }],
      ['PUT', `${room}/state/m.room.topic/`, { topic: 'K 6.8' }],
      ['PUT', `${room}/state/m.room.encryption/`, { algorithm: 'm.megolm.v1.aes-sha2', rotation_period_msgs: 10_000 }],
      ['PUT', `${room}/state/m.room.power_levels/`, { users: { [ada.userId]: 100 } }],
      ['PUT', `${room}/state/m.room.history_visibility/`, { history_visibility: 'world_readable' }],
      ['PUT', `${room}/state/org.example.anything/`, {}],
      ['POST', `${room}/invite`, { user_id: `@rooms_eve:${hospitals.stAnne.serverName}` }],
      ['POST', `${room}/kick`, { user_id: own('courier') }],
      ['PUT', `${room}/redact/${encodeURIComponent((await sees(ada, 'R-1')).eventId)}/txn2`, {}],
    ] as const;
    for (const [method, path, body] of attempts) {
      const answer = await matrixAnswer(hospitals.stAnne.baseUrl, path, { method, token: ada.accessToken, body });
      expect([answer.status, answer.body['errcode']], `${method} ${path}`).to.deep.equal([403, 'M_FORBIDDEN']);
    }
  });

  it('of a local person is not federated at all', async () => {
    await tell(aceso, 'R-2', NPI.bob);
    const local = await stateOf((await sees(bob, 'R-2')).roomId);
    expect(contentOf(local, 'm.room.create')).to.include({ room_version: '12', 'm.federate': false });
    expect(contentOf(local, 'm.room.server_acl')).to.equal(undefined);
  });

  it('of a team brings the message to each of its members, mentions them all, and is a room of its own', async () => {
    await tell(aceso, 'R-3', NPI.icu);
    const [atAda, atBob] = await Promise.all([sees(ada, 'R-3'), sees(bob, 'R-3')]);
    expect(atAda.roomId).to.equal(atBob.roomId);
    expect((atAda.content['m.mentions'] as { readonly user_ids: readonly string[] }).user_ids).to.have.members([ada.userId, bob.userId]);
    expect(atAda.roomId).not.to.equal(roomId);
    await until('both to be in', async () => joined(await stateOf(atAda.roomId)).length === 4);
    expect(joined(await stateOf(atAda.roomId))).to.deep.equal([ada.userId, bob.userId, own('guardian'), own('courier')].sort());
  });

  it('of a team whose other member has no device brings the message to who can read it, and names who can\'t', async () => {
    await tell(aceso, 'R-4', NPI.night);
    await sees(bob, 'R-4');
    const { history } = await aceso.delivery('sent', ({ party, eventId }) => party === 'night' && eventId !== undefined);
    expect(history.map(({ what }) => what).join('\n')).to.match(/@rooms_nod:\S+ can't read it/u);
  });

  it('is found by hand where the data names nobody: held, then assigned, then delivered', async () => {
    await tell(aceso, 'R-5', '1999999999');
    const { id, held } = await aceso.delivery('held without a recipient', (each) => each.held?.code === 'no-recipient');
    expect(held).to.include({ owner: 'Laboratory desk, ext. 4410' });
    expect(held?.reason).to.include('not in the directory');
    await aceso.cli('held', 'assign', id, 'bob');
    await sees(bob, 'R-5');
    await until('nothing to be held', async () => (await heldList(aceso)).length === 0, 60_000, 200);
  });

  it('is of version 11 for a partner that can\'t join 12', async () => {
    await aceso.stop();
    writeFileSync(aceso.configFile, readFileSync(aceso.configFile, 'utf8').replace('name: St. Anne', 'name: St. Anne\n    room_version: "11"'));
    await aceso.start();
    const eve = await client('eve');
    await tell(aceso, 'R-6', NPI.eve);
    const older = await sees(eve, 'R-6');
    const itsState = await stateOf(older.roomId);
    expect(contentOf(itsState, 'm.room.create')).to.include({ room_version: '11' });
    expect(contentOf(itsState, 'm.room.power_levels')).to.deep.include({ users: { [own('guardian')]: 100 }, users_default: 0, events_default: 100, state_default: 100 });
    const change = await matrixAnswer(hospitals.stAnne.baseUrl, `/_matrix/client/v3/rooms/${encodeURIComponent(older.roomId)}/state/m.room.name/`, { method: 'PUT', token: eve.accessToken, body: { name: 'K 6.8' } });
    expect([change.status, text(change.body, 'errcode')]).to.deep.equal([403, 'M_FORBIDDEN']);
  });
});
