import { expect } from 'chai';
import { as, type EffectId, type RoomId, type UserId } from '../../../src/domain/brand.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import type { FactBody, FactOf } from '../../../src/domain/fact.ts';
import { decideRoom } from '../../../src/domain/rooms/decide.ts';
import { admittingPolicy, type PolicyIdentity } from '../../../src/domain/rooms/protection.ts';
import { usable, type RoomState } from '../../../src/domain/rooms/room.ts';
import { planRoom, type RoomTemplate } from '../../../src/domain/rooms/template.ts';
import { unfit } from '../../../src/domain/rooms/upgrade.ts';
import { T0, ada, allowAll, organisations } from '../../support/reports.ts';

const context: Context = { now: T0, judge: allowAll, found: new Map(), settings: { organisations, organisation: 'Mercy', recipientOrder: [], agreedServers: ['mercy.example', 'stanne.example'], invitationPatienceMs: 1, courierSeats: 1, ownServer: as('mercy.example') } as Context['settings'] };
const [user] = ada.members;
const guardian = as<UserId>('@aceso_guardian:mercy.example');
const from = as<RoomId>('!old:mercy.example');
const to = as<RoomId>('!new:mercy.example');
const ready: readonly FactBody[] = [
  { type: 'room.wanted', party: ada, delivery: as('d1') },
  { type: 'effect.done', effect: as('create:dr-okafor:1'), kind: 'room.create', result: { type: 'room.create', roomId: from } },
  { type: 'effect.done', effect: as(`invite:${ada.id}:${user}:1`), kind: 'room.invite', result: { type: 'room.invite', userId: as(String(user)) } },
];
const tombstone = (change: Partial<Extract<FactBody, { type: 'room.tombstone' }>> = {}): FactBody => ({ type: 'room.tombstone', roomId: from, eventId: as('$t'), sender: guardian, by: 'guardian', successor: to, ...change });
const followed: FactBody = { type: 'effect.done', effect: as(`follow:${to}`), kind: 'room.follow', result: { type: 'room.follow', roomId: to } };
const refused: FactBody = { type: 'effect.failed', effect: as(`follow:${to}`), kind: 'room.follow', code: 'unfit', message: 'it admits other servers', final: true };

function run(facts: readonly FactBody[]): Decision<RoomState | undefined> {
  let decision: Decision<RoomState | undefined> = { state: undefined, audit: [] };
  for (const [index, body] of facts.entries()) decision = decideRoom(decision.state, { id: as(`f${index}`), aggregate: { kind: 'room', id: ada.id }, at: T0, body }, context);
  return decision;
}
const seen = ({ state, effects = [], raise = [], audit }: Decision<RoomState | undefined>): unknown => ({ room: state?.roomId, effects: effects.map(({ body }) => body.type), raised: raise.map(({ body }) => body.type), audit: audit.map(({ action }) => action) });

describe('A results room that is replaced by another', () => {
  it('by the guardian: the other is looked at first', () => expect(seen(run([...ready, tombstone()]))).to.deep.equal({ room: from, effects: ['room.follow'], raised: [], audit: ['room.tombstone'] }));
  it('by somebody else: it is an alarm, and results stay', () => expect(seen(run([...ready, tombstone({ by: 'another', sender: as('@eve:evil.example') })]))).to.deep.equal({ room: from, effects: [], raised: [], audit: ['room.tombstone-refused'] }));
  it('by nothing: results stay', () => expect(seen(run([...ready, tombstone({ successor: undefined } as never)]))).to.deep.equal({ room: from, effects: [], raised: [], audit: ['room.upgrade-refused'] }));
  it('when it was a former one already: nothing', () => expect(seen(run([...ready, tombstone({ roomId: as('!older:m') })]))).to.deep.equal({ room: from, effects: [], raised: [], audit: ['room.tombstone-former'] }));
  it('by a room that fits: its members are invited there, and answers from the former one still count', () => {
    const decision = run([...ready, tombstone(), followed]);
    expect(seen(decision)).to.deep.equal({ room: to, effects: ['room.invite'], raised: [], audit: ['room.upgraded'] });
    expect(decision.names).to.deep.equal([to, from]);
  });
  it('and once they are in, what was not sent yet goes to the new room', () => {
    const decision = run([...ready, tombstone(), followed, { type: 'effect.done', effect: as(`invite:${ada.id}:${user}:2`), kind: 'room.invite', result: { type: 'room.invite', userId: as(String(user)) } },
      { type: 'room.member', roomId: to, userId: as(String(user)), membership: 'join', sender: as(String(user)), eventId: as('$j') }]);
    expect(decision.raise).to.deep.include({ aggregate: { kind: 'delivery', id: 'd1' }, body: { type: 'room.ready', roomId: to, party: ada, members: { [String(user)]: 'joined' }, seat: 0 } });
  });
  it('is waited in by a team as in a new room, though it had given somebody up in the former', () => {
    const { state } = decideRoom({ ...run([...ready, tombstone()]).state, missing: 'given-up' } as RoomState, { id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body: followed }, context);
    expect([state?.roomId, state?.missing]).to.deep.equal([to, undefined]);
  });
  it('by a room that does not fit: it is an alarm, and results stay', () => expect(seen(run([...ready, tombstone(), refused]))).to.deep.equal({ room: from, effects: [], raised: [], audit: ['room.upgrade-refused'] }));
  it('twice: the one that was named last is followed', () => expect(seen(run([...ready, tombstone(), tombstone({ successor: as('!newer:m') }), followed]))).to.deep.equal({ room: from, effects: [], raised: [], audit: ['room.superseded'] }));
});

