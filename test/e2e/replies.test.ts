import { expect } from 'chai';
import { newAceso, type Aceso, type DeliveryView, type Person } from '../support/aceso.ts';
import type { Client, SeenMessage } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { startNioClient } from '../support/clients/nio.ts';
import { sharedHospitals, type Hospitals, type Slot } from '../support/lab.ts';
import { asGuardian, sees, tell } from '../support/results.ts';
import { startSyncGate, type SyncGate } from '../support/syncGate.ts';
import { until } from '../support/until.ts';

const PASSWORD = 'password-of-replies';
const NPI = { ada: '1000000031', nia: '1000000032' } as const;

describe('What recipients do with a message becomes evidence', function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let slot: Slot;
  let gate: SyncGate;
  let aceso: Aceso;
  let ada: Client; // on matrix-js-sdk, her device signed
  let nia: Client; // on matrix-nio, which signs no devices
  let eve: Client; // responsible for nothing
  let newest: Client | undefined;
  let count = 0;

  const account = (user: string): { readonly baseUrl: string; readonly user: string; readonly password: string } => ({ baseUrl: hospitals.stAnne.baseUrl, user: `replies_${user}`, password: PASSWORD });

  const deliveryOf = (message: SeenMessage, what: string, wanted: (delivery: DeliveryView) => boolean): Promise<DeliveryView> => aceso.delivery(what, (each) => each.eventId === message.eventId && wanted(each));
  /** What is told of the event in the delivery's history. */
  const evidence = async (message: SeenMessage, proof: string): Promise<DeliveryView['history'][number] | undefined> =>
    (await deliveryOf(message, `evidence ${proof}`, ({ history }) => history.some((each) => each.proof === proof))).history.find((each) => each.proof === proof);
  const told = async (name: keyof typeof NPI): Promise<SeenMessage> => {
    const accession = `A-${(count += 1)}`;
    await tell(aceso, accession, NPI[name]);
    return sees(name === 'ada' ? ada : nia, accession);
  };

  before(async () => {
    hospitals = await sharedHospitals();
    const { mercy, stAnne } = hospitals;
    slot = hospitals.takeSlot();
    const [people] = await Promise.all([
      Promise.all((['ada', 'nia'] as const).map(async (id): Promise<Person> => ({ id, name: `Dr. ${id}`, user_id: await stAnne.register(`replies_${id}`, PASSWORD), npi: NPI[id] }))),
      stAnne.register('replies_eve', PASSWORD),
    ]);
    gate = await startSyncGate(mercy.baseUrl);
    aceso = await newAceso({ mercy: { ...mercy, baseUrl: gate.baseUrl }, slot, people, partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }], unsignedDevices: 'allow' });
    [ada, nia, eve] = await Promise.all([startJsClient({ ...account('ada'), recovery: 'create' }), startNioClient(account('nia')), startJsClient(account('eve'))]);
    await aceso.start();
  });
  after(async () => {
    await Promise.all([ada.stop(), nia.stop(), eve.stop(), newest?.stop(), aceso.stop()]);
    await gate.stop();
    aceso.remove();
  });

  it('a read receipt, a reaction and an encrypted reply from matrix-js-sdk, whose device is signed', async () => {
    const message = await told('ada');
    await ada.read(message.roomId, message.eventId);
    expect((await deliveryOf(message, 'seen', ({ phase }) => phase === 'seen')).history.at(-1)).to.include({ what: 'read receipt', by: ada.userId });
    const reaction = await ada.react(message.roomId, message.eventId, '👍');
    expect(await evidence(message, reaction)).to.include({ what: 'reaction (proves seen at most)', by: ada.userId });
    const reply = await ada.reply(message.roomId, message.eventId, 'Treating now.');
    expect(await evidence(message, reply)).to.include({ what: 'reply, from a device its owner signed', by: ada.userId });
    expect((await deliveryOf(message, 'answered', ({ phase }) => phase === 'answered')).phase).to.equal('answered');
  });

  it('the same from matrix-nio, whose device nobody signed, and it says so', async () => {
    const message = await told('nia');
    const reaction = await nia.react(message.roomId, message.eventId, '👍');
    expect(await evidence(message, reaction)).to.include({ by: nia.userId });
    const reply = await nia.reply(message.roomId, message.eventId, 'Treating now.');
    expect(await evidence(message, reply)).to.include({ what: 'reply, from a device its owner has not signed', by: nia.userId });
    expect((await deliveryOf(message, 'seen', () => true)).phase, 'no answer').to.equal('seen');
  });

  it('messages of a thread under it, also those that answer one another', async () => {
    const message = await told('ada');
    const inThread = (body: string, answering: string): Promise<string> => ada.send(message.roomId, { msgtype: 'm.text', body, 'm.relates_to': { rel_type: 'm.thread', event_id: message.eventId, is_falling_back: false, 'm.in_reply_to': { event_id: answering } } });
    const first = await inThread('Who is with the patient?', message.eventId);
    const second = await inThread('I am.', first);
    expect(await evidence(message, first)).to.include({ by: ada.userId });
    expect(await evidence(message, second)).to.include({ by: ada.userId });
  });

  it('an edit of a reply, and an answer to a reply', async () => {
    const message = await told('ada');
    const reply = await ada.reply(message.roomId, message.eventId, 'Potasium 6.8 noted.');
    await evidence(message, reply);
    const edit = await ada.send(message.roomId, { msgtype: 'm.text', body: '* Potassium 6.8 noted.', 'm.new_content': { msgtype: 'm.text', body: 'Potassium 6.8 noted.' }, 'm.relates_to': { rel_type: 'm.replace', event_id: reply } });
    expect(await evidence(message, edit)).to.include({ what: 'reply, from a device its owner signed', by: ada.userId });
    const answer = await ada.reply(message.roomId, edit, 'And treated.');
    expect(await evidence(message, answer)).to.include({ by: ada.userId });
  });

  it('but nothing of somebody who is not responsible, who gets no keys either', async () => {
    const message = await told('ada');
    await asGuardian(hospitals.mercy, slot, `/rooms/${encodeURIComponent(message.roomId)}/invite`, { body: { user_id: eve.userId } });
    await until('eve to be in the room', () => eve.joinedRooms.has(message.roomId));
    const before = await deliveryOf(message, 'sent', () => true);
    const ignored = (): number => aceso.log().split('\n').filter((line) => line.includes('"delivery.unchanged"') && line.includes(before.id)).length;
    await eve.react(message.roomId, message.eventId, '👍');
    await until('the reaction to be decided', () => ignored() === 1);
    await eve.reply(message.roomId, message.eventId, 'I take it.');
    await until('the reply to be decided', () => ignored() === 2);
    expect((await deliveryOf(message, 'as before', () => true)).history).to.deep.equal(before.history);
    expect(aceso.log().split('\n').filter((line) => line.includes('"member.unexpected"')).every((line) => line.includes(eve.userId))).to.equal(true);
    expect(aceso.log()).to.include('"member.unexpected"');
    const later = await told('ada');
    await until('eve to see that there is something', () => eve.undecryptable.some(({ eventId }) => eventId === later.eventId));
    expect(eve.messages).to.deep.equal([]);
  });

  it('a reply that was sent while Aceso was stopped', async () => {
    const message = await told('ada');
    await deliveryOf(message, 'sent', () => true);
    await aceso.stop();
    const reply = await ada.reply(message.roomId, message.eventId, 'Seen while you were away.');
    await aceso.start();
    expect(await evidence(message, reply)).to.include({ what: 'reply, from a device its owner signed' });
  });

  it('a reply whose keys come late: it is kept until they come, also over a kill -9', async () => {
    const message = await told('ada');
    await deliveryOf(message, 'sent', () => true);
    newest = await startJsClient({ ...account('ada'), recovery: { key: ada.recoveryKey ?? '' } }); // a device whose keys the courier has never had
    gate.hold();
    const reply = await newest.reply(message.roomId, message.eventId, 'Its key comes later.');
    await until('Aceso to wait for its keys', () => aceso.log().split('\n').some((line) => line.includes(reply) && line.includes('"keys-missing"')));
    await aceso.kill();
    const starting = aceso.start();
    await until('Aceso to wait for its keys again', () => aceso.log().split('\n').filter((line) => line.includes(`decrypt:${reply}`) && line.includes('"effect.waiting"')).length > 1);
    expect((await deliveryOf(message, 'as before', () => true)).phase).to.equal('sent');
    gate.release();
    await starting;
    expect(await evidence(message, reply)).to.include({ what: 'reply, from a device its owner signed', by: ada.userId });
  });
});
