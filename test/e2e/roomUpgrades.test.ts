/** A results room that is upgraded (client-server API §11.31): results follow the guardian to its successor, and nobody else anywhere. */
import { expect } from 'chai';
import { newAceso, type Aceso, type Person } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { sharedHospitals, type Hospitals, type Slot } from '../support/lab.ts';
import { matrix, text } from '../support/matrixHttp.ts';
import { asGuardian, sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-upgrades';
const NPI = '1000000071';
const part = encodeURIComponent;

describe('A results room that is replaced', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let slot: Slot;
  let aceso: Aceso;
  let ada: Client;
  const logged = (code: string, word: string): boolean => aceso.log().split('\n').some((line) => line.includes(`"${code}"`) && line.includes(word));

  before(async () => {
    hospitals = await sharedHospitals();
    const { mercy, stAnne } = hospitals;
    slot = hospitals.takeSlot();
    const people: readonly Person[] = [{ id: 'ada', name: 'Dr. Ada', user_id: await stAnne.register('upgrades_ada', PASSWORD), npi: NPI }];
    aceso = await newAceso({ mercy, slot, people, partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }] });
    ada = await startJsClient({ baseUrl: stAnne.baseUrl, user: 'upgrades_ada', password: PASSWORD });
    await aceso.start();
  });
  after(async () => {
    await Promise.all([ada.stop(), aceso.stop()]);
    aceso.remove();
  });

  it('by the guardian is followed: what comes next goes to the new room, answers from the old one count', async () => {
    await tell(aceso, 'U-1', NPI);
    const first = await sees(ada, 'U-1');
    const { replacement_room: successor } = await asGuardian(hospitals.mercy, slot, `/rooms/${part(first.roomId)}/upgrade`, { body: { new_version: '12' } });
    await until('ada to be in the new room', () => ada.joinedRooms.has(String(successor)));
    await tell(aceso, 'U-2', NPI);
    const second = await sees(ada, 'U-2');
    expect(second.roomId).to.equal(successor).and.not.to.equal(first.roomId);
    const reply = await ada.reply(first.roomId, first.eventId, 'Treating now.');
    await aceso.delivery('answered in the old room', ({ eventId, history }) => eventId === first.eventId && history.some(({ proof }) => proof === reply));
  });

  it('by anybody else is not: it is an alarm, and results stay where they are', async () => {
    await tell(aceso, 'U-3', NPI);
    const { roomId } = await sees(ada, 'U-3');
    const levels = await asGuardian(hospitals.mercy, slot, `/rooms/${part(roomId)}/state/m.room.power_levels`);
    await asGuardian(hospitals.mercy, slot, `/rooms/${part(roomId)}/state/m.room.power_levels`, { method: 'PUT', body: { ...levels, events: { ...levels['events'] as object, 'm.room.tombstone': 0 } } });
    const asAda = (path: string, body: unknown, method: 'POST' | 'PUT'): Promise<Record<string, unknown>> => matrix(hospitals.stAnne.baseUrl, `/_matrix/client/v3${path}`, { token: ada.accessToken, body, method });
    const trap = text(await asAda('/createRoom', { preset: 'public_chat' }, 'POST'), 'room_id');
    const tombstone = await until('the levels to be there', () => asAda(`/rooms/${part(roomId)}/state/m.room.tombstone`, { body: 'moved', replacement_room: trap }, 'PUT'));
    await until('the alarm', () => logged('room.tombstone-refused', String(tombstone['event_id'])));
    await tell(aceso, 'U-4', NPI);
    expect((await sees(ada, 'U-4')).roomId).to.equal(roomId);
  });

  it('by the guardian with a room that is not as strict is not: it is an alarm', async () => {
    const { roomId } = await sees(ada, 'U-4');
    const lax = text(await asGuardian(hospitals.mercy, slot, '/createRoom', { body: { preset: 'public_chat', creation_content: { predecessor: { room_id: roomId } } } }), 'room_id');
    await asGuardian(hospitals.mercy, slot, `/rooms/${part(roomId)}/state/m.room.tombstone`, { method: 'PUT', body: { body: 'moved', replacement_room: lax } });
    await until('the alarm', () => logged('room.upgrade-refused', lax));
    await tell(aceso, 'U-5', NPI);
    expect((await sees(ada, 'U-5')).roomId).to.equal(roomId);
  });
});
