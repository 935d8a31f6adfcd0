import type { EventId, Millis, UserId } from '../brand.ts';
import { ADMISSION_REVISION, ADMISSION_RULES, type AdmissionRuleId } from './admissionRules.ts';
import { isKeyShaped, isMegolmCiphertext } from './megolm.ts';
import { objectionTo, seenBy, type Act, type AgreedTerms, type RoomTerms } from './roomTerms.ts';
import { admits, type RoomView } from './roomView.ts';
import type { Verdict } from './verdict.ts';

/** An event as servers exchange it, of the shape that every event has. */
export type Pdu = {
  readonly type: string;
  readonly sender: UserId;
  readonly state_key?: string;
  readonly origin_server_ts: number;
  readonly content: Readonly<Record<string, unknown>>;
  /** Room version 10 has it here. */
  readonly redacts?: unknown;
};

/** What was found out about it before. */
export type Asked = {
  readonly room: RoomView | undefined;
  readonly now: Millis;
  /** Of the event as it is sent. */
  readonly bytes: number;
  readonly fields: readonly string[];
  /** `redacted`: nothing is there but what redaction leaves, so that the hash of the whole can't be seen. */
  readonly hash: 'right' | 'wrong' | 'redacted';
  /** By the server of its sender. */
  readonly signature: 'right' | 'wrong';
  /** Whether the homeserver holds it for an accepted event already. */
  readonly accepted: boolean;
  /** Who sent the event that a redaction names; undefined when that isn't known. */
  readonly target?: UserId;
  /** Who would write or react. `unknown`: the directory could not be asked. `not-asked`: it isn't about that, or it was settled before. */
  readonly writer: Writer | 'unknown' | 'not-asked';
};

/** Somebody's roles, and what the policy in force says to their writing in this kind of room. */
export type Writer = { readonly roles: readonly string[]; readonly verdict: Verdict };

/** Who is who, and what the room's template allows. */
export type AdmissionTerms = {
  readonly guardian: UserId;
  readonly courier: UserId;
  /** Of policy servers: the own one, and those that stand by for it or that it stands by for. */
  readonly policyUsers: readonly UserId[];
  /** The own guardian, and whom partners had stand by, by any agreement: in rooms that they don't govern they are members, and nothing more. */
  readonly keepers: readonly UserId[];
  /** Whose directory says who is who. */
  readonly ownServer: string;
  /** Servers with an agreement; the own one is among them. */
  readonly servers: readonly string[];
  /** What the hospital asks of its rooms today. */
  readonly own: RoomTerms;
  /** What its agreements ask of rooms that partners are let into. */
  readonly agreed: readonly AgreedTerms[];
};

/** Client-server API §"Size limits". */
export const LARGEST_BYTES = 65_536;
const SKEW_MS = 300_000;
const FIELDS = new Set(['type', 'room_id', 'sender', 'state_key', 'content', 'hashes', 'signatures', 'depth', 'prev_events', 'auth_events', 'origin_server_ts', 'unsigned']);
const FIELDS_OF_10 = new Set([...FIELDS, 'redacts']);

/** Whether the homeserver must be asked for the event itself: one that is older than any clock's excuse is history, or a lie. */
export const isHistory = ({ origin_server_ts: at }: Pdu, now: Millis): boolean => at < now - SKEW_MS;

/** The event that a redaction is about. */
export function targetOf({ type, content, redacts }: Pdu, { version }: Pick<RoomView, 'version'>): EventId | undefined {
  const target = version === '10' ? redacts : content['redacts'];
  return type === 'm.room.redaction' && typeof target === 'string' ? (target as EventId) : undefined;
}

/** Whether a sender's server has an agreement and is let into the room; the guardian and policy servers' own users are of no partner. */
export function isServerAdmitted(sender: UserId, room: RoomView, { guardian, policyUsers, servers }: AdmissionTerms): boolean {
  const server = serverOf(sender);
  return sender === guardian || policyUsers.includes(sender) || (servers.includes(server) && admits(room.admitted, server));
}

/** Whether another look at the room might turn the refusal. */
export const dependsOnRoom = ({ allowed, rules }: Verdict): boolean => !allowed && rules.some((rule) => ROOM_RULES.has(rule));
const ROOM_RULES: ReadonlySet<string> = new Set<AdmissionRuleId>(['room-unknown', 'not-named', 'server-not-admitted', 'not-a-member', 'member-unknown', 'not-invited']);
/** Whether the homeserver may be about to store what would turn it: another server can be ahead of it. */
export const mayBeToldSoon = ({ allowed, rules }: Verdict): boolean => !allowed && rules.some((rule) => SOON_RULES.has(rule));
const SOON_RULES: ReadonlySet<string> = new Set<AdmissionRuleId>(['not-named', 'member-unknown', 'not-invited']);

/**
 * What passes in a room for PHI, before any other server has it: ciphertext, and what Matrix leaves in clear as far as it says nothing (45 CFR
 * 164.312(e)(1)). It governs content and who may invite; levels of power and membership are the homeservers' own to check.
 */
