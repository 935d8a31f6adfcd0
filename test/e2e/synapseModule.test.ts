import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newAceso, type Aceso } from '../support/aceso.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { startHospitals, type Hospital, type Hospitals, type Session, type Slot } from '../support/lab.ts';
import { matrix, matrixAnswer, text, type MatrixAnswer } from '../support/matrixHttp.ts';
import { encryptedContent } from '../support/megolm.ts';
import { asGuardian, roomOf, tell } from '../support/results.ts';
import { until } from '../support/until.ts';
import { describeRefusalsInNheko } from './nhekoRefusals.ts';
import { describeRoleMatrix } from './roleMatrix.ts';

const PASSWORD = 'password-of-module';
const NPI = '1000000071';

type StateEvent = { readonly type: string; readonly state_key: string; readonly content: Readonly<Record<string, unknown>> };

describe('The module in the hospital\'s own Synapse', function () {
  this.timeout(180_000);
  let hospitals: Hospitals;
  let mercy: Hospital;
  let slot: Slot;
  let aceso: Aceso;
  let bob: Session; // physician
  let cy: Session; // nurse
  let dot: Session; // billing
  let root: Session; // administrator of the homeserver
  let oldRoom: string; // from before the module
  let direct: string;
  let tokenFile: string;
  let sends = 0;

  const as = (who: Session, path: string, body?: unknown, method?: 'PUT' | 'POST' | 'GET'): Promise<MatrixAnswer> => matrixAnswer(who.baseUrl, `/_matrix/client/v3${path}`, { token: who.accessToken, ...(body === undefined ? {} : { body }), ...(method === undefined ? {} : { method }) });
  const inRoom = (who: Session, roomId: string, rest: string, body?: unknown, method?: 'PUT' | 'POST'): Promise<MatrixAnswer> => as(who, `/rooms/${encodeURIComponent(roomId)}/${rest}`, body, method);
  const send = (who: Session, roomId: string, type: string, content: unknown): Promise<MatrixAnswer> => inRoom(who, roomId, `send/${type}/module${(sends += 1)}`, content, 'PUT');
  const clear = { msgtype: 'm.text', body: 'K 6.8 in clear' };
  const create = (who: Session, wish: unknown): Promise<MatrixAnswer> => as(who, '/createRoom', wish);
  const directTo = (other: Session): object => ({ preset: 'trusted_private_chat', visibility: 'private', is_direct: true, invite: [other.userId], initial_state: [] });
  const ruleOf = ({ status, body }: MatrixAnswer): string => `${status} ${typeof body['org.aceso.rule'] === 'string' ? body['org.aceso.rule'] : JSON.stringify(body)}`;
  const guardian = (): string => `@${slot.prefix}guardian:${mercy.serverName}`;
  const stateOf = async (roomId: string): Promise<readonly StateEvent[]> => JSON.parse(text(await asGuardian(mercy, slot, `/rooms/${encodeURIComponent(roomId)}/state`), 'text')) as readonly StateEvent[];
  const login = async (user: string, role?: 'user' | 'admin'): Promise<Session> => { await mercy.register(user, PASSWORD, role); return mercy.login(user, PASSWORD); };

  before(async () => {
    hospitals = await startHospitals({ mercy: { slots: 1 } });
    ({ mercy } = hospitals);
    slot = hospitals.takeSlot();
    bob = await login('bob');
    cy = await login('cy');
    dot = await login('dot');
    root = await login('root', 'admin');
    oldRoom = text((await create(bob, { preset: 'public_chat', name: 'Canteen' })).body, 'room_id');
    tokenFile = join(hospitals.folder, 'module-token');
    writeFileSync(tokenFile, randomBytes(32).toString('base64url'), { mode: 0o600 });
    await mercy.reconfigure({ modules: [{ module: 'aceso_module.AcesoModule', config: { url: slot.url, token_file: tokenFile, guardian: guardian(), courier: `@${slot.prefix}courier:${mercy.serverName}` } }] });
    const person = (who: Session, role: string): { id: string; name: string; user_id: string; roles: readonly string[] } => ({ id: role, name: role, user_id: who.userId, roles: [role] });
    aceso = await newAceso({
      mercy, slot, partners: [], moduleTokenFile: tokenFile,
      people: [{ ...person(bob, 'physician'), npi: NPI }, person(cy, 'nurse'), person(dot, 'billing'), person(root, 'it-administrator')],
    });
    await aceso.start();
  });
  after(async () => {
    await aceso.stop();
    await hospitals.stop();
    aceso.remove();
  });

  it('has a public, unencrypted room refused before it exists, with what to do, also to an administrator of the homeserver', async () => {
    for (const who of [bob, root]) {
      const { status, body } = await create(who, { preset: 'public_chat', visibility: 'public', name: 'Ward 7' });
      expect([status, body['errcode'], body['org.aceso.rule']], JSON.stringify(body)).to.deep.equal([403, 'M_FORBIDDEN', 'public-never']);
      expect(body['error']).to.match(/not public.*Invite the people/u);
    }
    expect(ruleOf(await create(bob, { preset: 'private_chat' }))).to.equal('403 room-by-command');
    expect(ruleOf(await create(root, { preset: 'private_chat', name: 'Quintana' }))).to.equal('403 room-by-command');
  });

  it('makes a direct message of two colleagues encrypted from its first event, kept on this server, and governed by the guardian', async () => {
    const { status, body } = await create(bob, directTo(cy));
    expect(status, JSON.stringify(body)).to.equal(200);
    direct = text(body, 'room_id');
    await until('the guardian to be in it', async () => (await stateOf(direct)).some(({ type, state_key: key, content }) => type === 'm.room.member' && key === guardian() && content['membership'] === 'join'));
    const content = Object.fromEntries((await stateOf(direct)).map((event) => [`${event.type}|${event.state_key}`, event.content]));
    expect(content['m.room.encryption|']).to.include({ algorithm: 'm.megolm.v1.aes-sha2' });
    expect(content['m.room.create|']).to.deep.include({ 'm.federate': false, room_version: '12', additional_creators: [guardian()] });
    expect(content['m.room.join_rules|']).to.deep.equal({ join_rule: 'invite' });
    expect(content['m.room.guest_access|']).to.deep.equal({ guest_access: 'forbidden' });
    expect(content['org.aceso.template|']).to.deep.equal({ id: 'direct', members: [bob.userId, cy.userId] });
    expect((await as(cy, `/join/${encodeURIComponent(direct)}`, {})).status).to.equal(200);
  });

  it('takes ciphertext there and nothing that can be read, from either, and lets nobody change it', async () => {
    for (const who of [bob, cy]) {
      const sent = await send(who, direct, 'm.room.encrypted', encryptedContent());
      expect(sent.status, JSON.stringify(sent.body)).to.equal(200);
      expect(ruleOf(await send(who, direct, 'm.room.message', clear))).to.equal('403 clear-text');
    }
    expect(ruleOf(await inRoom(bob, direct, 'state/m.room.name/', { name: 'Quintana' }, 'PUT'))).to.equal('403 state-guardian-only');
    expect(ruleOf(await inRoom(bob, direct, 'state/m.room.power_levels/', { users_default: 100 }, 'PUT'))).to.equal('403 state-guardian-only');
    expect(ruleOf(await inRoom(bob, direct, 'invite', { user_id: dot.userId }))).to.equal('403 direct-for-two');
    expect(ruleOf(await inRoom(bob, direct, 'upgrade', { new_version: '11' }))).to.equal('403 state-guardian-only');
    expect(JSON.stringify((await inRoom(bob, direct, 'messages?dir=b&limit=100')).body)).not.to.include('in clear').and.not.to.include('Quintana');
  });

  it('is a room like any other to a stock client: one writes, the other reads, encrypted', async () => {
    const [one, other] = await Promise.all(['bob', 'cy'].map((user) => startJsClient({ baseUrl: mercy.baseUrl, user, password: PASSWORD })));
    try {
      if (!one || !other) throw new Error('no clients');
      await until('the other\'s device to be known', async () => Object.keys(((await as(bob, '/keys/query', { device_keys: { [cy.userId]: [] } })).body['device_keys'] as Readonly<Record<string, object>>)[cy.userId] ?? {}).includes(other.deviceId));
      const sent = await one.send(direct, { msgtype: 'm.text', body: 'K 6.8, look at bed 4' });
      expect(await other.waitForMessage(({ eventId }) => eventId === sent)).to.deep.include({ wasEncrypted: true });
    } finally {
      await Promise.all([one?.stop(), other?.stop()]);
    }
  });

  it('lets only those make one whose role may, and with those whose role may', async () => {
    expect(ruleOf(await create(dot, directTo(bob)))).to.match(/^403 /u).and.not.to.include('room-by-command');
    expect((await create(bob, directTo(dot))).status).to.equal(200);
    const stranger = await login('stranger');
    expect((await create(bob, directTo(stranger))).status).to.equal(403);
    expect(ruleOf(await create(bob, { ...directTo(cy), name: 'Quintana' }))).to.equal('403 direct-with-text');
    expect(ruleOf(await create(bob, { is_direct: true, invite: [`@ada:${hospitals.stAnne.serverName}`] }))).to.equal('403 direct-across-servers');
  });

  it('has clear text refused in a results room that never federates, before it exists', async () => {
    await tell(aceso, 'P-module', NPI);
    const roomId = await until('the results room', async () => { const room = await roomOf(aceso, 'physician'); return room?.members[bob.userId] === 'invited' && room.roomId; }, 60_000);
    expect((await as(bob, `/join/${encodeURIComponent(roomId)}`, {})).status).to.equal(200);
    expect(ruleOf(await send(bob, roomId, 'm.room.message', clear))).to.equal('403 clear-text');
    expect((await send(bob, roomId, 'm.room.encrypted', encryptedContent())).status).to.equal(200);
    const timeline = (await asGuardian(mercy, slot, `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100`))['chunk'] as readonly StateEvent[];
    expect(timeline.map(({ type }) => type)).to.include('m.room.encrypted').and.not.to.include('m.room.message').and.not.to.include('m.room.redaction');
    expect(ruleOf(await as(root, `/directory/list/room/${encodeURIComponent(roomId)}`, { visibility: 'public' }, 'PUT'))).to.equal('403 publish-never');
    expect(ruleOf(await as(bob, `/directory/room/${encodeURIComponent(`#quintana:${mercy.serverName}`)}`, { room_id: roomId }, 'PUT'))).to.equal('403 alias-never');
  });

  it('has invitations refused in both directions where there is no agreement', async () => {
    const { stAnne } = hospitals;
    await stAnne.register('ada', PASSWORD);
    const ada = await stAnne.login('ada', PASSWORD);
    for (const who of [bob, root]) expect(ruleOf(await inRoom(who, oldRoom, 'invite', { user_id: ada.userId }))).to.match(who === bob ? /^403 invite-outside$/u : /^403 /u);
    const theirs = text((await create(ada, { preset: 'private_chat' })).body, 'room_id');
    const refused = await inRoom(ada, theirs, 'invite', { user_id: bob.userId });
    expect(refused.status, JSON.stringify(refused.body)).to.equal(403);
    expect(await invitesOf(bob)).not.to.include(theirs);
  });

  it('tells of what it refused in figures and log, without content', async () => {
    const metrics = await (await fetch(`${aceso.operationsUrl}/metrics`)).text();
    expect(metrics).to.match(/aceso_module_answers_total\{about="event",answer="refused",rule="clear-text"\} [1-9]/u).and.to.match(/aceso_http_refusals_total\{door="module",code="public-never"\} 2/u);
    await until('the log', () => aceso.log().includes('"code":"public-never"'));
    expect(aceso.log()).not.to.include('Quintana').and.not.to.include('in clear');
    const wrong = await fetch(`${slot.url}/_aceso/module/v1/alias`, { method: 'POST', headers: { authorization: 'Bearer wrong' }, body: '{}' });
    expect(wrong.status).to.equal(401);
  });

  it('is tried by the doctor', async () => {
    expect(await doctor()).to.include({ level: 'ok' }).and.to.have.property('is').that.includes('asks Aceso');
  });

  describeRefusalsInNheko(async () => {
    await hospitals.stAnne.register('eve', PASSWORD);
    return { login: () => mercy.login('bob', PASSWORD, 'nheko'), direct: `${slot.prefix}guardian`, third: dot.userId, elsewhere: `@eve:${hospitals.stAnne.serverName}` };
  });

  describe('while Aceso is away', () => {
    before(() => aceso.stop());
    after(() => aceso.start());

    it('has rooms and messages for PHI refused, so that they can be tried again', async () => {
      const { status, body } = await create(bob, directTo(cy));
      expect([status, body['errcode'], body['org.aceso.rule']], JSON.stringify(body)).to.deep.equal([503, 'M_UNKNOWN', 'aceso-away']);
      expect(body['error']).to.match(/Try again.*IT department/u);
      expect(ruleOf(await create(root, { preset: 'private_chat' }))).to.equal('503 aceso-away');
      expect(ruleOf(await send(bob, direct, 'm.room.encrypted', encryptedContent()))).to.equal('503 aceso-away');
    });

    it('is tried by the doctor', async () => {
      expect(await doctor()).to.include({ level: 'ok' }).and.to.have.property('is').that.includes('Aceso is away');
    });

    it('lets people log in, log out, write in rooms that hold no PHI, and leave, without the reason', async () => {
      const again = await mercy.login('cy', PASSWORD);
      expect((await send(bob, oldRoom, 'm.room.message', { msgtype: 'm.text', body: 'lunch' })).status).to.equal(200);
      const left = await inRoom(again, direct, 'leave', { reason: 'Quintana moved' });
      expect(left.status, JSON.stringify(left.body)).to.equal(200);
      const member = await inRoom(bob, direct, `state/m.room.member/${encodeURIComponent(cy.userId)}`);
      expect(member.body['membership']).to.equal('leave');
      expect(member.body).not.to.have.property('reason');
      expect((await as(again, '/logout', {})).status).to.equal(200);
    });
  });

  describe('when Aceso is back', () => {
    it('goes on by itself', async () => {
      for (const answer of [
        await inRoom(bob, direct, 'invite', { user_id: cy.userId }), await as(cy, `/join/${encodeURIComponent(direct)}`, {}), await send(cy, direct, 'm.room.encrypted', encryptedContent()),
      ]) expect(answer.status, JSON.stringify(answer.body)).to.equal(200);
    });
  });

  describeRoleMatrix(async () => {
    await aceso.stop();
    return { hospitals, slot, moduleTokenFile: tokenFile, aceso };
  });

  const doctor = async (): Promise<{ readonly level: string; readonly is: string } | undefined> =>
    (await aceso.cli<{ readonly findings: readonly { readonly level: string; readonly what: string; readonly is: string }[] }>('doctor')).findings.find(({ what }) => what === 'module in the homeserver');

  async function invitesOf(who: Session): Promise<readonly string[]> {
    const { rooms } = (await matrix(who.baseUrl, '/_matrix/client/v3/sync', { token: who.accessToken })) as { readonly rooms?: { readonly invite?: object } };
    return Object.keys(rooms?.invite ?? {});
  }
});
