import { expect } from 'chai';
import { as, type UserId } from '../../../src/domain/brand.ts';
import { nextStep, notStandingBy, openEdge, opens, type PolicyIdentity } from '../../../src/domain/rooms/protection.ts';
import { powerLevels } from '../../../src/domain/rooms/template.ts';
import { keepers } from '../../support/agreements.ts';

type StateEvent = { readonly type: string; readonly stateKey: string; readonly content: Readonly<Record<string, unknown>> };
const guardian = as<UserId>('@aceso_guardian:mercy.example');
const policy: PolicyIdentity = { serverName: as('policy.mercy.example:8448'), userId: as('@policy:policy.mercy.example:8448'), publicKey: 'key' };
const state = (type: string, content: StateEvent['content'], stateKey = ''): StateEvent => ({ type, stateKey, content });
const create = state('m.room.create', { room_version: '12' });
const kind = state('org.aceso.template', { id: 'results' });
const levels = state('m.room.power_levels', powerLevels('12', guardian));
const acl = state('m.room.server_acl', { allow: ['mercy.example', 'policy.mercy.example', 'policy.mercy.example:8448'], deny: [] });
const member = (membership: string): StateEvent => state('m.room.member', { membership }, policy.userId);
const named = state('m.room.policy', { via: policy.serverName, public_keys: { ed25519: policy.publicKey } });
const weak = (change: Record<string, unknown>): StateEvent => state('m.room.power_levels', { ...levels.content, ...change });

const STEPS: readonly (readonly [given: string, readonly StateEvent[], step: string | undefined])[] = [
  ['a new room', [create, kind, levels, acl], 'invite'],
  ['a room that invited it', [create, kind, levels, acl, member('invite')], 'join'],
  ['a room that it has joined, and that doesn\'t name it yet', [create, kind, levels, acl, member('join')], 'm.room.policy'],
  ['a room that has everything', [create, kind, levels, acl, member('join'), named], undefined],
  ['a room that it left', [create, kind, levels, acl, member('leave'), named], 'invite'],
  ['a room that banned it', [create, kind, levels, acl, member('ban'), named], 'm.room.member'],
  ['a room that names another', [create, kind, levels, acl, member('join'), state('m.room.policy', { via: 'other.example', public_keys: { ed25519: 'key' } })], 'm.room.policy'],
  ['a room that names an earlier key', [create, kind, levels, acl, member('join'), state('m.room.policy', { via: policy.serverName, public_keys: { ed25519: 'old' } })], 'm.room.policy'],
  ['a room that doesn\'t admit its server', [create, kind, levels, state('m.room.server_acl', { allow: ['mercy.example'], deny: [] }), member('invite')], 'm.room.server_acl'],
  ['a room that denies its server', [create, kind, levels, state('m.room.server_acl', { ...acl.content, deny: ['policy.mercy.example'] }), member('join'), named], 'm.room.server_acl'],
  ['a room in which somebody has power', [create, kind, weak({ users: { '@ada:stanne.example': 100 } }), acl, member('join'), named], 'm.room.power_levels'],
  ['a room in which everybody may change the policy', [create, kind, weak({ events: { 'm.room.policy': 0 } }), acl, member('join'), named], 'm.room.power_levels'],
  ['a room in which everybody may remove others', [create, kind, weak({ kick: 0 }), acl, member('join'), named], 'm.room.power_levels'],
  ['a room whose levels are no numbers', [create, kind, weak({ users: { '@ada:stanne.example': 'much' } }), acl, member('join'), named], 'm.room.power_levels'],
  ['a room without levels, in which only its creator has power', [create, kind, acl, member('join'), named], undefined],
  ['a room that never leaves its server', [state('m.room.create', { 'm.federate': false }), levels], undefined],
  ['a room that doesn\'t say of what kind it is', [create, levels, acl, member('join'), named], 'org.aceso.template'],
  ['a room that isn\'t there', [], undefined],
];

describe('To be under the policy server', () => {
  for (const [given, events, expected] of STEPS) {
    it(`${given} needs ${expected ?? 'nothing'}`, () => {
      const step = nextStep(events, 'results', guardian, policy);
      expect(step?.kind === 'set' ? step.type : step?.kind).to.equal(expected);
    });
  }

  it('each step brings a room nearer, and then there is none', () => {
    const taken: string[] = [];
    let room: readonly StateEvent[] = [create, kind, weak({ users_default: 100 }), state('m.room.server_acl', { allow: ['mercy.example'], deny: ['policy.mercy.example'], allow_ip_literals: false }), member('ban')];
    for (let step = nextStep(room, 'results', guardian, policy); step; step = nextStep(room, 'results', guardian, policy)) {
      const event = step.kind === 'set' ? state(step.type, step.content, step.stateKey) : member(step.kind);
      taken.push(step.kind === 'set' ? step.type : step.kind);
      room = [...room.filter(({ type, stateKey }) => type !== event.type || stateKey !== event.stateKey), event];
    }
    expect(taken).to.deep.equal(['m.room.power_levels', 'm.room.server_acl', 'm.room.member', 'invite', 'join', 'm.room.policy']);
    expect(room.find(({ type }) => type === 'm.room.server_acl')?.content).to.deep.equal({ allow: ['mercy.example', 'policy.mercy.example', 'policy.mercy.example:8448'], deny: [], allow_ip_literals: false });
  });
});

