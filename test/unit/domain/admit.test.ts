import { expect } from 'chai';
import { as, type Millis, type UserId } from '../../../src/domain/brand.ts';
import { admit, type AdmissionTerms, type Asked, type Pdu } from '../../../src/domain/policy/admit.ts';
import { ADMISSION_RULES } from '../../../src/domain/policy/admissionRules.ts';
import type { RoomTerms } from '../../../src/domain/policy/roomTerms.ts';
import { admits, type RoomView } from '../../../src/domain/policy/roomView.ts';
import { encryptedContent, megolmCiphertext } from '../../support/megolm.ts';

const NOW = as<Millis>(1_800_000_000_000);
const user = (name: string): UserId => as<UserId>(name);
const guardian = user('@aceso_guardian:mercy.example');
const courier = user('@aceso_courier:mercy.example');
const policyUser = user('@policy:policy.mercy.example');
const [theirGuardian, theirPolicyUser] = [user('@aceso_guardian:stanne.example'), user('@policy:policy.stanne.example')];
const ada = user('@ada:stanne.example');
const bob = user('@bob:mercy.example');
const cyd = user('@cyd:stanne.example');
const EVENT = `$${'a'.repeat(43)}`;
const own: RoomTerms = { results: { reactions: ['👍', '❤'], removals: 'own' }, consult: { reactions: ['👍'], removals: 'own' }, shift: { reactions: [], removals: 'never' } };
const terms: AdmissionTerms = { guardian, courier, ownServer: 'mercy.example', policyUsers: [policyUser, theirPolicyUser], keepers: [guardian, theirGuardian], servers: ['mercy.example', 'stanne.example'], own, agreed: [] };
const room: RoomView = {
  version: '12', creator: guardian, template: 'results', current: new Set(),
  admitted: { allow: ['mercy.example', 'stanne.example', 'policy.mercy.example'], deny: [], literals: 'denied' },
  members: new Map([guardian, courier, ada, theirGuardian, theirPolicyUser].map((each) => [each as string, { membership: 'join', by: each }])).set(bob, { membership: 'invite', by: guardian }).set(cyd, { membership: 'leave', by: cyd }),
};
const asked: Asked = { room, now: NOW, bytes: 1000, fields: ['type', 'content'], hash: 'right', signature: 'right', accepted: false, writer: { roles: ['physician'], verdict: { allowed: true, revision: 'r', rules: ['clinicians-in-clinical-rooms'], message: '', warnings: [] } } };

type Given = { readonly pdu?: Partial<Pdu>; readonly asked?: Partial<Asked> };
const barred: Asked['writer'] = { roles: ['billing'], verdict: { allowed: false, revision: 'r', rules: ['billing-never-in-clinical-rooms'], message: 'Billing staff don\'t enter.', warnings: [] } };
const ruleOf = ({ pdu = {}, asked: change = {} }: Given): string => {
  const { allowed, rules, message } = admit({ type: 'm.room.encrypted', sender: ada, origin_server_ts: NOW, content: encryptedContent(), ...pdu }, { ...asked, ...change }, terms);
  expect(message === '', 'whoever is refused is told what to do').to.equal(allowed);
  return `${allowed ? 'passes' : 'is refused'}: ${rules.join(' ')}`;
};
const content = (change: Record<string, unknown>): Given => ({ pdu: { content: { ...encryptedContent(), ...change } } });
const member = (sender: UserId, membership: string, more: Record<string, unknown> = {}, key: string = sender): Given => ({ pdu: { type: 'm.room.member', sender, state_key: key, content: { membership, ...more } } });
const reaction = (relation: Record<string, unknown>, more: Record<string, unknown> = {}): Given => ({ pdu: { type: 'm.reaction', content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: EVENT, key: '👍', ...relation }, ...more } } });
const redaction = (target: UserId | undefined, more: Record<string, unknown> = {}): Given => ({ pdu: { type: 'm.room.redaction', content: { redacts: EVENT, ...more } }, asked: target === undefined ? {} : { target } });
const state = (type: string, sender = ada): Given => ({ pdu: { type, sender, state_key: '', content: { name: 'K 6.8' } } });

