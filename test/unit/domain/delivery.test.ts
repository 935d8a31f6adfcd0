import { expect } from 'chai';
import { as, type EffectId, type EventId, type Millis, type RoomId, type UserId } from '../../../src/domain/brand.ts';
import type { Context } from '../../../src/domain/decision.ts';
import { seatFor } from '../../../src/domain/rooms/seat.ts';
import { decideDelivery } from '../../../src/domain/delivery/decide.ts';
import type { DeliveryState } from '../../../src/domain/delivery/delivery.ts';
import type { FactBody, Membership } from '../../../src/domain/fact.ts';
import { Sealed } from '../../../src/domain/sealed.ts';
import { SUBJECT, T0, ada, allowAll, ben, organisations } from '../../support/reports.ts';

const context: Context = { now: T0, judge: allowAll, found: new Map(), settings: { organisations, organisation: 'Mercy', recipientOrder: ['requester'], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example', 'stanne.example'], invitationPatienceMs: 900_000 } };
const user = '@ada:stanne.example';
const requested = (change: Partial<Extract<FactBody, { type: 'delivery.requested' }>> = {}): FactBody => ({
  type: 'delivery.requested', report: as('r1'), source: as('lab'), news: 'first', critical: true, acceptedAt: T0, owner: 'Laboratory desk', content: Sealed.of(SUBJECT, { body: 'K 6.8' }), party: ada, rule: 'requester', ...change,
});
const { party: _party, rule: _rule, ...unaddressed } = requested() as Extract<FactBody, { type: 'delivery.requested' }>;
const ready = { type: 'room.ready', roomId: as<RoomId>('!r:m'), party: ada, members: { [user]: 'invited' } } as const satisfies FactBody;
const sent = { type: 'effect.done', effect: as<EffectId>('send:d1'), kind: 'room.send', result: { type: 'room.send', eventId: as<EventId>('$e'), devices: 2, withheld: 0 } } as const satisfies FactBody;
const membership = (value: Membership): FactBody => ({ type: 'recipient.membership', userId: as(user), membership: value });
const failed = (code: string, final = false): FactBody => ({ type: 'effect.failed', effect: as('send:d1'), kind: 'room.send', code, message: `because of ${code}`, final });
const receipt: FactBody = { type: 'receipt.seen', eventId: as('$e'), userId: as(user), seenAt: T0 };
const reply = { type: 'reply.received', eventId: as<EventId>('$a'), sender: as<UserId>(user), signedByOwner: true, content: Sealed.of(SUBJECT, { body: 'thanks' }) } as const satisfies FactBody;
const reaction: FactBody = { type: 'reaction.received', eventId: as('$b'), sender: as(user) };
const due: FactBody = { type: 'timer.due', name: 'invitation' };
const notLeft: FactBody = { type: 'timer.due', name: 'sending' };
const retry: FactBody = { type: 'operator.retry', by: 'it' };
const superseded: FactBody = { type: 'delivery.superseded', by: as('d2') };
const unread = { type: 'reply.unread', eventId: as<EventId>('$u'), sender: as<UserId>(user) } as const satisfies FactBody;
const readable: FactBody = { type: 'reply.readable', eventId: as('$u') };
const close: FactBody = { type: 'operator.close', by: 'it' };
const assign: FactBody = { type: 'operator.assign', by: 'it', party: ada };

type Last = { readonly state: DeliveryState; readonly effects: readonly string[]; readonly raised: readonly string[]; readonly timers: readonly string[]; readonly names: readonly string[] | undefined };

function run(facts: readonly FactBody[]): Last {
  let state: DeliveryState | undefined;
  let last: Omit<Last, 'state'> = { effects: [], raised: [], timers: [], names: undefined };
  for (const [index, body] of facts.entries()) {
    const decision = decideDelivery(state, { id: as(`f${index}`), aggregate: { kind: 'delivery', id: 'd1' }, at: as<Millis>(T0 + index * 1000), body }, context);
    state = decision.state;
    last = { effects: (decision.effects ?? []).map(({ id }) => id), raised: (decision.raise ?? []).map(({ body: raised }) => raised.type), timers: (decision.timers ?? []).map(({ name }) => name), names: decision.names };
  }
  if (!state) throw new Error('no delivery');
  return { state, ...last };
}

const CASES: readonly (readonly [given: string, facts: readonly FactBody[], then: { readonly phase: string; readonly held?: string; readonly effects?: readonly string[]; readonly raised?: readonly string[]; readonly timers?: readonly string[] }])[] = [
  ['a party was found: its room is wanted', [requested()], { phase: 'addressed', raised: ['room.wanted'] }],
  ['nobody was found: it is held, and the sender\'s desk owns it', [unaddressed], { phase: 'accepted', held: 'no-recipient' }],
  ['nobody was found, then somebody is assigned: the room is wanted, and the report will tell them of corrections', [unaddressed, assign], { phase: 'addressed', raised: ['room.wanted', 'delivery.assigned'] }],
  ['it is asked for twice: nothing new', [requested(), requested()], { phase: 'addressed' }],
  ['its reader was invited: it waits for them to come in, and patience starts', [requested(), membership('invited')], { phase: 'addressed', timers: ['invitation'] }],
  ['its reader doesn\'t come in in time: it is held, unsent', [requested(), membership('invited'), due], { phase: 'addressed', held: 'invitation-not-accepted' }],
  ['its reader comes in late: it is sent, and the hold ends', [requested(), membership('invited'), due, ready], { phase: 'sending', effects: ['send:d1'], timers: ['sending'] }],
  ['its reader declines: it is held', [requested(), membership('invited'), membership('declined')], { phase: 'addressed', held: 'invitation-declined' }],
  ['and is invited again: it waits for them anew', [requested(), membership('invited'), membership('declined'), membership('invited')], { phase: 'addressed', timers: ['invitation'] }],
  ['the invitation was limited, and went out: the hold ends, patience starts', [requested(), { type: 'room.blocked', code: 'invitation-limited', message: 'limited', members: {} }, membership('invited')], { phase: 'addressed', timers: ['invitation'] }],
  ['patience ends while it is held for another reason: the reason stays', [requested(), membership('invited'), { type: 'room.blocked', code: 'no-agreement', message: 'none', members: {} }, due], { phase: 'addressed', held: 'no-agreement' }],
  ['the room is ready: it is sent, once, and it is watched that it leaves', [requested(), ready], { phase: 'sending', effects: ['send:d1'], timers: ['sending'] }],
  ['it hasn\'t left after a while, because another message is before it: it is held', [requested(), ready, notLeft], { phase: 'sending', held: 'waiting' }],
  ['it leaves at last: the hold ends', [requested(), ready, notLeft, sent], { phase: 'sent' }],
  ['it is held for a reason of its own when that while ends: the reason stays', [requested(), ready, failed('no-device'), notLeft], { phase: 'sending', held: 'no-device' }],
  ['the room is ready again after it was sent: nothing is sent', [requested(), ready, sent, ready], { phase: 'sent' }],
  ['it is sent to somebody who is only invited: patience starts', [requested(), ready, sent], { phase: 'sent', timers: ['invitation'] }],
  ['it is sent to somebody who is in the room: no patience is needed', [requested(), { ...ready, members: { [user]: 'joined' } }, sent], { phase: 'sent', timers: [] }],
  ['patience ends before the invitation is accepted: it is held', [requested(), ready, sent, due], { phase: 'sent', held: 'invitation-not-accepted' }],
  ['the invitation is accepted late: the hold ends by itself', [requested(), ready, sent, due, membership('joined')], { phase: 'sent' }],
  ['the invitation was accepted and patience ends: nothing', [requested(), ready, sent, membership('joined'), due], { phase: 'sent' }],
  ['the invitation is declined: it is held', [requested(), ready, sent, membership('declined')], { phase: 'sent', held: 'invitation-declined' }],
  ['the recipient leaves before they saw it: it is held', [requested(), ready, sent, membership('joined'), membership('left')], { phase: 'sent', held: 'invitation-left' }],
  ['the recipient left before they saw it, and comes back: the hold ends by itself', [requested(), ready, sent, membership('joined'), membership('left'), membership('joined')], { phase: 'sent' }],
  ['the recipient leaves after they saw it: it is done', [requested(), ready, sent, membership('joined'), receipt, membership('left')], { phase: 'seen' }],
  ['a declined one is tried again by hand: the room is wanted anew', [requested(), ready, sent, membership('declined'), retry], { phase: 'sent', held: 'invitation-declined', raised: ['room.wanted'] }],
  ['their server limits invitations: it is held, and proceeds by itself', [requested(), { type: 'room.blocked', code: 'invitation-limited', message: 'limited', members: { [user]: 'limited' } }], { phase: 'addressed', held: 'invitation-limited' }],
  ['the limit is lifted: it is sent', [requested(), { type: 'room.blocked', code: 'invitation-limited', message: 'limited', members: {} }, ready], { phase: 'sending', effects: ['send:d1'] }],
  ['the recipient has no usable device: it is held', [requested(), ready, failed('no-device')], { phase: 'sending', held: 'no-device' }],
  ['a device appears and it is sent: the hold ends', [requested(), ready, failed('no-device'), sent], { phase: 'sent', timers: ['invitation'] }],
  ['what failed for good is tried again by hand: its room is asked for', [requested(), ready, failed('too-large', true), retry], { phase: 'sending', held: 'too-large', effects: [], raised: ['room.wanted'] }],
  ['what failed for good is tried again by hand: sent under the same id', [requested(), ready, failed('too-large', true), retry, ready], { phase: 'sending', effects: ['send:d1'] }],
  ['it was sent and held for the invitation, and the room says that somebody is in: the hold ends', [requested(), ready, sent, due, retry, { ...ready, members: { [user]: 'joined' } }], { phase: 'sent' }],
  ['the room of another party is ready: nothing is sent there', [requested(), { ...ready, party: ben }], { phase: 'addressed', effects: [] }],
  ['a read receipt: seen', [requested(), ready, sent, receipt], { phase: 'seen' }],
  ['a reaction proves seen at most', [requested(), ready, sent, reaction], { phase: 'seen' }],
  ['a reply: answered, and a later receipt does not take that back', [requested(), ready, sent, reply, receipt], { phase: 'answered' }],
  ['a reply by somebody who is not responsible counts for nothing', [requested(), ready, sent, { ...reply, sender: as('@eve:evil.example') }], { phase: 'sent' }],
  ['nobody was found and a correction comes: the correction is held in its place, and the old value can\'t be assigned any more', [unaddressed, superseded, assign], { phase: 'accepted', raised: [] }],
  ['what failed for good is superseded: a retry sends nothing, and ends the hold', [requested(), ready, failed('too-large', true), superseded, retry], { phase: 'sending', effects: [], raised: [] }],
  ['what is under way is superseded: it still arrives, ahead of the correction', [requested(), ready, superseded, sent], { phase: 'sent' }],
  ['a reply from a device its owner has not signed proves seen at most', [requested(), ready, sent, { ...reply, signedByOwner: false }], { phase: 'seen' }],
  ['an answer can\'t be read: it is held for somebody to call', [requested(), ready, sent, unread], { phase: 'sent', held: 'reply-unreadable' }],
  ['an answer can\'t be read, and a receipt comes: still held', [requested(), ready, sent, unread, receipt], { phase: 'seen', held: 'reply-unreadable' }],
  ['one of two answers is read after all: still held for the other', [requested(), ready, sent, unread, { ...unread, eventId: as('$v') }, readable], { phase: 'sent', held: 'reply-unreadable' }],
  ['the answer is read after all: the hold ends', [requested(), ready, sent, unread, reply, readable], { phase: 'answered' }],
  ['somebody called and closes it: the hold ends', [requested(), ready, sent, unread, close], { phase: 'sent' }],
  ['what is held for another reason can\'t be closed', [requested(), ready, failed('no-device'), close], { phase: 'sending', held: 'no-device' }],
  ['an answer of somebody who is not responsible can\'t be read: nothing', [requested(), ready, sent, { ...unread, sender: as('@eve:evil.example') }], { phase: 'sent' }],
  ['retry of what is not held: nothing', [requested(), retry], { phase: 'addressed' }],
  ['assign of what is addressed: nothing', [requested(), assign], { phase: 'addressed' }],
];

describe('A delivery (42 CFR 493.1291(g): told at once, and never lost)', () => {
  for (const [given, facts, then] of CASES) {
    it(given, () => {
      const { state, effects, raised, timers } = run(facts);
      expect({ phase: state.phase, held: state.held?.code }).to.deep.equal({ phase: then.phase, held: then.held });
      if (then.effects) expect(effects).to.deep.equal(then.effects);
      if (then.raised) expect(raised).to.deep.equal(then.raised);
      if (then.timers) expect(timers).to.deep.equal(then.timers);
      if (then.held) expect(state.held?.owner).to.equal('Laboratory desk');
    });
  }

  it('has an outcome for every fact in every phase (total)', () => {
    const all = [requested(), ready, sent, membership('joined'), membership('declined'), membership('limited'), failed('x'), receipt, reply, reaction, due, retry, assign, unread, readable, close, { type: 'timer.due', name: 'other' } as const, { type: 'room.wanted', party: ada } as const];
    for (const [, facts] of CASES) for (const extra of all) expect(run([...facts, extra]).state.id).to.equal('d1');
  });

  it('says who of a team has no device that can read it', () => {
    expect(run([requested(), ready, { ...sent, result: { ...sent.result, unreached: [as('@ben:mercy.example')] } }]).state.history.at(-1)?.what).to.include('@ben:mercy.example can\'t read it');
  });

  it('is found by its replies too, so that an edit of one, or an answer to one, is about it', () => {
    const last = run([requested(), ready, sent, reply, { ...reply, eventId: as('$edit') }]);
    expect(last.names).to.deep.equal(['$e', '$a', '$edit']);
    expect(run([requested(), ready, sent, { ...reply, sender: as('@eve:evil.example') }]).names, 'of somebody who is not responsible').to.equal(undefined);
  });

  it('mentions the person it was assigned to, so that their phone rings', () => {
    expect(run([unaddressed, assign]).state.content.reveal()['m.mentions']).to.deep.equal({ user_ids: [user] });
  });

  it('goes to the Matrix id that its party has when it is sent, not to the one of when it was addressed', () => {
    const moved = { ...ada, members: [as<UserId>('@ada:mercy.example')] };
    const { state, effects } = run([requested(), ready, failed('no-member'), { ...ready, party: moved, members: { '@ada:mercy.example': 'invited' } }]);
    expect([effects, state.party, state.held]).to.deep.equal([['send:d1'], moved, undefined]);
    expect(state.content.reveal()['m.mentions']).to.deep.equal({ user_ids: moved.members });
  });

  it('is sent by the device on its room\'s seat, and says which other server it may wait for', () => {
    const state = run([requested()]).state;
    const effectOf = (body: FactBody, courierSeats = 4): unknown => decideDelivery(state, { id: as('f'), aggregate: { kind: 'delivery', id: 'd1' }, at: T0, body }, { ...context, settings: { ...context.settings, courierSeats } }).effects?.map(({ seat, destination }) => [seat, destination]);
    expect(effectOf({ ...ready, seat: 3 })).to.deep.equal([[3, 'stanne.example']]);
    expect(effectOf({ ...ready, party: { ...ada, members: ben.members } }), 'local, told before there were seats').to.deep.equal([[0, undefined]]);
    expect(effectOf({ ...ready, seat: 3 }, 2), 'there are fewer now').to.deep.equal([[seatFor(ada.id, 2), 'stanne.example']]);
  });

  it('tells nothing of its content in its history', () => {
    expect(JSON.stringify(run([requested(), ready, sent, reply]).state)).not.to.include('6.8');
  });
});
