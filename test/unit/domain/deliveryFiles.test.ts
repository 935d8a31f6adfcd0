import { expect } from 'chai';
import { as, type BlobId, type EffectId, type EventId, type Millis, type RoomId, type UserId } from '../../../src/domain/brand.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import { decideDelivery } from '../../../src/domain/delivery/decide.ts';
import type { DeliveryState } from '../../../src/domain/delivery/delivery.ts';
import type { EffectBody } from '../../../src/domain/effect.ts';
import type { DeliveryFile, FactBody } from '../../../src/domain/fact.ts';
import { Sealed } from '../../../src/domain/sealed.ts';
import { SUBJECT, T0, ada, allowAll, organisations } from '../../support/reports.ts';

const context: Context = { now: T0, judge: allowAll, found: new Map(), settings: { organisations, organisation: 'Mercy', recipientOrder: ['requester'], agreedServers: ['mercy.example', 'stanne.example'], invitationPatienceMs: 900_000, ownServer: 'mercy.example', courierSeats: 2 } };
const user = as<UserId>('@ada:stanne.example');
const fileNamed = (name: string): DeliveryFile => ({ name, blob: as<BlobId>(`blob of ${name}`), content: Sealed.of(SUBJECT, { 'msgtype': 'm.file', 'body': name, 'org.aceso.delivery': { id: 'd1' } }) });
const requested: FactBody = {
  type: 'delivery.requested', report: as('r1'), source: as('lab'), news: 'first', critical: true, acceptedAt: T0, owner: 'Laboratory desk', content: Sealed.of(SUBJECT, { body: 'K 6.8' }), party: ada, rule: 'requester',
  files: [fileNamed('report-1.pdf'), fileNamed('report-2.png')],
};
const ready = { type: 'room.ready', roomId: as<RoomId>('!r:m'), party: ada, members: { [user]: 'joined' }, seat: 1 } as const satisfies FactBody;
const done = (effect: string, eventId: string): FactBody => ({ type: 'effect.done', effect: as<EffectId>(effect), kind: 'room.send', result: { type: 'room.send', eventId: as<EventId>(eventId), devices: 2, withheld: 0 } });
const failed = (effect: string, code: string, final: boolean): FactBody => ({ type: 'effect.failed', effect: as<EffectId>(effect), kind: 'room.send', code, message: `because of ${code}`, final });
const [message, one, two] = ['send:d1', 'send:d1:report-1.pdf', 'send:d1:report-2.png'];
const sent = done(message, '$m');
const receipt: FactBody = { type: 'receipt.seen', eventId: as('$1'), userId: user, seenAt: T0 };
const reply: FactBody = { type: 'reply.received', eventId: as<EventId>('$a'), sender: user, signedByOwner: true, content: Sealed.of(SUBJECT, { body: 'thanks' }) };
const retry: FactBody = { type: 'operator.retry', by: 'it' };

type Last = Decision<DeliveryState | undefined> & { readonly state: DeliveryState };
function run(facts: readonly FactBody[]): Last {
  let last: Decision<DeliveryState | undefined> = { state: undefined, audit: [] };
  for (const [index, body] of facts.entries()) last = decideDelivery(last.state, { id: as(`f${index}`), aggregate: { kind: 'delivery', id: 'd1' }, at: as<Millis>(T0 + index * 1000), body }, context);
  if (!last.state) throw new Error('no delivery');
  return { ...last, state: last.state };
}
const idsOf = ({ effects = [] }: Last): readonly string[] => effects.map(({ id }) => id);
const sendOf = ({ effects = [] }: Last, index = 0): Extract<EffectBody, { type: 'room.send' }> => {
  const body = effects[index]?.body;
  if (body?.type !== 'room.send') throw new Error('nothing is sent');
  return body;
};

