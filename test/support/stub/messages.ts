/** What is said in rooms and taken out of them, each under a transaction id (client-server API §10.7, §10.9). */
import { megolmMessage } from './ciphertext.ts';
import { needToSend, need, roomFor, clientEvent } from './rooms.ts';
import * as shapes from './shapes.ts';
import type { Json } from './signing.ts';
import { Complaint, Refusal, type Device, type Room, type User, type World } from './world.ts';

const MOST_BYTES = 65_536;
/** Event id, hashes, signatures and references of an event, about. */
const FRAME_BYTES = 1_200;

/** Gives what the same device was answered before; another body under the same id is an error of the client. */
export function once(device: Device, path: string, body: unknown, work: () => Json): Json {
  const text = JSON.stringify(body);
  const known = device.transactions.get(path);
  if (known) {
    if (known.body !== text) throw new Complaint(`the transaction id of ${path} was used before, for something else`);
    return known.answer;
  }
  const answer = work();
  device.transactions.set(path, { body: text, answer });
  if (device.transactions.size > 10_000) for (const oldest of device.transactions.keys()) { device.transactions.delete(oldest); break; }
  return answer;
}

export function sendEvent(world: World, user: User, device: Device, roomId: string, type: string, content: Json): Json {
  const room = roomFor(world, roomId, user);
  needToSend(room, user.userId, type, 'message');
  if (Buffer.byteLength(JSON.stringify(content)) + FRAME_BYTES > MOST_BYTES) throw new Refusal(413, 'M_TOO_LARGE', 'event too large');
  if (type === 'm.room.encrypted') checkMegolm(world, user, device, room, content);
  return { event_id: world.append(room, { type, sender: user.userId, content }).event_id };
}

/** Of this device, whole, signed by its session, in this room alone, and its index never used for another plaintext. */
function checkMegolm(world: World, user: User, device: Device, room: Room, given: Json): void {
  const parsed = shapes.megolmContent.safeParse(given);
  if (!parsed.success) throw new Complaint(`m.room.encrypted: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; ')}`);
  const { ciphertext, session_id: session, sender_key: key, device_id: deviceId } = parsed.data;
  if (deviceId !== device.deviceId || device.keys?.keys[`curve25519:${deviceId}`] !== key) throw new Complaint('m.room.encrypted: not the device and key of the sender');
  const message = megolmMessage(ciphertext, session);
  if (!message) throw new Complaint('m.room.encrypted: not a Megolm message of its session');
  const name = `${room.roomId}\0${session}`;
  const used = world.indexes.get(name) ?? new Set<number>();
  if (used.has(message.index)) throw new Complaint(`m.room.encrypted: message index ${message.index} is used again in ${room.roomId} by ${user.userId}`);
  used.add(message.index);
  world.indexes.set(name, used);
  world.counts.encryptedEvents += 1;
}

export function redact(world: World, user: User, roomId: string, eventId: string, content: Json): Json {
  const room = roomFor(world, roomId, user);
  const found = room.timeline.find(({ event }) => event.event_id === eventId)?.event;
  if (!found) throw new Refusal(404, 'M_NOT_FOUND', 'Could not find event to redact');
  if (found.sender !== user.userId) need(room, user.userId, 'redact', 50);
  needToSend(room, user.userId, 'm.room.redaction', 'message');
  const redaction = world.append(room, { type: 'm.room.redaction', sender: user.userId, redacts: eventId, content: { ...content, redacts: eventId } });
  found.content = {};
  found.unsigned = { redacted_because: clientEvent(redaction) };
  return { event_id: redaction.event_id };
}

export function putState(world: World, user: User, roomId: string, type: string, key: string, content: Json): Json {
  const room = roomFor(world, roomId, user);
  needToSend(room, user.userId, type, 'state');
  return { event_id: world.append(room, { type, sender: user.userId, state_key: key, content }).event_id };
}

/** `from` and `end` are places in the stream. */
export function messages(world: World, user: User, roomId: string, query: URLSearchParams): Json {
  const room = roomFor(world, roomId, user);
  const filter = JSON.parse(query.get('filter') ?? '{}') as { readonly senders?: readonly string[]; readonly types?: readonly string[] };
  const backwards = query.get('dir') === 'b';
  const from = query.get('from');
  const limit = Number(query.get('limit') ?? 10);
  const ordered = (backwards ? room.timeline.toReversed() : room.timeline).filter(({ pos }) => from === null || (backwards ? pos < Number(from) : pos > Number(from)));
  const wanted = ordered.filter(({ event }) => (filter.senders?.includes(event.sender) ?? true) && (filter.types?.includes(event.type) ?? true)).slice(0, limit);
  const last = wanted.at(-1);
  return { chunk: wanted.map(({ event }) => clientEvent(event)), start: from ?? String(world.pos), ...(wanted.length === limit && last ? { end: String(last.pos) } : {}) };
}