describe('An edge at which homeservers ask no more', () => {
  for (const [given, event, edge] of [
    ['the policy server leaves', member('leave'), 'member'],
    ['it is banned', member('ban'), 'member'],
    ['it joins', member('join'), undefined],
    ['somebody else leaves', state('m.room.member', { membership: 'leave' }, '@ada:stanne.example'), undefined],
    ['the room names another', state('m.room.policy', { via: 'other.example' }), 'policy'],
    ['the room names none', state('m.room.policy', {}), 'policy'],
    ['the room names it', named, undefined],
    ['somebody gets power', weak({ users: { '@ada:stanne.example': 100 } }), 'power-levels'],
    ['the levels are set as they were', levels, undefined],
    ['its server isn\'t admitted any more', state('m.room.server_acl', { allow: ['mercy.example'] }), 'acl'],
    ['the room gets a name', state('m.room.name', { name: 'x' }), undefined],
  ] as const) it(`is ${edge === undefined ? 'not ' : ''}open when ${given}`, () => expect(opens(event, guardian, policy)).to.equal(edge));
});

describe('A room that was read, whatever was told of it', () => {
  const whole = [create, kind, levels, acl, member('join'), named];
  const but = (event: StateEvent): readonly StateEvent[] => [...whole.filter(({ type, stateKey }) => type !== event.type || stateKey !== event.stateKey), event];
  for (const [given, events, edge] of [
    ['has everything', whole, undefined],
    ['has lost its member', but(member('leave')), 'member'],
    ['never had a member', whole.filter(({ type }) => type !== 'm.room.member'), 'member'],
    ['names another', but(state('m.room.policy', { via: 'other.example', public_keys: { ed25519: policy.publicKey } })), 'policy'],
    ['names none any more', but(state('m.room.policy', {})), 'policy'],
    ['never named any', whole.filter(({ type }) => type !== 'm.room.policy'), 'start'],
    ['names an earlier key', but(state('m.room.policy', { via: policy.serverName, public_keys: { ed25519: 'old' } })), 'start'],
    ['never leaves its server', [state('m.room.create', { 'm.federate': false }), levels], undefined],
    ['isn\'t there', [], undefined],
  ] as const) it(`is open at ${edge ?? 'no edge'} when it ${given}`, () => expect(openEdge(events, policy)).to.equal(edge));
});

describe('A room that was handed to a partner\'s policy server', () => {
  const partner = keepers('stanne.example');
  const theirs = partner.policyServer;
  const aclOfBoth = state('m.room.server_acl', { allow: [...(acl.content['allow'] as readonly string[]), theirs.serverName], deny: [] });
  const theirMember = (membership: string): StateEvent => state('m.room.member', { membership }, theirs.userId);
  const namesTheirs = state('m.room.policy', { via: theirs.serverName, public_keys: { ed25519: theirs.publicKey } });
  const room = (...events: readonly StateEvent[]): readonly StateEvent[] => [create, kind, levels, aclOfBoth, member('join'), ...events];
  const asked = (events: readonly StateEvent[], to?: PolicyIdentity): unknown => { const step = nextStep(events, 'results', guardian, policy, to); return step?.kind === 'set' ? step.content['via'] : step?.kind; };

  for (const [given, events, to, names] of [
    ['handed over, and names the own one', room(theirMember('join'), named), theirs, theirs.serverName],
    ['handed over, and names the partner\'s', room(theirMember('join'), namesTheirs), theirs, undefined],
    ['handed over, and the partner\'s has another key by now', room(theirMember('join'), namesTheirs), { ...theirs, publicKey: 'another' }, theirs.serverName],
    ['handed over, where the partner\'s has left: the own one refuses, no one would let all pass', room(theirMember('leave'), namesTheirs), theirs, policy.serverName],
    ['handed over, where the partner\'s was only invited', room(theirMember('invite'), named), theirs, undefined],
    ['not handed over, and names the partner\'s', room(theirMember('join'), namesTheirs), undefined, policy.serverName],
  ] as const) it(`is to name ${names ?? 'whom it names'} when it is ${given}`, () => expect(asked(events, to)).to.equal(names));

  it('is open where the partner\'s leaves it, or names a third; not where it names either of the two', () => {
    expect([theirMember('leave'), member('leave'), named, namesTheirs, state('m.room.policy', { via: 'third.example' })].map((event) => opens(event, guardian, policy, theirs))).to.deep.equal(['member', 'member', undefined, undefined, 'policy']);
    expect([theirMember('leave'), namesTheirs].map((event) => opens(event, guardian, policy)), 'not handed over').to.deep.equal([undefined, 'policy']);
    expect(openEdge(room(theirMember('join'), namesTheirs), policy, theirs)).to.equal(undefined);
    expect(openEdge(room(theirMember('leave'), namesTheirs), policy, theirs)).to.equal('policy');
    expect(openEdge(room(theirMember('join'), named), policy, theirs), 'it only is to be told').to.equal('start');
    expect(openEdge(room(theirMember('join'), namesTheirs), policy)).to.equal('policy');
  });

  it('can be handed over only where the partner\'s guardian and policy server are both in it, and admitted', () => {
    const itsGuardian = state('m.room.member', { membership: 'join' }, partner.guardian);
    expect(notStandingBy(room(itsGuardian, theirMember('join')), partner)).to.equal(undefined);
    expect(notStandingBy(room(itsGuardian, theirMember('invite')), partner)).to.include(`${theirs.userId} is not in it (invite)`);
    expect(notStandingBy(room(theirMember('join')), partner)).to.include(`${partner.guardian} is not in it (never invited)`);
    expect(notStandingBy([create, kind, levels, acl, member('join'), itsGuardian, theirMember('join')], partner)).to.include('access list');
    expect(notStandingBy([], partner)).to.be.a('string');
  });
});
