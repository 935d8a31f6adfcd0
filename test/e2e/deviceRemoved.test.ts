/** The homeserver loses the courier's device while results flow: an administrator deleted it, or something that cleans up. */
import { expect } from 'chai';
import { newAceso, type Aceso } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { messageIndex } from '../support/courier.ts';
import { sharedHospitals, type Hospitals, type Slot } from '../support/lab.ts';
import { matrix } from '../support/matrixHttp.ts';
import { about, tell } from '../support/results.ts';
import type { EncryptedEvent } from '../../src/ports/courier.ts';
import { until } from '../support/until.ts';

const NPI = '3200000001';

describe('The courier\'s device is deleted at the homeserver', function () {
  this.timeout(180_000);
  let hospitals: Hospitals;
  let slot: Slot;
  let aceso: Aceso;
  let client: Client;

  const asCourier = (path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const user = `user_id=${encodeURIComponent(`@${slot.prefix}courier:${hospitals.mercy.serverName}`)}`;
    return matrix(hospitals.mercy.baseUrl, `/_matrix/client/v3${path}${path.includes('?') ? '&' : '?'}${user}`, { token: slot.asToken, ...(body === undefined ? {} : { body }) });
  };
  const seat = async (): Promise<{ readonly state: string; readonly deviceId?: string } | undefined> => ((await (await fetch(`${aceso.operationsUrl}/readyz`)).json()) as { readonly seats: readonly { readonly state: string; readonly deviceId?: string }[] }).seats[0];
  const read = (accession: string): boolean => client.messages.some(about(accession));

  before(async () => {
    hospitals = await sharedHospitals();
    const { mercy, stAnne } = hospitals;
    slot = hospitals.takeSlot();
    const userId = await stAnne.register('device_removed', 'password-of-removed');
    client = await startJsClient({ baseUrl: stAnne.baseUrl, user: 'device_removed', password: 'password-of-removed', accepts: 'signedDevices', recovery: 'create' });
    aceso = await newAceso({ mercy, slot, people: [{ id: 'removed', name: 'Dr. Removed', user_id: userId, npi: NPI }], partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }], source: { requests_per_minute: 100_000 } });
    await aceso.start();
  });
  after(async () => {
    await Promise.all([client.stop(), aceso.stop()]);
    aceso.remove();
  });

  it('a new device of the same identity sits down by itself; each result comes once and can be read; people who look are told', async () => {
    // A client that takes signed devices alone knows whose the courier's is once it has asked.
    await tell(aceso, 'R-0', NPI);
    const met = await until('the first result to be there', () => client.messages[0] ?? client.undecryptable[0], 60_000);
    await client.send(met.roomId, { msgtype: 'm.text', body: 'To send, it asks for the devices of all members.' });
    await tell(aceso, 'R-1', NPI);
    await until('the second result to be read', () => read('R-1'), 60_000);
    const before = await seat();

    const sent = ['R-1'];
    for (let index = 2; index <= 30; index += 1) {
      const accession = `R-${index}`;
      sent.push(accession);
      await tell(aceso, accession, NPI);
      if (index === 10) await asCourier('/delete_devices', { devices: [before?.deviceId] });
    }
    await until('every result to be read', () => sent.every(read), 90_000).catch((cause: unknown) => {
      throw new Error(`not read: ${sent.filter((accession) => !read(accession)).join(' ')}\n${aceso.log().slice(-4000)}`, { cause });
    });
    const messages = client.messages.filter(({ eventId }) => eventId !== met.eventId);
    expect(messages, 'each once').to.have.length(sent.length);
    expect(client.undecryptable.filter(({ eventId }) => eventId !== met.eventId)).to.deep.equal([]);
    expect(new Set(messages.map(({ shieldColour }) => shieldColour)), 'signed by the same identity').to.deep.equal(new Set(['none']));
    const filter = encodeURIComponent(JSON.stringify({ types: ['m.room.encrypted'], senders: [met.sender] }));
    const { chunk } = await asCourier(`/rooms/${encodeURIComponent(met.roomId)}/messages?dir=f&limit=500&filter=${filter}`);
    const events = chunk as readonly EncryptedEvent[];
    expect(events).to.have.length(sent.length + 1);
    expect(new Set(events.map(messageIndex)), 'no message index twice').to.have.length(events.length);

    const after = await until('the seat to be ready', async () => { const now = await seat(); return now?.state === 'ready' ? now : undefined; });
    expect(after.deviceId).to.be.a('string').and.not.equal(before?.deviceId);
    const devices = ((await asCourier('/devices'))['devices'] as readonly { readonly device_id: string }[]).map((device) => device.device_id);
    expect(devices).to.deep.equal([after.deviceId]);
    expect(aceso.log()).to.include('courier.device-removed').and.include('seat.device-removed');
    expect(await (await fetch(`${aceso.operationsUrl}/metrics`)).text()).to.match(/aceso_courier_seats_taken_total\{how="replaced"\} 1/u);

    const last = messages.at(-1) ?? met;
    await client.reply(last.roomId, last.eventId, 'Seen, thank you.');
    await aceso.delivery('answered', ({ eventId, phase }) => eventId === last.eventId && phase === 'answered', 60_000);
  });
});