export function admit(pdu: Pdu, asked: Asked, terms: AdmissionTerms): Verdict {
  const { room } = asked;
  if (asked.bytes > LARGEST_BYTES) return refuse('oversized');
  if (!room?.template || room.creator !== terms.guardian) return refuse('room-unknown');
  if (asked.fields.some((name) => !(room.version === '10' ? FIELDS_OF_10 : FIELDS).has(name))) return refuse('unknown-field');
  // What is signed of an event is its redacted form: signing one whose whole nobody saw would let the whole pass.
  if (asked.hash === 'wrong' || (asked.hash === 'redacted' && !asked.accepted)) return refuse('content-hash');
  // Before its signature: nobody's keys are looked for but those of servers that may speak here.
  if (!isServerAdmitted(pdu.sender, room, terms)) return refuse('server-not-admitted');
  if (asked.signature === 'wrong') return refuse('bad-signature');
  if (pdu.type === 'org.aceso.probe') return refuse('probe');
  if (pdu.sender === terms.guardian) return allow('guardian');
  if (pdu.origin_server_ts > asked.now + SKEW_MS || (isHistory(pdu, asked.now) && !asked.accepted)) return refuse('clock-skew');
  if (pdu.type === 'm.room.member') return membership(pdu, asked, room, terms);
  if (pdu.state_key !== undefined) return refuse('state-guardian-only');
  if (isKeeper(pdu.sender, terms) && pdu.type !== 'org.matrix.dummy_event') return refuse('keepers-silent');
  const isHeard = asked.accepted || maySpeak(room, pdu.sender, terms);
  if (!isHeard && room.members.has(pdu.sender)) return refuse('not-a-member');
  if (asked.hash === 'redacted') return allow('redacted');
  const verdict = spoken(pdu, asked, terms);
  if (!verdict.allowed) return verdict;
  // Their own server may know them for a member before ours has stored that they are one.
  return isHeard ? refusedByTerms(pdu, asked, room, terms) ?? verdict : refuse('member-unknown');
}

/** What every room for PHI asks of it, whoever shares the room. */
function spoken(pdu: Pdu, asked: Asked, { courier }: AdmissionTerms): Verdict {
  switch (pdu.type) {
    case 'm.room.encrypted': return encrypted(pdu.sender === courier ? withoutMark(pdu.content) : pdu.content);
    case 'm.reaction': return reaction(pdu.content);
    case 'm.room.redaction': return redaction(pdu, asked);
    case 'm.room.message': return refuse('clear-text');
    case 'org.matrix.dummy_event': return Object.keys(pdu.content).length === 0 ? allow('dummy') : refuse('type-unknown');
    default: return refuse('type-unknown');
  }
}

/** They are in the room to keep it: nobody asked for their roles, and nobody reads what they would say. Their homeserver may join loose ends of the room as whoever it has there. */
const isKeeper = (user: UserId, { policyUsers, keepers }: AdmissionTerms): boolean => policyUsers.includes(user) || keepers.includes(user);

const allow = (rule: AdmissionRuleId): Verdict => ({ allowed: true, revision: ADMISSION_REVISION, rules: [rule], message: '', warnings: [] });
export const refuse = (rule: AdmissionRuleId): Verdict => ({ allowed: false, revision: ADMISSION_REVISION, rules: [rule], message: ADMISSION_RULES[rule].say, warnings: [] });

const serverOf = (userId: string): string => userId.slice(userId.indexOf(':') + 1);

/** Whom the guardian invited may have joined at their own server a moment ago, before ours heard of it. */
const isInvited = (room: RoomView, user: string, { guardian }: AdmissionTerms): boolean => { const member = room.members.get(user); return member?.membership === 'invite' && member.by === guardian; };
export const maySpeak = (room: RoomView, user: string, terms: AdmissionTerms): boolean => room.members.get(user)?.membership === 'join' || isInvited(room, user, terms);

function membership({ sender, state_key: user = '', content }: Pdu, { accepted }: Asked, room: RoomView, terms: AdmissionTerms): Verdict {
  const { membership: kind, reason, displayname, avatar_url: avatar, ...more } = content;
  if (kind === 'invite') return refuse('invite-guardian-only');
  if (user !== sender || (kind !== 'join' && kind !== 'leave')) return refuse('state-guardian-only');
  if (reason !== undefined && reason !== '') return refuse('reason');
  if (Object.keys(more).length > 0 || !isShortName(displayname) || !isPicture(avatar)) return refuse('profile-text');
  if (terms.policyUsers.includes(sender)) return allow('policy-server');
  if (kind === 'leave') return allow('leave');
  return accepted || maySpeak(room, sender, terms) ? allow('invited-member') : refuse('not-invited');
}

const isAbsent = (value: unknown): boolean => value === undefined || value === null;
const isShortName = (name: unknown): boolean => isAbsent(name) || (typeof name === 'string' && name.length <= 64 && !/\p{C}/u.test(name));
const isPicture = (url: unknown): boolean => isAbsent(url) || url === '' || (typeof url === 'string' && url.length <= 255 && /^mxc:\/\/[A-Za-z0-9.:[\]-]+\/[A-Za-z0-9_-]+$/u.test(url));

