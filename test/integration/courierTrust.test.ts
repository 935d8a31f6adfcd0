/** Who gets keys: devices that their owner has signed; others are told that they don't (MSC4153, `m.room_key.withheld`). */
import { createDecipheriv, createHash } from 'node:crypto';
import { expect } from 'chai';
import { as } from '../../src/domain/brand.ts';
import { Sealed } from '../../src/domain/sealed.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { joinedRoom, message, newPlace, ready, start, type Place, type Started } from '../support/courier.ts';
import { sharedHospitals } from '../support/lab.ts';
import { until } from '../support/until.ts';

describe('the courier gives keys', function () {
  this.timeout(60_000);
  const attachmentKey = 'org.example.fhir';
  let place: Place;
  let courier: Started;
  let signed: Client;
  const clients: Client[] = [];

  const client = async (user: string, crossSigning: boolean): Promise<Client> => {
    const { stAnne } = await sharedHospitals();
    await stAnne.register(user, 'pw').catch(() => undefined);
    const started = await startJsClient({ baseUrl: stAnne.baseUrl, user, password: 'pw', crossSigning });
    clients.push(started);
    return started;
  };

  before(async () => {
    signed = await client('trust_signed', true);
    place = await newPlace({ attachmentKey });
    courier = await start(place);
    await ready(courier);
  });
  after(async () => {
    await courier.stop();
    await Promise.all(clients.map((started) => started.stop()));
    place.clear();
  });

  it('to no unsigned device: a recipient who has nothing else holds the message, until a signed device appears', async () => {
    const unsigned = await client('trust_unsigned', false);
    const people = [unsigned.userId, signed.userId];
    const roomId = await joinedRoom(place, [unsigned, signed]);
    const held = await courier.send(message('held', roomId, people, 'for a signed device'));
    expect(held).to.deep.nested.include({ ok: false, 'error.code': 'no-device', 'error.retry': false });
    expect(held.ok ? '' : held.error.message).to.include(unsigned.userId).and.not.include(signed.userId);
    expect(await place.sent(roomId)).to.deep.equal([]);
    expect(await courier.devices(as(unsigned.userId))).to.deep.equal({ ok: true, value: { entitled: 0, unsigned: 1 } });

    const heardBefore = courier.heard.length;
    const proper = await client('trust_unsigned', true);
    await until('the courier to hear of it', () => courier.heard.slice(heardBefore).some(({ kind, userIds }) => kind === 'devices' && userIds.includes(as(unsigned.userId))));
    const sent = await until('the message to be sent', async () => {
      const outcome = await courier.send(message('held', roomId, people, 'for a signed device'));
      return outcome.ok && outcome.value;
    });
    expect(sent).to.include({ devices: 2, withheld: 1 });
    await proper.waitForMessage(({ content }) => content['body'] === 'for a signed device');
    await signed.waitForMessage(({ content }) => content['body'] === 'for a signed device');
  });

  it('to an unsigned bystander never: it is told that the key is withheld, and the recipient gets the message', async () => {
    const bystander = await client('trust_bystander', false);
    const roomId = await joinedRoom(place, [bystander, signed]);
    const both = message('bystander', roomId, [bystander.userId, signed.userId], 'not for the bystander', { recipients: [as(signed.userId)] });
    expect(await courier.send(both)).to.deep.nested.include({ ok: true, 'value.devices': 1, 'value.withheld': 1 });
    await signed.waitForMessage(({ content }) => content['body'] === 'not for the bystander');
    await until('the bystander to learn why', () => bystander.undecryptable.some(({ reason }) => reason === 'MEGOLM_KEY_WITHHELD_FOR_UNVERIFIED_DEVICE'));
    expect(bystander.messages.filter((seen) => seen.roomId === roomId)).to.deep.equal([]);
  });

  it('to nobody who has no device at all: the message is held', async () => {
    const { stAnne } = await sharedHospitals();
    const nobody = await stAnne.register('trust_nobody', 'pw');
    const roomId = await place.room([nobody]);
    expect(await courier.send(message('nobody', roomId, [nobody], 'for nobody'))).to.deep.nested.include({ ok: false, 'error.code': 'no-device' });
  });

  it('to those who are still there only: after a member left, a new key is used', async () => {
    const leaver = await client('trust_leaver', true);
    const roomId = await joinedRoom(place, [leaver, signed]);
    await courier.send(message('leaver 1', roomId, [leaver.userId, signed.userId], 'with the leaver'));
    await leaver.leave(roomId);
    await courier.memberChanged(roomId, as(leaver.userId), 'leave');
    expect(await courier.send(message('leaver 2', roomId, [signed.userId], 'without the leaver'))).to.deep.include({ ok: true });
    const [first, second] = await place.sent(roomId);
    expect(second?.content['session_id']).not.to.equal(first?.content['session_id']);
  });

  it('with content too large for an event: its large value is encrypted media, and the event says how to open it', async () => {
    const resource = { resourceType: 'Bundle', text: 'é'.repeat(40_000) };
    const roomId = await joinedRoom(place, [signed]);
    const big = message('big', roomId, [signed.userId], 'big');
    const sent = await courier.send({ ...big, content: Sealed.of(as('s'), { msgtype: 'm.text', body: 'big', [attachmentKey]: resource }) });
    expect(sent).to.deep.include({ ok: true });
    const { content } = await signed.waitForMessage((seen) => seen.content['body'] === 'big');
    expect(content).not.to.have.property(attachmentKey);
    expect(JSON.parse(await download(signed, content[`${attachmentKey}.file`] as EncryptedFile))).to.deep.equal(resource);
  });

  it('not at all for a text that no event can hold', async () => {
    const roomId = await joinedRoom(place, [signed]);
    expect(await courier.send(message('huge', roomId, [signed.userId], 'x'.repeat(50_000)))).to.deep.nested.include({ ok: false, 'error.code': 'too-large', 'error.retry': false });
  });
});

type EncryptedFile = { readonly url: string; readonly key: { readonly k: string }; readonly iv: string; readonly hashes: { readonly sha256: string }; readonly v: 'v2' };

/** As a client of the other hospital opens it: over federation, authenticated, hash checked (client-server API §11.12, EncryptedFile). */
async function download(who: Client, file: EncryptedFile): Promise<string> {
  expect(file).to.have.property('v', 'v2');
  const { stAnne } = await sharedHospitals();
  const response = await fetch(new URL(`/_matrix/client/v1/media/download/${file.url.slice('mxc://'.length)}`, stAnne.baseUrl), { headers: { authorization: `Bearer ${who.accessToken}` } });
  const bytes = Buffer.from(await response.arrayBuffer());
  expect(createHash('sha256').update(bytes).digest('base64').replaceAll('=', '')).to.equal(file.hashes.sha256);
  const decipher = createDecipheriv('aes-256-ctr', Buffer.from(file.key.k, 'base64url'), Buffer.from(file.iv, 'base64'));
  return Buffer.concat([decipher.update(bytes), decipher.final()]).toString('utf8');
}
