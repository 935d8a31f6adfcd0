/** A partner's homeserver that is down: the message waits, since its person's devices couldn't get the key, and goes out once it is back. */
import { expect } from 'chai';
import { as } from '../../src/domain/brand.ts';
import { bareDevice, joins, personOf } from '../support/clients/bareDevice.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { joinedRoom, message, newPlace, ready, start } from '../support/courier.ts';
import { startHospitals } from '../support/lab.ts';
import { until } from '../support/until.ts';

describe('the courier, when a recipient\'s homeserver is down,', function () {
  this.timeout(120_000);

  it('says so and encrypts nothing that the recipient could never read; tells the others of a team; sends when it is back. Or sends for the devices known last, where the hospital says so', async () => {
    const hospitals = await startHospitals({ mercy: { slots: 1 } });
    try {
      const { mercy, stAnne } = hospitals;
      await stAnne.register('silent_anna', 'pw');
      const anna = await startJsClient({ baseUrl: stAnne.baseUrl, user: 'silent_anna', password: 'pw' });
      const at = { hospital: mercy, slot: hospitals.takeSlot() };
      const [holding, sending] = [await newPlace({}, at), await newPlace({ whenServerAway: () => 'send' }, at)];
      const [courier, daring] = [await start(holding), await start(sending)];
      await Promise.all([ready(courier), ready(daring)]);
      const ben = await bareDevice(holding, personOf(holding, 'ben'), 'BEN');
      await ben.sign('new');
      const roomId = await joinedRoom(holding, [anna]);
      await holding.invite(roomId, ben.userId);
      await joins(ben, roomId);
      const daringRoom = await joinedRoom(sending, [anna]);
      expect(await daring.send(message('known', daringRoom, [anna.userId], 'its devices are known'))).to.deep.include({ ok: true });
      await stAnne.stop();

      const toAnna = message('while down', roomId, [anna.userId], 'while it was down');
      for (const _ of [1, 2]) {
        const held = await courier.send(toAnna);
        expect(held).to.deep.nested.include({ ok: false, 'error.code': 'server-away', 'error.retry': true });
        expect(held.ok ? '' : held.error.message).to.include(stAnne.serverName);
      }
      expect(await holding.sent(roomId)).to.deep.equal([]);
      // What the executor does for a team: those who can be asked about are told.
      const toBoth = message('to a team', roomId, [anna.userId, ben.userId], 'to whoever is there');
      expect(await courier.send(toBoth)).to.deep.nested.include({ 'error.code': 'server-away' });
      expect(await courier.devices(as(anna.userId))).to.deep.nested.include({ ok: false, 'error.code': 'unavailable' });
      expect(await courier.devices(as(ben.userId))).to.deep.nested.include({ 'value.entitled': 1 });
      expect(await courier.send({ ...toBoth, recipients: [as(ben.userId)] })).to.deep.nested.include({ ok: true, 'value.devices': 1 });
      await ben.sync();
      const [told] = await holding.sent(roomId);
      expect(told && await ben.read(roomId, told)).to.equal('to whoever is there');
      expect(await daring.send(message('dared', daringRoom, [anna.userId], 'for the devices known last'))).to.deep.nested.include({ ok: true, 'value.devices': 1 });

      await stAnne.start();
      await until('the message to be sent', async () => (await courier.send(toAnna)).ok, 90_000, 1_000);
      for (const body of ['while it was down', 'for the devices known last']) await anna.waitForMessage(({ content }) => content['body'] === body, 60_000);
      await Promise.all([courier.stop(), daring.stop()]);
      await anna.stop();
      holding.clear();
      sending.clear();
    } finally {
      await hospitals.stop();
    }
  });
});