const CASES: readonly (readonly [given: string, Given, answer: string])[] = [
  ['an encrypted message of a member', {}, 'passes: encrypted'],
  ['one of who was invited by the guardian, and joined a moment ago at their own server', { pdu: { sender: bob } }, 'passes: encrypted'],
  ['one that answers another', content({ 'm.relates_to': { 'm.in_reply_to': { event_id: EVENT } } }), 'passes: encrypted'],
  ['one in a thread', content({ 'm.relates_to': { rel_type: 'm.thread', event_id: EVENT, is_falling_back: true, 'm.in_reply_to': { event_id: EVENT } } }), 'passes: encrypted'],
  ['an edit', content({ 'm.relates_to': { rel_type: 'm.replace', event_id: EVENT } }), 'passes: encrypted'],
  ['one without what the specification has given up', { pdu: { content: (({ sender_key: _, device_id: __, ...rest }) => rest)(encryptedContent()) } }, 'passes: encrypted'],
  ['the courier\'s, with its mark', { pdu: { sender: courier, content: { ...encryptedContent(), 'org.aceso.txn': 'abcdefghijklmnopqrstuvwxyz' } } }, 'passes: encrypted'],
  ['a member\'s, with the courier\'s mark', content({ 'org.aceso.txn': 'abcdefghijklmnopqrstuvwxyz' }), 'is refused: beside-ciphertext'],
  ['the courier\'s, with something else in the mark', { pdu: { sender: courier, content: { ...encryptedContent(), 'org.aceso.txn': 'K 6.8' } } }, 'is refused: beside-ciphertext'],

  ['a message in clear', { pdu: { type: 'm.room.message', content: { msgtype: 'm.text', body: 'K 6.8' } } }, 'is refused: clear-text'],
  ['a clear body beside the ciphertext', content({ body: 'K 6.8' }), 'is refused: beside-ciphertext'],
  ['a clear text in the relation', content({ 'm.relates_to': { rel_type: 'm.thread', event_id: EVENT, body: 'K 6.8' } }), 'is refused: beside-ciphertext'],
  ['a clear text for a kind of relation', content({ 'm.relates_to': { rel_type: 'K 6.8', event_id: EVENT } }), 'is refused: beside-ciphertext'],
  ['a clear text for an event that is answered', content({ 'm.relates_to': { 'm.in_reply_to': { event_id: 'K 6.8' } } }), 'is refused: beside-ciphertext'],
  ['a clear text for a device', content({ device_id: 'Mr Quintana K 6.8' }), 'is refused: beside-ciphertext'],
  ['a clear text for a session', content({ session_id: 'K 6.8' }), 'is refused: disguised'],
  ['a clear text in base64 for a session', content({ session_id: Buffer.from('Mr Quintana has potassium of 6.8').toString('base64').replace(/=+$/u, '') }), 'is refused: disguised'],
  ['a clear text for a sender key', content({ sender_key: 'K 6.8' }), 'is refused: disguised'],
  ['a clear text for a ciphertext', content({ ciphertext: 'potassium 6.8' }), 'is refused: disguised'],
  ['a clear text in base64 for a ciphertext', content({ ciphertext: Buffer.from('potassium 6.8, Mr Quintana').toString('base64') }), 'is refused: disguised'],
  ['a clear text in the shape of a ciphertext', content({ ciphertext: megolmCiphertext(Buffer.from('Mr Quintana has a potassium of 6.8 mmol/L, call me'.slice(0, 48))) }), 'is refused: disguised'],
  ['a ciphertext that was cut', content({ ciphertext: megolmCiphertext().slice(0, -8) }), 'is refused: disguised'],
  ['an empty ciphertext', content({ ciphertext: '' }), 'is refused: disguised'],
  ['a ciphertext of Olm', content({ algorithm: 'm.olm.v1.curve25519-aes-sha2' }), 'is refused: disguised'],
  ['nothing at all', { pdu: { content: {} } }, 'is refused: disguised'],

  ['a reaction of the list', reaction({}), 'passes: reaction'],
  ['one of the list in another colour, as a picture', reaction({ key: '👍🏽' }), 'passes: reaction'],
  ['one of the list, as a picture', reaction({ key: '❤\u{fe0f}' }), 'passes: reaction'],
  ['one of the list with a row of colours, which could spell words', reaction({ key: '👍🏽🏻🏿' }), 'is refused: reaction-key'],
  ['one of the list with a row of marks', reaction({ key: '❤\u{fe0f}\u{fe0f}' }), 'is refused: reaction-key'],
  ['a reaction in words', reaction({ key: 'K 6.8' }), 'is refused: reaction-key'],
  ['a reaction with words beside it', reaction({}, { shortcode: 'K 6.8' }), 'is refused: reaction-key'],
  ['a reaction with words in its relation', reaction({ body: 'K 6.8' }), 'is refused: reaction-key'],
  ['one of the list of another template', { pdu: reaction({}).pdu ?? {}, asked: { room: { ...room, template: 'shift' } } }, 'is refused: reaction-key'],
  ['the removal of one\'s own message', redaction(ada), 'passes: own-redaction'],
  ['the removal of another\'s message', redaction(bob), 'is refused: redaction-of-others'],
  ['the removal of a message that isn\'t known', redaction(undefined), 'is refused: redaction-unknown'],
  ['a removal with a reason', redaction(ada, { reason: 'K 6.8' }), 'is refused: reason'],
  ['a removal with words beside it', redaction(ada, { note: 'K 6.8' }), 'is refused: reason'],

  ['the removal of one\'s own message where nothing is taken out', { pdu: redaction(ada).pdu ?? {}, asked: { target: ada, room: { ...room, template: 'shift' } } }, 'is refused: removal-never'],
  ['an encrypted message in a room of a kind that nobody knows', { asked: { room: { ...room, template: 'K 6.8' } } }, 'is refused: kind-not-shared'],
  ['an encrypted message of somebody whom the policy doesn\'t let write', { asked: { writer: barred } }, 'is refused: billing-never-in-clinical-rooms'],
  ['a reaction of somebody whom the policy doesn\'t let write', { ...reaction({}), asked: { writer: barred } }, 'is refused: billing-never-in-clinical-rooms'],
  ['the removal of their own message by them', { ...redaction(ada), asked: { target: ada, writer: barred } }, 'passes: own-redaction'],
  ['an encrypted message while the directory can\'t be asked', { asked: { writer: 'unknown' } }, 'is refused: sender-unknown'],
  ['the join of who was invited by the guardian', member(bob, 'join', { displayname: 'Dr. Bob', avatar_url: 'mxc://mercy.example/abc' }), 'passes: invited-member'],
  ['a new name of a member', member(ada, 'join', { displayname: 'Dr. Ada Okafor' }), 'passes: invited-member'],
  ['a name that is a report', member(ada, 'join', { displayname: `K 6.8 ${'x'.repeat(64)}` }), 'is refused: profile-text'],
  ['a picture that is a text', member(ada, 'join', { avatar_url: 'K 6.8' }), 'is refused: profile-text'],
  ['a membership with words beside it', member(ada, 'join', { note: 'K 6.8' }), 'is refused: profile-text'],
  ['the join of who was not invited', member(user('@eve:stanne.example'), 'join'), 'is refused: not-invited'],
  ['the return of who left', member(cyd, 'join'), 'is refused: not-invited'],
  ['the join of who left since, held by the homeserver as accepted', { ...member(cyd, 'join'), asked: { accepted: true } }, 'passes: invited-member'],
  ['the join of who was invited by another', { ...member(user('@eve:stanne.example'), 'join'), asked: { room: { ...room, members: new Map([['@eve:stanne.example', { membership: 'invite', by: ada }]]) } } }, 'is refused: not-invited'],
  ['a departure', member(ada, 'leave'), 'passes: leave'],
  ['a departure with a reason', member(ada, 'leave', { reason: 'K 6.8' }), 'is refused: reason'],
  ['an invitation by a member', member(ada, 'invite', {}, '@eve:stanne.example'), 'is refused: invite-guardian-only'],
  ['a removal by a member', member(ada, 'leave', {}, bob), 'is refused: state-guardian-only'],
  ['a ban by a member', member(ada, 'ban', {}, bob), 'is refused: state-guardian-only'],
  ['a knock', member(cyd, 'knock'), 'is refused: state-guardian-only'],
  ['the policy server\'s own join, though its server has no agreement', member(policyUser, 'join', { displayname: 'Mercy (policy)' }), 'passes: policy-server'],
  ['the policy server\'s message', { pdu: { sender: policyUser } }, 'is refused: keepers-silent'],
  ['the message of a partner\'s that stands by, a member', { pdu: { sender: theirPolicyUser } }, 'is refused: keepers-silent'],
  ['its reaction', { pdu: { ...reaction({}).pdu, sender: theirPolicyUser } }, 'is refused: keepers-silent'],
  ['the message of that partner\'s guardian, a member', { pdu: { sender: theirGuardian } }, 'is refused: keepers-silent'],
  ['its removal of its own', { pdu: { ...redaction(theirGuardian).pdu, sender: theirGuardian }, asked: { target: theirGuardian } }, 'is refused: keepers-silent'],
  ['its message, held by the homeserver as accepted', { pdu: { sender: theirGuardian }, asked: { accepted: true } }, 'is refused: keepers-silent'],
  ['its new name', member(theirGuardian, 'join', { displayname: 'St. Anne (guardian)' }), 'passes: invited-member'],
  ['its departure', member(theirGuardian, 'leave'), 'passes: leave'],
  ['any state by it', state('m.room.name', theirGuardian), 'is refused: state-guardian-only'],
  ['Synapse\'s empty event as it', { pdu: { type: 'org.matrix.dummy_event', sender: theirGuardian, content: {} } }, 'passes: dummy'],

  ['a name of the room by a member', state('m.room.name'), 'is refused: state-guardian-only'],
  ['levels of power by a member', state('m.room.power_levels'), 'is refused: state-guardian-only'],
  ['any state by the courier', state('org.aceso.anything', courier), 'is refused: state-guardian-only'],
  ['any state by the guardian', state('m.room.name', guardian), 'passes: guardian'],
  ['the guardian\'s invitation', member(guardian, 'invite', {}, '@eve:stanne.example'), 'passes: guardian'],
  ['the guardian\'s removal of another\'s message, with a reason', { pdu: { type: 'm.room.redaction', sender: guardian, content: { redacts: EVENT, reason: 'Not encrypted' } } }, 'passes: guardian'],
  ['the guardian\'s event of long ago', { pdu: { ...state('m.room.create', guardian).pdu, origin_server_ts: 0 } }, 'passes: guardian'],

  ['a type that isn\'t known', { pdu: { type: 'm.sticker', content: { body: 'K 6.8' } } }, 'is refused: type-unknown'],
  ['a call', { pdu: { type: 'm.call.invite' } }, 'is refused: type-unknown'],
  ['Synapse\'s empty event', { pdu: { type: 'org.matrix.dummy_event', content: {} } }, 'passes: dummy'],
  ['words in Synapse\'s empty event', { pdu: { type: 'org.matrix.dummy_event', content: { a: 'K 6.8' } } }, 'is refused: type-unknown'],
  ['what the doctor asks to have refused, by the guardian itself', { pdu: { type: 'org.aceso.probe', sender: guardian } }, 'is refused: probe'],

  ['an event of 65,536 bytes', { asked: { bytes: 65_536 } }, 'passes: encrypted'],
  ['a larger one', { asked: { bytes: 65_537 } }, 'is refused: oversized'],
  ['a room that isn\'t known', { asked: { room: undefined } }, 'is refused: room-unknown'],
  ['a room that another made', { asked: { room: { ...room, creator: ada } } }, 'is refused: room-unknown'],
  ['a room without a template', { asked: { room: (({ template: _, ...rest }) => rest)(room) } }, 'is refused: room-unknown'],
  ['words beside the content', { asked: { fields: ['type', 'content', 'note'] } }, 'is refused: unknown-field'],
  ['what is redacted beside the content, where it belongs into it', { asked: { fields: ['redacts'] } }, 'is refused: unknown-field'],
  ['the same in a room of version 10', { asked: { fields: ['redacts'], room: { ...room, version: '10' } } }, 'passes: encrypted'],
  ['a content that isn\'t the hash\'s', { asked: { hash: 'wrong' } }, 'is refused: content-hash'],
  ['the guardian\'s, with such a content', { pdu: { sender: guardian }, asked: { hash: 'wrong' } }, 'is refused: content-hash'],
  ['an unknown signature of a server without an agreement: nobody looks for its keys', { pdu: { sender: user('@eve:evil.example') }, asked: { signature: 'wrong' } }, 'is refused: server-not-admitted'],
  ['a signature that doesn\'t fit', { asked: { signature: 'wrong' } }, 'is refused: bad-signature'],
  ['the guardian\'s, with such a signature', { pdu: { sender: guardian }, asked: { signature: 'wrong' } }, 'is refused: bad-signature'],
  ['the redacted form of what nobody saw', { pdu: { content: {} }, asked: { hash: 'redacted' } }, 'is refused: content-hash'],
  ['the redacted form of what the homeserver accepted', { pdu: { content: {} }, asked: { hash: 'redacted', accepted: true } }, 'passes: redacted'],
  ['a server without an agreement', { pdu: { sender: user('@eve:evil.example') } }, 'is refused: server-not-admitted'],
  ['a server that this room doesn\'t admit', { asked: { room: { ...room, admitted: { allow: ['mercy.example'], deny: [], literals: 'denied' } } } }, 'is refused: server-not-admitted'],
  ['who isn\'t in the room', { pdu: { sender: cyd } }, 'is refused: not-a-member'],
  ['who was never heard of in this room: their own server may be ahead', { pdu: { sender: user('@dan:stanne.example') } }, 'is refused: member-unknown'],
  ['a clear text of such a one', { pdu: { sender: user('@dan:stanne.example'), type: 'm.room.message', content: { body: 'K 6.8' } } }, 'is refused: clear-text'],
  ['who was never heard of, when the homeserver accepted it', { pdu: { sender: user('@dan:stanne.example') }, asked: { accepted: true } }, 'passes: encrypted'],
  ['who was never heard of, at a server that this room doesn\'t admit', { pdu: { sender: user('@dan:stanne.example') }, asked: { room: { ...room, admitted: { allow: ['mercy.example'], deny: [], literals: 'denied' } } } }, 'is refused: server-not-admitted'],
  ['who was banned', { pdu: { sender: cyd }, asked: { room: { ...room, members: new Map([[cyd, { membership: 'ban', by: guardian }]]) } } }, 'is refused: not-a-member'],
  ['whom another member invited', { pdu: { sender: cyd }, asked: { room: { ...room, members: new Map([[cyd, { membership: 'invite', by: ada }]]) } } }, 'is refused: not-a-member'],
  ['who was in the room when the homeserver accepted it', { pdu: { sender: cyd }, asked: { accepted: true } }, 'passes: encrypted'],
  ['five minutes ago', { pdu: { origin_server_ts: NOW - 300_000 } }, 'passes: encrypted'],
  ['longer ago', { pdu: { origin_server_ts: NOW - 300_001 } }, 'is refused: clock-skew'],
  ['longer ago, and held by the homeserver as accepted', { pdu: { origin_server_ts: 5 }, asked: { accepted: true } }, 'passes: encrypted'],
  ['in more than five minutes', { pdu: { origin_server_ts: NOW + 300_001 }, asked: { accepted: true } }, 'is refused: clock-skew'],
  ['a clear text that the homeserver once accepted', { pdu: { type: 'm.room.message', content: { body: 'K 6.8' } }, asked: { accepted: true } }, 'is refused: clear-text'],
];

