import { expect } from 'chai';
import { as, type UserId } from '../../../src/domain/brand.ts';
import { assess, planRepairs, plainType, type Standard, type StateOfRoom } from '../../../src/domain/rooms/assess.ts';
import { planFor, type RoomTemplate } from '../../../src/domain/rooms/template.ts';

const guardian = as<UserId>('@aceso_guardian:mercy.example');
const [ada, ben, eve] = [as<UserId>('@ada:stanne.example'), as<UserId>('@ben:mercy.example'), as<UserId>('@eve:mercy.example')];
const template: RoomTemplate = { id: 'consult', roomVersion: '12', name: 'Consult', topic: 'A question', federation: 'agreed', senders: 'members', history: 'invited', rotation: { periodMs: 604_800_000, messages: 100 } };
const people = { ownServer: 'mercy.example', guardian, partnerVersions: {} };
const plan = planFor(template, { servers: ['stanne.example'], speakers: [] }, people);
const standard: Standard = { plan, federation: 'agreed', guardian, mayBe: [guardian, ada, ben], strangers: 'removed', aliasPrefix: 'aceso_' };

type Event = StateOfRoom[number];
const event = (type: string, content: Event['content'], stateKey = ''): Event => ({ type, stateKey, content });
const member = (user: string, membership = 'join'): Event => event('m.room.member', { membership }, user);
/** As Synapse makes it: with its own additions. */
const made: StateOfRoom = [
  event('m.room.create', { room_version: '12' }), event('m.room.power_levels', { ...plan.powerLevels, historical: 100 }), ...plan.initialState, event('m.room.name', { name: 'Consult' }),
  event('m.room.topic', { topic: 'A question', 'm.topic': { 'm.text': [{ body: 'A question' }] } }), event('m.room.canonical_alias', { alias: '#aceso_consult_x:mercy.example' }), member(guardian), member(ada), member(ben, 'invite'), member(eve, 'leave'),
  event('m.room.policy', { via: 'policy.mercy.example' }),
];
const having = (...changes: readonly Event[]): StateOfRoom => [...made.filter((each) => !changes.some(({ type, stateKey }) => each.type === type && each.stateKey === stateKey)), ...changes];
const without = (type: string): StateOfRoom => made.filter((each) => each.type !== type);
const levels = (change: object): Event => event('m.room.power_levels', { ...plan.powerLevels, ...change });

const DRIFT: readonly (readonly [given: string, state: StateOfRoom, rule: string, repaired: 'repaired' | 'told'])[] = [
  ['a member who got power', having(levels({ users: { [ben]: 50 } })), 'power-levels', 'repaired'],
  ['everybody having power', having(levels({ users_default: 100 })), 'power-levels', 'repaired'],
  ['members who may invite', having(levels({ invite: 0 })), 'power-levels', 'repaired'],
  ['members who may set the topic', having(levels({ events: { ...(plan.powerLevels['events'] as object), 'm.room.topic': 0 } })), 'power-levels', 'repaired'],
  ['members who may not write', having(levels({ events: {} })), 'power-levels', 'repaired'],
  ['no levels at all', without('m.room.power_levels'), 'power-levels', 'repaired'],
  ['every server admitted', having(event('m.room.server_acl', { allow: ['*'], deny: [], allow_ip_literals: false })), 'admitted-servers', 'repaired'],
  ['its own server shut out', having(event('m.room.server_acl', { allow: ['mercy.example', 'stanne.example'], deny: ['mercy.example'], allow_ip_literals: false })), 'admitted-servers', 'repaired'],
  ['no access list', without('m.room.server_acl'), 'admitted-servers', 'repaired'],
  ['keys that hardly change', having(event('m.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2', rotation_period_ms: 1e12, rotation_period_msgs: 100 })), 'encryption', 'repaired'],
  ['another algorithm', having(event('m.room.encryption', { algorithm: 'none' })), 'encryption', 'repaired'],
  ['anybody joining', having(event('m.room.join_rules', { join_rule: 'public' })), 'join-rules', 'repaired'],
  ['history for the world', having(event('m.room.history_visibility', { history_visibility: 'world_readable' })), 'history', 'repaired'],
  ['guests', having(event('m.room.guest_access', { guest_access: 'can_join' })), 'guests', 'repaired'],
  ['another name', having(event('m.room.name', { name: 'Jane Doe' })), 'name', 'repaired'],
  ['another topic', having(event('m.room.topic', { topic: 'Jane Doe' })), 'topic', 'repaired'],
  ['another topic in its second form', having(event('m.room.topic', { topic: 'A question', 'm.topic': { 'm.text': [{ body: 'Jane Doe' }] } })), 'topic', 'repaired'],
  ['a picture', having(event('m.room.avatar', { url: 'mxc://mercy.example/x' })), 'picture', 'repaired'],
  ['an address of somebody\'s own', having(event('m.room.canonical_alias', { alias: '#jane-doe:mercy.example' })), 'alias', 'repaired'],
  ['a second address', having(event('m.room.canonical_alias', { alias: '#aceso_consult_x:mercy.example', alt_aliases: ['#jane:x'] })), 'alias', 'repaired'],
  ['another template', having(event('org.aceso.template', { id: 'direct' })), 'template', 'repaired'],
  ['somebody in it who may not be', having(member(eve)), 'member', 'repaired'],
  ['somebody invited who may not be', having(member('@x:evil.example', 'invite')), 'member', 'repaired'],
  ['settings that nobody knows', having(event('org.example.note', { text: 'anything' })), 'state-unknown', 'told'],
  ['known settings under another key', having(event('m.room.topic', { topic: 'Jane Doe' }, 'x')), 'state-unknown', 'told'],
  ['no guardian', having(member(guardian, 'leave')), 'guardian', 'told'],
];

