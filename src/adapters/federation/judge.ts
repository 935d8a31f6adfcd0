import { as, isRoomId, type EventId, type Millis, type RoomId, type UserId } from '../../domain/brand.ts';
import { admit, dependsOnRoom, isHistory, isServerAdmitted, LARGEST_BYTES, maySpeak, mayBeToldSoon, refuse, targetOf, type AdmissionTerms, type Asked, type Pdu, type Writer } from '../../domain/policy/admit.ts';
import type { Standby } from '../../domain/agreements/demands.ts';
import { termsIn } from '../../domain/policy/handed.ts';
import type { RoomView } from '../../domain/policy/roomView.ts';
import type { Verdict } from '../../domain/policy/verdict.ts';
import { isRoomKind, type RoomKind } from '../../domain/policy/words.ts';
import { canonicalJson, joined, NotCanonical, type Fields } from './canonicalJson.ts';
import type { Deadline } from './deadlines.ts';
import { isSignedBy } from './ed25519.ts';
import { contentHash, eventIdOf, isHashRight, isRoomVersion, isSha256, redacted, signableBytes, signableOf, type RoomVersion, type WrittenEvent } from './event.ts';
import type { OriginKeys } from './originKeys.ts';
import { isObject, keyIdsIn, signatureIn, type JsonObject } from './signedJson.ts';
import type { Views } from './views.ts';

/** What became of one question. `signable`: the bytes to sign, when it passes. */
export type Judgement = { readonly verdict: Verdict; readonly roomId?: RoomId; readonly eventId?: EventId; readonly pdu?: Pdu; readonly signable?: Buffer; readonly about?: About };

/** What the question was about, as far as it tells how servers behave. */
export type About = { readonly sender: UserId; readonly type: string; readonly sentAt: Millis; readonly room: RoomView };

export type JudgeParts = {
  readonly views: Views; readonly keys: Pick<OriginKeys, 'find'>; readonly terms: () => AdmissionTerms; /** Partners in whose rooms it stands by. */ readonly standbys: () => readonly Standby[]; readonly now: () => Millis;
  /** What the policy says to somebody's writing in rooms of a kind. Whose patients a partner's room is about, that hospital knows: it is asked about no room. */
  readonly writer: (userId: UserId, kind: RoomKind, roomId: RoomId | undefined) => Promise<Writer | 'unknown' | 'not-asked'>;
  /** Events that were let pass before. */
  readonly passed: { has(eventId: EventId): boolean };
};

