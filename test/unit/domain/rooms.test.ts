import { expect } from 'chai';
import { as, type EventId, type UserId } from '../../../src/domain/brand.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import type { FactBody } from '../../../src/domain/fact.ts';
import { decideRoom, lookupsOfRoom } from '../../../src/domain/rooms/decide.ts';
import { keyHolders, usable, type RoomState } from '../../../src/domain/rooms/room.ts';
import { MISSING_PATIENCE_MS, MISSING_TIMER } from '../../../src/domain/rooms/missing.ts';
import { seatFor } from '../../../src/domain/rooms/seat.ts';
import { entryName, type Party } from '../../../src/domain/people/party.ts';
import { Sealed } from '../../../src/domain/sealed.ts';
import { planRoom, type RoomTemplate } from '../../../src/domain/rooms/template.ts';
import { SUBJECT, T0, ada, allowAll, ben, lab, organisations } from '../../support/reports.ts';

const context: Context = { now: T0, judge: allowAll, found: new Map(), settings: { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example', 'stanne.example'], invitationPatienceMs: 1 } };
const user = ada.members[0];
const other = ben.members[0];
if (user === undefined || other === undefined) throw new Error('a person has a Matrix id');
const wanted: FactBody = { type: 'room.wanted', party: ada, delivery: as('d1') };
const createdFor = (party: Party, generation = 1, roomId = '!r:m'): FactBody => ({ type: 'effect.done', effect: as(`create:${party.id}:${generation}`), kind: 'room.create', result: { type: 'room.create', roomId: as(roomId) } });
const created: FactBody = { type: 'effect.done', effect: as('create:dr-okafor:1'), kind: 'room.create', result: { type: 'room.create', roomId: as('!r:m') } };
const invited = (userId = user, count = 1, party = ada): FactBody => ({ type: 'effect.done', effect: as(`invite:${party.id}:${userId}:${count}`), kind: 'room.invite', result: { type: 'room.invite', userId } });
const inviteFailed = (code: string, final = false): FactBody => ({ type: 'effect.failed', effect: as(`invite:${ada.id}:${user}:1`), kind: 'room.invite', code, message: code, final });
const createFailed: FactBody = { type: 'effect.failed', effect: as('create:dr-okafor:1'), kind: 'room.create', code: 'forbidden', message: 'forbidden', final: true };
const member = (membership: 'join' | 'leave' | 'invite', userId = user, sender = userId): FactBody => ({ type: 'room.member', roomId: as('!r:m'), userId, membership, sender, eventId: as('$m') });

function run(facts: readonly FactBody[]): Decision<RoomState | undefined> {
  let decision: Decision<RoomState | undefined> = { state: undefined, audit: [] };
  for (const [index, body] of facts.entries()) decision = decideRoom(decision.state, { id: as(`f${index}`), aggregate: { kind: 'room', id: ada.id }, at: T0, body }, context);
  return decision;
}
const seen = (decision: Decision<RoomState | undefined>): { readonly effects: readonly string[]; readonly raised: readonly string[] } => ({ effects: (decision.effects ?? []).map(({ body }) => body.type), raised: (decision.raise ?? []).map(({ body }) => ('code' in body ? `${body.type}:${body.code}` : body.type)) });

const CASES: readonly (readonly [given: string, facts: readonly FactBody[], effects: readonly string[], raised: readonly string[]])[] = [
  ['it is wanted for the first time: it is made', [wanted], ['room.create'], []],
  ['it is wanted twice while it is being made: it is made once', [wanted, { ...wanted, delivery: as('d2') }], [], []],
  ['it was made: its members are invited', [wanted, created], ['room.invite'], []],
  ['its member was invited: the delivery that waits is told whom it waits for', [wanted, created, invited()], [], ['recipient.membership']],
  ['it is wanted by another delivery before the member has accepted: it is told too', [wanted, created, invited(), { ...wanted, delivery: as('d2') }], [], ['recipient.membership']],
  ['the member accepts: the delivery that waits is told that it can be used', [wanted, created, invited(), member('join')], ['courier.member'], ['room.ready']],
  ['it is wanted by another delivery: told at once', [wanted, created, invited(), member('join'), { ...wanted, delivery: as('d2') }], [], ['room.ready']],
  ['the invitation is limited: the delivery is told, and Aceso keeps trying', [wanted, created, inviteFailed('limited')], [], ['room.blocked:invitation-limited']],
  ['another delivery comes while the invitation is limited: it is told too', [wanted, created, inviteFailed('limited'), { ...wanted, delivery: as('d2') }], [], ['room.blocked:invitation-limited']],
  ['another delivery comes while the invitation is under way: it waits', [wanted, created, { ...wanted, delivery: as('d2') }], [], []],
  ['it can\'t be made, and is wanted again: it is tried again, and the later delivery is told', [wanted, createFailed, { ...wanted, delivery: as('d2') }], ['room.create'], ['room.blocked:room-forbidden']],
  ['the invitation goes out after all, and is accepted: the delivery proceeds', [wanted, created, inviteFailed('limited'), invited(), member('join')], ['courier.member'], ['room.ready']],
  ['their server refuses the invitation', [wanted, created, inviteFailed('forbidden', true)], [], ['room.blocked:invitation-refused']],
  ['it is refused and wanted again: invited again', [wanted, created, inviteFailed('forbidden', true), wanted], ['room.invite'], []],
  ['the member leaves: the open delivery is told', [wanted, created, invited(), member('join'), member('leave')], ['courier.member'], ['recipient.membership']],
  ['the member declines: the delivery that waits is told', [wanted, created, invited(), member('leave')], ['courier.member'], ['recipient.membership']],
  ['the member left, and something new comes: invited again', [wanted, created, invited(), member('join'), member('leave'), { ...wanted, delivery: as('d2') }], ['room.invite'], []],
  ['the member left and was invited again: both deliveries are told', [wanted, created, invited(), member('join'), member('leave'), { ...wanted, delivery: as('d2') }, invited(user, 2)], [], ['recipient.membership', 'recipient.membership']],
  ['the member came back: only now the new delivery proceeds', [wanted, created, invited(), member('join'), member('leave'), { ...wanted, delivery: as('d2') }, invited(user, 2), member('join')], ['courier.member'], ['room.ready', 'recipient.membership']],
  ['the member declined before the invitation was noted as gone out: they stay outside', [wanted, created, member('invite'), member('leave'), invited()], [], []],
  ['the member joined, and the invitation seems to have failed: they are in', [wanted, created, member('join'), inviteFailed('unavailable')], [], []],
  ['something is told of a room that the party had before: it means nothing here', [wanted, created, invited(), { ...member('leave'), roomId: as('!old:m') } as FactBody], [], []],
  ['a stranger comes in: nobody is told, nothing is sent', [wanted, created, invited(), member('join', as('@eve:evil.example'))], [], []],
  ['an encrypted event comes: it is decrypted', [wanted, created, { type: 'room.encrypted', roomId: as('!r:m'), event: { event_id: as('$x'), sender: user, origin_server_ts: T0, type: 'm.room.encrypted', content: {} } }], ['event.decrypt'], []],
];

describe('A results room', () => {
  for (const [given, facts, effects, raised] of CASES) it(given, () => expect(seen(run(facts))).to.deep.equal({ effects, raised }));

  it('is refused, with what to do, for a server without an agreement', () => {
    const stranger = { ...ada, members: [as('@x:elsewhere.example')] } as typeof ada;
    const decision = run([{ ...wanted, party: stranger }]);
    expect(seen(decision)).to.deep.equal({ effects: [], raised: ['room.blocked:no-agreement'] });
    expect(decision.state).to.deep.include({ phase: 'creating', waiting: ['d1'] });
  });

  it('gives keys to members of its party who are in or invited, and to nobody else', () => {
    const { state } = run([{ ...wanted, party: lab }, createdFor(lab), invited(user, 1, lab), member('join', as('@eve:evil.example'))]);
    expect(state && keyHolders(state)).to.deep.equal([user]);
  });

  it('passes an answer on to the delivery it is about: a reply, a message of its thread, an encrypted reaction; other events answer nothing', () => {
    const { state } = run([wanted, created, invited()]);
    const found: Context['found'] = new Map([['$e', { aggregate: { kind: 'delivery', id: 'd1' }, state: undefined }]]);
    const answers = (eventType: string, ...relatesTo: readonly string[]): readonly (readonly [string, string])[] => {
      const result = { type: 'event.decrypt', eventId: as<EventId>('$a'), eventType, sender: user, signedByOwner: true, relatesTo: relatesTo.map((id) => as<EventId>(id)), content: Sealed.of(SUBJECT, {}) } as const;
      const { raise = [] } = decideRoom(state, { id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body: { type: 'effect.done', effect: as('decrypt:$a'), kind: 'event.decrypt', result } }, { ...context, found });
      return raise.map(({ aggregate, body }) => [aggregate.id, body.type]);
    };
    expect(answers('m.room.message', '$e')).to.deep.equal([['d1', 'reply.received']]);
    expect(answers('m.room.message', '$somebody', '$e'), 'in a thread').to.deep.equal([['d1', 'reply.received']]);
    expect(answers('m.reaction', '$e')).to.deep.equal([['d1', 'reaction.received']]);
    expect(answers('m.call.invite', '$e')).to.deep.equal([]);
    expect(answers('m.room.message', '$other')).to.deep.equal([]);
    expect(answers('m.room.message')).to.deep.equal([]);
  });

  it('of a team can be used once each of its members is in, so that a message passes nobody by', () => {
    const first = [{ ...wanted, party: lab } as FactBody, createdFor(lab), invited(other, 1, lab), member('join', other)];
    expect(seen(run(first)).raised).to.deep.equal(['recipient.membership']);
    expect(seen(run([...first, invited(user, 1, lab)])).raised).to.deep.equal(['recipient.membership']);
    expect(seen(run([...first, invited(user, 1, lab), member('join')])).raised).to.deep.equal(['room.ready']);
  });

  it('of a team waits for who was invited only for a set time; who is in is told then, and nobody before anybody is', () => {
    const one = [{ ...wanted, party: lab } as FactBody, createdFor(lab), invited(other, 1, lab), invited(user, 1, lab)];
    const over: FactBody = { type: 'timer.due', name: MISSING_TIMER };
    expect(run(one.slice(0, 3)).timers).to.deep.equal([{ name: MISSING_TIMER, dueAt: T0 + MISSING_PATIENCE_MS }]);
    expect(run(one).timers, 'once').to.deep.equal([]);
    expect(seen(run([...one, member('join'), over])).raised).to.deep.equal(['room.ready']);
    expect(seen(run([...one, over])).raised).to.deep.equal([]);
    expect(seen(run([...one, over, member('join')])).raised).to.deep.equal(['room.ready']);
  });

  it('of a team can be used without a member who can\'t be invited now', () => {
    const limited: FactBody = { ...inviteFailed('limited'), effect: as(`invite:${lab.id}:${user}:1`) } as FactBody;
    expect(seen(run([{ ...wanted, party: lab }, createdFor(lab), invited(other, 1, lab), member('join', other), limited])).raised).to.deep.equal(['room.ready']);
    expect(seen(run([{ ...wanted, party: lab }, createdFor(lab), limited])).raised, 'as long as another is on the way').to.deep.equal([]);
    expect(seen(run([{ ...wanted, party: lab }, createdFor(lab), limited, invited(other, 1, lab), member('join', other)])).raised).to.deep.equal(['room.ready']);
  });
});

describe('A team whose member can\'t be reached at this moment', () => {
  const away: FactBody = { ...inviteFailed('unavailable'), effect: as(`invite:${lab.id}:${user}:1`) } as FactBody;
  const before = [{ ...wanted, party: lab } as FactBody, createdFor(lab), away];
  const over: FactBody = { type: 'timer.due', name: MISSING_TIMER };

  it('waits for them, visibly and for a set time, so that the message they could never read isn\'t sent without them', () => {
    const decision = run([...before, invited(other, 1, lab), member('join', other)]);
    expect(seen(decision).raised).to.deep.equal(['recipient.membership']);
    expect(decision.state && usable(decision.state)).to.equal(false);
    expect(run(before).timers, 'set when the invitation failed').to.deep.equal([{ name: MISSING_TIMER, dueAt: T0 + MISSING_PATIENCE_MS }]);
    expect(seen(run([{ ...wanted, party: lab }, createdFor(lab), invited(other, 1, lab), away])).raised, 'visibly').to.deep.equal(['room.blocked:invitation-unreachable']);
  });

  it('is told at once when they are in', () => {
    expect(seen(run([...before, invited(other, 1, lab), member('join', other), invited(user, 1, lab), member('join')])).raised).to.deep.equal(['room.ready']);
  });

  it('is told without them when the time is over, and from then on', () => {
    const late = [...before, invited(other, 1, lab), member('join', other), over];
    expect(seen(run(late)).raised).to.deep.equal(['room.ready']);
    expect(seen(run([...late, { ...wanted, party: lab, delivery: as('d2') }])).raised).to.deep.equal(['room.ready']);
    expect(seen(run([...before, over])).raised, 'nobody is there yet').to.deep.equal([]);
    expect(seen(run([...before, over, invited(other, 1, lab), member('join', other)])).raised).to.deep.equal(['room.ready']);
  });
});

describe('The courier\'s seat of a results room', () => {
  const threeSeats: Context = { ...context, settings: { ...context.settings, courierSeats: 3 } };
  const decided = (state: RoomState | undefined, body: FactBody, among = threeSeats): Decision<RoomState | undefined> => decideRoom(state, { id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body }, among);
  const three = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ ...ada, id: as<Party['id']>(name) }));

  it('is given when it is first wanted, and is not the same for everybody', () => {
    const seats = three.map((party) => decided(undefined, { ...wanted, party }).state?.seat);
    expect(seats).to.deep.equal(three.map(({ id }) => seatFor(id, 3)));
    expect(new Set(seats).size).to.be.greaterThan(1);
  });

  it('stays when there are more couriers, and when the party gets another room', () => {
    const { state } = run([wanted, created, invited()]);
    const more = decided(state, { ...wanted, delivery: as('d2') }, { ...context, settings: { ...context.settings, courierSeats: 9 } });
    expect(more.state?.seat).to.equal(0);
    expect(decided(more.state, { type: 'party.changed', party: { ...ada, members: [as('@ada:mercy.example')] }, by: 'it', room: 'now' }, threeSeats).state?.seat).to.equal(0);
  });

  it('is another when there are fewer couriers than it needs', () => {
    const state = { ...run([wanted, created, invited()]).state, seat: 7 } as RoomState;
    expect(decided(state, { ...wanted, delivery: as('d2') }).state?.seat).to.equal(seatFor(ada.id, 3));
    for (const body of [member('join'), member('leave')]) expect(decided(state, body).effects?.map(({ seat }) => seat), 'asked of no seat that is none').to.deep.equal([seatFor(ada.id, 3)]);
    const event = { event_id: as<EventId>('$x'), sender: user, origin_server_ts: T0, type: 'm.room.encrypted' as const, content: {} };
    expect(decided(state, { type: 'room.encrypted', roomId: as('!r:m'), event }).effects?.map(({ seat }) => seat)).to.deep.equal([seatFor(ada.id, 3)]);
  });

  it('is told to the delivery, and stands on what needs its device', () => {
    const state = { ...run([wanted, created, invited(), member('join')]).state, seat: 2 } as RoomState;
    expect(decided(state, { ...wanted, delivery: as('d2') }).raise?.map(({ body }) => 'seat' in body && body.seat)).to.deep.equal([2]);
    const event = { event_id: as<EventId>('$x'), sender: user, origin_server_ts: T0, type: 'm.room.encrypted' as const, content: {} };
    expect(decided(state, { type: 'room.encrypted', roomId: as('!r:m'), event }).effects?.map(({ seat }) => seat)).to.deep.equal([2]);
    expect(decided(state, member('leave')).effects?.map(({ seat }) => seat)).to.deep.equal([2]);
  });

  it('of a room from before there were several is 0', () => {
    const { seat: _, ...before } = run([wanted, created, invited(), member('join')]).state ?? {};
    expect(decided(before as RoomState, { ...wanted, delivery: as('d2') }).raise?.map(({ body }) => 'seat' in body && body.seat)).to.deep.equal([0]);
  });
});

