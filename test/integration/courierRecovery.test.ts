/** The engine fails, its thread hangs, the homeserver restarts: the courier goes on by itself, and nothing is lost or sent twice. */
import { expect } from 'chai';
import type { FaultAction, FaultPoint } from '../../src/adapters/crypto/courier.ts';
import { as, type RoomId } from '../../src/domain/brand.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { joinedRoom, message, messageIndex, newPlace, ready, start, type Place, type Started } from '../support/courier.ts';
import { sharedHospitals, startHospitals } from '../support/lab.ts';
import { until } from '../support/until.ts';

describe('the courier recovers', function () {
  this.timeout(120_000);
  let anna: Client;
  let place: Place;
  let courier: Started;
  let fault: { readonly at: FaultPoint; readonly action: FaultAction } | undefined;

  const faultPoint = (name: FaultPoint): FaultAction => {
    if (name !== fault?.at) return undefined;
    const { action } = fault;
    fault = undefined;
    return action;
  };
  const sendUntilTaken = async (id: string, roomId: RoomId): Promise<void> => {
    await until(`${id} to be sent`, async () => (await courier.send(message(id, roomId, [anna.userId], id))).ok);
  };

  before(async () => {
    const { stAnne } = await sharedHospitals();
    await stAnne.register('recovery_anna', 'pw');
    anna = await startJsClient({ baseUrl: stAnne.baseUrl, user: 'recovery_anna', password: 'pw' });
    place = await newPlace({ deadlineMs: 4_000, faultPoint });
    courier = await start(place);
    await ready(courier);
  });
  after(async () => {
    await courier.stop();
    await anna.stop();
    place.clear();
  });

  for (const { action, what } of [
    { action: 'panic', what: 'panics, which leaves its promise unsettled' },
    { action: 'hang', what: 'never answers' },
    { action: 'block', what: 'never yields' },
  ] as const) {
    it(`when the engine ${what}: calls under way fail with "engine", and the same message goes out once`, async () => {
      const [here, there] = [await joinedRoom(place, [anna]), await joinedRoom(place, [anna])];
      await courier.send(message(`${action} 0`, there, [anna.userId], `${action} 0`));
      const { restarts } = courier.status();
      fault = { at: 'encrypted', action };
      const hit = courier.send(message(action, here, [anna.userId], action));
      expect(await hit).to.deep.nested.include({ ok: false, 'error.code': 'engine', 'error.retry': true });
      await Promise.all([sendUntilTaken(action, here), sendUntilTaken(`${action} 1`, there)]);
      await until('the courier to be ready again', () => courier.status().state === 'ready');
      expect(courier.status().restarts).to.equal(restarts + 1);
      for (const body of [action, `${action} 0`, `${action} 1`]) await anna.waitForMessage(({ content }) => content['body'] === body);
      const events = [...await place.sent(here), ...await place.sent(there)];
      expect(events).to.have.length(3);
      expect(new Set(events.map(messageIndex))).to.have.length(3);
    });
  }

  it('says what happened, by code', () => {
    expect(courier.logs.filter(({ code }) => code === 'engine-restarted')).to.have.length(3);
    expect(courier.logs.map(({ code }) => code)).to.include.members(['engine-deadline', 'engine-panic']);
  });

  it('when its device was deleted at the homeserver: the message is for later, not refused for good', async () => {
    const own = await newPlace();
    const itself = await start(own);
    await ready(itself);
    const roomId = await joinedRoom(own, [anna]);
    // With the room's key shared, the event itself is the next thing that the homeserver is asked to take.
    expect((await itself.send(message('before', roomId, [anna.userId], 'before'))).ok).to.equal(true);
    await own.call('/delete_devices', { devices: [own.options.deviceId] });
    expect(await itself.send(message('deleted', roomId, [anna.userId], 'deleted'))).to.deep.nested.include({ ok: false, 'error.code': 'unavailable', 'error.retry': true });
    expect(itself.status(), 'for good: another device must take its place').to.deep.include({ state: 'removed' });
    expect(itself.status().problem).to.include(`removed the courier's device ${own.options.deviceId}`);
    await itself.stop();
    own.clear();
  });

  it('when its device was deleted while it began: it says so, and doesn\'t try for ever', async () => {
    let deleted = 0;
    const own: Place = await newPlace({ faultPoint: async (name) => {
      if (name !== 'device-keys-uploaded') return undefined;
      deleted += 1;
      await own.call('/delete_devices', { devices: [own.options.deviceId] });
      return 'panic';
    } });
    const itself = await start(own);
    await until('it to say that its device is removed', () => itself.status().state === 'removed', 60_000);
    expect(deleted).to.equal(1);
    await itself.stop();
    own.clear();
  });

  it('in a loop of panics is seen not to be ready, tries more and more rarely, and is well again once they end', async () => {
    let panics = 0;
    let loop: FaultAction = 'panic';
    const other = await newPlace({ deadlineMs: 4_000, faultPoint: (name) => {
      if (name !== 'synced') return undefined;
      panics += loop === 'panic' ? 1 : 0;
      return loop;
    } });
    const looping = await start(other);
    const began = performance.now();
    await until('the third restart', () => looping.status().restarts >= 3, 60_000);
    expect(looping.status().state).to.equal('recovering');
    expect(performance.now() - began, 'ms: at once, then after pauses that grow').to.be.above(1_500);
    expect(panics).to.be.within(3, 4);
    loop = undefined;
    await ready(looping);
    await looping.stop();
    other.clear();
  });

  it('keeps a change of membership that came while the engine was away', async () => {
    const roomId = await place.room([anna.userId]);
    fault = { at: 'encrypted', action: 'panic' };
    const hit = courier.send(message('away', roomId, [anna.userId], 'away'));
    const changed = courier.memberChanged(roomId, as(anna.userId), 'join');
    await Promise.all([hit, changed]);
    await sendUntilTaken('away', roomId);
  });

  it('stops at once, though a sync is waiting, and takes no calls afterwards', async () => {
    const other = await newPlace();
    const stopping = await start(other);
    await ready(stopping);
    const began = performance.now();
    await stopping.stop();
    expect(performance.now() - began).to.be.below(2_000);
    expect(stopping.status().state).to.equal('stopped');
    expect(await stopping.send(message('late', as('!x:localhost'), [], 'late'))).to.deep.nested.include({ ok: false, 'error.code': 'engine' });
    other.clear();
  });

  it('refuses a store with another key, and another device than the store is of, saying so', async () => {
    const other = await newPlace();
    const first = await start(other);
    await first.stop();
    const wrongKey = await start(other, { storeKey: new Uint8Array(32).fill(8) }).then(() => 'opened', (error: unknown) => String(error));
    expect(wrongKey).to.match(/store can't be opened/);
    const wrongDevice = await start(other, { deviceId: 'ANOTHER' }).then(() => 'opened', (error: unknown) => String(error));
    expect(wrongDevice).to.match(/store can't be opened/);
    other.clear();
  });

  it('does not take over a device whose keys another store has', async () => {
    const other = await newPlace();
    const first = await start(other);
    await ready(first);
    await first.stop();
    other.clear();
    const second = await start(other);
    const problem = await until('the problem to be told', () => second.status().problem);
    expect(problem).to.match(/has keys that aren't in this store/);
    await second.stop();
    other.clear();
  });

  it('makes no second event when the homeserver restarts between the event and its answer', async () => {
    const hospitals = await startHospitals({ mercy: { slots: 1 } });
    try {
      const { mercy } = hospitals;
      await mercy.register('restart_anna', 'pw'); // its own server's: the other would wait for what federation has missed
      const reader = await startJsClient({ baseUrl: mercy.baseUrl, user: 'restart_anna', password: 'pw' });
      let lost = false;
      const own = await newPlace({
        faultPoint: async (name) => {
          if (name !== 'put' || lost) return undefined;
          lost = true;
          await mercy.restart();
          return 'panic'; // the answer never arrives
        },
      }, { hospital: mercy, slot: hospitals.takeSlot() });
      const own1 = await start(own);
      await ready(own1);
      const roomId = await joinedRoom(own, [reader]);
      const sent = await until('the message to be sent', async () => {
        const outcome = await own1.send(message('once', roomId, [reader.userId], 'once'));
        return outcome.ok && outcome.value;
      });
      const events = await own.sent(roomId);
      expect(events.map(({ event_id: eventId }) => eventId)).to.deep.equal([sent.eventId]);
      await reader.waitForMessage(({ content }) => content['body'] === 'once');
      await own1.stop();
      await reader.stop();
      own.clear();
    } finally {
      await hospitals.stop();
    }
  });
});
