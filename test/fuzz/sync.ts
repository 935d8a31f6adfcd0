/**
 * What a homeserver answers the courier's `/sync`, mutated: a bad answer must be taken as far as it makes sense, and never stop what comes
 * after it. Runs on the courier's own parts over a real store and a real answer that brings room keys.
 */
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { openEngine } from '../../src/adapters/crypto/engine.ts';
import { decrypt } from '../../src/adapters/crypto/decrypting.ts';
import { noFaults } from '../../src/adapters/crypto/faults.ts';
import { asRecord, createHomeserver } from '../../src/adapters/crypto/homeserver.ts';
import type { ThreadOptions } from '../../src/adapters/crypto/options.ts';
import { createOutgoing } from '../../src/adapters/crypto/outgoing.ts';
import { createPeople } from '../../src/adapters/crypto/people.ts';
import { createResets } from '../../src/adapters/crypto/resets.ts';
import { createSharedRooms } from '../../src/adapters/crypto/sharedRooms.ts';
import { openStore } from '../../src/adapters/crypto/store.ts';
import { takeSync } from '../../src/adapters/crypto/syncing.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { joinedRoom, message, newPlace, ready, start, type Place } from '../support/courier.ts';
import type { Hospital, Slot } from '../support/lab.ts';
import type { EncryptedEvent } from '../../src/ports/courier.ts';
import type { RoomId } from '../../src/domain/brand.ts';
import type { Options } from './fhir.ts';
import { mutateJson } from './mutate.ts';
import { randomFrom } from './random.ts';
import { Tally, type Report } from './verdict.ts';

type Answer = Readonly<Record<string, unknown>>;

export async function fuzzSync(hospital: Hospital, slot: Slot, { inputs, seed, say }: Options): Promise<Report> {
  const tally = new Tally('sync');
  const place = await newPlace({}, { hospital, slot });
  try {
    const { answer, event, roomId } = await record(place, hospital, seed);
    const options: ThreadOptions = { ...place.options, deadlineMs: 20_000, faults: 'off', keeper: 'none' };
    const store = await openStore(options, () => tally.failure('store', 'taken by somebody else'));
    const engine = await openEngine(options, (what) => tally.failure('engine', `never came back from ${what}`));
    const homeserver = createHomeserver(options, { mayLeave: () => store.checkFence() });
    const { signal: stopping } = new AbortController();
    const outgoing = createOutgoing(engine, homeserver, store, noFaults, await createResets(engine, store, () => undefined), stopping);
    const sharedRooms = await createSharedRooms(store);
    const people = createPeople(options, engine, outgoing, sharedRooms);
    const parts = { engine, homeserver, outgoing, people, sharedRooms, store, faults: noFaults, stopping, tell: () => undefined };
    for (let index = 0; index < inputs; index += 1) {
      const random = randomFrom(seed + index);
      const base = { ...answer, ...(random.chance(0.8) ? { to_device: { events: [random.pick(toDevice(place.userId))] } } : {}) };
      // What isn't an object, the reader of answers has already made an empty one.
      const mutated = asRecord(mutateJson(random.chance(0.5) ? base : { ...base, ...extras(roomId) }, random));
      const hasPlace = typeof mutated['next_batch'] === 'string';
      try {
        await takeSync(parts, mutated);
        tally.outcome('taken');
      } catch (error) {
        tally.outcome('refused');
        // With a place to go on from, refusing means asking for the same again, for ever.
        if (hasPlace) tally.failure(seed + index, `not taken, though it says where to go on: ${error instanceof Error ? error.name : 'unknown'}`);
      }
      if (index > 0 && index % 1000 === 0) say(`sync: ${index} of ${inputs}`);
    }
    await takeSync(parts, answer);
    const read = await decrypt(engine, roomId, event, async () => undefined);
    if (!read.ok) tally.failure('control', `a message can't be read after all that: ${read.error.code}`);
    engine.machine.close();
    await store.close();
    return tally.report();
  } finally {
    place.clear();
  }
}

