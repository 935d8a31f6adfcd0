import { expect } from 'chai';
import { as, type RoomId, type UserId } from '../../../src/domain/brand.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import type { FactBody } from '../../../src/domain/fact.ts';
import { decideGoverned, lookupsOfGoverned } from '../../../src/domain/governed/decide.ts';
import type { GovernedRoom } from '../../../src/domain/governed/governed.ts';
import { personName, type Party } from '../../../src/domain/people/party.ts';
import type { Judge } from '../../../src/domain/policy/question.ts';
import type { StateOfRoom } from '../../../src/domain/rooms/assess.ts';
import { closingOf } from '../../../src/domain/rooms/closing.ts';
import { powerLevels } from '../../../src/domain/rooms/template.ts';
import { organisations, T0 } from '../../support/reports.ts';

const [ada, ben] = [as<UserId>('@ada:stanne.example'), as<UserId>('@ben:mercy.example')];
const guardian = as<UserId>('@aceso_guardian:mercy.example');
const [first, second, third] = [as<RoomId>('!first:m'), as<RoomId>('!second:m'), as<RoomId>('!third:m')];
const judge: Judge = ({ who: { roles } }) => ({ allowed: roles.includes('physician'), revision: 'r7', rules: ['clinicians'], message: 'Ask somebody else.', warnings: [] });
const person = (userId: UserId, role: string): Party => ({ id: as(userId.slice(1, 4)), kind: 'person', name: userId, members: [userId], identifiers: [], standing: { roles: [role] } });
const contextWith = (...directory: readonly Party[]): Context => ({
  now: T0, judge, settings: { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example', 'stanne.example'], invitationPatienceMs: 1, templates: new Map([['consult', { id: 'consult', roomVersion: '12', name: 'Consult', topic: '', federation: 'agreed', senders: 'members', history: 'invited', rotation: { periodMs: 1, messages: 1 } }]]) },
  found: new Map(directory.map((party) => [personName(party.members[0] ?? ben), { aggregate: { kind: 'party', id: party.id }, state: party }])),
});
const both = contextWith(person(ada, 'physician'), person(ben, 'physician'));
const benAlone = contextWith(person(ada, 'billing'), person(ben, 'physician'));
type Step = FactBody | readonly [FactBody, Context];
const run = (...steps: readonly Step[]): Decision<GovernedRoom | undefined> => steps.reduce<Decision<GovernedRoom | undefined>>((before, step, index) => {
  const [body, context] = 'type' in step ? [step, both] : step;
  return decideGoverned(before.state, { id: as(`f${index}`), aggregate: { kind: 'governed', id: 'k' }, at: T0, body }, context);
}, { state: undefined, audit: [] });
const made = (roomId: RoomId, effect = 'open:k'): FactBody => ({ type: 'effect.done', effect: as(effect), kind: 'room.open', result: { type: 'room.open', roomId } });
const member = (userId: UserId, roomId = first): FactBody => ({ type: 'room.member', roomId, userId, membership: 'join', sender: userId, eventId: as(`$${userId}`) });
const upgrade: FactBody = { type: 'operator.upgrade', by: 'it', to: '12' };
const open: FactBody = { type: 'operator.open', by: 'it', template: 'consult', members: [ada, ben] };
const there = [open, made(first), member(ada), member(ben)] as const;
const effectsOf = ({ effects = [] }: Decision<unknown>): readonly unknown[] => effects.map(({ id, body }) => [id, body.type]);

describe('A room in which people talk that is replaced', () => {
  it('has its successor made first, from its template, naming it; asked for again, that is the same one', () => {
    const asked = run(...there, upgrade);
    expect(asked.effects?.map(({ id, body }) => [id, body])).to.deep.equal([['open:k:1', { type: 'room.open', template: 'consult', servers: ['stanne.example'], speakers: [], replaces: first, version: '12' }]]);
    expect(asked.state?.roomId, 'until it is there, people talk where they are').to.equal(first);
    expect(effectsOf(run(...there, upgrade, upgrade))).to.deep.equal([['open:k:1', 'room.open']]);
  });

  it('then hands over its key, has whom the policy lets in by now invited, and is closed', () => {
    const done = run(...there, upgrade, made(second, 'open:k:1'));
    expect([done.state?.roomId, done.state?.former, done.names, done.state?.replacing]).to.deep.equal([second, [first], [second, first], undefined]);
    expect(effectsOf(done)).to.deep.equal([['look:f5', 'room.repair'], [`ask:k:${ada}:2`, 'room.invite'], [`ask:k:${ben}:2`, 'room.invite'], [`close:f5:${first}`, 'room.close']]);
    expect(done.effects?.at(-1)?.body).to.deep.equal({ type: 'room.close', roomId: first, successor: second });
    const without = run(...there, upgrade, [made(second, 'open:k:1'), benAlone]);
    expect(without.effects?.filter(({ body }) => body.type === 'room.invite').map(({ id }) => id)).to.deep.equal([`ask:k:${ben}:2`]);
  });

  it('and is for people of other hospitals too, where it was not before', () => {
    const local = [[open, benAlone], made(first), [{ type: 'policy.changed', revision: 'r8' }, both]] as const;
    expect(run(...local).state?.refused.map(({ rules }) => rules)).to.deep.equal([['made-local']]);
    const done = run(...local, upgrade, made(second, 'open:k:1'));
    expect([done.state?.refused, done.state?.servers, done.state?.made]).to.deep.equal([[], ['stanne.example'], 'federated']);
  });

  it('can be replaced again: each of its rooms leads to the next', () => {
    const again = [...there, upgrade, made(second, 'open:k:1'), upgrade, made(third, 'open:k:2')] as const;
    expect([run(...again).state?.former, run(...again).names]).to.deep.equal([[first, second], [third, first, second]]);
    const reopened = run(...again, { type: 'room.changed', roomId: first, what: 'm.room.power_levels', by: guardian });
    expect(reopened.effects?.map(({ body }) => body)).to.deep.equal([{ type: 'room.close', roomId: first, successor: second }]);
  });

  it('is not replaced by one of another version while that is being made', () => {
    const other = run(...there, upgrade, { type: 'operator.upgrade', by: 'it', to: '11' });
    expect([other.effects, other.audit.map(({ action }) => action), other.state?.replacing?.to]).to.deep.equal([undefined, ['room.upgrade-refused'], '12']);
  });

  it('is closed again when somebody takes power in it, whatever the policy server has to do with it', () => {
    const weak = run(...there, upgrade, made(second, 'open:k:1'), { type: 'room.unprotected', roomId: first, edge: 'power-levels', by: ben });
    expect(weak.effects?.map(({ body }) => body)).to.deep.equal([{ type: 'room.close', roomId: first, successor: second }]);
  });

  it('and whose people are let in no more has them taken out of its former rooms too; whoever comes into one is', () => {
    const done = [...there, upgrade, made(second, 'open:k:1')] as const;
    const ended = [...done, [{ type: 'policy.changed', revision: 'r8' }, benAlone]] as const;
    const closes = ({ effects = [] }: Decision<unknown>): readonly unknown[] => effects.map(({ body }) => body).filter(({ type }) => type === 'room.close');
    expect(closes(run(...ended))).to.deep.equal([{ type: 'room.close', roomId: first, successor: second }]);
    expect(closes(run(...ended, member(ada)))).to.deep.equal([{ type: 'room.close', roomId: first, successor: second }]);
    expect(closes(run(...done, member(ada)))).to.deep.equal([]);
  });

  it('takes no notice of who comes and goes in it from then on, and takes out what comes in clear', () => {
    const done = [...there, upgrade, made(second, 'open:k:1')] as const;
    const left = run(...done, { ...member(ada), membership: 'leave' } as FactBody);
    expect([left.state?.members[ada], left.audit, left.effects]).to.deep.equal(['wanted', [], undefined]);
    expect(effectsOf(run(...done, { type: 'room.clear-text', roomId: first, eventId: as('$c'), sender: ben }))).to.deep.equal([['redact:$c', 'room.redact']]);
  });

  it('is not, where there is none yet or nobody may be in the next; whose opening fails stays as it is, and says so', () => {
    expect(run(open, upgrade).audit.map(({ action }) => action)).to.deep.equal(['room.upgrade-refused']);
    expect(run(...there, [upgrade, contextWith()]).effects).to.equal(undefined);
    const failed = run(...there, upgrade, { type: 'effect.failed', effect: as('open:k:1'), kind: 'room.open', code: 'forbidden', message: 'refused', final: true });
    expect([failed.state?.roomId, failed.state?.blocked, failed.state?.replacing, failed.audit.map(({ action }) => action)]).to.deep.equal([first, undefined, undefined, ['room.upgrade-refused']]);
    expect(effectsOf(run(...there, upgrade, made(second, 'open:k')))).to.deep.equal([]);
  });

  it('asks the directory about its people when it is asked for, and when it is there', () => {
    const names = (body: FactBody, state: GovernedRoom | undefined): readonly string[] => lookupsOfGoverned({ id: as('f'), aggregate: { kind: 'governed', id: 'k' }, at: T0, body }, state).map(({ name }) => name);
    expect(names(upgrade, run(...there).state)).to.include.members([personName(ada), personName(ben)]);
    expect(names(made(second, 'open:k:1'), run(...there, upgrade).state)).to.include.members([personName(ada), personName(ben)]);
  });
});

describe('A room that was replaced', () => {
  const state = (version: string, change: Readonly<Record<string, unknown>> = {}): StateOfRoom => [{ type: 'm.room.create', stateKey: '', content: { room_version: version } }, { type: 'm.room.power_levels', stateKey: '', content: { ...powerLevels(version, guardian), ...change } }];
  const apply = (before: StateOfRoom): StateOfRoom => [...closingOf(before, second, guardian), ...before].filter(({ type }, index, all) => all.findIndex((each) => each.type === type) === index);

  for (const version of ['11', '12']) it(`of version ${version} leads to its successor, and lets nobody write but the guardian; done again, nothing is done`, () => {
    const closed = apply(state(version, { users: { ...(version === '11' ? { [guardian]: 100 } : {}), [ben]: 100 }, state_default: 0 }));
    expect(closed.find(({ type }) => type === 'm.room.power_levels')?.content).to.include({ state_default: 100 });
    const [tombstone, levels] = ['m.room.tombstone', 'm.room.power_levels'].map((name) => closed.find(({ type }) => type === name)?.content);
    expect(tombstone?.['replacement_room']).to.equal(second);
    expect(levels?.['events']).to.include({ 'm.room.encrypted': 100, 'm.room.message': 100, 'm.reaction': 100, 'm.room.redaction': 0 });
    expect(levels?.['users']).to.deep.equal(version === '11' ? { [guardian]: 100 } : {});
    expect(closingOf(closed, second, guardian)).to.deep.equal([]);
  });
});
