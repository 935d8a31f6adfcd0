/** Devices and people that are not what they were: a device with new keys is another one, and another identity gets nothing until somebody confirmed it. */
import { expect } from 'chai';
import { as, type RoomId } from '../../src/domain/brand.ts';
import { bareDevice, joins, personOf, type BareDevice } from '../support/clients/bareDevice.ts';
import { message, newPlace, ready, start, type Place, type Started } from '../support/courier.ts';
import { until } from '../support/until.ts';

/** What an engine says that has no key, or one of a later message only. */
const NOT_FOR_THEM = /room key|index/u;

describe('the courier', function () {
  this.timeout(120_000);
  let place: Place;
  let courier: Started;
  let people = 0;

  const signedDevice = async (deviceId: string, of?: BareDevice): Promise<BareDevice> => {
    const device = await bareDevice(place, of?.userId ?? personOf(place, `changes${(people += 1)}`), deviceId);
    await device.sign(of ?? 'new');
    return device;
  };
  const roomWith = async (...devices: readonly BareDevice[]): Promise<RoomId> => {
    const roomId = await place.room(devices.map(({ userId }) => userId));
    for (const device of devices) await joins(device, roomId);
    return roomId;
  };
  const send = (roomId: RoomId, who: readonly BareDevice[], id: string): ReturnType<Started['send']> => courier.send(message(id, roomId, [...new Set(who.map(({ userId }) => userId))], id));
  const readBy = async (device: BareDevice, roomId: RoomId, at = place): Promise<readonly string[]> => {
    await device.sync();
    return Promise.all((await at.sent(roomId)).map((event) => device.read(roomId, event)));
  };
  /** Does something, and waits until the courier has heard of it. */
  const heardOf = async (userId: string, what: () => Promise<unknown>): Promise<void> => {
    const before = courier.heard.length;
    await what();
    await until('the courier to hear of it', () => courier.heard.slice(before).some(({ kind, userIds }) => kind === 'devices' && userIds.includes(as(userId))));
  };

  before(async () => {
    place = await newPlace();
    courier = await start(place);
    await ready(courier);
  });
  after(async () => {
    await courier.stop();
    place.clear();
  });

  /** Sends before and after one of the two devices is reset while the courier is away, so that it hears at once that the device went and that there is one of that name. */
  const overReset = async (at: Place): Promise<{ readonly outcomes: readonly unknown[]; readonly roomId: RoomId; readonly other: BareDevice; readonly old: BareDevice; readonly reset: BareDevice }> => {
    let sender = await start(at);
    await ready(sender);
    const other = await bareDevice(at, personOf(at, `reset${(people += 1)}`), 'OTHER');
    await other.sign('new');
    const old = await bareDevice(at, other.userId, 'RESET');
    await old.sign(other);
    const roomId = await at.room([other.userId]);
    await joins(other, roomId);
    const outcomes = [await sender.send(message('one', roomId, [other.userId], 'before the reset'))];
    await old.sync();
    await sender.stop();
    await old.call('/devices/RESET', {}, 'DELETE');
    const reset = await bareDevice(at, other.userId, 'RESET');
    sender = await start(at);
    await until('the courier to see the reset', () => sender.logs.some(({ code }) => code === 'device-reset'));
    outcomes.push(await sender.send(message('two', roomId, [other.userId], 'after it')));
    await sender.stop();
    return { outcomes, roomId, other, old, reset };
  };

  it('takes a device that was reset (the same id, other keys) for another one: it gets a channel of its own, the room a new key, and the old one nothing', async () => {
    const open = await newPlace({ trust: 'any' });
    const { outcomes, roomId, other, old, reset } = await overReset(open);
    for (const outcome of outcomes) expect(outcome).to.deep.nested.include({ ok: true, 'value.devices': 2 });
    const [first, second] = (await open.sent(roomId)).map(({ content }) => content['session_id']);
    expect(second, 'the old device had the key').not.to.equal(first);
    expect(await readBy(other, roomId, open)).to.deep.equal(['before the reset', 'after it']);
    expect((await readBy(reset, roomId, open))[1]).to.equal('after it');
    const [was, is] = await Promise.all((await open.sent(roomId)).map((event) => old.read(roomId, event)));
    expect(was).to.equal('before the reset');
    expect(is).to.match(NOT_FOR_THEM);
    open.clear();
  });

  it('and asks for its owner\'s signature anew: what the old keys had counts for nothing', async () => {
    const strict = await newPlace();
    const { outcomes } = await overReset(strict);
    expect(outcomes[0]).to.deep.nested.include({ 'value.devices': 2, 'value.withheld': 0 });
    expect(outcomes[1]).to.deep.nested.include({ 'value.devices': 1, 'value.withheld': 1 });
    strict.clear();
  });

  it('gives nothing to somebody who has another identity than before, says so, and sends once it is accepted', async () => {
    const before = await signedDevice('BEFORE');
    const roomId = await roomWith(before);
    expect(await send(roomId, [before], 'to the first identity')).to.deep.include({ ok: true });
    const after = await bareDevice(place, before.userId, 'AFTER');
    await heardOf(before.userId, () => after.sign('new'));
    const held = await send(roomId, [before], 'to whom?');
    expect(held).to.deep.nested.include({ ok: false, 'error.code': 'identity-changed' });
    expect(held.ok ? '' : held.error.message).to.include(before.userId).and.include('aceso people accept');
    expect(await courier.devices(as(before.userId))).to.deep.nested.include({ 'value.entitled': 0 });
    expect(await place.sent(roomId)).to.have.length(1);

    const bystander = await signedDevice('BYSTANDER');
    await place.invite(roomId, bystander.userId);
    await joins(bystander, roomId);
    const both = message('bystander', roomId, [before.userId, bystander.userId], 'without them', { recipients: [as(bystander.userId)] });
    expect(await courier.send(both), 'others are told').to.deep.nested.include({ ok: true, 'value.devices': 1 });

    expect(await courier.acceptIdentity(as(before.userId))).to.deep.include({ ok: true });
    expect(await send(roomId, [before, bystander], 'to whom?')).to.deep.include({ ok: true });
    const [first, second, third] = await readBy(after, roomId);
    expect([first, second].every((each) => NOT_FOR_THEM.test(String(each)))).to.equal(true);
    expect(third).to.equal('to whom?');
  });

  it('or gives it at once, where the hospital says so', async () => {
    const trusting = await newPlace({ changedIdentities: 'accept' });
    const other = await start(trusting);
    await ready(other);
    const before = await bareDevice(trusting, personOf(trusting, 'trusted'), 'BEFORE');
    await before.sign('new');
    const roomId = await trusting.room([before.userId]);
    await joins(before, roomId);
    expect(await other.send(message('one', roomId, [before.userId], 'one'))).to.deep.include({ ok: true });
    const after = await bareDevice(trusting, before.userId, 'AFTER');
    await after.sign('new');
    await until('it to be sent to the new one', async () => {
      const sent = await other.send(message('two', roomId, [before.userId], 'two'));
      return sent.ok;
    });
    await other.stop();
    trusting.clear();
  });
});
