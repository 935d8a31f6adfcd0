/** Many devices, no keys left, keys claimed by the hundred, and a long run in a short time. */
import { expect } from 'chai';
import { createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { as, type RoomId } from '../../src/domain/brand.ts';
import { bareDevice, joins, personOf, type BareDevice } from '../support/clients/bareDevice.ts';
import { message, newPlace, ready, start, type Place, type Started } from '../support/courier.ts';
import { matrix } from '../support/matrixHttp.ts';
import { until } from '../support/until.ts';

describe('the courier under load', function () {
  this.timeout(120_000);
  let place: Place;
  let courier: Started;
  let people = 0;

  const newRoom = async (options: Parameters<typeof bareDevice>[3] = {}): Promise<{ readonly person: BareDevice; readonly roomId: RoomId }> => {
    const person = await bareDevice(place, personOf(place, `load${(people += 1)}`), 'FIRST', options);
    await person.sign('new');
    const roomId = await place.room([person.userId]);
    await joins(person, roomId);
    return { person, roomId };
  };
  const send = (roomId: RoomId, who: string, id: string, changes: Parameters<typeof message>[4] = {}): ReturnType<Started['send']> => courier.send(message(id, roomId, [who], id, changes));
  /** Takes one-time keys of somebody's device, as anybody may; gives how many were one-time and how many the fallback. */
  const claim = async (userId: string, deviceId: string, times: number): Promise<{ readonly oneTime: number; readonly fallback: number }> => {
    const all: { readonly fallback?: boolean }[] = [];
    for (let taken = 0; taken < times; taken += 1) {
      const { one_time_keys: keys } = await place.call('/keys/claim', { one_time_keys: { [userId]: { [deviceId]: 'signed_curve25519' } } });
      all.push(...Object.values((keys as Record<string, Record<string, Record<string, { fallback?: boolean }>>>)[userId]?.[deviceId] ?? {}));
    }
    return { oneTime: all.filter(({ fallback }) => fallback !== true).length, fallback: all.filter(({ fallback }) => fallback === true).length };
  };

  before(async () => {
    place = await newPlace();
    courier = await start(place);
    await ready(courier);
  });
  after(async () => {
    await courier.stop();
    place.clear();
  });

  it('reaches a device whose one-time keys are used up by its fallback key', async () => {
    const { person, roomId } = await newRoom();
    await person.sync(); // it uploads a fallback key when it hears that there is none
    const { fallback } = await claim(person.userId, 'FIRST', 55);
    expect(fallback, 'all one-time keys are gone').to.be.above(0);
    expect(await send(roomId, person.userId, 'by fallback')).to.deep.nested.include({ ok: true, 'value.devices': 1 });
    await person.sync('keep');
    const [event] = await place.sent(roomId);
    expect(event && await person.read(roomId, event)).to.equal('by fallback');
  });

  it('holds a message for a device that has no key to claim at all, saying so; sends to the others, and to it once it has some', async () => {
    const { person, roomId } = await newRoom({ oneTimeKeys: 'none' });
    const held = await send(roomId, person.userId, 'no way in');
    expect(held).to.deep.nested.include({ ok: false, 'error.code': 'no-device' });
    expect(held.ok ? '' : held.error.message).to.include('run out of keys');
    const other = await bareDevice(place, person.userId, 'OTHER');
    await other.sign(person);
    const sent = await until('it to be sent to the other device', async () => {
      const outcome = await send(roomId, person.userId, 'no way in');
      return outcome.ok && outcome.value;
    });
    expect(sent).to.include({ devices: 1, withheld: 1 });
  });

  it('keeps its own one-time keys coming while hundreds are claimed', async () => {
    const began = performance.now();
    const { person, roomId } = await newRoom();
    const { oneTime, fallback } = await claim(place.userId, 'COURIER', 200);
    expect(oneTime + fallback, 'each got a key').to.equal(200);
    expect(await send(roomId, person.userId, 'meanwhile')).to.deep.include({ ok: true });
    // The homeserver tells of used-up keys with the next thing that it has to tell: whoever claimed one in earnest sends a message with it.
    await person.send(roomId, [place.userId], 'with a claimed key');
    await until('there to be keys again', async () => (await claim(place.userId, 'COURIER', 1)).oneTime === 1);
    process.stdout.write(`${JSON.stringify({ what: 'own keys claimed', oneTime, fallback, ms: Math.round(performance.now() - began) })}\n`);
  });

  it('gives keys to 200 devices in requests of bounded size, and goes on with other work meanwhile', async () => {
    const { person, roomId } = await newRoom();
    const quiet = await newRoom();
    await send(quiet.roomId, quiet.person.userId, 'quiet 0');
    await manyDevices(place, person, 199);
    await until('the courier to know of them', async () => {
      const known = await courier.devices(as(person.userId));
      return known.ok && known.value.entitled === 200;
    });
    const began = performance.now();
    let longest = 0;
    const state = { done: false };
    const beside = (async () => {
      for (let number = 1; !state.done; number += 1) {
        const from = performance.now();
        await courier.decrypt(quiet.roomId, { event_id: as(`$${number}`), sender: as(quiet.person.userId), origin_server_ts: 0, type: 'm.room.encrypted', content: {} });
        longest = Math.max(longest, performance.now() - from);
      }
    })();
    const sent = await send(roomId, person.userId, 'to all');
    const firstMs = performance.now() - began;
    state.done = true;
    await beside;
    const again = performance.now();
    expect(await send(roomId, person.userId, 'to all again')).to.deep.include({ ok: true });
    process.stdout.write(`${JSON.stringify({ what: '200 devices', firstMs: Math.round(firstMs), againMs: Math.round(performance.now() - again), longestWaitBesideMs: Math.round(longest) })}\n`);
    expect(sent).to.deep.nested.include({ ok: true, 'value.devices': 200, 'value.withheld': 0 });
    expect(longest, 'ms that the thread was busy without a break').to.be.below(3_000);
    await person.sync();
    expect(await Promise.all((await place.sent(roomId)).map((event) => person.read(roomId, event)))).to.deep.equal(['to all', 'to all again']);
  });

  it('keeps a store that stops growing: what is old goes, what is needed stays', async () => {
    const { person, roomId } = await newRoom();
    const rows = (): { readonly keys: number; readonly pages: number } => {
      const sql = new DatabaseSync(join(place.options.storePath, 'courier.sqlite'), { readOnly: true });
      const { n } = sql.prepare(`SELECT count(*) AS n FROM idb_record WHERE store_id IN (SELECT id FROM idb_store WHERE name = '"inbound_group_sessions3"')`).get() ?? {};
      const { page_count: pages } = sql.prepare('PRAGMA page_count').get() ?? {};
      sql.close();
      return { keys: Number(n), pages: Number(pages) };
    };
    const run = async (from: number, to: number): Promise<ReturnType<typeof rows>> => {
      // Each message has a key of its own, as if a week had passed before it.
      for (let number = from; number < to; number += 1) expect(await send(roomId, person.userId, `n${number}`, { rotation: { periodMs: 604_800_000, messages: 1 } })).to.deep.include({ ok: true });
      await courier.prune(Date.now() + 60_000); // as if all there is were old by now
      return rows();
    };
    const before = rows();
    await courier.prune(Date.now() - 86_400_000);
    expect(rows().keys, 'nothing is old yet').to.equal(before.keys);
    const first = await run(0, 20);
    const [second, third] = [await run(20, 40), await run(40, 60)];
    expect([first.keys, second.keys, third.keys]).to.deep.equal([0, 0, 0]);
    expect(third.pages, 'pages of the file').to.be.at.most(second.pages);
    await person.sync();
    expect(await Promise.all((await place.sent(roomId)).map((event) => person.read(roomId, event)))).to.deep.equal(Array.from({ length: 60 }, (_, number) => `n${number}`));
    const reply = await place.event(roomId, await person.send(roomId, [place.userId], 'an answer after all that'));
    await until('the answer to be read', async () => (await courier.decrypt(roomId, reply)).ok);
    expect(await send(roomId, person.userId, 'on it goes')).to.deep.nested.include({ ok: true, 'value.devices': 1 });
  });
});

/** Devices that are a name, signed keys and one key to claim: enough to be written to, and no engine behind them. */
async function manyDevices(place: Place, owner: BareDevice, count: number): Promise<void> {
  const exported = await owner.machine.exportCrossSigningKeys();
  const seed = Buffer.from(exported?.self_signing_key ?? '', 'base64');
  const selfSigning = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]), format: 'der', type: 'pkcs8' });
  const { self_signing_keys: published } = (await owner.call('/keys/query', { device_keys: { [owner.userId]: [] } })) as { readonly self_signing_keys: Record<string, { readonly keys: Record<string, string> }> };
  const selfSigningId = Object.keys(published[owner.userId]?.keys ?? {})[0] ?? '';
  const signatures: Record<string, unknown> = {};
  for (let number = 0; number < count; number += 1) {
    const deviceId = `MANY${number}`;
    const [identity, channel, once] = [generateKeyPairSync('ed25519'), generateKeyPairSync('x25519'), generateKeyPairSync('x25519')];
    const signed = <T extends object>(value: T, by: KeyObject, id: string): T & { readonly signatures: object } => ({ ...value, signatures: { [owner.userId]: { [id]: unpadded(sign(null, Buffer.from(canonical(value)), by)) } } });
    const device = { user_id: owner.userId, device_id: deviceId, algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'], keys: { [`curve25519:${deviceId}`]: publicOf(channel.publicKey), [`ed25519:${deviceId}`]: publicOf(identity.publicKey) } };
    const body = { device_keys: signed(device, identity.privateKey, `ed25519:${deviceId}`), one_time_keys: { 'signed_curve25519:AAAAAA': signed({ key: publicOf(once.publicKey) }, identity.privateKey, `ed25519:${deviceId}`) } };
    const as = `user_id=${encodeURIComponent(owner.userId)}`;
    const call = (path: string, content: unknown, method: 'POST' | 'PUT'): Promise<unknown> => matrix(place.hospital.baseUrl, `/_matrix/client/v3${path}`, { token: place.options.asToken, body: content, method });
    await call(`/devices/${deviceId}?${as}`, {}, 'PUT');
    await call(`/keys/upload?${as}&device_id=${deviceId}`, body, 'POST');
    signatures[deviceId] = signed(device, selfSigning, selfSigningId);
  }
  const { failures } = await owner.call('/keys/signatures/upload', { [owner.userId]: signatures });
  if (Object.keys(failures as object).length > 0) throw new Error(JSON.stringify(failures).slice(0, 500));
}

const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/u, '');
const publicOf = (key: KeyObject): string => unpadded(Buffer.from(String(key.export({ format: 'jwk' }).x), 'base64url'));

/** Canonical JSON (Matrix appendices §3.1): keys in order, no spaces. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return JSON.stringify(value);
  return `{${Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(',')}}`;
}