/** Finds out what the rules ask about an event, and asks them; what isn't found out by the deadline is `too-slow`. Never throws for what the event says. */
export async function judge({ passed, terms: termsNow, standbys, now, writer, ...parts }: JudgeParts, { event, fields }: WrittenEvent, deadline: Deadline): Promise<Judgement> {
  const [views, keys] = [viewsBy(deadline, parts.views), keysBy(deadline, parts.keys)];
  try {
    const terms = termsNow();
    const pdu = pduOf(event, terms);
    if (!pdu) return { verdict: refuse('malformed') };
    // Before it is hashed.
    const bytes = sizeOf(fields);
    if (bytes > LARGEST_BYTES) return { verdict: refuse('oversized') };
    const roomId = roomOf(event);
    if (roomId === undefined) return { verdict: refuse('malformed') };
    const room = await views.room(roomId);
    if (room === 'away') return { roomId, verdict: refuse('homeserver-away') };
    if (!room) return { roomId, verdict: refuse('room-unknown') };
    if (!isRoomVersion(room.version)) return { roomId, verdict: refuse('room-version') };
    const signable = signableOf(room.version, { event, fields });
    const eventId = eventIdOf(signable);
    const hash = isHashRight(event, contentHash(fields)) ? 'right' : isRedactedForm(room.version, event) ? 'redacted' : 'wrong';
    const target = targetOf(pdu, room);
    const isOld = isHistory(pdu, now()) || hash === 'redacted';
    const asked: Omit<Asked, 'room' | 'signature' | 'writer'> = {
      now: now(), hash, bytes, fields: sayingFields(event),
      // What was let pass once passes again; what the homeserver accepted is history. But state can become current where the room's graph forks, though it was
      // refused (docs/policy-server.md): of state that shows its redacted form alone, only our own word counts.
      accepted: passed.has(eventId) || (!(hash === 'redacted' && pdu.state_key !== undefined) && (room.current.has(eventId) || (isOld && await views.accepted(roomId, eventId) === pdu.sender))),
      ...(target === undefined ? {} : await senderOf(views, roomId, target)),
    };
    const decide = async (seen: RoomView | undefined): Promise<Verdict> => {
      const asIn = seen === undefined ? terms : termsIn(seen, terms, standbys());
      if (asIn === 'not-named') return refuse('not-named');
      const isSigned = seen !== undefined && isServerAdmitted(pdu.sender, seen, asIn) && await isSignedByOrigin(keys, event, pdu, signable);
      const kind = isSigned && !asked.accepted ? writtenIn(pdu, seen, asIn) : undefined;
      return admit(pdu, { ...asked, room: seen, signature: isSigned ? 'right' : 'wrong', writer: kind === undefined ? 'not-asked' : await by(deadline, writer(pdu.sender, kind, asIn.guardian === terms.guardian ? roomId : undefined)) }, asIn);
    };
    const anew = async (): Promise<Verdict> => {
      const again = await views.fresh(roomId);
      return again === 'away' ? refuse('homeserver-away') : decide(again);
    };
    const first = await decide(room);
    // What has changed since this was read may turn it: the room is looked at once more before somebody is refused for it. And again after a
    // moment, where our homeserver may lag behind the sender's: a server that has the event already, and asks, asks once only.
    const second = dependsOnRoom(first) ? await anew() : first;
    const last = mayBeToldSoon(second) ? await by(deadline, pause(TOLD_WITHIN_MS)).then(anew) : second;
    const about: About = { sender: pdu.sender, type: pdu.type, sentAt: as<Millis>(pdu.origin_server_ts), room };
    return { verdict: last, roomId, eventId, pdu, signable, about };
  } catch (error) {
    if (error instanceof NotCanonical) return { verdict: refuse('malformed') };
    if (error instanceof TooLate) return { verdict: refuse('too-slow') };
    throw error;
  }
}

/** In what kind of room a person who may be there writes or reacts; undefined: nothing of that. */
function writtenIn({ type, sender }: Pdu, room: RoomView, terms: AdmissionTerms): RoomKind | undefined {
  if ((type !== 'm.room.encrypted' && type !== 'm.reaction') || sender === terms.guardian || sender === terms.courier || !maySpeak(room, sender, terms)) return undefined;
  // Whose room it is judges its own people itself, at its own server: their roles are not in our directory.
  if (serverOf(terms.guardian) !== terms.ownServer && serverOf(sender) === serverOf(terms.guardian)) return undefined;
  return room.template !== undefined && isRoomKind(room.template) ? room.template : undefined;
}

/** So long a homeserver that is not overwhelmed takes to store what another has sent it. */
const TOLD_WITHIN_MS = 400;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

class TooLate extends Error {}

/** What is waited for goes on for others who wait for it; nothing more is begun for this one. */
async function by<Value>(deadline: Deadline, step: Promise<Value>): Promise<Value> {
  const value = await step;
  if (deadline.isOver) throw new TooLate();
  return value;
}

const viewsBy = (deadline: Deadline, views: Views): Pick<Views, 'room' | 'fresh' | 'sender' | 'accepted'> => ({
  room: (roomId) => by(deadline, views.room(roomId)), fresh: (roomId) => by(deadline, views.fresh(roomId)), sender: (roomId, eventId) => by(deadline, views.sender(roomId, eventId)), accepted: (roomId, eventId) => by(deadline, views.accepted(roomId, eventId)),
});
const keysBy = (deadline: Deadline, keys: JudgeParts['keys']): JudgeParts['keys'] => ({ find: (server, keyId, at) => by(deadline, keys.find(server, keyId, at)) });

const sizeOf = (fields: Fields): number => Buffer.byteLength(joined([...fields].filter(([name]) => name !== 'unsigned')));

async function senderOf(views: Pick<Views, 'sender'>, roomId: RoomId, target: EventId): Promise<{ readonly target?: UserId }> {
  const sender = await views.sender(roomId, target);
  return sender === undefined ? {} : { target: sender };
}

