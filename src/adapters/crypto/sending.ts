/**
 * One message's way out, safe to begin again after a crash at any instant:
 * was it sent by the device before? → keys to devices → encrypt → ciphertext on the disk → PUT with the message's id as transaction id → note the event.
 */
import { RoomId } from '@matrix-org/matrix-sdk-crypto-wasm';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import type { SendFailure, Sent } from '../../ports/courier.ts';
import type { Engine } from './engine.ts';
import type { Faults } from './faults.ts';
import { asRecord, HomeserverError, pathOf, UNKNOWN_DEVICE, type Homeserver } from './homeserver.ts';
import type { Entry, Journal } from './journal.ts';
import type { Locks } from './locks.ts';
import { clockSkewMs, findInRoom, MARK, RoomUnread } from './lookup.ts';
import type { Media } from './media.ts';
import type { CourierLog, ThreadOptions } from './options.ts';
import type { PlainMessage } from './protocol.ts';
import type { RoomKeys } from './roomKeys.ts';
import type { SyncPace } from './syncPace.ts';

export type Parts = {
  readonly options: ThreadOptions;
  readonly engine: Engine;
  readonly homeserver: Homeserver;
  readonly journal: Journal;
  readonly media: Media;
  readonly roomKeys: RoomKeys;
  readonly rooms: Locks;
  readonly pace: SyncPace;
  readonly faults: Faults;
  readonly log: (event: CourierLog) => void;
};

type Ready = Omit<Extract<Entry, { state: 'ready' }>, 'state'>;

/** The homeserver forgets a transaction id 24 hours after it was first used. */
const rememberedMs = 20 * 3_600_000;

export async function send(parts: Parts, message: PlainMessage, signal: AbortSignal): Promise<Outcome<Sent, SendFailure>> {
  const prepared = await mediaTaken(async () => {
    await parts.media.prepare(message, signal);
    return ok(undefined);
  });
  if (!prepared.ok) return prepared;
  return parts.rooms.run(message.roomId, signal, async () => {
    const entry = await parts.journal.find(message.id, message.roomId);
    if (entry?.state === 'sent') return ok({ eventId: entry.eventId, devices: entry.devices, withheld: entry.withheld });
    if (entry?.state === 'ready') return sendAgain(parts, message, entry, signal);
    const known = await sentByFormer(parts, message, signal);
    if (known) return ok(known);
    const content = await mediaTaken(() => parts.media.fit(message, entry?.file, signal));
    if (!content.ok) return content;
    const shared = await parts.roomKeys.share(message, signal);
    if (!shared.ok) return shared;
    await parts.faults.reached('keys-shared');

    using room = new RoomId(message.roomId);
    const encrypted = asRecord(JSON.parse(await parts.engine.within('encryptRoomEvent', parts.engine.machine.encryptRoomEvent(room, message.type, JSON.stringify(content.value)))));
    parts.roomKeys.encrypted(message.roomId, encrypted);
    const ciphertext = JSON.stringify({ ...encrypted, [MARK]: message.mark });
    await parts.faults.reached('encrypted');
    await parts.journal.ready(message.id, message.roomId, ciphertext, shared.value);
    await parts.faults.reached('journalled');
    try {
      return await put(parts, message, { ciphertext, createdAt: Date.now(), ...shared.value }, signal);
    } catch (error) {
      if (error instanceof HomeserverError && error.refused) await parts.journal.refused(message.id, message.roomId);
      throw error;
    }
  });
}

/**
 * What a device that is no more, and whose journal with it, may have sent: if the room has it, it isn't encrypted again. Both times are the
 * database's, whose clock may have been set since, or be another machine's: one that seems a little younger than the device is looked for too; nothing is for a first device (`bornAt` 0).
 */
