/** Every kind of event that must not be seen in a room for PHI, as data: what it holds, and by which ways it is tried. */
import { encryptedContent } from '../support/megolm.ts';
import type { JsonObject } from '../../src/adapters/federation/signedJson.ts';
import type { Sendable } from './person.ts';
import type { Twist } from './forge.ts';

/**
 * How it is tried. `client`: somebody at an honest hospital sends it. `cheat`: somebody at the hostile server sends it, and that server asks nobody. `dendrite`: somebody at a server that
 * knows no policy servers does. `linear`: the hostile server forges it, at the end of the room's graph. `forked`: it forges it beside an honest event, and an allowed one of its own joins both.
 */
export type Way = 'client' | 'cheat' | 'dendrite' | 'linear' | 'forked';

export type Subject = {
  /** A text that stands in this event alone: wherever it is seen, the event was accepted. */
  readonly text: string;
  readonly marker: string;
  readonly sender: string;
  /** A message of the sender, and one of somebody else, that nobody may remove. */
  readonly own: string;
  readonly others: string;
  /** Somebody who isn't in the room, at the sender's server. */
  readonly stranger: string;
  /** Somebody else in it. */
  readonly colleague: string;
  readonly server: string;
};

export type Kind = { readonly name: string; readonly ways: readonly Way[]; readonly event: (of: Subject) => Sendable; readonly twist?: (of: Subject) => Twist };

const SPOKEN: readonly Way[] = ['client', 'cheat', 'dendrite', 'linear'];
const SET: readonly Way[] = ['client', 'linear', 'forked'];
const FORGED: readonly Way[] = ['linear'];
const MINUTES = 60_000;

const spoken = (name: string, event: Kind['event']): Kind => ({ name, ways: SPOKEN, event });
const set = (name: string, type: string, content: (of: Subject) => JsonObject, stateKey: (of: Subject) => string = () => ''): Kind =>
  ({ name, ways: SET, event: (of) => ({ type, content: content(of), stateKey: stateKey(of) }) });
const forged = (name: string, twist: Kind['twist'] & object, event: Kind['event'] = () => ({ type: 'm.room.encrypted', content: encryptedContent() })): Kind => ({ name, ways: FORGED, event, twist });

const profile = (name: string, more: (of: Subject) => JsonObject): Kind => set(name, 'm.room.member', (of) => ({ membership: 'join', ...more(of) }), ({ sender }) => sender);
const member = (name: string, membership: string, who: (of: Subject) => string, ways = SET): Kind =>
  ({ name, ways, event: (of) => ({ type: 'm.room.member', stateKey: who(of), content: { membership } }) });
const annotation = (eventId: string, key: string): JsonObject => ({ rel_type: 'm.annotation', event_id: eventId, key });
const base64 = (text: string): string => Buffer.from(text).toString('base64').replace(/=+$/u, '');