describe('Who comes into a results room', () => {
  const saidOf = (body: FactBody): readonly string[] => run([wanted, created, body]).audit.map(({ action }) => action);

  it('is told as unexpected when they are no member of its party, and not when they are Aceso itself', () => {
    const stranger = member('invite', as('@aceso_courier:mercy.example'));
    expect(saidOf(stranger)).to.deep.equal(['member.unexpected']);
    expect(saidOf({ ...stranger, of: 'ours' } as FactBody)).to.deep.equal([]);
  });
});

describe('A change of a results room\'s members', () => {
  const joinedAs = (eventId: string, membership: 'join' | 'leave'): FactBody => ({ ...member(membership), eventId: as(eventId) } as FactBody);
  const toldOf = (eventId: string): FactBody => ({ type: 'effect.done', effect: as(`member:${eventId}`), kind: 'courier.member', result: { type: 'courier.member', userId: user } });
  const untold = (...facts: readonly FactBody[]): readonly string[] => (run([wanted, created, invited(), ...facts]).state?.untold ?? []).map(({ effect }) => effect);

  it('is told to the room\'s device, in a lane that no room which can\'t be made holds up', () => {
    const { effects } = run([wanted, created, invited(), joinedAs('$1', 'join')]);
    expect(effects).to.deep.equal([{ id: 'member:$1', lane: `member:${ada.id}:${user}`, seat: 0, body: { type: 'courier.member', roomId: '!r:m', userId: user, membership: 'join' } }]);
  });

  it('is remembered until the device has it: nothing is encrypted before', () => {
    expect(untold(joinedAs('$1', 'join'))).to.deep.equal(['member:$1']);
    expect(untold(joinedAs('$1', 'join'), toldOf('$1'))).to.deep.equal([]);
  });

  it('gives way to a newer one of the same member', () => {
    expect(untold(joinedAs('$1', 'join'), joinedAs('$2', 'leave'))).to.deep.equal(['member:$2']);
    expect(untold(joinedAs('$1', 'join'), joinedAs('$2', 'leave'), toldOf('$1')), 'the older one is done').to.deep.equal(['member:$2']);
  });
});

