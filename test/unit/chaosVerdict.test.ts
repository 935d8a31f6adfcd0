import { DeviceId, EncryptionAlgorithm, EncryptionSettings, OlmMachine, RoomId, UserId, initAsync } from '@matrix-org/matrix-sdk-crypto-wasm';
import { expect } from 'chai';
import { falsified } from '../chaos/control.ts';
import type { HistoryEvent } from '../chaos/history.ts';
import { messageIndex } from '../chaos/megolm.ts';
import { randomOf } from '../chaos/random.ts';
import { judge, type Evidence, type Kind } from '../chaos/verdict.ts';

type Encrypted = { readonly ciphertext: string; readonly session_id: string };

/** As many messages as the engine encrypts in one room, in their order. */
async function encrypt(count: number): Promise<readonly Encrypted[]> {
  await initAsync();
  const machine = await OlmMachine.initialize(new UserId('@courier:mercy.example'), new DeviceId('COURIER'));
  const room = (): RoomId => new RoomId('!results:mercy.example');
  const settings = new EncryptionSettings();
  settings.algorithm = EncryptionAlgorithm.MegolmV1AesSha2;
  settings.rotationPeriodMessages = BigInt(count);
  await machine.shareRoomKey(room(), [], settings);
  const encrypted: Encrypted[] = [];
  for (let index = 0; index < count; index += 1) encrypted.push(JSON.parse(await machine.encryptRoomEvent(room(), 'm.room.message', JSON.stringify({ body: 'x'.repeat(index % 300) }))) as Encrypted);
  machine.close();
  return encrypted;
}

describe('The verdict of the chaos tool', () => {
  let messages: readonly Encrypted[];
  const clients = ['@ada:stanne.example', '@ben:mercy.example'];

  before(async () => {
    messages = await encrypt(300);
  });

  const historyOf = (count: number): readonly HistoryEvent[] => ['Mercy', 'St. Anne'].flatMap((server) => messages.slice(0, count).map(({ ciphertext, session_id: sessionId }, index) => ({
    server, eventId: `$${index}`, roomId: '!results', sender: '@courier:mercy.example', sentAt: index, sessionId, ciphertext,
  })));
  const clean = (): Evidence => ({
    accepted: [0, 1, 2].map((index) => ({ accession: `CHAOS-00000${index}`, readers: clients })),
    read: clients.flatMap((client) => [0, 1, 2].map((index) => ({ client, eventId: `$${index}`, accession: `CHAOS-00000${index}` }))),
    unread: [], history: historyOf(3), courier: '@courier:mercy.example', rooms: new Map([['!results', clients]]),
  });
  const counts = (evidence: Evidence): Record<Kind, number> => {
    const { lost, duplicated, undecryptable, indexReuse } = judge(evidence);
    return { lost, duplicated, undecryptable, indexReuse };
  };
  const none = { lost: 0, duplicated: 0, undecryptable: 0, indexReuse: 0 };

  it('reads the index of a Megolm message as the engine wrote it, also beyond one byte', () => {
    expect(messages.map(({ ciphertext }) => messageIndex(ciphertext))).to.deep.equal(messages.map((_, index) => index));
    expect(new Set(messages.map(({ session_id: id }) => id)).size, 'one session').to.equal(1);
  });

  it('refuses what is no Megolm message', () => {
    expect(() => messageIndex('BAgA')).to.throw('not a Megolm message');
    expect(() => messageIndex(Buffer.alloc(80, 3).toString('base64'))).to.throw('unknown field');
    expect(() => messageIndex(Buffer.concat([Buffer.from([3, 8, 0x80]), Buffer.alloc(72)]).toString('base64'))).to.throw('in the middle of a number');
  });

  it('finds nothing where nothing is wrong', () => {
    expect(counts(clean())).to.deep.equal(none);
    expect(judge(clean())).to.include({ accepted: 3, delivered: 3 });
  });

  for (const kind of ['lost', 'duplicated', 'undecryptable', 'indexReuse'] as const) {
    it(`finds ${kind} in evidence that was falsified so, and nothing else`, () => {
      expect(counts(falsified(clean(), kind))).to.deep.equal({ ...none, [kind]: 1 });
    });
  }

  it('says lost when one of two readers has not read it', () => {
    const evidence = clean();
    const { findings, delivered } = judge({ ...evidence, history: [], read: evidence.read.filter(({ client, eventId }) => !(client === clients[1] && eventId === '$1')) });
    expect(findings.map(({ kind, accession, what }) => ({ kind, accession, what }))).to.deep.equal([{ kind: 'lost', accession: 'CHAOS-000001', what: `accepted, but not read by ${clients[1] ?? ''}` }]);
    expect(delivered).to.equal(2);
  });

  it('finds a ciphertext that was sent twice in the history, though no client noticed', () => {
    const evidence = clean();
    const again = { ...historyOf(1)[0], eventId: '$again' } as HistoryEvent;
    expect(counts({ ...evidence, history: [...evidence.history, again], rooms: new Map() })).to.deep.equal({ ...none, duplicated: 1 });
  });

  it('finds two events with one mark of the courier in the history', () => {
    const evidence = clean();
    const history = evidence.history.map((event) => (event.eventId === '$2' ? event : { ...event, mark: 'one-message' }));
    expect(counts({ ...evidence, history })).to.deep.equal({ ...none, duplicated: 1 });
  });

  it('counts an event of the courier that a member of its room never read, and no stranger\'s', () => {
    const evidence = clean();
    const more = [['$x', '@courier:mercy.example'], ['$y', '@stranger:mercy.example']].map(([eventId = '', sender = ''], index) => ({ ...historyOf(5)[3 + index], eventId, sender }) as HistoryEvent);
    const { findings } = judge({ ...evidence, history: [...evidence.history, ...more] });
    expect(findings.map(({ kind, eventIds }) => [kind, ...eventIds])).to.deep.equal([['undecryptable', '$x'], ['undecryptable', '$x']]);
  });

  it('draws the same lots for the same seed, and others for another', () => {
    const draw = (seed: number, name: string): readonly number[] => {
      const random = randomOf(seed, name);
      return Array.from({ length: 8 }, () => random.between(1, 1000));
    };
    expect(draw(7, 'kills')).to.deep.equal(draw(7, 'kills'));
    expect(draw(7, 'kills')).not.to.deep.equal(draw(8, 'kills'));
    expect(draw(7, 'kills')).not.to.deep.equal(draw(7, 'results'));
    expect(Math.min(...draw(1, 'a'))).to.be.at.least(1);
  });
});
