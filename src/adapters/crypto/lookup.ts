/** Whether a message is in the room that may have been sent: long ago, since the homeserver forgets transaction ids after a day, or by the device before this one. */
import type { EventId, RoomId, UserId } from '../../domain/brand.ts';
import { asRecord, HomeserverError, pathOf, type Homeserver } from './homeserver.ts';

/** Clocks of two machines differ by less than this. Milliseconds. */
export const clockSkewMs = 10 * 60_000;

/** Stands beside the ciphertext, the one thing of ours that does: a pseudonym of the message's id. */
export const MARK = 'org.aceso.txn';

/** Which of our events is looked for: the one with this very ciphertext, or the one with this mark, whichever device of ours sent it. */
export type Wanted = { readonly ciphertext: string } | { readonly mark: string };

/** The event, if our user sent it since `createdAt`. Throws {@link RoomUnread} when the room can't be read to its end. */
export async function findInRoom(homeserver: Homeserver, sender: UserId, roomId: RoomId, wanted: Wanted, createdAt: number, signal: AbortSignal): Promise<EventId | undefined> {
  const isIt = 'mark' in wanted ? (content: Content) => content[MARK] === wanted.mark : sameCiphertext(wanted.ciphertext);
  const filter = JSON.stringify({ senders: [sender], types: ['m.room.encrypted'] });
  let from: string | undefined;
  for (;;) {
    const query = { dir: 'b', limit: '100', filter, ...(from === undefined ? {} : { from }) };
    const page = await homeserver.json({ method: 'GET', path: `client/v3/rooms/${pathOf(roomId)}/messages`, query, signal }).catch(unread);
    if (!Array.isArray(page['chunk'])) throw new RoomUnread(200, 'no-chunk', 'client/v3/rooms/messages');
    const events = page['chunk'].map(asRecord);
    const found = events.find((event) => isIt(asRecord(event['content'])));
    if (typeof found?.['event_id'] === 'string') return found['event_id'] as EventId;
    const tooOld = events.some((event) => Number(event['origin_server_ts']) < createdAt - clockSkewMs);
    if (tooOld || typeof page['end'] !== 'string') return undefined;
    from = page['end'];
  }
}

/** Whether the message is there isn't known. */
export class RoomUnread extends HomeserverError {}

type Content = Readonly<Record<string, unknown>>;

function sameCiphertext(text: string): (content: Content) => boolean {
  const { ciphertext } = asRecord(JSON.parse(text));
  return (content) => content['ciphertext'] === ciphertext;
}

function unread(error: unknown): never {
  throw error instanceof HomeserverError ? new RoomUnread(error.status, error.errcode, error.path, error.retryAfterMs) : error;
}
