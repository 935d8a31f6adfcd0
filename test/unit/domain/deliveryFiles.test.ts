import { expect } from 'chai';
import { as, type BlobId, type EffectId, type EventId, type Millis, type RoomId, type UserId } from '../../../src/domain/brand.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import { decideDelivery } from '../../../src/domain/delivery/decide.ts';
import type { DeliveryState } from '../../../src/domain/delivery/delivery.ts';
import type { EffectBody } from '../../../src/domain/effect.ts';
import type { DeliveryFile, FactBody } from '../../../src/domain/fact.ts';
import { Sealed } from '../../../src/domain/sealed.ts';
import { ada, SUBJECT, T0 } from '../../support/reports.ts';

const context: Context = { now: T0, found: new Map(), settings: { organisation: 'Mercy', recipientOrder: ['requester'], agreedServers: [], invitationPatienceMs: 900_000, ownServer: 'mercy.example', courierSeats: 2 } };
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