/** A courier that was away while somebody wrote to it: what its homeserver has for it, and what it must be able to read then. */
async function record(place: Place, hospital: Hospital, seed: number): Promise<{ readonly answer: Answer; readonly event: EncryptedEvent; readonly roomId: RoomId }> {
  const name = `fuzz_sync_${seed}_${Date.now()}`;
  await hospital.register(name, 'pw');
  const writer = await startJsClient({ baseUrl: hospital.baseUrl, user: name, password: 'pw' });
  try {
    const courier = await start(place);
    await ready(courier);
    const roomId = await joinedRoom(place, [writer]);
    await courier.send(message('first', roomId, [writer.userId], 'first'));
    await writer.waitForMessage(() => true);
    await courier.stop();
    const eventId = await writer.send(roomId, { msgtype: 'm.text', body: 'written while the courier was away' });
    const event = await place.event(roomId, eventId);
    using file = new DatabaseSync(join(place.options.storePath, 'courier.sqlite'), { readOnly: true });
    const since = String(file.prepare("SELECT value FROM courier_fact WHERE name = 'since'").get()?.['value']);
    const answer = await place.sync(new URLSearchParams({ since, timeout: '0' }));
    return { answer, event, roomId };
  } finally {
    await writer.stop();
  }
}

const extras = (roomId: string): Answer => ({
  device_lists: { changed: ['@a:x.example', '@b:y.example'], left: ['@c:z.example'] },
  device_one_time_keys_count: { signed_curve25519: 3, curve25519: 1 }, device_unused_fallback_key_types: ['signed_curve25519'],
  rooms: { join: { [roomId]: { state: { events: [{ type: 'm.room.member', state_key: '@a:x.example', content: { membership: 'join' } }] }, timeline: { events: [{ type: 'm.room.member', state_key: '@b:y.example', content: { membership: 'leave' } }] } } }, leave: { '!gone:x.example': {} } },
});

const toDevice = (userId: string): readonly Answer[] => [
  { type: 'm.room.encrypted', sender: '@a:x.example', content: { algorithm: 'm.olm.v1.curve25519-aes-sha2', sender_key: 'RF3s+E7RkTQTGF2d8Deol0FkQvgII2aJDf3/Jp5mxVU', ciphertext: { 'RF3s+E7RkTQTGF2d8Deol0FkQvgII2aJDf3/Jp5mxVU': { type: 0, body: 'AwogGJJzMhf' } } } },
  { type: 'm.room_key', sender: '@a:x.example', content: { algorithm: 'm.megolm.v1.aes-sha2', room_id: '!a:x.example', session_id: 'X3lUlvLELLYxeTx4yOVu6UDpasGEVO0Jbu', session_key: 'AgAAAADxKHa9uFxcXzwYoNueL5Xqi69I' } },
  { type: 'm.room_key.withheld', sender: '@a:x.example', content: { algorithm: 'm.megolm.v1.aes-sha2', code: 'm.unverified', reason: 'x', room_id: '!a:x.example', sender_key: 'RF3s+E7RkTQTGF2d8Deol0FkQvgII2aJDf3/Jp5mxVU', session_id: 'X3lUlvLELLYxeTx4yOVu6UDpasGEVO0Jbu' } },
  { type: 'm.room_key_request', sender: userId, content: { action: 'request', request_id: '1', requesting_device_id: 'X', body: { algorithm: 'm.megolm.v1.aes-sha2', room_id: '!a:x.example', session_id: 'x' } } },
  { type: 'm.key.verification.request', sender: '@a:x.example', content: { from_device: 'X', methods: ['m.sas.v1'], timestamp: 1_795_000_000_000, transaction_id: 't' } },
  { type: 'm.secret.send', sender: userId, content: { request_id: '1', secret: 'x' } },
  { type: 'm.secret.request', sender: userId, content: { action: 'request', name: 'm.cross_signing.master', request_id: '1', requesting_device_id: 'X' } },
  { type: 'm.dummy', sender: '@a:x.example', content: {} },
  { type: 'org.example.anything', sender: '@a:x.example', content: { a: [1, 2, 3] } },
];