describe('A results room that can\'t be put under the policy server', () => {
  const member = (membership: 'join' | 'leave'): FactBody => ({ type: 'room.member', roomId: from, userId: as(String(user)), membership, sender: as(String(user)), eventId: as(`$${membership}`) });
  const opened: FactBody = { type: 'room.unprotected', roomId: from, edge: 'policy', by: as('@eve:evil.example') };
  const effect = as<EffectId>(`protect:${from}:f0`);
  const failed = (change: Partial<FactOf<'effect.failed'>> = {}): FactBody => ({ type: 'effect.failed', effect, kind: 'room.protect', code: 'forbidden', message: 'the homeserver refuses m.room.policy', final: true, ...change });
  const protectedNow = (roomId: RoomId): FactBody => ({ type: 'effect.done', effect, kind: 'room.protect', result: { type: 'room.protect', roomId, steps: 1 } });
  const another: FactBody = { type: 'room.wanted', party: ada, delivery: as('d2') };

  it('is put under it by an effect that names it', () => expect(run([opened, ...ready, opened]).effects).to.deep.equal([{ id: `protect:${from}:f4`, lane: `protect:${from}`, body: { type: 'room.protect', roomId: from } }]));
  for (const final of [true, false]) it(`is not used while that fails${final ? ', and is tried anew for whoever wants it' : ''}`, () => {
    const before = run([...ready, member('join'), opened, failed({ final })]);
    expect([before.state?.unprotected?.final, before.audit[0]?.action, before.state && usable(before.state)]).to.deep.equal([final, 'policy.not-in-force', false]);
    const decision = run([...ready, member('join'), opened, failed({ final }), another]);
    expect(seen(decision)).to.deep.include({ effects: final ? ['room.protect'] : [], raised: ['room.blocked'] });
    expect(decision.raise?.[0]?.body).to.deep.include({ code: 'room-unprotected', message: 'its homeservers don\'t ask the policy server (the homeserver refuses m.room.policy): nothing is sent there until they do; then retry' });
    expect(decision.state?.unprotected?.final).to.equal(false);
  });
  it('invites nobody', () => expect(seen(run([...ready, opened, member('leave'), failed(), { type: 'party.changed', party: ada, by: 'directory', room: 'on-demand' }]))).to.deep.include({ effects: ['room.protect'] }));
  it('holds those that wait for it', () => expect(run([...ready, opened, failed()]).raise).to.deep.equal([{ aggregate: { kind: 'delivery', id: 'd1' }, body: { type: 'room.blocked', code: 'room-unprotected', message: run([...ready, opened, failed()]).state?.unprotected?.message, members: { [String(user)]: 'invited' } } }]));
  it('is used again once it is: who is outside is invited, what waits is told', () => {
    expect(seen(run([...ready, member('join'), opened, failed(), another, protectedNow(from)]))).to.deep.equal({ room: from, effects: [], raised: ['room.ready'], audit: ['policy.in-force'] });
    expect(seen(run([...ready, opened, member('leave'), failed(), protectedNow(from)]))).to.deep.include({ effects: ['room.invite'] });
  });
  it('and isn\'t by what becomes of a former room', () => {
    expect(run([...ready, member('join'), failed({ effect: as(`protect:${to}:f0`) })]).state?.unprotected).to.equal(undefined);
    expect(run([...ready, member('join'), failed(), protectedNow(to)]).state?.unprotected?.final).to.equal(true);
  });
  it('stays closed for want of an agreement when it is under it again', () => {
    const { state } = run([...ready, opened, failed()]);
    const decision = decideRoom({ ...state, members: {}, blocked: { code: 'no-agreement', message: 'none' } } as RoomState, { id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body: protectedNow(from) }, context);
    expect(seen(decision)).to.deep.include({ effects: [], raised: [] });
  });
});

