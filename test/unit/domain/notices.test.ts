import { expect } from 'chai';
import { as, type RoomId, type UserId } from '../../../src/domain/brand.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import type { FactBody } from '../../../src/domain/fact.ts';
import { decideGoverned, lookupsOfGoverned } from '../../../src/domain/governed/decide.ts';
import type { GovernedRoom } from '../../../src/domain/governed/governed.ts';
import { personName, type Party } from '../../../src/domain/people/party.ts';
import type { Judge } from '../../../src/domain/policy/question.ts';
import { decideRoom } from '../../../src/domain/rooms/decide.ts';
import type { Notice } from '../../../src/domain/rooms/notice.ts';
import type { RoomState } from '../../../src/domain/rooms/room.ts';
import { organisations, T0 } from '../../support/reports.ts';

const [ada, ben, cleo] = [as<UserId>('@ada:mercy.example'), as<UserId>('@ben:mercy.example'), as<UserId>('@cleo:mercy.example')];
const talk = as<RoomId>('!talk:m');
const guardian = as<UserId>('@aceso_guardian:mercy.example');
/** Physicians may be anywhere, recipients in their results rooms, billing nowhere. */
const judge: Judge = ({ who: { roles }, target }) => {
  const allowed = roles.includes('physician') || (roles.includes('recipient') && 'kind' in target && target.kind === 'results');
  return { allowed, revision: 'r7', rules: [allowed ? 'clinicians' : 'no-business'], message: allowed ? '' : 'This is for clinicians. Ask one of them.', warnings: [] };
};
const person = (userId: UserId, role: string): Party => ({ id: as(userId.slice(1, userId.indexOf(':'))), kind: 'person', name: userId, members: [userId], identifiers: [], standing: { roles: [role] } });
const contextWith = (...directory: readonly Party[]): Context => ({
  now: T0, judge, settings: { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example'], invitationPatienceMs: 1, templates: new Map([['consult', { id: 'consult', roomVersion: '12', name: 'Consult', topic: '', federation: 'agreed', senders: 'members', history: 'invited', rotation: { periodMs: 1, messages: 1 } }]]) },
  found: new Map(directory.map((party) => [personName(party.members[0] ?? ben), { aggregate: { kind: 'party', id: party.id }, state: party }])),
});
const physicians = contextWith(person(ada, 'physician'), person(ben, 'physician'));
const benRetired = contextWith(person(ada, 'physician'), person(ben, 'recipient'));
type Step = FactBody | readonly [FactBody, Context];
const run = (...steps: readonly Step[]): Decision<GovernedRoom | undefined> => steps.reduce<Decision<GovernedRoom | undefined>>((before, step, index) => {
  const [body, context] = 'type' in step ? [step, physicians] : step;
  return decideGoverned(before.state, { id: as(`f${index}`), aggregate: { kind: 'governed', id: 'k' }, at: T0, body }, context);
}, { state: undefined, audit: [] });
const open = (...members: readonly UserId[]): FactBody => ({ type: 'operator.open', by: 'it', template: 'consult', members });
const made: FactBody = { type: 'effect.done', effect: as('open:k'), kind: 'room.open', result: { type: 'room.open', roomId: talk } };
const member = (userId: UserId, membership: 'join' | 'invite' | 'leave', sender = userId): FactBody => ({ type: 'room.member', roomId: talk, userId, membership, sender, ...(sender === guardian ? { actor: 'guardian' } : {}), eventId: as(`$${membership}`) });
const changed = (by: UserId, what = 'm.room.topic'): FactBody => ({ type: 'room.changed', roomId: talk, what, by, ...(by === guardian ? { actor: 'guardian' } : {}) });
const policyChanged: FactBody = { type: 'policy.changed', revision: 'r8' };
const noticesIn = ({ raise = [] }: Decision<unknown>): readonly (readonly [string, Notice])[] => raise.flatMap(({ aggregate, body }) => (body.type === 'room.wanted' && body.notice ? [[aggregate.id, body.notice] as const] : []));
const texts = (decision: Decision<unknown>): readonly string[] => noticesIn(decision).map(([party, { text }]) => `${party}: ${text}`);
const saidOf = ({ audit }: Decision<unknown>): readonly string[] => audit.map(({ action }) => action);
const both = [open(ada, ben), made, member(ada, 'join'), member(ben, 'join')] as const;

describe('What people are told of a room in which they talk, since the guardian can\'t speak', () => {
  it('whom the policy newly refuses hears the rule\'s own words, once', () => {
    const decision = run([open(ada, ben), benRetired]);
    expect(texts(decision)).to.deep.equal(['ben: You were not invited to the room "Consult" (k). This is for clinicians. Ask one of them. [no-business]']);
    expect(texts(run([open(ada, ben), benRetired], made, [open(ada, ben), benRetired]))).to.deep.equal([]);
    expect(texts(run([open(ada, ben), benRetired], made, [policyChanged, benRetired]))).to.deep.equal([]);
  });

  it('who loses their place hears of it when the homeserver says that they are out, and not before', () => {
    const refused = run(...both, [policyChanged, benRetired]);
    expect(texts(refused)).to.deep.equal([]);
    const out = run(...both, [policyChanged, benRetired], [member(ben, 'leave', guardian), benRetired]);
    expect(texts(out)).to.deep.equal(['ben: You are no longer in the room "Consult" (k), nor invited to it. This is for clinicians. Ask one of them. [no-business]']);
    expect(noticesIn(out)[0]?.[1].id, 'the event is the cause: it comes once').to.equal('out:$leave');
  });

  it('who came in without being asked hears whom to ask; who leaves by themselves hears nothing', () => {
    expect(texts(run(open(ada), made, member(ben, 'invite', ada), member(ben, 'leave', guardian)))[0]).to.match(/^ben: You are no longer in .* IT department .*\[not-asked\]$/u);
    expect(texts(run(open(ada), made, member(ben, 'join'), member(ben, 'leave')))).to.deep.equal([]);
    expect(texts(run(...both, member(ben, 'leave', guardian)))).to.deep.equal([]);
  });

  it('whom the directory doesn\'t know is only in the audit', () => {
    const decision = run(open(ada), made, member(cleo, 'join'), member(cleo, 'leave', guardian));
    expect([texts(decision), saidOf(decision)]).to.deep.equal([[], ['member.other', 'person.not-told']]);
  });

  it('who wrote in clear hears of it once a day', () => {
    const clear: FactBody = { type: 'room.clear-text', roomId: talk, eventId: as('$c'), sender: ben };
    const [first, again] = [run(...both, clear), run(...both, clear, { ...clear, eventId: as('$d') })].map(noticesIn);
    expect(first?.[0]?.[1].text).to.match(/^Your message in the room "Consult" \(k\) was not encrypted.*Element/u);
    expect(first?.[0]?.[1].id).to.equal(again?.[0]?.[1].id);
  });

  it('who changed a setting hears why it was put back, when the guardian\'s own event says that it was', () => {
    const back = run(...both, changed(ben), changed(guardian));
    expect(texts(back)).to.deep.equal(['ben: You changed the room "Consult" (k), and it was put back: the template\'s topic: topics are not encrypted. If it must be otherwise, ask your IT department. [topic]']);
    expect(texts(run(...both, changed(ben), changed(guardian), changed(guardian)))).to.deep.equal([]);
    expect(texts(run(...both, changed(guardian)))).to.deep.equal([]);
    expect(texts(run(...both, changed(ben, 'org.example.note'), changed(guardian, 'org.example.note')))).to.deep.equal([]);
  });

  it('the directory is asked who they are', () => {
    const asks = (body: FactBody, state?: GovernedRoom): readonly string[] => lookupsOfGoverned({ id: as('f'), aggregate: { kind: 'governed', id: 'k' }, at: T0, body }, state).map(({ name }) => name);
    expect(asks(member(ben, 'leave', guardian))).to.include(personName(ben));
    expect(asks({ type: 'room.clear-text', roomId: talk, eventId: as('$c'), sender: ben })).to.include(personName(ben));
    expect(asks(changed(guardian), run(...both, changed(ben)).state)).to.include(personName(ben));
  });
});

describe('The courier, with something to tell', () => {
  const party = person(ben, 'recipient');
  const results = as<RoomId>('!results:m');
  const notice: Notice = { id: 'out:$leave', userId: ben, text: 'You are no longer in it.' };
  const tellBen: FactBody = { type: 'room.wanted', party, notice };
  const created: FactBody = { type: 'effect.done', effect: as('create:ben:1'), kind: 'room.create', result: { type: 'room.create', roomId: results } };
  const invited: FactBody = { type: 'effect.done', effect: as('invite:ben:@ben:mercy.example:1'), kind: 'room.invite', result: { type: 'room.invite', userId: ben } };
  const joined: FactBody = { type: 'room.member', roomId: results, userId: ben, membership: 'join', sender: ben, eventId: as('$j') };
  const sent: FactBody = { type: 'effect.done', effect: as('tell:out:$leave'), kind: 'room.send', result: { type: 'room.send', eventId: as('$s'), devices: 1, withheld: 0 } };
  const failed = (final: boolean): FactBody => ({ type: 'effect.failed', effect: as('tell:out:$leave'), kind: 'room.send', code: 'no-device', message: 'no device', final });
  const go = (facts: readonly FactBody[], context = contextWith(party)): Decision<RoomState | undefined> => facts.reduce<Decision<RoomState | undefined>>((before, body, index) => decideRoom(before.state, { id: as(`g${index}`), aggregate: { kind: 'room', id: 'ben' }, at: T0, body }, context), { state: undefined, audit: [] });
  const sends = ({ effects = [] }: Decision<unknown>): readonly unknown[] => effects.flatMap(({ id, lane, body }) => (body.type === 'room.send' ? [[id, lane, body.recipients, body.content.reveal()['body']]] : []));

  it('has a results room made for it, and tells them as soon as they are in it', () => {
    expect(go([tellBen]).effects?.map(({ body }) => body.type)).to.deep.equal(['room.create']);
    expect(sends(go([tellBen, created, invited]))).to.deep.equal([]);
    expect(sends(go([tellBen, created, invited, joined]))).to.deep.equal([['tell:out:$leave', 'tell:ben', [ben], 'You are no longer in it.']]);
  });

  it('tells them in the room that is there, each cause once', () => {
    const ready = [tellBen, created, invited, joined, sent];
    expect([saidOf(go(ready)), go(ready).state?.notices]).to.deep.equal([['person.told'], []]);
    expect(sends(go([...ready, tellBen]))).to.deep.equal([]);
    expect(sends(go([tellBen, created, invited, joined, tellBen]))).to.deep.equal([]);
    expect(sends(go([...ready, { ...tellBen, notice: { ...notice, id: 'other' } }]))).to.have.length(1);
  });

  it('goes on where a failure passes, and says in the audit where it doesn\'t', () => {
    const ready = [tellBen, created, invited, joined];
    expect([saidOf(go([...ready, failed(false)])), go([...ready, failed(false)]).state?.notices?.length]).to.deep.equal([['person.waits'], 1]);
    expect([saidOf(go([...ready, failed(true)])), go([...ready, failed(true)]).state?.notices]).to.deep.equal([['person.not-told'], []]);
  });

  it('makes no room for whom the policy lets have none', () => {
    const decision = go([{ ...tellBen, party: person(ben, 'billing') }], contextWith(person(ben, 'billing')));
    expect([decision.state, decision.effects, saidOf(decision)]).to.deep.equal([undefined, undefined, ['rules.refused', 'person.not-told']]);
  });

  it('leaves the room that is there as it is where its person may have none by now', () => {
    const decision = go([tellBen, created, invited, joined, sent, { ...tellBen, party: person(ben, 'billing'), notice: { ...notice, id: 'other' } }], contextWith(person(ben, 'billing')));
    expect([decision.state?.notices ?? [], saidOf(decision).at(-1)]).to.deep.equal([[], 'person.not-told']);
  });

  it('writes again where the room was replaced before they were told', () => {
    const next = as<RoomId>('!next:m');
    const state = go([tellBen, created, invited, joined]).state;
    const moved: RoomState | undefined = state && { ...state, roomId: next };
    const again = decideRoom(moved, { id: as('h'), aggregate: { kind: 'room', id: 'ben' }, at: T0, body: { ...tellBen } }, contextWith(party));
    expect(again.effects?.map(({ id, body }) => [id, 'roomId' in body && body.roomId])).to.deep.equal([['tell:out:$leave', next]]);
  });

  it('keeps twenty for somebody who doesn\'t come, and says which it let go', () => {
    const many = Array.from({ length: 21 }, (_, index): FactBody => ({ ...tellBen, notice: { ...notice, id: `n${index}` } }));
    const decision = go(many);
    expect([decision.state?.notices?.length, decision.audit.filter(({ action }) => action === 'person.not-told').map(({ detail }) => detail?.['notice'])]).to.deep.equal([20, ['n0']]);
  });
});