describe('A results room whose party changes', () => {
  const changed = (party: Party): FactBody => ({ type: 'party.changed', party, by: 'it', room: 'on-demand' });
  const moved: Party = { ...ada, members: [as('@ada:mercy.example')] };
  const inUse = [wanted, created, invited(), member('join')];

  it('is another room for a person with another Matrix id: the one of before gets nothing more', () => {
    const decision = run([...inUse, changed(moved)]);
    expect((decision.effects ?? []).map(({ id }) => id)).to.deep.equal([`create:${ada.id}:2`]);
    expect(decision.state && keyHolders(decision.state)).to.deep.equal([]);
    const after = run([...inUse, changed(moved), createdFor(ada, 2, '!new:m'), invited(moved.members[0]), { ...member('join', moved.members[0]), roomId: as('!new:m') } as FactBody]);
    expect([seen(after).raised, after.state?.roomId]).to.deep.equal([['room.ready'], '!new:m']);
  });

  it('keeps the name of the room of before, from which answers still come', () => {
    expect(run([...inUse, changed(moved), createdFor(ada, 2, '!new:m')]).names).to.deep.equal(['!new:m', '!r:m']);
  });

  it('does not take up a room that was made for the party as it was', () => {
    expect(run([wanted, changed(moved), created]).state?.roomId).to.equal(undefined);
  });

  it('is for whom the directory says, not for whom a delivery was addressed to long ago', () => {
    const found: Context['found'] = new Map([[entryName(ada.id), { aggregate: { kind: 'party', id: ada.id }, state: moved }]]);
    const { state } = decideRoom(undefined, { id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body: wanted }, { ...context, found });
    expect(state?.party).to.deep.equal(moved);
    expect(lookupsOfRoom({ id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body: wanted }, undefined)).to.deep.equal([{ kind: 'party', name: entryName(ada.id) }, { kind: 'agreement', name: 'stanne.example' }]);
  });

  it('of a team keeps its room when a member of the same servers comes or goes; who went gets no keys, and unsent messages are told', () => {
    const team = [{ ...wanted, party: lab } as FactBody, createdFor(lab), invited(user, 1, lab), invited(other, 1, lab), member('join'), member('join', other)];
    const decision = run([...team, changed({ ...lab, members: [other] })]);
    expect([decision.state?.roomId, decision.state && keyHolders(decision.state), seen(decision).raised]).to.deep.equal(['!r:m', [other], ['room.ready']]);
  });

  it('is another room when a server comes that the room does not admit', () => {
    const local: Party = { ...lab, members: [other] };
    const decision = run([{ ...wanted, party: local }, createdFor(lab), invited(other, 1, lab), changed(lab)]);
    expect(seen(decision).effects).to.deep.equal(['room.create']);
  });

  it('gives nothing more to the one of before, when the new server has no agreement; with the agreement it is made', () => {
    const far: Party = { ...ada, members: [as('@ada:far.example')] };
    const refused = run([...inUse, changed(far)]);
    expect(refused.state && keyHolders(refused.state)).to.deep.equal([]);
    const agreed = { ...context, settings: { ...context.settings, agreedServers: ['far.example'] } };
    expect(seen(decideRoom(refused.state, { id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body: { ...wanted, party: far } }, agreed)).effects).to.deep.equal(['room.create']);
  });
});

