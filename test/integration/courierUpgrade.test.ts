/** The store lives longer than the engine that made it: what the release before wrote, this one goes on with. */
import { expect } from 'chai';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { RoomId } from '../../src/domain/brand.ts';
import { bareDevice, joins, personOf, type BareDevice } from '../support/clients/bareDevice.ts';
import { inProcess, message, messageIndex, newPlace, ready, start, type Place } from '../support/courier.ts';
import { until } from '../support/until.ts';

describe('a store that the engine of the release before made', function () {
  this.timeout(120_000);
  let place: Place;
  let reader: BareDevice;
  let roomId: RoomId;
  const plain = (id: string): { readonly id: string; readonly roomId: RoomId; readonly people: readonly string[]; readonly content: Readonly<Record<string, unknown>> } => ({ id, roomId, people: [reader.userId], content: { msgtype: 'm.text', body: id } });

  before(async () => {
    place = await newPlace();
    reader = await bareDevice(place, personOf(place, 'upgrade'), 'READER');
    await reader.sign('new');
    roomId = await place.room([reader.userId]);
    await joins(reader, roomId);
  });
  after(() => place.clear());

  it('is opened by this one: the same device and identity, the journalled ciphertext goes out as it is, old replies are read, no index is used twice', async () => {
    const first = await inProcess(place, { messages: [plain('one')] }, { engine: 'previous' });
    expect(first.reports).to.have.length(1);
    await reader.sync();
    const identityBefore = await place.call('/keys/query', { device_keys: { [place.userId]: [] } });
    const reply = await place.event(roomId, await reader.send(roomId, [place.userId], 'an early answer'));
    // It takes the reply's key, and dies with a ciphertext on the disk that never left.
    const second = await inProcess(place, { messages: [plain('two'), plain('three')], killAt: { name: 'journalled', time: 2 } }, { engine: 'previous' });
    expect(second.ended).to.include('SIGKILL');

    const courier = await start(place);
    await ready(courier);
    expect(await place.call('/keys/query', { device_keys: { [place.userId]: [] } })).to.deep.equal(identityBefore);
    expect(await courier.decrypt(roomId, reply)).to.deep.nested.include({ ok: true, 'value.content.body': 'an early answer' });
    for (const id of ['three', 'four']) expect(await courier.send(message(id, roomId, [reader.userId], id))).to.deep.include({ ok: true });
    await courier.stop();
    await reader.sync();
    const events = await place.sent(roomId);
    expect(await Promise.all(events.map((event) => reader.read(roomId, event)))).to.deep.equal(['one', 'two', 'three', 'four']);
    expect(new Set(events.map(messageIndex)).size, 'no index used twice').to.equal(4);
    expect(new Set(events.map(({ content }) => content['session_id'])).size, 'one session throughout').to.equal(1);
  });

  it('and, while both know the same format, is opened by that one again', async () => {
    const back = await inProcess(place, { messages: [plain('five')] }, { engine: 'previous' });
    expect(back.reports).to.have.nested.property('[0].outcome.ok', true);
    await until('it to be read', async () => {
      await reader.sync();
      return (await Promise.all((await place.sent(roomId)).map((event) => reader.read(roomId, event)))).includes('five');
    });
  });

  it('but is refused, untouched, by one that does not know its format: an engine is compatible within a hundred of its numbers', async () => {
    const file = join(place.options.storePath, 'courier.sqlite');
    const format = (change: number): number => {
      const sql = new DatabaseSync(file);
      sql.prepare('UPDATE idb_database SET version = version + ? WHERE version > 100').run(change);
      const { version } = sql.prepare('SELECT max(version) AS version FROM idb_database').get() ?? {};
      sql.close();
      return Number(version);
    };
    expect(format(100), 'as if a later engine had changed it').to.be.within(200, 299);
    expect(await start(place).then(() => 'opened', String)).to.match(/store can't be opened.*too new/u);
    expect(format(-100)).to.be.within(100, 199);
    const courier = await start(place);
    await ready(courier);
    expect(await courier.send(message('six', roomId, [reader.userId], 'six'))).to.deep.include({ ok: true });
    await courier.stop();
  });
});