/** The courier's own name of what it sent: a keyed hash (docs/message.md). */
function withoutMark({ 'org.aceso.txn': mark, ...content }: Pdu['content']): Pdu['content'] {
  return mark === undefined || (typeof mark === 'string' && /^[a-z2-7]{26}$/u.test(mark)) ? content : { ...content, 'org.aceso.txn': mark };
}

/** The content of an encrypted event (client-server API §"m.room.encrypted"), and nothing that can be read beside it. */
function encrypted({ algorithm, ciphertext, session_id: session, sender_key: sender, device_id: device, 'm.relates_to': relation, ...more }: Pdu['content']): Verdict {
  if (algorithm !== 'm.megolm.v1.aes-sha2' || !isMegolmCiphertext(ciphertext) || !isKeyShaped(session)) return refuse('disguised');
  if (sender !== undefined && !isKeyShaped(sender)) return refuse('disguised');
  if (device !== undefined && !(typeof device === 'string' && /^[A-Za-z0-9_.~=+/-]{1,64}$/u.test(device))) return refuse('beside-ciphertext');
  return Object.keys(more).length === 0 && (relation === undefined || isRelation(relation)) ? allow('encrypted') : refuse('beside-ciphertext');
}

const RELATIONS = ['m.thread', 'm.replace', 'm.reference', 'm.annotation'];
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isEventId = (value: unknown): boolean => typeof value === 'string' && /^\$[A-Za-z0-9_-]{43}$/u.test(value);

/** Relations stay outside, so that servers can gather them (client-server API §"Forming relationships between events", §"Threading"). */
function isRelation(relation: unknown): boolean {
  if (!isObject(relation)) return false;
  const { rel_type: type, event_id: event, is_falling_back: fallsBack, 'm.in_reply_to': reply, ...more } = relation;
  if (Object.keys(more).length > 0) return false;
  const isReply = isObject(reply) && Object.keys(reply).length === 1 && isEventId(reply['event_id']);
  if (reply !== undefined && !isReply) return false;
  if (fallsBack !== undefined && typeof fallsBack !== 'boolean') return false;
  return type === undefined && event === undefined ? isReply : RELATIONS.some((known) => known === type) && isEventId(event);
}

function reaction(content: Pdu['content']): Verdict {
  const { 'm.relates_to': relation, ...more } = content;
  if (Object.keys(more).length > 0 || !isObject(relation)) return refuse('reaction-key');
  const { rel_type: type, event_id: event, key, ...others } = relation;
  return type === 'm.annotation' && isEventId(event) && typeof key === 'string' && Object.keys(others).length === 0 ? allow('reaction') : refuse('reaction-key');
}

function redaction({ sender, content }: Pdu, { target }: Asked): Verdict {
  const { redacts: _, reason, ...more } = content;
  if ((reason !== undefined && reason !== '') || Object.keys(more).length > 0) return refuse('reason');
  if (target === undefined) return refuse('redaction-unknown');
  return target === sender ? allow('own-redaction') : refuse('redaction-of-others');
}

/**
 * What the hospitals that share the room have against it: the own one, by its policy and its templates as they are now, and each partner that the room lets in, by what
 * their agreement says of both. It passes when none has anything against it. What was accepted before is history: later terms don't reach it.
 */
function refusedByTerms(pdu: Pdu, { accepted, writer }: Asked, room: RoomView, { ownServer, own, agreed }: AdmissionTerms): Verdict | undefined {
  const act = actOf(pdu, writer);
  if (!act || room.template === undefined || accepted) return undefined;
  if (act.type !== 'removal' && writer === 'unknown') return refuse('sender-unknown');
  if (act.type !== 'removal' && typeof writer === 'object' && !writer.verdict.allowed) return writer.verdict;
  const ours = objectionTo(act, room.template, own);
  if (ours) return refuse(ours);
  const servers = { server: serverOf(pdu.sender), own: ownServer };
  for (const { whose, partner, kinds } of agreed) {
    const theirs = admits(room.admitted, partner) ? objectionTo(seenBy(whose, act, servers), room.template, kinds) : undefined;
    if (theirs) return refusedFor(whose, theirs);
  }
  return undefined;
}

function actOf({ type, content }: Pdu, writer: Asked['writer']): Act | undefined {
  const by = typeof writer === 'object' ? writer.roles : 'not-asked';
  switch (type) {
    case 'm.room.encrypted': return { type: 'message', by };
    case 'm.reaction': return { type: 'reaction', key: String((content['m.relates_to'] as { readonly key?: unknown }).key), by };
    case 'm.room.redaction': return { type: 'removal' };
    default: return undefined;
  }
}

const refusedFor = (server: string, rule: AdmissionRuleId): Verdict => ({ ...refuse(rule), by: server, message: `By the rules of ${server}, as the hospitals agreed: ${ADMISSION_RULES[rule].say}` });