describe('The files of a delivery', () => {
  it('wait for its message, and then follow it, each as an effect of its own that replies to it', () => {
    expect(idsOf(run([requested, ready]))).to.deep.equal([message]);
    const last = run([requested, ready, sent]);
    expect(last.state.phase).to.equal('sent');
    expect(last.effects?.map(({ id, lane, seat, destination }) => [id, lane, seat, destination])).to.deep.equal([[one, 'files:d1', 1, 'stanne.example'], [two, 'files:d1', 1, 'stanne.example']]);
    expect(sendOf(last)).to.deep.include({ roomId: '!r:m', recipients: [user], blob: 'blob of report-1.pdf' });
    expect(sendOf(last).content.reveal()).to.deep.equal({ 'msgtype': 'm.file', 'body': 'report-1.pdf', 'org.aceso.delivery': { id: 'd1' }, 'm.relates_to': { 'm.in_reply_to': { event_id: '$m' } } });
  });

  it('go in a lane of their own: one that doesn\'t get through holds up no other result', () => {
    expect(new Set(run([requested, ready, sent]).effects?.map(({ lane }) => lane)).has('send:dr-okafor')).to.equal(false);
  });

  it('are names of the delivery once they are sent: a receipt for one of them is about it', () => {
    const last = run([requested, ready, sent, done(one, '$1')]);
    expect([last.names, last.state.phase, last.state.sentAt]).to.deep.equal([['$m', '$1'], 'sent', run([requested, ready, sent]).state.sentAt]);
    expect(run([requested, ready, sent, done(one, '$1'), receipt]).state.phase).to.equal('seen');
    expect(run([requested, ready, sent, done(one, '$1'), reply]).names).to.deep.equal(['$m', '$1', '$a']);
  });

  it('that can\'t be sent yet hold the delivery visibly; its message is sent all the same', () => {
    const held = run([requested, ready, sent, failed(one, 'unavailable', false)]);
    expect([held.state.phase, held.state.held?.code, held.state.held?.owner, idsOf(held)]).to.deep.equal(['sent', 'attachment-unavailable', 'Laboratory desk', []]);
    expect(run([requested, ready, sent, failed(one, 'unavailable', false), done(one, '$1')]).state.held?.code, 'the other one is still to come').to.equal('attachment-unavailable');
    expect(run([requested, ready, sent, failed(one, 'unavailable', false), done(one, '$1'), done(two, '$2')]).state.held).to.equal(undefined);
  });

  it('that can never be sent are said so to the readers, once, in place of the file', () => {
    const last = run([requested, ready, sent, failed(one, 'too-large', true)]);
    expect([last.state.held?.code, idsOf(last)]).to.deep.equal(['attachment-too-large', [`${one}:notice`]]);
    expect(sendOf(last).content.reveal()).to.deep.equal({
      'msgtype': 'm.text', 'body': 'Attachment report-1.pdf could not be sent: it is larger than the homeserver takes. See it in the record at Mercy.', 'm.mentions': {}, 'org.aceso.delivery': { id: 'd1' }, 'm.relates_to': { 'm.in_reply_to': { event_id: '$m' } },
    });
    expect(sendOf(last)).not.to.have.property('blob');
    expect(run([requested, ready, sent, failed(one, 'too-large', true), done(`${one}:notice`, '$n')]).names).to.deep.equal(['$m', '$n']);
  });

  it('that are held for are not seen by a receipt of the message; an answer ends it', () => {
    const facts = [requested, ready, sent, failed(one, 'too-large', true)];
    expect([run([...facts, receipt]).state.phase, run([...facts, receipt]).state.held?.code]).to.deep.equal(['seen', 'attachment-too-large']);
    expect([run([...facts, reply]).state.phase, run([...facts, reply]).state.held]).to.deep.equal(['answered', undefined]);
  });

  it('are tried again by hand under the same ids, those alone that are not sent; the message is not repeated', () => {
    const facts = [requested, ready, sent, failed(one, 'too-large', true), done(two, '$2'), retry];
    expect(run(facts).raise?.map(({ body }) => body.type)).to.deep.equal(['room.wanted']);
    expect(idsOf(run([...facts, ready]))).to.deep.equal([one]);
    expect(run([...facts, ready, done(one, '$1')]).state.held).to.equal(undefined);
  });

  it('go to the room of now when their reader got another one, and answer nothing there', () => {
    const last = run([requested, ready, sent, { ...ready, roomId: as<RoomId>('!new:m') }]);
    expect(sendOf(last).roomId).to.equal('!new:m');
    expect(sendOf(last).content.reveal()).not.to.have.property('m.relates_to');
  });

  it('tell nothing in the history but their names', () => {
    expect(JSON.stringify(run([requested, ready, sent, done(one, '$1'), failed(two, 'x', true)]).state.history)).not.to.include('6.8');
  });
});

