/** Whether a ciphertext that was sent long ago is in the room: the homeserver forgets transaction ids after a day. */
import type { EventId, RoomId, UserId } from '../../domain/brand.ts';
import { asArray, asRecord, pathOf, type Homeserver } from './homeserver.ts';

/** Clocks of two machines differ by less than this. */
const clockSkewMs = 10 * 60_000;

/** The event with this very ciphertext, if our user sent it since `createdAt`. Throws a HomeserverError when the room can't be read. */
export async function findInRoom(homeserver: Homeserver, sender: UserId, roomId: RoomId, ciphertext: string, createdAt: number, signal: AbortSignal): Promise<EventId | undefined> {
  const wanted = asRecord(JSON.parse(ciphertext))['ciphertext'];
  const filter = JSON.stringify({ senders: [sender], types: ['m.room.encrypted'] });
  let from: string | undefined;
  for (;;) {
    const query = { dir: 'b', limit: '100', filter, ...(from === undefined ? {} : { from }) };
    const page = await homeserver.json({ method: 'GET', path: `client/v3/rooms/${pathOf(roomId)}/messages`, query, signal });
    const events = asArray(page['chunk']).map(asRecord);
    const found = events.find((event) => asRecord(event['content'])['ciphertext'] === wanted);
    if (typeof found?.['event_id'] === 'string') return found['event_id'] as EventId;
    const tooOld = events.some((event) => Number(event['origin_server_ts']) < createdAt - clockSkewMs);
    if (tooOld || typeof page['end'] !== 'string') return undefined;
    from = page['end'];
  }
}