async function isSignedByOrigin(keys: Pick<OriginKeys, 'find'>, event: JsonObject, { sender, origin_server_ts: at }: Pdu, signable: Buffer): Promise<boolean> {
  const server = serverOf(sender);
  for (const keyId of keyIdsIn(event, server).filter((id) => id.startsWith('ed25519:')).slice(0, 4)) {
    const key = await keys.find(server, keyId, at);
    if (key && isSignedBy(key, signable, signatureIn(event, server, keyId))) return true;
  }
  return false;
}

const isRedactedForm = (version: RoomVersion, { unsigned: _, ...event }: JsonObject): boolean => canonicalJson(redacted(version, event)) === canonicalJson(event);

/** What some servers still send, and what says nothing beside the rest, is left out. */
function sayingFields(event: JsonObject): readonly string[] {
  const sender = String(event['sender']);
  const isSpeechless = (name: string): boolean =>
    (name === 'origin' && event[name] === sender.slice(sender.indexOf(':') + 1)) || (name === 'prev_state' && Array.isArray(event[name]) && event[name].length === 0)
    // Dendrite writes it where room version 10 had it, too.
    || (name === 'redacts' && event['type'] === 'm.room.redaction' && isObject(event['content']) && event[name] === event['content']['redacts']);
  return Object.keys(event).filter((name) => !isSpeechless(name));
}

const isUserId = (value: unknown): value is UserId => typeof value === 'string' && value.length <= 255 && /^@[^:\s]*:[A-Za-z0-9.:[\]-]+$/u.test(value);
/** The form of ids since room version 4; at most so many (server-server API §"PDUs"). */
const isReferences = (value: unknown, most: number): boolean => Array.isArray(value) && value.length <= most && value.every((each) => typeof each === 'string' && /^\$[A-Za-z0-9_-]{43}$/u.test(each));
const isHashes = (value: unknown): boolean => isObject(value) && Object.keys(value).length === 1 && isSha256(value['sha256']);
const MOST_SIGNATURES = 4;

/** Signatures of servers that are known, and nothing that reads like words. */
function isSignatures(value: unknown, sender: UserId, { servers, policyUsers }: AdmissionTerms): boolean {
  const names = [serverOf(sender), ...policyUsers.map(serverOf), ...servers];
  return isObject(value) && Object.entries(value).every(([name, ofName]) => names.includes(name) && isObject(ofName) && Object.keys(ofName).length <= MOST_SIGNATURES
    && Object.entries(ofName).every(([id, signature]) => /^ed25519:[A-Za-z0-9_]{1,32}$/u.test(id) && typeof signature === 'string' && /^[A-Za-z0-9+/]{86}(?:==)?$/u.test(signature)));
}
const serverOf = (userId: UserId): string => userId.slice(userId.indexOf(':') + 1);

function pduOf(event: JsonObject, terms: AdmissionTerms): Pdu | undefined {
  const { type, sender, state_key: key, origin_server_ts: at, content, depth, prev_events: previous, auth_events: auth, hashes, signatures, redacts } = event;
  if (typeof type !== 'string' || type.length > 255 || !isUserId(sender) || !Number.isSafeInteger(at) || !isObject(content)) return undefined;
  if (key !== undefined && (typeof key !== 'string' || key.length > 255)) return undefined;
  if (!Number.isSafeInteger(depth) || !isReferences(previous, 20) || !isReferences(auth, 10) || !isHashes(hashes) || !isSignatures(signatures, sender, terms)) return undefined;
  return { type, sender, origin_server_ts: Number(at), content, ...(key === undefined ? {} : { state_key: key }), ...(redacts === undefined ? {} : { redacts }) };
}

/** From room version 12 on a room is named by the event that makes it, and that event names no room (MSC4291). */
function roomOf(event: JsonObject): RoomId | undefined {
  const { room_id: room, type } = event;
  if (room === undefined && type === 'm.room.create') return as<RoomId>(`!${eventIdOf(signableBytes('12', event)).slice(1)}`);
  return isRoomId(room) ? room : undefined;
}
