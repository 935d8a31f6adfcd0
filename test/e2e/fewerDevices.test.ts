/** `courier.devices` is lowered while a message is in doubt on the seat that is none any more: only the device there knows what it sent. */
import { expect } from 'chai';
import { as } from '../../src/domain/brand.ts';
import { seatFor } from '../../src/domain/rooms/seat.ts';
import type { SeatStatus } from '../../src/ports/courier.ts';
import { newAceso, type Aceso, type AcesoOptions } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { sharedHospitals, type Hospitals, type Slot } from '../support/lab.ts';
import { matrix } from '../support/matrixHttp.ts';
import { sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const NPI = '3300000001';
/** Whose room has the second seat of two. */
const PARTY = Array.from({ length: 99 }, (_, index) => `f${index}`).find((id) => seatFor(as(id), 2) === 1) ?? '';

describe('The courier has fewer devices than before', function () {
  this.timeout(180_000);
  let hospitals: Hospitals;
  let slot: Slot;
  let options: AcesoOptions;
  let aceso: Aceso;
  let client: Client;

  const asCourier = (path: string): Promise<Record<string, unknown>> =>
    matrix(hospitals.mercy.baseUrl, `/_matrix/client/v3${path}${path.includes('?') ? '&' : '?'}user_id=${encodeURIComponent(`@${slot.prefix}courier:${hospitals.mercy.serverName}`)}`, { token: slot.asToken });
  const seats = async (): Promise<readonly SeatStatus[]> => ((await (await fetch(`${aceso.operationsUrl}/readyz`)).json()) as { readonly seats: readonly SeatStatus[] }).seats;

  before(async () => {
    hospitals = await sharedHospitals();
    const { mercy, stAnne } = hospitals;
    slot = hospitals.takeSlot();
    const userId = await stAnne.register('fewer_devices', 'password-of-fewer');
    client = await startJsClient({ baseUrl: stAnne.baseUrl, user: 'fewer_devices', password: 'password-of-fewer' });
    options = { mercy, slot, people: [{ id: PARTY, name: 'Dr. Fewer', user_id: userId, npi: NPI }], partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }], unsignedDevices: 'allow', courier: { devices: 2 } };
    aceso = await newAceso(options);
  });
  after(async () => {
    await Promise.all([client.stop(), aceso.stop()]);
    aceso.remove();
  });

  it('what waits for one that is none any more is finished there, once; then its device is ended, and the room goes on with another', async () => {
    await aceso.start();
    await tell(aceso, 'D-1', NPI);
    const { roomId, sender } = await sees(client, 'D-1', 60_000);
    await aceso.stop();
    await aceso.launch({ ACESO_TEST_KILL_AT: 'courier.put' });
    await until('the door to open', async () => (await fetch(`${aceso.operationsUrl}/readyz`).catch(() => undefined))?.ok, 60_000);
    await tell(aceso, 'D-2', NPI);
    await until('it to be killed', () => aceso.ended(), 60_000);
    await sees(client, 'D-2', 60_000);

    aceso = await newAceso({ ...options, folder: aceso.folder, token: aceso.token, courier: { devices: 1 } });
    await aceso.start();
    await aceso.delivery('sent', ({ phase, history }) => phase !== 'sending' && history.some(({ what }) => what.startsWith('sent')), 60_000);
    await until('the seat to leave', async () => (await seats()).every(({ seat }) => seat === 0), 60_000);
    await tell(aceso, 'D-3', NPI);
    await sees(client, 'D-3', 60_000);

    const filter = encodeURIComponent(JSON.stringify({ types: ['m.room.encrypted'], senders: [sender] }));
    const { chunk } = await asCourier(`/rooms/${encodeURIComponent(roomId)}/messages?dir=f&limit=500&filter=${filter}`);
    expect(chunk, 'each once').to.have.length(3);
    const devices = ((await asCourier('/devices'))['devices'] as readonly { readonly device_id: string }[]).map((device) => device.device_id);
    expect(devices).to.deep.equal([(await seats())[0]?.deviceId]);
    expect(aceso.log()).to.include('seat.leaving').and.include('seat.retired');
    expect((await aceso.deliveries()).map(({ phase }) => phase)).to.satisfy((phases: readonly string[]) => phases.every((phase) => phase === 'sent' || phase === 'seen'));
  });
});