describe('A successor fits', () => {
  const template: RoomTemplate = { id: 'results', roomVersion: '12', name: 'Clinical results', topic: '', federation: 'agreed', senders: 'members', history: 'invited', rotation: { periodMs: 604_800_000, messages: 100 } };
  const plan = planRoom(template, ada, { ownServer: 'mercy.example', guardian, partnerVersions: {} });
  type StateOf = Parameters<typeof unfit>[3];
  type Change = { readonly type: string; readonly content?: Readonly<Record<string, unknown>>; readonly sender?: UserId };
  const create = (content: Readonly<Record<string, unknown>>, sender = guardian): StateOf[number] => ({ type: 'm.room.create', stateKey: '', sender, content });
  const stateOf = (changes: readonly Change[] = []): StateOf => [create({ room_version: '12', predecessor: { room_id: from } }), ...plan.initialState, { type: 'm.room.power_levels', stateKey: '', content: plan.powerLevels }].map((event) => {
    const change = changes.find(({ type }) => type === event.type);
    return change ? { ...event, sender: change.sender ?? guardian, content: { ...event.content, ...change.content } } : event;
  });
  const why = (...changes: readonly Change[]): string | undefined => unfit(plan, guardian, from, stateOf(), stateOf(changes));
  const levels = (content: Readonly<Record<string, unknown>>): Change => ({ type: 'm.room.power_levels', content });

  it('when it is as the template says', () => expect(why()).to.equal(undefined));
  it('when it lacks the note of its template, which an upgrade does not copy', () => expect(unfit(plan, guardian, from, stateOf(), stateOf().filter(({ type }) => type !== 'org.aceso.template'))).to.equal(undefined));
  it('when one of the two is under the policy server already', () => {
    const policy: PolicyIdentity = { serverName: as('policy.mercy.example:8448'), userId: as('@policy:policy.mercy.example:8448'), publicKey: 'key' };
    const acl: Change = { type: 'm.room.server_acl', content: { allow: ['mercy.example', 'stanne.example', 'policy.mercy.example', 'policy.mercy.example:8448'] } };
    const compared = (before: readonly Change[], after: readonly Change[]): string | undefined => unfit(plan, guardian, from, admittingPolicy(stateOf(before), policy), admittingPolicy(stateOf(after), policy));
    expect([compared([], [acl]), compared([acl], []), compared([acl], [acl])]).to.deep.equal([undefined, undefined, undefined]);
    expect(compared([], [{ type: 'm.room.server_acl', content: { allow: ['*'] } }])).to.match(/other servers/u);
  });
  for (const [what, change, said] of [
    ['somebody else made it', { type: 'm.room.create', sender: as<UserId>('@eve:evil.example') }, /made by somebody else/u],
    ['it replaces another room', { type: 'm.room.create', content: { predecessor: { room_id: '!x' } } }, /doesn't name this room/u],
    ['it has a second creator', { type: 'm.room.create', content: { additional_creators: ['@eve:evil.example'] } }, /further creators/u],
    ['it is not encrypted as it must be', { type: 'm.room.encryption', content: { algorithm: 'none' } }, /m\.room\.encryption/u],
    ['anybody may join', { type: 'm.room.join_rules', content: { join_rule: 'public' } }, /join_rules/u],
    ['it admits another server', { type: 'm.room.server_acl', content: { allow: ['*'] } }, /other servers/u],
    ['a member may invite', levels({ invite: 0 }), /invite is lower/u],
    ['a member has power', levels({ users: { '@eve:evil.example': 50 } }), /has power/u],
    ['all members have power', levels({ users_default: 100 }), /members have power/u],
    ['a member may replace it', levels({ events: { ...plan.powerLevels['events'] as object, 'm.room.tombstone': 0 } }), /m\.room\.tombstone/u],
    ['members can\'t write', levels({ events: { 'm.room.encrypted': 50 } }), /may not send/u],
  ] as const satisfies readonly (readonly [string, Change, RegExp])[]) it(`not when ${what}`, () => expect(why(change)).to.match(said));
});
