/** What the stub refuses though a real homeserver would let it pass: that it stays quiet means something only when it can speak. */
import { expect } from 'chai';
import { forgeDevice, forgeIdentity, forgeOlm, forgeSession } from '../../support/stub/forge.ts';
import type { Json } from '../../support/stub/signing.ts';
import { openSubject, type Subject } from './subject.ts';

describe('The stub homeserver checks what it is sent:', () => {
  let subject: Subject;
  const device = { user: '', device: 'COURIER' };
  let roomId: string;
  const e = encodeURIComponent;

  before(async () => {
    subject = await openSubject('the stub');
    device.user = `@${subject.slot.prefix}courier:stub.example`;
    await subject.call({ token: subject.slot.asToken }, 'POST', '/register', { type: 'm.login.application_service', username: `${subject.slot.prefix}courier`, inhibit_login: true });
    await subject.call({ user: device.user }, 'PUT', '/devices/COURIER', {});
    roomId = String((await subject.call({ user: device.user }, 'POST', '/createRoom', {})).body['room_id']);
  });
  after(() => subject.stop());

  let forged: ReturnType<typeof forgeDevice>;
  before(async () => {
    forged = forgeDevice(device.user, 'COURIER', forgeIdentity(device.user));
    await subject.call(device, 'POST', '/keys/upload', { device_keys: forged.deviceKeys });
  });

  let transactions = 0;
  const send = (content: Json, txn = `t${(transactions += 1)}`): ReturnType<Subject['call']> => subject.call(device, 'PUT', `/rooms/${e(roomId)}/send/m.room.encrypted/${txn}`, content);
  const toDevice = (content: Json): ReturnType<Subject['call']> => subject.call(device, 'PUT', `/sendToDevice/m.room.encrypted/d${(transactions += 1)}`, { messages: { [device.user]: { COURIER: content } } });
  const flipped = (text: unknown, at: number): string => {
    const bytes = Buffer.from(String(text), 'base64');
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes.toString('base64').replace(/=+$/u, '');
  };

  async function complains(about: RegExp, call: () => ReturnType<Subject['call']>): Promise<void> {
    const before = subject.complaints.length;
    const { status, body } = await call();
    expect({ status, errcode: body['errcode'] }).to.deep.equal({ status: 400, errcode: 'M_BAD_JSON' });
    expect(subject.complaints.slice(before)).to.have.length(1);
    expect(subject.complaints.at(-1)).to.match(about);
  }

  it('a query that no endpoint has', () => complains(/unknown query/u, () => subject.call(device, 'GET', '/account/whoami', undefined, { nonsense: '1' })));
  it('a field that no body has', () => complains(/Unrecognized key/u, () => subject.call(device, 'POST', '/createRoom', { nonsense: 1 })));
  it('another event under a transaction id that was used', async () => {
    const session = forgeSession(forged);
    await send(session.next(), 'same');
    await complains(/used before, for something else/u, () => send(session.next(), 'same'));
  });
  it('a clear text that stands beside the ciphertext', () => complains(/Unrecognized key/u, () => send({ ...forgeSession(forged).next(), body: 'clear' })));
  it('a ciphertext with one bit changed', async () => {
    const content = forgeSession(forged).next();
    for (const at of [0, 1, 4, 20, -1]) {
      const length = Buffer.from(String(content['ciphertext']), 'base64').length;
      await complains(/not a Megolm message of its session/u, () => send({ ...content, ciphertext: flipped(content['ciphertext'], (at + length) % length) }));
    }
  });
  it('a message index that encrypts twice', async () => {
    const content = forgeSession(forged).next();
    expect((await send(content)).status).to.equal(200);
    await complains(/message index 0 is used again/u, () => send(content));
  });
  it('a ciphertext of another device', () => complains(/not the device and key of the sender/u, () => send(forgeSession(forgeDevice(device.user, 'COURIER')).next())));
  it('a one-time key whose signature does not hold', () => complains(/signature does not hold/u, () => subject.call(device, 'POST', '/keys/upload', { one_time_keys: forgeDevice(device.user, 'COURIER').oneTimeKey() })));
  it('other keys of a known device', () => complains(/other keys of a known device/u, () => subject.call(device, 'POST', '/keys/upload', { device_keys: forgeDevice(device.user, 'COURIER').deviceKeys })));
  it('an Olm message with a one-time key that nobody gave', () => complains(/never claimed/u, () => toDevice(forgeOlm(forged, forged.curveKey, forgeDevice(device.user, 'X').curveKey))));
  it('an Olm message for another device', () => complains(/for another device/u, () => toDevice(forgeOlm(forged, forgeDevice(device.user, 'X').curveKey, forged.curveKey))));
  it('an Olm message that is none', () => complains(/not an Olm message/u, () => toDevice({ ...forgeOlm(forged, forged.curveKey, forged.curveKey), ciphertext: { [forged.curveKey]: { type: 0, body: 'AwAA' } } })));
  it('a room key that is said to be withheld, in words of its own', () => complains(/code/u, () => subject.call(device, 'PUT', '/sendToDevice/m.room_key.withheld/w', { messages: { [device.user]: { COURIER: { algorithm: 'm.megolm.v1.aes-sha2', code: 'because', sender_key: forged.curveKey } } } })));
});
