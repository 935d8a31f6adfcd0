import { expect } from 'chai';
import { as, type Millis, type UserId } from '../../../src/domain/brand.ts';
import type { AdmissionTerms, Pdu } from '../../../src/domain/policy/admit.ts';
import { admitLocal, joinOf, type LocalRoom } from '../../../src/domain/policy/local.ts';
import { LOCAL_RULES } from '../../../src/domain/policy/localRules.ts';
import { planOwnRoom, type RoomWish } from '../../../src/domain/policy/ownRoom.ts';
import { encryptedContent } from '../../support/megolm.ts';

const NOW = as<Millis>(1_800_000_000_000);
const guardian = as<UserId>('@aceso_guardian:mercy.example');
const courier = as<UserId>('@aceso_courier:mercy.example');
const bob = as<UserId>('@bob:mercy.example');
const cy = as<UserId>('@cy:mercy.example');
const dot = as<UserId>('@dot:mercy.example');
const ada = as<UserId>('@ada:stanne.example');
const eve = as<UserId>('@eve:evil.example');
const terms: AdmissionTerms = { guardian, courier, ownServer: 'mercy.example', policyUsers: [guardian], keepers: [guardian], servers: ['mercy.example', 'stanne.example'], own: { results: { reactions: [], removals: 'own' }, direct: { reactions: ['👍'], removals: 'own' } }, agreed: [] };

const joined = (user: UserId): readonly [string, { readonly membership: string; readonly by: UserId }] => [user, { membership: 'join', by: user }];
const invited = (user: UserId, by: UserId): readonly [string, { readonly membership: string; readonly by: UserId }] => [user, { membership: 'invite', by }];
const results: LocalRoom = { version: '12', creator: guardian, template: { sender: guardian, content: { id: 'results' } }, members: new Map([joined(bob), invited(cy, guardian), invited(dot, bob)]) };
const direct: LocalRoom = { version: '12', creator: bob, template: { sender: bob, content: { id: 'direct', members: [bob, cy] } }, members: new Map([joined(bob), invited(cy, bob)]) };
const old: LocalRoom = { version: '11', creator: bob, template: undefined, members: new Map([joined(bob)]) };

const pdu = (type: string, content: Pdu['content'], sender = bob, key?: string): Pdu => ({ type, content, sender, origin_server_ts: NOW, ...(key === undefined ? {} : { state_key: key }) });
const member = (membership: string, user: UserId, sender: UserId, more: object = {}): Pdu => pdu('m.room.member', { membership, ...more }, sender, user);
const text = pdu('m.room.message', { msgtype: 'm.text', body: 'K 6.8' });
const ruleOf = (event: Pdu, room: LocalRoom, bytes = 100): string => { const { allowed, rules } = admitLocal(event, room, { now: NOW, bytes }, terms); return `${allowed ? 'yes' : 'no'} ${rules.join(' ')}`; };

