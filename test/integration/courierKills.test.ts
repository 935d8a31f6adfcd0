/** kill -9 at each named instant of the courier's work: afterwards every message is one event, readable, and no message index served twice. */
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { expect } from 'chai';
import type { FaultPoint } from '../../src/adapters/crypto/courier.ts';
import type { RoomId } from '../../src/domain/brand.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { inProcess, joinedRoom, message, messageIndex, newPlace, ready, start, type Place } from '../support/courier.ts';
import { sharedHospitals } from '../support/lab.ts';
import { until } from '../support/until.ts';

describe('a courier killed (SIGKILL) at any instant', function () {
  this.timeout(120_000);
  let anna: Client;
  const attachmentKey = 'org.example.fhir';
  const text = (body: string): Readonly<Record<string, unknown>> => ({ msgtype: 'm.text', body });

  before(async () => {
    const { stAnne } = await sharedHospitals();
    await stAnne.register('kills_anna', 'pw');
    anna = await startJsClient({ baseUrl: stAnne.baseUrl, user: 'kills_anna', password: 'pw' });
  });
  after(() => anna.stop());

  /** What must hold whatever happened: one event a message, each readable and in order of sending, and no index twice. */
  const expectWhole = async (place: Place, roomId: RoomId, bodies: readonly string[]): Promise<void> => {
    await anna.waitForMessage(({ roomId: seenIn, content }) => seenIn === roomId && content['body'] === bodies.at(-1));
    const seen = await until('all messages to be read', () => {
      const here = anna.messages.filter((one) => one.roomId === roomId).map(({ content }) => content['body']);
      return here.length >= bodies.length && here;
    });
    expect(seen).to.have.members(bodies);
    const events = await place.sent(roomId);
    expect(events).to.have.length(bodies.length);
    expect(new Set(events.map(messageIndex))).to.have.length(bodies.length);
    expect(anna.undecryptable.filter((one) => one.roomId === roomId)).to.deep.equal([]);
  };

  const beginning: readonly FaultPoint[] = ['registered', 'device-created', 'identity-created', 'device-keys-uploaded', 'cross-signing-uploaded', 'device-signed', 'identity-published', 'synced', 'sync-committed'];
  for (const name of beginning) {
    it(`while it begins, at "${name}": completes what it began, with the same identity`, async () => {
      const place = await newPlace();
      const roomId = name === 'registered' ? undefined : await joinedRoom(place, [anna]);
      const killed = await inProcess(place, { messages: [], killAt: { name, time: 1 } });
      expect(killed.ended).to.equal('SIGKILL');
      const later = roomId ?? await joinedRoom(place, [anna]);
      const before = await masterKey(place);
      const again = await inProcess(place, { messages: [{ id: 'first', roomId: later, people: [anna.userId], content: text(`begun at ${name}`) }] });
      expect(again.reports).to.have.nested.property('[0].outcome.ok', true);
      expect(again.ended).to.equal('code 0');
      if (before !== undefined) expect(await masterKey(place)).to.equal(before);
      await expectWhole(place, later, [`begun at ${name}`]);
      place.clear();
    });
  }

  describe('while it sends', () => {
    let place: Place;
    let roomId: RoomId;
    const bodies: string[] = [];
    before(async () => {
      place = await newPlace();
      roomId = await joinedRoom(place, [anna]);
    });
    after(() => place.clear());

    const points: readonly FaultPoint[] = ['to-device-put', 'keys-shared', 'encrypted', 'journalled', 'put', 'marked'];
    for (const name of points) {
      it(`at "${name}": the message is one event after the restart`, async () => {
        const messages = [1, 2, 3].map((number) => ({ id: `${name} ${number}`, roomId, people: [anna.userId], content: text(`${name} ${number}`) }));
        const command = { messages, rotationMessages: 4 }; // so that some kills meet a new session
        const killed = await inProcess(place, { ...command, killAt: { name, time: name === 'to-device-put' ? 1 : 2 } });
        expect(killed.ended).to.equal('SIGKILL');
        expect(killed.reports.length).to.be.below(3);
        const again = await inProcess(place, command);
        expect(again.reports.map(({ outcome }) => outcome.ok)).to.deep.equal([true, true, true]);
        for (const [index, { outcome }] of killed.reports.entries()) expect(again.reports[index]?.outcome).to.deep.equal(outcome);
        bodies.push(...messages.map(({ id }) => id));
        await expectWhole(place, roomId, bodies);
      });
    }
  });

  for (const name of ['media-uploaded', 'media-journalled'] as const) {
    it(`at "${name}": the attachment can be opened, and is uploaded ${name === 'media-uploaded' ? 'again, since its place was not written down' : 'once'}`, async () => {
      const place = await newPlace({ attachmentKey });
      const roomId = await joinedRoom(place, [anna]);
      const messages = [{ id: 'big', roomId, people: [anna.userId], content: { ...text(name), [attachmentKey]: { note: 'x'.repeat(60_000) } } }];
      const killed = await inProcess(place, { messages, killAt: { name, time: 1 } });
      expect(killed.ended).to.equal('SIGKILL');
      const again = await inProcess(place, { messages });
      expect(again.reports).to.have.nested.property('[0].outcome.ok', true);
      await expectWhole(place, roomId, [name]);
      using synapse = new DatabaseSync(place.hospital.databaseFile, { readOnly: true });
      const uploads = synapse.prepare('SELECT count(*) AS n FROM local_media_repository WHERE user_id = ?').get(place.userId);
      expect(uploads).to.deep.equal({ n: name === 'media-uploaded' ? 2 : 1 });
      place.clear();
    });
  }

  describe('a day ago, when the homeserver has forgotten the transaction', () => {
    /** Moves the journal's row back in time, and gives it a new id: as if the homeserver didn't know its transaction any more. */
    const age = (place: Place, id: string, newId: string): void => {
      using journal = new DatabaseSync(join(place.options.storePath, 'courier.sqlite'));
      const { changes } = journal.prepare("UPDATE courier_message SET id = ?, created_at = created_at - 21 * 3600000 WHERE id = ? AND state = 'ready'").run(newId, id);
      expect(changes).to.equal(1);
    };
    for (const { at, finds } of [{ at: 'put', finds: 'finds the event in the room' }, { at: 'journalled', finds: 'sees that it never arrived, and sends the same ciphertext' }] as const) {
      it(`at "${at}": ${finds}`, async () => {
        const place = await newPlace();
        const roomId = await joinedRoom(place, [anna]);
        await inProcess(place, { messages: [{ id: 'old', roomId, people: [anna.userId], content: text('from yesterday') }], killAt: { name: at, time: 1 } });
        const before = await place.sent(roomId);
        expect(before).to.have.length(at === 'put' ? 1 : 0);
        age(place, 'old', 'old, under a name that the homeserver has not seen');
        const courier = await start(place);
        await ready(courier);
        const sent = await courier.send(message('old, under a name that the homeserver has not seen', roomId, [anna.userId], 'from yesterday'));
        await courier.stop();
        const [event] = await place.sent(roomId);
        expect(sent).to.have.nested.property('value.eventId', event?.event_id);
        await expectWhole(place, roomId, ['from yesterday']);
        place.clear();
      });
    }
  });
});

async function masterKey(place: Place): Promise<string | undefined> {
  const answer = await place.call('/keys/query', { device_keys: { [place.userId]: [] } });
  const keys = (answer['master_keys'] as Record<string, { keys: Record<string, string> }> | undefined)?.[place.userId]?.keys ?? {};
  return Object.values(keys)[0];
}