describe('A message in clear in a results room', () => {
  it('is taken out by the guardian, and told to the auditors', () => {
    const decision = run([wanted, created, invited(), { type: 'room.clear-text', roomId: as('!r:m'), eventId: as('$c'), sender: user }]);
    expect(decision.effects?.map(({ body }) => body)).to.deep.equal([{ type: 'room.redact', roomId: '!r:m', eventId: '$c', reason: 'Not encrypted: results rooms take encrypted messages only.' }]);
    expect(decision.audit.map(({ action }) => action)).to.deep.equal(['clear-text.removed']);
  });
});

describe('An answer that can\'t be read', () => {
  const ready = [wanted, created, invited(), member('join')];
  const arrived = (eventId: string, about?: string): FactBody => ({ type: 'room.encrypted', roomId: as('!r:m'), event: { event_id: as(eventId), sender: user, origin_server_ts: T0, type: 'm.room.encrypted', content: about === undefined ? {} : { 'm.relates_to': { 'm.in_reply_to': { event_id: about } } } } });
  const notYet = (eventId: string, code = 'keys-missing'): FactBody => ({ type: 'effect.failed', effect: as(`decrypt:${eventId}`), kind: 'event.decrypt', code, message: code, final: code === 'undecryptable' });
  const due = (eventId: string): FactBody => ({ type: 'timer.due', name: `unread:${eventId}` });
  const read = (eventId: string): FactBody => ({ type: 'effect.done', effect: as(`decrypt:${eventId}`), kind: 'event.decrypt', result: { type: 'event.decrypt', eventId: as(eventId), eventType: 'm.room.message', sender: user, signedByOwner: true, relatesTo: [], content: Sealed.of(SUBJECT, {}) } });
  const raised = (facts: readonly FactBody[]): readonly unknown[] => (run(facts).raise ?? []).map(({ aggregate, body }) => [aggregate.id, body.type]);

  it('waits a quarter of an hour for its keys', () => {
    const decision = run([...ready, arrived('$x'), notYet('$x')]);
    expect([decision.timers, decision.raise]).to.deep.equal([[{ name: 'unread:$x', dueAt: T0 + 900_000 }], undefined]);
    expect(run([...ready, arrived('$x'), notYet('$x'), notYet('$x', 'unavailable')]).timers, 'which starts once').to.equal(undefined);
  });
  it('then the newest delivery of the room is told, if what it answers is not known', () => expect(raised([...ready, arrived('$x'), notYet('$x'), due('$x')])).to.deep.equal([['d1', 'reply.unread']]));
  it('is told once', () => expect(raised([...ready, arrived('$x'), notYet('$x'), due('$x'), notYet('$x', 'undecryptable'), due('$x')])).to.deep.equal([]));
  it('that nobody will ever read is told at once', () => expect(raised([...ready, arrived('$x'), notYet('$x', 'undecryptable')])).to.deep.equal([['d1', 'reply.unread']]));
  it('and is read after all: the delivery that was told hears of it, and nothing is remembered', () => {
    expect(raised([...ready, arrived('$x'), notYet('$x'), due('$x'), read('$x')])).to.deep.equal([['d1', 'reply.readable']]);
    expect(run([...ready, arrived('$x'), notYet('$x'), read('$x')]).state?.unread).to.deep.equal({});
  });
  it('holds the delivery that it answers, as its clear part says', () => {
    const found = new Map([['$sent', { aggregate: { kind: 'delivery', id: 'd9' } as const, state: {} }]]);
    let state = run(ready).state;
    for (const body of [arrived('$x', '$sent'), notYet('$x')]) ({ state } = decideRoom(state, { id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body }, { ...context, found }));
    expect(decideRoom(state, { id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body: due('$x') }, context).raise?.map(({ aggregate }) => aggregate.id)).to.deep.equal(['d9']);
  });
  it('is one of at most 200 that are remembered: the oldest makes place, and is told before it does', () => {
    const many = Array.from({ length: 201 }, (_, index) => arrived(`$${index}`));
    const decision = run([...ready, ...many]);
    expect(Object.keys(decision.state?.unread ?? {})).to.have.length(200);
    expect(decision.raise?.map(({ body }) => 'eventId' in body && body.eventId)).to.deep.equal(['$0']);
  });
});

