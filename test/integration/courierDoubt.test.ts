/** A device whose store is lost is followed by another one, which sees in the room what was sent. */
import { expect } from 'chai';
import { join } from 'node:path';
import type { CourierOptions } from '../../src/adapters/crypto/courier.ts';
import { as } from '../../src/domain/brand.ts';
import { temporaryFolder } from '../support/folders.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { joinedRoom, keptIn, message, newPlace, ready, start } from '../support/courier.ts';
import { sharedHospitals } from '../support/lab.ts';
import { startSyncGate } from '../support/syncGate.ts';

describe('a courier whose machine was lost', function () {
  this.timeout(120_000);
  let anna: Client;

  before(async () => {
    const { stAnne } = await sharedHospitals();
    await stAnne.register('doubt_anna', 'pw');
    anna = await startJsClient({ baseUrl: stAnne.baseUrl, user: 'doubt_anna', password: 'pw' });
  });
  after(() => anna.stop());

  it('finds what the device before it sent, sends what it had not, and says so when it can\'t look', async () => {
    const folder = temporaryFolder('doubt');
    const place = await newPlace({ identity: keptIn(join(folder, 'identity')) });
    const gate = await startSyncGate(place.hospital.baseUrl);
    const lost = await start(place, { homeserverUrl: gate.baseUrl });
    await ready(lost);
    const roomId = await joinedRoom(place, [anna]);
    const people = [anna.userId];
    const createdAt = as<ReturnType<typeof message>['createdAt']>(Date.now());
    const sent = await lost.send(message('sent', roomId, people, 'sent', { createdAt }));
    expect(sent).to.have.property('ok', true);
    // Decided by a worker whose clock is minutes ahead: it seems younger than the device that follows.
    const ahead = as<typeof createdAt>(createdAt + 5 * 60_000);
    const sentAhead = await lost.send(message('ahead', roomId, people, 'ahead', { createdAt: ahead }));
    expect(sentAhead).to.have.property('ok', true);
    const lookups = (): number => gate.requests.filter((request) => request.endsWith('/messages')).length;
    expect(lookups(), 'a first device follows nobody').to.equal(0);
    await lost.stop();
    place.clear();
    // More than a page of later events lies over it.
    const filler = Array.from({ length: 105 }, (_, index) => place.call(`/rooms/${encodeURIComponent(roomId)}/send/m.room.encrypted/filler${index}`, { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: `${index}`, session_id: 'none' }, 'PUT'));
    await Promise.all(filler);

    const changes: Partial<CourierOptions> = { deviceId: 'NEXTDEVICE', storeId: 'next', storePath: join(folder, 'next.db'), bornAt: Date.now(), homeserverUrl: gate.baseUrl };
    const next = await start(place, changes);
    await ready(next);
    const again = await next.send(message('sent', roomId, people, 'sent', { createdAt }));
    expect(again).to.deep.equal({ ok: true, value: { ...(sent.ok ? { eventId: sent.value.eventId } : {}), devices: 0, withheld: 0 } });
    expect(next.logs.map(({ code }) => code)).to.include('in-doubt-sent');
    expect(await next.send(message('sent', roomId, people, 'sent', { createdAt })), 'asked again: from its journal').to.deep.equal(again);
    expect(lookups(), 'pages').to.equal(2);

    expect(await next.send(message('ahead', roomId, people, 'ahead', { createdAt: ahead })), 'whatever its clock says').to.deep.equal({ ok: true, value: { ...(sentAhead.ok ? { eventId: sentAhead.value.eventId } : {}), devices: 0, withheld: 0 } });

    expect(await next.send(message('unsent', roomId, people, 'unsent', { createdAt }))).to.have.property('ok', true);
    const looked = lookups();
    const later = as<typeof createdAt>(Date.now() + 11 * 60_000);
    expect(await next.send(message('fresh', roomId, people, 'fresh', { createdAt: later }))).to.have.property('ok', true);
    expect(lookups(), 'nothing is looked for that is younger than the device, however clocks differ').to.equal(looked);
    const elsewhere = await next.send(message('elsewhere', as('!nowhere:localhost'), people, 'elsewhere', { createdAt }));
    expect(elsewhere).to.deep.nested.include({ ok: false, 'error.code': 'in-doubt', 'error.retry': true });

    for (const body of ['unsent', 'fresh']) await anna.waitForMessage(({ content }) => content['body'] === body);
    const ours = (await place.sent(roomId)).filter(({ content }) => content['session_id'] !== 'none');
    expect(ours).to.have.length(4);
    for (const { content } of ours) expect(Object.keys(content), 'all that stands in clear').to.have.members(['algorithm', 'ciphertext', 'device_id', 'org.aceso.txn', 'sender_key', 'session_id']);
    for (const body of ['sent', 'ahead']) expect(anna.messages.filter(({ content }) => content['body'] === body), body).to.have.length(1);
    await next.stop();
    await gate.stop();
    place.clear();
  });
});