describe('A room against its template', () => {
  it('is as it must be, however the homeserver completes what was asked of it', () => expect(assess(made, standard)).to.deep.equal([]));

  it('is as it must be when settings that nobody knows were emptied', () => expect(assess(having(event('org.example.note', {})), standard)).to.deep.equal([]));

  for (const [given, state, rule, repaired] of DRIFT) it(`with ${given} has the finding ${rule}, which is ${repaired}`, () => {
    const findings = assess(state, standard);
    expect(findings.map((each) => each.rule)).to.deep.equal([rule]);
    expect(planRepairs(findings, standard).length).to.equal(repaired === 'repaired' ? 1 : 0);
    expect(JSON.stringify(findings)).to.not.include('Jane').and.not.include('anything');
  });

  it('is as it must be once the repairs are done, which put the levels first', () => {
    const broken = having(levels({ users: { [ben]: 100 } }), event('m.room.topic', { topic: 'x' }), event('m.room.server_acl', { allow: ['*'] }), event('m.room.avatar', { url: 'mxc://x/y' }), member(eve), event('m.room.canonical_alias', { alias: '#x:y' }));
    const repairs = planRepairs(assess(broken, standard), standard);
    expect(repairs[0]?.type).to.equal('m.room.power_levels');
    const mended = repairs.reduce<StateOfRoom>((state, { type, stateKey, content }) => [...state.filter((each) => each.type !== type || each.stateKey !== stateKey), event(type, content, stateKey)], broken);
    expect(assess(mended, standard)).to.deep.equal([]);
  });

  it('that is local and could federate can\'t be mended; one that can\'t is fine without an access list', () => {
    const local = planFor({ ...template, federation: 'local' }, { servers: ['stanne.example'], speakers: [] }, people);
    const state = having(event('m.room.create', { room_version: '12' })).filter(({ type }) => type !== 'm.room.server_acl');
    expect(assess(state, { ...standard, plan: local }).map(({ rule }) => rule)).to.deep.equal(['federation']);
    expect(assess([...state.filter(({ type }) => type !== 'm.room.create'), event('m.room.create', { room_version: '12', 'm.federate': false })], { ...standard, plan: local })).to.deep.equal([]);
  });

  it('for announcements lets those write whom the policy lets send, and nobody else', () => {
    const { powerLevels } = planFor({ ...template, senders: 'permitted' }, { servers: [], speakers: [ben] }, people);
    expect(powerLevels).to.deep.include({ users: { [ben]: 10 }, users_default: 0 });
    expect(powerLevels['events']).to.include({ 'm.room.encrypted': 10, 'm.room.message': 10, 'm.reaction': 0 });
  });

  it('whose strangers are only told of keeps them', () => expect(planRepairs(assess(having(member(eve)), standard), { ...standard, strangers: 'told' })).to.deep.equal([]));

  it('repeats no name of a type that could say something', () => expect([plainType('m.room.topic'), plainType('Jane Doe, born 1980')]).to.deep.equal(['m.room.topic', 'other']));
});
