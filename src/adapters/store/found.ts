import { sql, type Kysely } from 'kysely';
import { as, type EventId, type RoomId } from '../../domain/brand.ts';
import type { FoundEvents } from '../../ports/history.ts';
import type { Tables } from './tables.ts';

export function createFoundEvents(db: Kysely<Tables>): FoundEvents {
  return {
    async save(events) {
      if (events.length === 0) return;
      // The first one stands: should there be two, somebody looked already.
      await db.insertInto('found_event').values(events.map(({ mark, roomId, eventId, sentAt }) => ({ txn: mark, room_id: roomId, event_id: eventId, sent_at: sentAt }))).onConflict((conflict) => conflict.doNothing()).execute();
    },
    async find(mark) {
      const row = await db.selectFrom('found_event').selectAll().where('txn', '=', mark).executeTakeFirst();
      return row && { mark, roomId: as<RoomId>(row.room_id), eventId: as<EventId>(row.event_id), sentAt: as(row.sent_at) };
    },
    async count() {
      return (await db.selectFrom('found_event').select(sql<number>`count(*)`.as('n')).executeTakeFirst())?.n ?? 0;
    },
  };
}
