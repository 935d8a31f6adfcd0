import { Method } from 'matrix-js-sdk/lib/http-api/index.js';
import { as, type RoomId, type UserId } from '../../domain/brand.ts';
import { ok, type Outcome } from '../../domain/outcome.ts';
import type { History } from '../../ports/history.ts';
import type { HomeserverFailure, RoomEvent } from '../../ports/homeserver.ts';
import { apiFor, type HomeserverOptions } from './api.ts';
import { isRoomEvent, receiptsOf } from './appservice.ts';
import { attempt } from './errors.ts';

type Page = { readonly chunk?: readonly unknown[]; readonly end?: string };

type Synced = { readonly rooms?: { readonly join?: Readonly<Record<string, { readonly ephemeral?: { readonly events?: readonly object[] } }>> } };

const PAGE = '100';

/**
 * The guardian's view of its rooms, over the client-server API (`/joined_rooms`, `/messages`, `/members`). Receipts come with a `/sync` only, and
 * Synapse serves none to a user without a device: they are read as the courier. A sync that says nothing of an earlier one takes nothing from it.
 */
export function createHistory(options: HomeserverOptions, courierDevice: () => Promise<string>): History {
  const api = apiFor(options, as<UserId>(`@${options.guardianLocalpart}:${options.serverName}`));
  const asCourier = apiFor(options, as<UserId>(`@${options.courierLocalpart}:${options.serverName}`));
  const get = <T>(what: string, path: string, query: Readonly<Record<string, string>> = {}): Promise<Outcome<T, HomeserverFailure>> => attempt(what, () => api.authedRequest<T>(Method.Get, path, query));
  const page = (roomId: RoomId, dir: 'b' | 'f', from?: string): Promise<Outcome<Page, HomeserverFailure>> =>
    get('read a room', `/rooms/${encodeURIComponent(roomId)}/messages`, { dir, limit: PAGE, ...(from === undefined ? {} : { from }) });
  const eventsIn = (roomId: RoomId, chunk: readonly unknown[] = []): readonly RoomEvent[] => chunk.map((event) => ({ room_id: roomId, ...(event as object) })).filter(isRoomEvent);

  return {
    async rooms() {
      const joined = await get<{ readonly joined_rooms: readonly string[] }>('ask for the guardian\'s rooms', '/joined_rooms');
      return joined.ok ? ok(joined.value.joined_rooms.map((roomId) => as<RoomId>(roomId))) : joined;
    },

    /** Back to the beginning of what is wanted, keeping only where each page ended; then forward again: memory stays bounded. */
    async since(roomId, since, take) {
      let start: string | undefined;
      for (let from: string | undefined; ;) {
        const back = await page(roomId, 'b', from);
        if (!back.ok) return back;
        start = back.value.end;
        const events = eventsIn(roomId, back.value.chunk);
        // A partner's clock may be wrong: one old event alone says nothing.
        if (back.value.end === undefined || (events.length > 0 && events.every(({ origin_server_ts: at }) => at < since))) break;
        from = back.value.end;
      }
      let count = 0;
      for (let from = start; ;) {
        const on = await page(roomId, 'f', from);
        if (!on.ok) return on;
        const events = eventsIn(roomId, on.value.chunk);
        await take(events);
        count += events.length;
        if (on.value.end === undefined || events.length === 0) return ok(count);
        from = on.value.end;
      }
    },

    async members(roomId) {
      const members = await get<Page>('read the members of a room', `/rooms/${encodeURIComponent(roomId)}/members`);
      return members.ok ? ok(eventsIn(roomId, members.value.chunk)) : members;
    },

    async receipts(roomIds) {
      const nothing = { types: [] as readonly string[] };
      const filter = { presence: nothing, account_data: nothing, room: { rooms: roomIds, ephemeral: { types: ['m.receipt'] }, state: nothing, account_data: nothing, timeline: { limit: 1 } } };
      const query = { filter: JSON.stringify(filter), timeout: '0', device_id: await courierDevice() };
      const synced = await attempt('read the receipts', () => asCourier.authedRequest<Synced>(Method.Get, '/sync', query));
      if (!synced.ok) return synced;
      return ok(Object.entries(synced.value.rooms?.join ?? {}).flatMap(([roomId, { ephemeral }]) => (ephemeral?.events ?? []).flatMap((edu) => receiptsOf({ ...edu, room_id: roomId }))));
    },
  };
}
