/** The courier's device against real Synapse, read by independent clients at the other hospital. */
import { expect } from 'chai';
import { as } from '../../src/domain/brand.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { startNioClient } from '../support/clients/nio.ts';
import { joinedRoom, message, newPlace, ready, start, type Place, type Started } from '../support/courier.ts';
import { sharedHospitals } from '../support/lab.ts';
import { until } from '../support/until.ts';

describe('the courier', () => {
  let anna: Client;
  let place: Place;
  let courier: Started;
  const clients: Client[] = [];

  const client = async (user: string, options: Partial<Parameters<typeof startJsClient>[0]> = {}, at: 'mercy' | 'stAnne' = 'stAnne'): Promise<Client> => {
    const hospital = (await sharedHospitals())[at];
    await hospital.register(user, 'pw').catch(() => undefined);
    const started = await startJsClient({ baseUrl: hospital.baseUrl, user, password: 'pw', ...options });
    clients.push(started);
    return started;
  };
  const reads = (who: Client, body: string): Promise<unknown> => who.waitForMessage(({ content }) => content['body'] === body);

  before(async function () {
    this.timeout(120_000);
    anna = await client('courier_anna', { recovery: 'create' });
    place = await newPlace();
    courier = await start(place);
    await ready(courier);
  });
  after(async () => {
    await courier.stop();
    await Promise.all(clients.map((started) => started.stop()));
    place.clear();
  });

  it('is a device that its owner has cross-signed, with keys that others can claim', async () => {
    const { device_keys: deviceKeys, self_signing_keys: selfSigning } = await place.call('/keys/query', { device_keys: { [place.userId]: [] } });
    const device = (deviceKeys as Record<string, Record<string, { signatures: Record<string, Record<string, string>> }>>)[place.userId]?.['COURIER'];
    const selfSigningKeys = Object.keys((selfSigning as Record<string, { keys: object }>)[place.userId]?.keys ?? {});
    expect(Object.keys(device?.signatures[place.userId] ?? {})).to.include.members(['ed25519:COURIER', ...selfSigningKeys]);
    const { one_time_keys: claimed } = await place.call('/keys/claim', { one_time_keys: { [place.userId]: { COURIER: 'signed_curve25519' } } });
    expect(claimed).to.have.nested.property(`${place.userId.replaceAll('.', '\\.')}.COURIER`);
  });

  it('sends what a client at the other hospital reads', async () => {
    const roomId = await joinedRoom(place, [anna]);
    const sent = await courier.send(message('hello', roomId, [anna.userId], 'hello'));
    expect(sent).to.deep.include({ ok: true });
    const seen = await anna.waitForMessage(({ content }) => content['body'] === 'hello');
    expect(seen).to.include({ sender: place.userId, wasEncrypted: true });
    expect(sent).to.deep.equal({ ok: true, value: { eventId: seen.eventId, devices: 1, withheld: 0 } });
  });

  it('is read by a client that accepts signed devices only, once that client knows whose device the courier is', async () => {
    const strict = await client('courier_strict', { accepts: 'signedDevices' });
    const roomId = await joinedRoom(place, [strict]);
    await strict.send(roomId, { msgtype: 'm.text', body: 'to send, it asks for the devices of all members' });
    expect(await courier.send(message('strict', roomId, [strict.userId], 'from a signed device'))).to.deep.include({ ok: true });
    await reads(strict, 'from a signed device');
  });

  it('gives the same answer, and makes no second event, when it is asked again', async () => {
    const roomId = await joinedRoom(place, [anna]);
    const first = await courier.send(message('again', roomId, [anna.userId], 'once'));
    const both = await Promise.all([courier.send(message('again', roomId, [anna.userId], 'once')), courier.send(message('again', roomId, [anna.userId], 'once'))]);
    expect(both).to.deep.equal([first, first]);
    expect(await place.sent(roomId)).to.have.length(1);
  });

  it('is the same device after a restart, and goes on in the same session', async () => {
    const roomId = await joinedRoom(place, [anna]);
    await courier.send(message('before', roomId, [anna.userId], 'before the restart'));
    await courier.stop();
    courier = await start(place);
    expect(await courier.send(message('after', roomId, [anna.userId], 'after the restart'))).to.deep.include({ ok: true });
    await reads(anna, 'before the restart');
    await reads(anna, 'after the restart');
    const sessions = new Set((await place.sent(roomId)).map(({ content }) => content['session_id']));
    expect(sessions).to.have.length(1);
    expect(anna.undecryptable).to.deep.equal([]);
  });

  it('takes a new key when the old one has served as often as the room says', async () => {
    const roomId = await joinedRoom(place, [anna]);
    for (const number of [1, 2, 3]) await courier.send(message(`rotation ${number}`, roomId, [anna.userId], `rotation ${number}`, { rotation: { periodMs: 604_800_000, messages: 2 } }));
    await reads(anna, 'rotation 3');
    const sessions = (await place.sent(roomId)).map(({ content }) => content['session_id']);
    expect(sessions[0]).to.equal(sessions[1]);
    expect(sessions[2]).not.to.equal(sessions[1]);
  });

  it('reaches a device that its recipient signed in with after the first message', async () => {
    const roomId = await joinedRoom(place, [anna]);
    await courier.send(message('first device', roomId, [anna.userId], 'for the first device'));
    const { recoveryKey } = anna;
    if (recoveryKey === undefined) throw new Error('no recovery key');
    const heardBefore = courier.heard.length;
    const second = await client('courier_anna', { recovery: { key: recoveryKey } });
    await until('the courier to hear of the device', () => courier.heard.slice(heardBefore).some(({ kind, userIds }) => kind === 'devices' && userIds.includes(as(anna.userId))));
    await until('the second device to be counted', async () => {
      const counts = await courier.devices(as(anna.userId));
      return counts.ok && counts.value.entitled === 2;
    });
    expect(await courier.send(message('both devices', roomId, [anna.userId], 'for both devices'))).to.deep.nested.include({ 'value.devices': 2 });
    await reads(second, 'for both devices');
    await reads(anna, 'for both devices');
    await second.logout();
  });

  it('reaches a member who left, signed in on a new device meanwhile, and came back', async function () {
    this.timeout(60_000);
    const bert = await client('courier_bert', { recovery: 'create' });
    const roomId = await joinedRoom(place, [bert]);
    await courier.memberChanged(roomId, as(bert.userId), 'invite');
    expect(await courier.send(message('to bert', roomId, [bert.userId], 'before he left'))).to.deep.include({ ok: true });
    await reads(bert, 'before he left');
    await bert.leave(roomId);
    await courier.memberChanged(roomId, as(bert.userId), 'leave');
    const { recoveryKey } = bert;
    if (recoveryKey === undefined) throw new Error('no recovery key');
    await bert.logout();
    const again = await client('courier_bert', { recovery: { key: recoveryKey } });
    await place.invite(roomId, bert.userId);
    await courier.memberChanged(roomId, as(bert.userId), 'join');
    await until('bert to be back', () => again.joinedRooms.has(roomId));
    expect(await courier.send(message('to bert again', roomId, [bert.userId], 'after he came back'))).to.deep.include({ ok: true });
    await reads(again, 'after he came back');
  });

  it('reaches a device that an invited person signed in with before accepting', async function () {
    this.timeout(60_000);
    const first = await client('courier_cleo', { recovery: 'create', joinInvites: false }, 'mercy');
    const roomId = await place.room([first.userId]);
    expect(await courier.send(message('invited 1', roomId, [first.userId], 'on the first device'))).to.deep.nested.include({ 'value.devices': 1 });
    const { recoveryKey } = first;
    if (recoveryKey === undefined) throw new Error('no recovery key');
    const second = await client('courier_cleo', { recovery: { key: recoveryKey }, joinInvites: false }, 'mercy');
    // Nobody tells the courier: it shares no room with an invited person, so it has to ask.
    expect(await courier.send(message('invited 2', roomId, [first.userId], 'on both devices'))).to.deep.nested.include({ 'value.devices': 2 });
    await second.join(roomId);
    await reads(second, 'on both devices');
    await reads(first, 'on the first device');
  });

  it('reads a reply, and says which device of whom it came from', async () => {
    const roomId = await joinedRoom(place, [anna]);
    await courier.send(message('question', roomId, [anna.userId], 'a question'));
    const { eventId } = await anna.waitForMessage(({ content }) => content['body'] === 'a question');
    const reply = await place.event(roomId, await anna.reply(roomId, eventId, 'an answer'));
    const answer = await until('the answer to be readable', async () => {
      const outcome = await courier.decrypt(roomId, reply);
      if (!outcome.ok) expect(outcome.error.code).to.equal('keys-missing');
      return outcome.ok && outcome.value;
    });
    expect(answer).to.deep.include({ type: 'm.room.message', sender: anna.userId, senderDevice: anna.deviceId, signedByOwner: true });
    expect(answer.content).to.deep.include({ body: 'an answer', 'm.relates_to': { 'm.in_reply_to': { event_id: eventId } } });
  });

  it('keeps waiting for the keys of a reply that came before them, and tells when they are there', async () => {
    const roomId = await joinedRoom(place, [anna]);
    await courier.send(message('late', roomId, [anna.userId], 'late keys'));
    await reads(anna, 'late keys');
    await courier.stop();
    const reply = await place.event(roomId, await anna.send(roomId, { msgtype: 'm.text', body: 'early answer' }));
    const deaf = await start(place, { homeserverUrl: 'http://127.0.0.1:9' });
    const early = await deaf.decrypt(roomId, reply);
    expect(early).to.deep.nested.include({ 'error.code': 'keys-missing', 'error.retry': true });
    await until('the problem to be told', () => deaf.status().problem);
    await deaf.stop();
    courier = await start(place);
    await until('the keys to come', () => courier.heard.some(({ kind, userIds }) => kind === 'room-keys' && userIds.includes(as(anna.userId))));
    expect(await courier.decrypt(roomId, reply)).to.deep.nested.include({ 'value.content.body': 'early answer' });
  });

  it('says of an event that nobody can read that it is undecryptable', async () => {
    const roomId = await place.room([]);
    const broken = { event_id: as('$broken'), sender: as(anna.userId), origin_server_ts: 0, type: 'm.room.encrypted', content: { algorithm: 'm.megolm.v1.aes-sha2' } } as const;
    expect(await courier.decrypt(roomId, broken as never)).to.deep.nested.include({ 'error.code': 'undecryptable' });
  });

  it('is refused by a room that it is not in', async () => {
    const roomId = await joinedRoom(place, [anna]);
    await place.call(`/rooms/${encodeURIComponent(roomId)}/leave`, {});
    expect(await courier.send(message('outside', roomId, [anna.userId], 'outside'))).to.deep.nested.include({ 'error.code': 'forbidden', 'error.retry': false });
  });

  it('sends to matrix-nio, which knows no cross-signing, where the policy allows unsigned devices', async function () {
    this.timeout(120_000);
    const { stAnne } = await sharedHospitals();
    await stAnne.register('courier_nio', 'pw');
    const nio = await startNioClient({ baseUrl: stAnne.baseUrl, user: 'courier_nio', password: 'pw' });
    clients.push(nio);
    const open = await newPlace({ trust: 'any' });
    let lenient = await start(open);
    await ready(lenient);
    const roomId = await joinedRoom(open, [nio]);
    for (const number of [1, 2]) expect(await lenient.send(message(`nio ${number}`, roomId, [nio.userId], `for nio ${number}`))).to.deep.include({ ok: true });
    await lenient.stop();
    lenient = await start(open);
    expect(await lenient.send(message('nio 3', roomId, [nio.userId], 'for nio 3'))).to.deep.include({ ok: true });
    for (const number of [1, 2, 3]) await reads(nio, `for nio ${number}`);
    const reply = await open.event(roomId, await nio.send(roomId, { msgtype: 'm.text', body: 'from nio' }));
    const answer = await until('the reply to be readable', async () => {
      const outcome = await lenient.decrypt(roomId, reply);
      return outcome.ok && outcome.value;
    });
    expect(answer).to.include({ sender: nio.userId, senderDevice: nio.deviceId, signedByOwner: false });
    await lenient.stop();
    open.clear();
  });
});