describe('A file that is with its sender', () => {
  const address = 'https://lis.mercy.example/r4/Binary/Quintana';
  const awaited: DeliveryFile = { name: 'report-1', awaited: Sealed.of(SUBJECT, { address, declared: [] }) };
  const asked: FactBody = { ...requested, files: [awaited, fileNamed('report-2.png')] };
  const [fetch, send] = ['fetch:d1:report-1', 'send:d1:report-1'];
  const fetched: FactBody = { type: 'effect.done', effect: as<EffectId>(fetch), kind: 'file.fetch', result: { type: 'file.fetch', blob: as<BlobId>('fetched'), facts: Sealed.of(SUBJECT, { type: 'pdf', bytes: 7, sha1: 'x' }) } };
  const refused: FactBody = { type: 'effect.done', effect: as<EffectId>(fetch), kind: 'file.fetch', result: { type: 'file.fetch', refused: 'active-content' } };
  const away = (final: boolean): FactBody => ({ ...failed(fetch, 'source-away', final), kind: 'file.fetch' }) as FactBody;
  const noticeOf = (last: Last): unknown => sendOf(last, idsOf(last).indexOf(`${send}:notice`)).content.reveal()['body'];

  it('is asked for at once, in a lane of its own, and its message waits for nothing', () => {
    const last = run([asked]);
    expect(last.effects?.map(({ id, lane, destination, seat, body }) => [id, lane, destination, seat, body.type])).to.deep.equal([[fetch, fetch, 'source lab', undefined, 'file.fetch']]);
    expect(idsOf(run([asked, ready]))).to.deep.equal([message]);
  });

  it('is asked for also while nobody is found whom it is for: its sender may not keep it', () => {
    const { party: _, ...nobody } = asked;
    expect(idsOf(run([nobody]))).to.deep.equal([fetch]);
  });

  it('follows the message when it was there before, and when it comes after', () => {
    expect(idsOf(run([asked, fetched]))).to.deep.equal([]);
    const before = run([asked, fetched, ready, sent]);
    expect(idsOf(before)).to.deep.equal([send, two]);
    expect(sendOf(before).content.reveal()).to.deep.include({ msgtype: 'm.file', body: 'report-1.pdf', 'org.aceso.delivery': { id: 'd1' }, 'm.relates_to': { 'm.in_reply_to': { event_id: '$m' } } });
    expect(sendOf(before).blob).to.equal('fetched');
    const after = run([asked, ready, sent, done(two, '$2'), fetched]);
    expect(idsOf(after)).to.deep.equal([send]);
    expect(run([asked, ready, sent, done(two, '$2'), fetched, fetched]).effects, 'told twice, it is sent once').to.equal(undefined);
  });

  it('is asked for again when the message is sent, if its sender did not give it out before, and by hand; never while it is being fetched', () => {
    expect(idsOf(run([asked, ready, sent]))).to.deep.equal([two]);
    for (const failure of [away(false), away(true)]) expect(idsOf(run([asked, failure, ready, sent]))).to.deep.equal([fetch, two]);
    const again = run([asked, ready, sent, done(two, '$2'), away(true), retry]);
    expect(again.wake).to.include(fetch);
    expect(idsOf(run([asked, ready, sent, done(two, '$2'), away(true), retry, ready]))).to.deep.equal([fetch]);
  });

  it('that its sender doesn\'t give out holds the delivery once the message is sent, never before; its readers are told when no more is tried', () => {
    expect(run([asked, away(false)]).state.held).to.equal(undefined);
    const held = run([asked, ready, sent, away(false)]);
    expect([held.state.held?.code, held.state.held?.owner, idsOf(held)]).to.deep.equal(['attachment-source-away', 'Laboratory desk', []]);
    const last = run([asked, ready, sent, away(false), away(true)]);
    expect(noticeOf(last)).to.equal('Attachment report-1 could not be sent: its sender did not give it out. See it in the record at Mercy.');
    expect(run([asked, ready, sent, done(two, '$2'), away(false), fetched, done(send, '$1')]).state.held).to.equal(undefined);
  });

  it('that isn\'t sent on is told in words under the message, audited, and held for by nobody', () => {
    for (const facts of [[asked, refused, ready, sent], [asked, ready, sent, refused]]) expect(noticeOf(run(facts)), facts.map(({ type }) => type).join()).to.include('it holds scripts, programs or other files. See it in the record at Mercy.');
    const { state, audit } = run([asked, ready, sent, done(two, '$2'), away(false), refused]);
    expect(state.held).to.equal(undefined);
    expect(audit.at(-1)).to.deep.equal({ action: 'attachment.refused', because: 'active-content', detail: { source: 'lab', attachment: 'report-1' } });
    expect(idsOf(run([asked, ready, sent, refused, done(two, '$2'), ready]))).to.deep.equal([]);
  });

  it('leaves its address in no history and no audit', () => {
    const { state, audit } = run([asked, ready, sent, away(true), fetched, done(send, '$1')]);
    expect(JSON.stringify([state, audit])).not.to.include('Quintana').and.not.to.include('lis.mercy');
  });
});