describe('In a room for PHI, the policy server', () => {
  for (const [given, event, answer] of CASES) it(`${given} ${answer}`, () => expect(ruleOf(event)).to.equal(answer));

  it('has a case for every rule but those that need no event', () => {
    const told = new Set(CASES.map(([, , answer]) => answer.split(': ')[1]));
    expect(Object.keys(ADMISSION_RULES).filter((rule) => !told.has(rule))).to.deep.equal(['sender-role', 'not-named', 'room-version', 'malformed', 'too-slow', 'homeserver-away']);
  });

  it('cites a regulation or a specification for every rule, and tells no PHI', () => {
    for (const [rule, { cite }] of Object.entries(ADMISSION_RULES)) expect(cite, rule).not.to.equal('');
  });
});

describe('An access list of servers', () => {
  const acl = { allow: ['mercy.example', '*.stanne.example'], deny: ['old.stanne.example'], literals: 'denied' } as const;
  for (const [server, is] of [['mercy.example', true], ['mercy.example:8448', true], ['a.stanne.example', true], ['old.stanne.example', false], ['stanne.example', false], ['mercyXexample', false], ['10.0.0.1', false], ['[::1]:8448', false]] as const) {
    it(`${is ? 'lets in' : 'keeps out'} ${server}`, () => expect(admits(acl, server)).to.equal(is));
  }
  it('that isn\'t there lets everybody in', () => expect(admits(undefined, 'anybody.example')).to.equal(true));
});

