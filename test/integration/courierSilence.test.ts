/** A partner's homeserver that is down: the message waits, since its person's devices couldn't get the key, and goes out once it is back. */
import { expect } from 'chai';
import { startJsClient } from '../support/clients/jssdk.ts';
import { joinedRoom, message, newPlace, ready, start } from '../support/courier.ts';
import { startHospitals } from '../support/lab.ts';
import { until } from '../support/until.ts';

describe('the courier, when a recipient\'s homeserver is down,', function () {
  this.timeout(120_000);

  it('says so, encrypts nothing that the recipient could never read, and sends when it is back', async () => {
    const hospitals = await startHospitals({ mercy: { slots: 1 } });
    try {
      const { mercy, stAnne } = hospitals;
      await stAnne.register('silent_anna', 'pw');
      const anna = await startJsClient({ baseUrl: stAnne.baseUrl, user: 'silent_anna', password: 'pw' });
      const place = await newPlace({}, { hospital: mercy, slot: hospitals.takeSlot() });
      const courier = await start(place);
      await ready(courier);
      const roomId = await joinedRoom(place, [anna]);
      await stAnne.stop();
      const held = await courier.send(message('while down', roomId, [anna.userId], 'while it was down'));
      expect(held).to.deep.nested.include({ ok: false, 'error.code': 'unavailable', 'error.retry': true });
      expect(held.ok ? '' : held.error.message).to.include(stAnne.serverName);
      expect(await courier.send(message('while down', roomId, [anna.userId], 'while it was down'))).to.deep.nested.include({ ok: false, 'error.code': 'unavailable' });
      expect(await place.sent(roomId)).to.deep.equal([]);
      await stAnne.start();
      await until('the message to be sent', async () => (await courier.send(message('while down', roomId, [anna.userId], 'while it was down'))).ok, 90_000, 1_000);
      await anna.waitForMessage(({ content }) => content['body'] === 'while it was down', 30_000);
      expect(anna.undecryptable).to.deep.equal([]);
      await courier.stop();
      await anna.stop();
      place.clear();
    } finally {
      await hospitals.stop();
    }
  });
});
