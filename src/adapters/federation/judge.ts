import { as, type EventId, type Millis, type RoomId, type UserId } from '../../domain/brand.ts';
import { admit, dependsOnRoom, isHistory, refuse, targetOf, type AdmissionTerms, type Asked, type Pdu } from '../../domain/policy/admit.ts';
import type { Verdict } from '../../domain/policy/verdict.ts';
import { canonicalJson, NotCanonical } from './canonicalJson.ts';
import { isSignedBy } from './ed25519.ts';
import { contentHash, eventIdOf, isHashRight, isRoomVersion, redacted, signableBytes, type RoomVersion } from './event.ts';
import type { OriginKeys } from './originKeys.ts';
import { isObject, keyIdsIn, signatureIn, type JsonObject } from './signedJson.ts';
import type { Views } from './views.ts';

/** What became of one question. `signable`: the bytes to sign, when it passes. */
export type Judgement = { readonly verdict: Verdict; readonly roomId?: RoomId; readonly eventId?: EventId; readonly sender?: UserId; readonly signable?: Buffer };

export type JudgeParts = {
  readonly views: Views; readonly keys: Pick<OriginKeys, 'find'>; readonly terms: () => AdmissionTerms; readonly now: () => Millis;
  /** Events that were let pass before. */
  readonly passed: { has(eventId: EventId): boolean };
};

/** Finds out what the rules ask about an event, and asks them. Never throws for what the event says. */
export async function judge({ views, keys, passed, terms: termsNow, now }: JudgeParts, event: JsonObject): Promise<Judgement> {
  try {
    const terms = termsNow();
    const pdu = pduOf(event);
    const roomId = roomOf(event);
    if (!pdu || roomId === undefined) return { verdict: refuse('malformed') };
    const room = await views.room(roomId);
    if (room === 'away') return { roomId, verdict: refuse('homeserver-away') };
    if (!room) return { roomId, verdict: refuse('room-unknown') };
    if (!isRoomVersion(room.version)) return { roomId, verdict: refuse('room-version') };
    const signable = signableBytes(room.version, event);
    const eventId = eventIdOf(signable);
    const { bytes, sha256 } = contentHash(event);
    const hash = isHashRight(event, sha256) ? 'right' : isRedactedForm(room.version, event) ? 'redacted' : 'wrong';
    const target = targetOf(pdu, room);
    const isOld = isHistory(pdu, now()) || hash === 'redacted';
    const asked: Omit<Asked, 'room'> = {
      now: now(), hash, fields: fieldsOf(event),
      bytes: bytes + Buffer.byteLength(canonicalJson({ hashes: event['hashes'] ?? null, signatures: event['signatures'] ?? null })),
      signature: await isSignedByOrigin(keys, event, pdu, signable) ? 'right' : 'wrong',
      // What was let pass once passes again; what the homeserver accepted is history. But state can become current where the room's graph forks, though it was
      // refused (docs/policy-server.md): of state that shows its redacted form alone, only our own word counts.
      accepted: passed.has(eventId) || (!(hash === 'redacted' && pdu.state_key !== undefined) && (room.current.has(eventId) || (isOld && await views.sender(roomId, eventId) === pdu.sender))),
      ...(target === undefined ? {} : await senderOf(views, roomId, target)),
    };
    const verdict = admit(pdu, { ...asked, room }, terms);
    // What has changed since this was read may turn it: the room is looked at once more before somebody is refused for it.
    const again = dependsOnRoom(verdict) ? await views.fresh(roomId) : undefined;
    const last = !dependsOnRoom(verdict) ? verdict : again === 'away' ? refuse('homeserver-away') : admit(pdu, { ...asked, room: again }, terms);
    return { verdict: last, roomId, eventId, sender: pdu.sender, signable };
  } catch (error) {
    if (error instanceof NotCanonical) return { verdict: refuse('malformed') };
    throw error;
  }
}

async function senderOf(views: Views, roomId: RoomId, target: EventId): Promise<{ readonly target?: UserId }> {
  const sender = await views.sender(roomId, target);
  return sender === undefined ? {} : { target: sender };
}

async function isSignedByOrigin(keys: Pick<OriginKeys, 'find'>, event: JsonObject, { sender, origin_server_ts: at }: Pdu, signable: Buffer): Promise<boolean> {
  const server = sender.slice(sender.indexOf(':') + 1);
  for (const keyId of keyIdsIn(event, server).filter((id) => id.startsWith('ed25519:')).slice(0, 4)) {
    const key = await keys.find(server, keyId, at);
    if (key && isSignedBy(key, signable, signatureIn(event, server, keyId))) return true;
  }
  return false;
}

const isRedactedForm = (version: RoomVersion, { unsigned: _, ...event }: JsonObject): boolean => canonicalJson(redacted(version, event)) === canonicalJson(event);

/** What some servers still send, and what says nothing beside the rest, is left out. */
function fieldsOf(event: JsonObject): readonly string[] {
  const sender = String(event['sender']);
  const isSpeechless = (name: string): boolean =>
    (name === 'origin' && event[name] === sender.slice(sender.indexOf(':') + 1)) || (name === 'prev_state' && Array.isArray(event[name]) && event[name].length === 0);
  return Object.keys(event).filter((name) => !isSpeechless(name));
}

const isUserId = (value: unknown): value is UserId => typeof value === 'string' && value.length <= 255 && /^@[^:\s]*:[A-Za-z0-9.:[\]-]+$/u.test(value);
const isReferences = (value: unknown): boolean => Array.isArray(value) && value.length <= 20 && value.every((each) => typeof each === 'string');

function pduOf(event: JsonObject): Pdu | undefined {
  const { type, sender, state_key: key, origin_server_ts: at, content, depth, prev_events: previous, auth_events: auth, redacts } = event;
  if (typeof type !== 'string' || type.length > 255 || !isUserId(sender) || !Number.isSafeInteger(at) || !isObject(content)) return undefined;
  if (key !== undefined && (typeof key !== 'string' || key.length > 255)) return undefined;
  if (!Number.isSafeInteger(depth) || !isReferences(previous) || !isReferences(auth)) return undefined;
  return { type, sender, origin_server_ts: Number(at), content, ...(key === undefined ? {} : { state_key: key }), ...(redacts === undefined ? {} : { redacts }) };
}

/** From room version 12 on a room is named by the event that makes it, and that event names no room (MSC4291). */
function roomOf(event: JsonObject): RoomId | undefined {
  const { room_id: room, type } = event;
  if (room === undefined && type === 'm.room.create') return as<RoomId>(`!${eventIdOf(signableBytes('12', event)).slice(1)}`);
  return typeof room === 'string' ? as<RoomId>(room) : undefined;
}