describe('What may come into being on the own homeserver', () => {
  const cases: readonly (readonly [what: string, event: Pdu, room: LocalRoom, answer: string])[] = [
    ['ciphertext in a results room', pdu('m.room.encrypted', encryptedContent()), results, 'yes encrypted'],
    ['clear text in a results room', text, results, 'no clear-text'],
    ['state of a results room, from a member', pdu('m.room.name', { name: 'Quintana' }, bob, ''), results, 'no state-guardian-only'],
    ['an invitation by a member of a results room', member('invite', ada, bob), results, 'no invite-guardian-only'],
    ['the join of whom the guardian invited', member('join', cy, cy), results, 'yes invited-member'],
    ['the join of whom somebody else invited', member('join', dot, dot), results, 'no not-invited'],
    ['the removal of another member', member('leave', cy, bob), results, 'no state-guardian-only'],
    ['ciphertext in a direct message', pdu('m.room.encrypted', encryptedContent()), direct, 'yes encrypted'],
    ['clear text in a direct message', text, direct, 'no clear-text'],
    ['a reaction on the list of its template', pdu('m.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: `$${'e'.repeat(43)}`, key: '👍' } }), direct, 'yes reaction'],
    ['a setting of a direct message, by who made it', pdu('m.room.encryption', {}, bob, ''), direct, 'no state-guardian-only'],
    ['another template over a direct message', pdu('org.aceso.template', { id: 'direct', members: [bob, dot] }, bob, ''), direct, 'no state-guardian-only'],
    ['the invitation of the other one', member('invite', cy, bob, { is_direct: true }), direct, 'yes direct-invite'],
    ['the invitation of the guardian', member('invite', guardian, bob), direct, 'yes direct-invite'],
    ['the invitation of a third', member('invite', dot, bob), direct, 'no direct-for-two'],
    ['an invitation with a reason', member('invite', cy, bob, { reason: 'K 6.8' }), direct, 'no reason'],
    ['the join of the other one', member('join', cy, cy), direct, 'yes invited-member'],
    ['a text in the name of who joins', member('join', cy, cy, { displayname: 'x'.repeat(65) }), direct, 'no profile-text'],
    ['the join of a third', member('join', dot, dot), { ...direct, members: new Map([...direct.members, invited(dot, bob)]) }, 'no not-invited'],
    ['ciphertext in a room whose template somebody else put there', pdu('m.room.encrypted', encryptedContent()), { ...results, template: { sender: bob, content: { id: 'results' } } }, 'no room-unknown'],
    ['ciphertext in a room that somebody made from a template that isn\'t theirs', pdu('m.room.encrypted', encryptedContent()), { ...direct, template: { sender: bob, content: { id: 'results' } } }, 'no room-unknown'],
    ['ciphertext in a direct message of three', pdu('m.room.encrypted', encryptedContent()), { ...direct, template: { sender: bob, content: { id: 'direct', members: [bob, cy, dot] } } }, 'no room-unknown'],
    ['ciphertext in a direct message of others', pdu('m.room.encrypted', encryptedContent()), { ...direct, template: { sender: bob, content: { id: 'direct', members: [cy, dot] } } }, 'no room-unknown'],
    ['clear text in a room from before Aceso', text, old, 'yes not-for-phi'],
    ['the invitation of a partner\'s people there', member('invite', ada, bob), old, 'yes agreed-server'],
    ['the invitation of people without an agreement there', member('invite', eve, bob), old, 'no invite-outside'],
  ];
  for (const [what, event, room, answer] of cases) it(`${what}: ${answer}`, () => { expect(ruleOf(event, room)).to.equal(answer); });

  it('is nothing larger than an event may be', () => { expect(ruleOf(text, results, 70_000)).to.equal('no oversized'); });

  it('has the role looked at of who joins, by the kind of the room, and of nobody who is in it', () => {
    expect([joinOf(member('join', cy, cy), direct), joinOf(member('join', cy, cy), results), joinOf(member('join', bob, bob), results), joinOf(member('join', cy, cy), old), joinOf(text, results)]).to.deep.equal(['direct', 'results', undefined, undefined, undefined]);
  });
});

describe('A room that somebody makes for themselves', () => {
  const plan = (wish: RoomWish): ReturnType<typeof planOwnRoom> => planOwnRoom(bob, wish, { guardian, ownServer: 'mercy.example', template: { history: 'invited', rotation: { periodMs: 3_600_000, messages: 50 } } });
  const refused = (wish: RoomWish): string | undefined => { const made = plan(wish); return 'refused' in made ? made.refused.rules[0] : undefined; };
  const wish: RoomWish = { preset: 'trusted_private_chat', visibility: 'private', is_direct: true, invite: [cy], initial_state: [{ type: 'm.room.guest_access', content: { guest_access: 'can_join' } }], power_level_content_override: { users_default: 100 }, creation_content: { 'm.federate': true } };

  it('is a direct message, made as the template says, whatever the client wished for beside', () => {
    const made = plan(wish);
    if (!('room' in made)) throw new Error('refused');
    expect(made.with).to.equal(cy);
    expect(made.room).to.deep.include({ preset: 'private_chat', room_version: '12', invite: [cy, guardian], creation_content: { 'm.federate': false, additional_creators: [guardian] } });
    expect(made.room['power_level_content_override']).to.deep.include({ users: {}, users_default: 0, state_default: 100, invite: 100 });
    const types = (made.room['initial_state'] as readonly { readonly type: string }[]).map(({ type }) => type);
    expect([types[0], types.at(-1)]).to.deep.equal(['m.room.encryption', 'org.aceso.template']);
  });

  for (const [change, rule] of [
    [{ visibility: 'public' }, 'public-never'], [{ preset: 'public_chat' }, 'public-never'], [{ is_direct: false }, 'room-by-command'], [{ invite: [] }, 'room-by-command'], [{ invite: [cy, dot] }, 'room-by-command'],
    [{ invite: [bob] }, 'room-by-command'], [{ invite: 'cy' }, 'room-by-command'], [{ invite_3pid: [{}] }, 'room-by-command'], [{ name: 'Quintana' }, 'direct-with-text'], [{ topic: 'K 6.8' }, 'direct-with-text'], [{ room_alias_name: 'quintana' }, 'direct-with-text'],
    [{ invite: [ada] }, 'direct-across-servers'],
  ] as const) it(`is refused with ${JSON.stringify(change)}: ${rule}`, () => { expect(refused({ ...wish, ...change })).to.equal(rule); });

  it('has words for each refusal, and a source for each rule', () => {
    for (const [rule, { cite }] of Object.entries(LOCAL_RULES)) expect(cite, rule).not.to.equal('');
    expect(Object.entries(LOCAL_RULES).filter(([, { say }]) => say === '').map(([rule]) => rule)).to.deep.equal(['direct-room', 'direct-invite', 'agreed-server', 'not-for-phi']);
  });
});