export const KINDS: readonly Kind[] = [
  // Clear text, and what would carry it.
  spoken('clear-text', ({ text }) => ({ type: 'm.room.message', content: { msgtype: 'm.text', body: text } })),
  spoken('clear-file', ({ text }) => ({ type: 'm.room.message', content: { msgtype: 'm.file', body: text, url: 'mxc://localhost/x' } })),
  spoken('sticker', ({ text }) => ({ type: 'm.sticker', content: { body: text, url: 'mxc://localhost/x', info: {} } })),
  spoken('poll', ({ text }) => ({ type: 'm.poll.start', content: { 'm.text': [{ body: text }], 'm.poll': { question: { 'm.text': [{ body: text }] }, answers: [] } } })),
  spoken('call', ({ text }) => ({ type: 'm.call.invite', content: { call_id: text, party_id: 'x', version: '1', lifetime: 60_000, offer: { type: 'offer', sdp: text } } })),
  spoken('unknown-type', ({ text }) => ({ type: 'org.example.note', content: { note: text } })),
  spoken('disguised', ({ text }) => ({ type: 'm.room.encrypted', content: { ...encryptedContent(), ciphertext: base64(text.repeat(4)) } })),
  spoken('disguised-in-clear', ({ text }) => ({ type: 'm.room.encrypted', content: { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: text, session_id: text, device_id: 'X' } })),
  spoken('beside-ciphertext', ({ text }) => ({ type: 'm.room.encrypted', content: { ...encryptedContent(), body: text } })),
  spoken('beside-relation', ({ text, others }) => ({ type: 'm.room.encrypted', content: { ...encryptedContent(), 'm.relates_to': { rel_type: 'm.thread', event_id: others, note: text } } })),
  spoken('device-of-words', ({ text }) => ({ type: 'm.room.encrypted', content: { ...encryptedContent(), device_id: text } })),
  spoken('reaction-key', ({ text, others }) => ({ type: 'm.reaction', content: { 'm.relates_to': annotation(others, text) } })),
  spoken('beside-reaction', ({ text, others }) => ({ type: 'm.reaction', content: { 'm.relates_to': annotation(others, '👍'), note: text } })),
  spoken('redaction-reason', ({ text, own }) => ({ type: 'm.room.redaction', redacts: own, content: { reason: text } })),
  spoken('redaction-of-others', ({ others }) => ({ type: 'm.room.redaction', redacts: others, content: {} })),
  // Settings of the room.
  set('topic', 'm.room.topic', ({ text }) => ({ topic: text })),
  set('name', 'm.room.name', ({ text }) => ({ name: text })),
  set('alias', 'm.room.canonical_alias', ({ marker, server }) => ({ alias: `#${marker}:${server}` })),
  set('picture', 'm.room.avatar', ({ marker }) => ({ url: `mxc://localhost/${marker}` })),
  set('pinned', 'm.room.pinned_events', ({ text }) => ({ pinned: [text] })),
  set('unknown-state', 'org.example.chart', ({ text }) => ({ chart: text }), ({ marker }) => marker),
  set('power-grab', 'm.room.power_levels', ({ sender }) => ({ users: { [sender]: 100 }, users_default: 0, events_default: 0, state_default: 0, invite: 0, redact: 0 })),
  set('policy-removal', 'm.room.policy', () => ({})),
  set('policy-elsewhere', 'm.room.policy', ({ server }) => ({ via: server, public_keys: { ed25519: 'A'.repeat(43) } })),
  set('access-list', 'm.room.server_acl', () => ({ allow: ['*'], deny: [] })),
  set('join-rules', 'm.room.join_rules', () => ({ join_rule: 'public' })),
  set('history', 'm.room.history_visibility', () => ({ history_visibility: 'world_readable' })),
  set('encryption', 'm.room.encryption', () => ({ algorithm: 'org.example.none' })),
  set('guests', 'm.room.guest_access', () => ({ guest_access: 'can_join' })),
  set('template', 'org.aceso.template', () => ({ id: 'none' })),
  set('tombstone', 'm.room.tombstone', ({ text }) => ({ body: text, replacement_room: '!elsewhere:localhost' })),
  // People.
  profile('profile-field', ({ text }) => ({ displayname: 'Doctor', 'org.example.note': text })),
  profile('profile-reason', ({ text }) => ({ displayname: 'Doctor', reason: text })),
  profile('profile-name', ({ text }) => ({ displayname: `${text} ${text} ${text}` })),
  member('invitation', 'invite', ({ stranger }) => stranger),
  member('invitation-elsewhere', 'invite', () => '@somebody:unknown.example'),
  member('removal', 'leave', ({ colleague }) => colleague),
  member('ban', 'ban', ({ colleague }) => colleague),
  { ...member('uninvited-join', 'join', ({ stranger }) => stranger), twist: ({ stranger }) => ({ sender: stranger }) },
  { ...member('knock', 'knock', ({ stranger }) => stranger, ['linear', 'forked']), twist: ({ stranger }) => ({ sender: stranger }) },
  // What only a server can do.
  forged('no-signature', () => ({ changed: ({ signatures: _, ...pdu }) => ({ ...pdu, signatures: {} }) })),
  forged('bad-signature', () => ({ changed: (pdu) => ({ ...pdu, origin_server_ts: Number(pdu['origin_server_ts']) + 1 }) })),
  forged('sender-elsewhere', ({ colleague }) => ({ sender: colleague })),
  forged('changed-after-signing', ({ text }) => ({ changed: (pdu) => ({ ...pdu, content: { msgtype: 'm.text', body: text } }) })),
  forged('unknown-field', ({ text }) => ({ beside: { 'org.example.note': text } })),
  forged('clock-behind', () => ({ lateMs: -10 * MINUTES })),
  forged('clock-ahead', () => ({ lateMs: 10 * MINUTES })),
  forged('oversized', () => ({}), ({ text }) => ({ type: 'm.room.encrypted', content: { ...encryptedContent(), note: text.repeat(2000) } })),
  forged('moved-to-another-room', () => ({ changed: (pdu) => ({ ...pdu, room_id: `!${'A'.repeat(43)}` }) })),
];

/** What is sent in the name of a partner whose agreement has ended: nothing else is wrong with it. */
export const ENDED: Kind = { name: 'ended-agreement', ways: ['cheat', 'linear'], event: () => ({ type: 'm.room.encrypted', content: encryptedContent() }) };
/** One that was refused, once more; one that was accepted, once more: it is there already. */
export const REPLAYS = ['replay-of-refused', 'replay-of-accepted'] as const;