describe('The plan of a results room (45 CFR 164.312(a)(1), (e)(1))', () => {
  const template: RoomTemplate = { id: 'results', roomVersion: '12', name: 'Clinical results', topic: '', federation: 'agreed', senders: 'members', history: 'invited', rotation: { periodMs: 604_800_000, messages: 100 } };
  const people = { ownServer: 'mercy.example', guardian: as<UserId>('@aceso_guardian:mercy.example'), partnerVersions: { 'stanne.example': '11' } };
  const plan = planRoom(template, ada, people);
  const content = (type: string): unknown => plan.initialState.find((event) => event.type === type)?.content;

  it('is encrypted from the first event, with the rotation in the state', () => expect(content('m.room.encryption')).to.deep.equal({ algorithm: 'm.megolm.v1.aes-sha2', rotation_period_ms: 604_800_000, rotation_period_msgs: 100 }));
  it('lets in the invited only, from their invitation on', () => expect([content('m.room.join_rules'), content('m.room.history_visibility')]).to.deep.equal([{ join_rule: 'invite' }, { history_visibility: 'invited' }]));
  it('admits the servers concerned and no other', () => expect(content('m.room.server_acl')).to.deep.equal({ allow: ['mercy.example', 'stanne.example'], deny: [], allow_ip_literals: false }));
  it('takes the version that the partner can join', () => expect([plan.version, planRoom(template, ben, people).version]).to.deep.equal(['11', '12']));
  it('of a local party is not federated at all', () => expect([plan.federated, planRoom(template, ben, people).federated]).to.deep.equal([true, false]));
  it('leaves members nothing to send but messages, reactions and redactions', () => {
    const levels = plan.powerLevels as { readonly events_default: number; readonly events: Record<string, number>; readonly users: unknown };
    expect(levels.events_default).to.equal(100);
    expect(Object.entries(levels.events).filter(([, level]) => level === 0).map(([type]) => type)).to.deep.equal(['m.room.encrypted', 'm.room.message', 'm.reaction', 'm.room.redaction']);
  });
  it('names the creator among the powerful in version 11, and must not in 12', () => {
    expect((plan.powerLevels as { readonly users: unknown }).users).to.deep.equal({ '@aceso_guardian:mercy.example': 100 });
    expect((planRoom(template, ben, people).powerLevels as { readonly users: unknown }).users).to.deep.equal({});
  });
});
