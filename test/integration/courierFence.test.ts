/** A courier that is only paused (SIGSTOP) while another takes its store over: when it wakes, it writes nothing and sends nothing. */
import { expect } from 'chai';
import type { FaultPoint } from '../../src/adapters/crypto/courier.ts';
import type { RoomId } from '../../src/domain/brand.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { joinedRoom, message, messageIndex, newPlace, ready, start, startChild, type Place } from '../support/courier.ts';
import { sharedHospitals } from '../support/lab.ts';
import { startSyncGate } from '../support/syncGate.ts';
import { until } from '../support/until.ts';

describe('a courier that is stopped, and replaced', function () {
  this.timeout(120_000);
  let anna: Client;
  let place: Place;
  let roomId: RoomId;
  let generation = 0;
  const bodies: string[] = [];
  const rotation = { periodMs: 604_800_000, messages: 4 }; // so that some takeovers meet a new session

  before(async () => {
    const { stAnne } = await sharedHospitals();
    await stAnne.register('fence_anna', 'pw');
    anna = await startJsClient({ baseUrl: stAnne.baseUrl, user: 'fence_anna', password: 'pw' });
    place = await newPlace();
    roomId = await joinedRoom(place, [anna]);
  });
  after(async () => {
    await anna.stop();
    place.clear();
  });

  const points: readonly FaultPoint[] = ['to-device-put', 'keys-shared', 'encrypted', 'journalled', 'put', 'marked'];
  for (const name of points) {
    it(`at "${name}": its successor sends each message once; it wakes fenced, and nothing of it leaves any more`, async () => {
      const gate = await startSyncGate(place.hospital.baseUrl);
      const ids = [1, 2, 3].map((number) => `${name} ${number}`);
      const messages = ids.map((id) => ({ id, roomId, people: [anna.userId], content: { msgtype: 'm.text', body: id } }));
      // It is stopped for longer than a call may take, on a busy machine; the deadline is another test's.
      const stopped = await startChild(place, { messages, rotationMessages: rotation.messages, stopAt: { name, time: name === 'to-device-put' ? 1 : 2 } }, { options: { deadlineMs: 300_000, homeserverUrl: gate.baseUrl, generation: (generation += 1) } });
      try {
        await until('it to be stopped', () => stopped.isStopped());
        const successor = await start(place, { generation: (generation += 1) });
        await ready(successor);
        for (const id of ids) expect(await successor.send(message(id, roomId, [anna.userId], id, { rotation }))).to.have.property('ok', true);

        const before = gate.requests.length;
        stopped.resume();
        await until('it to be fenced', () => stopped.logs.includes('fenced'));
        expect(await stopped.ended()).to.equal('code 0');
        expect(gate.requests.slice(before)).to.deep.equal([]);
        expect(stopped.reports.map(({ outcome }) => outcome.ok)).to.deep.equal(name === 'to-device-put' ? [false, false, false] : [true, name === 'marked', false]);

        await successor.send(message(`${name} after`, roomId, [anna.userId], `${name} after`, { rotation }));
        bodies.push(...ids, `${name} after`);
        await anna.waitForMessage(({ content }) => content['body'] === bodies.at(-1));
        expect(successor.status().state).to.equal('ready');
        await successor.stop();
      } finally {
        await stopped.kill();
        await gate.stop();
      }
      const events = await place.sent(roomId);
      expect(anna.messages.filter((one) => one.roomId === roomId).map(({ content }) => content['body'])).to.have.members(bodies);
      expect(events).to.have.length(bodies.length);
      expect(new Set(events.map(messageIndex))).to.have.length(bodies.length);
      expect(anna.undecryptable.filter((one) => one.roomId === roomId)).to.deep.equal([]);
    });
  }

  it('refuses to open the store for a holder of before, and as another store', async () => {
    const stale = await start(place, { generation: 1 }).then(() => 'opened', (error: unknown) => String(error));
    expect(stale).to.match(/another holder has taken/);
    const other = await start(place, { generation: (generation += 1), storeId: 'other' }).then(() => 'opened', (error: unknown) => String(error));
    expect(other).to.match(/is the store store, not other/);
  });
});