async function sentByFormer({ homeserver, options, journal, log }: Parts, { id, roomId, mark, createdAt }: PlainMessage, signal: AbortSignal): Promise<Sent | undefined> {
  if (createdAt >= options.bornAt + clockSkewMs) return undefined;
  const eventId = await findInRoom(homeserver, options.userId, roomId, { mark }, createdAt, signal);
  log({ level: 'info', code: eventId === undefined ? 'in-doubt-not-sent' : 'in-doubt-sent', id, roomId });
  if (eventId === undefined) return undefined;
  await journal.found(id, roomId, eventId);
  return { eventId, devices: 0, withheld: 0 };
}

/** The ciphertext may have arrived: it goes out as it is, with the same transaction id, so that it can't become two events. */
async function sendAgain(parts: Parts, message: PlainMessage, entry: Ready, signal: AbortSignal): Promise<Outcome<Sent, SendFailure>> {
  if (Date.now() - entry.createdAt > rememberedMs) {
    const eventId = await findInRoom(parts.homeserver, parts.options.userId, message.roomId, { ciphertext: entry.ciphertext }, entry.createdAt, signal);
    if (eventId !== undefined) {
      await parts.journal.sent(message.id, message.roomId, eventId);
      return ok({ eventId, devices: entry.devices, withheld: entry.withheld });
    }
  }
  return put(parts, message, entry, signal);
}

async function put({ homeserver, journal, pace, faults }: Parts, message: PlainMessage, { ciphertext, devices, withheld }: Ready, signal: AbortSignal): Promise<Outcome<Sent, SendFailure>> {
  const path = `client/v3/rooms/${pathOf(message.roomId)}/send/m.room.encrypted/${pathOf(message.id)}`;
  pace.sent();
  let answer: Readonly<Record<string, unknown>>;
  try {
    answer = await homeserver.json({ method: 'PUT', path, body: ciphertext, signal });
  } catch (error) {
    if (error instanceof HomeserverError && error.refused) throw new RoomRefused(error);
    throw error;
  }
  const { event_id: eventId } = answer;
  if (typeof eventId !== 'string') throw new HomeserverError(200, 'no-event-id', path);
  await faults.reached('put');
  await journal.sent(message.id, message.roomId, eventId);
  await faults.reached('marked');
  return ok({ eventId: eventId as Sent['eventId'], devices, withheld });
}

/** The homeserver said no to the event itself, not to what goes before it. */
class RoomRefused extends HomeserverError {
  constructor({ status, errcode, path, retryAfterMs }: HomeserverError) {
    super(status, errcode, path, retryAfterMs);
  }
}

async function mediaTaken<T>(work: () => Promise<Outcome<T, 'too-large'>>): Promise<Outcome<T, 'too-large'>> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof HomeserverError && (error.status === 413 || error.errcode === 'M_TOO_LARGE')) {
      return fail('too-large', "the homeserver doesn't take media of this size. Raise its max_upload_size.");
    }
    throw error;
  }
}

/** What a thrown error means for the message. Undefined: a failure of the engine or a bug. */
export function sendFailure(error: unknown): Outcome<Sent, SendFailure> | undefined {
  if (!(error instanceof HomeserverError)) return undefined;
  const { status, errcode, retryAfterMs } = error;
  const wait = { retry: true, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  // A policy server that can't check now says so with the code of a limit, under the status of a refusal.
  if (status !== 429 && errcode === 'M_LIMIT_EXCEEDED') return fail('unavailable', 'the event could not be checked by the policy server in time. It is tried again.', wait);
  if (status === 429) return fail('limited', 'the homeserver limits the courier. Set rate_limited: false in its registration.', wait);
  if (error instanceof RoomUnread) return fail('in-doubt', `it may have been sent already, and the room can't be read to see: ${status} ${errcode}. It is tried again, and not sent before.`, wait);
  if (error instanceof RoomRefused && status !== 401 && errcode !== UNKNOWN_DEVICE) {
    if (status === 413 || errcode === 'M_TOO_LARGE') return fail('too-large', 'the homeserver says that the event is too large.');
    return fail('forbidden', `the homeserver refuses the event: ${errcode}. See that the courier is in the room and may speak there.`);
  }
  return fail('unavailable', `the homeserver can't take the message now: ${errcode}. It is tried again.`, wait);
}
