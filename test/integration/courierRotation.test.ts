/** When the room's key changes, as anybody sees from the outside: the session of the ciphertext is another, and who is out can't read on. */
import { expect } from 'chai';
import { as, type RoomId } from '../../src/domain/brand.ts';
import { bareDevice, joins, personOf, type BareDevice } from '../support/clients/bareDevice.ts';
import { inProcess, message, newPlace, ready, start, type Place, type Started } from '../support/courier.ts';
import { until } from '../support/until.ts';

const DAY_MS = 86_400_000;

describe('the courier changes the key of a room', function () {
  this.timeout(120_000);
  let place: Place;
  let courier: Started | undefined;
  let first: BareDevice;
  let people = 0;

  /** A person with a signed device, in a room of their own with the courier. */
  const newRoom = async (): Promise<{ readonly person: BareDevice; readonly roomId: RoomId }> => {
    const person = await bareDevice(place, personOf(place, `rotation${(people += 1)}`), 'FIRST');
    await person.sign('new');
    const roomId = await place.room([person.userId]);
    await joins(person, roomId);
    return { person, roomId };
  };
  const running = async (): Promise<Started> => {
    courier ??= await start(place);
    await ready(courier);
    return courier;
  };
  const send = async (roomId: RoomId, who: readonly string[], id: string, changes: Parameters<typeof message>[4] = {}): Promise<void> => {
    expect(await (await running()).send(message(id, roomId, who, id, changes))).to.deep.include({ ok: true });
  };
  const sessions = async (roomId: RoomId): Promise<readonly string[]> => (await place.sent(roomId)).map(({ content }) => String(content['session_id']));

  before(async () => {
    place = await newPlace();
  });
  after(async () => {
    await courier?.stop();
    place.clear();
  });

  it('by count: after as many messages as the room says', async () => {
    const { person, roomId } = await newRoom();
    const rotation = { periodMs: 7 * DAY_MS, messages: 2 };
    for (const id of ['c1', 'c2', 'c3']) await send(roomId, [person.userId], id, { rotation });
    const [one, two, three] = await sessions(roomId);
    expect(two).to.equal(one);
    expect(three).not.to.equal(one);
    await person.sync();
    expect(await Promise.all((await place.sent(roomId)).map((event) => person.read(roomId, event)))).to.deep.equal(['c1', 'c2', 'c3']);
  });

  it('by time: not a day before the period ends, and at once when it has', async () => {
    const { person, roomId } = await newRoom();
    await send(roomId, [person.userId], 't1');
    await courier?.stop();
    courier = undefined;
    const later = (id: string, clockMs: number): ReturnType<typeof inProcess> => inProcess(place, { messages: [{ id, roomId, people: [person.userId], content: { msgtype: 'm.text', body: id } }] }, { clockMs });
    for (const { reports } of [await later('t2', 6 * DAY_MS), await later('t3', 8 * DAY_MS)]) expect(reports).to.have.nested.property('[0].outcome.ok', true);
    const [one, two, three] = await sessions(roomId);
    expect(two, 'six days later').to.equal(one);
    expect(three, 'eight days later').not.to.equal(one);
  });

  it('when a member leaves, who can read nothing that follows', async () => {
    const { person, roomId } = await newRoom();
    const other = await bareDevice(place, personOf(place, 'leaver'), 'FIRST');
    await other.sign('new');
    await place.invite(roomId, other.userId);
    await joins(other, roomId);
    await send(roomId, [person.userId, other.userId], 'with both');
    await other.sync();
    await other.call(`/rooms/${encodeURIComponent(roomId)}/leave`, {});
    await (await running()).memberChanged(roomId, as(other.userId), 'leave');
    await send(roomId, [person.userId], 'without the other');
    await other.sync();
    await person.sync();
    const [before, after] = await place.sent(roomId);
    if (!before || !after) throw new Error('two messages were sent');
    expect(await other.read(roomId, before)).to.equal('with both');
    expect(await other.read(roomId, after)).to.match(/room key/u);
    expect(await person.read(roomId, after)).to.equal('without the other');
  });

  it('when one of their devices is removed: whoever has the device can read nothing that follows', async () => {
    const { person, roomId } = await newRoom();
    first = person;
    const lost = await bareDevice(place, person.userId, 'LOST');
    await lost.sign(first);
    await until('both devices to be known', async () => {
      const devices = await (await running()).devices(as(person.userId));
      return devices.ok && devices.value.entitled === 2;
    });
    await send(roomId, [person.userId], 'on both');
    await lost.sync();
    const heard = (await running()).heard.length;
    await lost.call(`/devices/LOST`, {}, 'DELETE');
    await until('the courier to hear of it', async () => (await running()).heard.slice(heard).some(({ userIds }) => userIds.includes(as(person.userId))));
    await send(roomId, [person.userId], 'on one');
    await first.sync();
    const [before, after] = await place.sent(roomId);
    if (!before || !after) throw new Error('two messages were sent');
    expect(await lost.read(roomId, before)).to.equal('on both');
    expect(await lost.read(roomId, after)).to.match(/room key/u);
    expect(await first.read(roomId, after)).to.equal('on one');
  });
});
