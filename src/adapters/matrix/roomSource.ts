import { Method } from 'matrix-js-sdk/lib/http-api/index.js';
import { as, type UserId } from '../../domain/brand.ts';
import { fail, ok } from '../../domain/outcome.ts';
import type { RoomSource } from '../../ports/policyServer.ts';
import { apiFor, type HomeserverOptions } from './api.ts';
import { isRoomEvent } from './appservice.ts';
import { attempt } from './errors.ts';

/** Rooms as the guardian sees them (client-server API, `/rooms/{roomId}/state`, `/event`). Asked while somebody waits to send: short. */
export function createRoomSource(options: HomeserverOptions): RoomSource {
  const api = apiFor({ ...options, timeoutMs: 5000 }, as<UserId>(`@${options.guardianLocalpart}:${options.serverName}`));
  const encode = encodeURIComponent;
  return {
    async state(roomId) {
      const state = await attempt('read the state of a room', () => api.authedRequest<readonly unknown[]>(Method.Get, `/rooms/${encode(roomId)}/state`));
      return state.ok ? ok(state.value.map((event) => ({ room_id: roomId, ...(event as object) })).filter(isRoomEvent)) : state;
    },
    async event(roomId, eventId) {
      const event = await attempt('read an event', () => api.authedRequest<unknown>(Method.Get, `/rooms/${encode(roomId)}/event/${encode(eventId)}`));
      if (!event.ok) return event;
      return isRoomEvent(event.value) ? ok(event.value) : fail('invalid', 'read an event: the answer is none');
    },
  };
}
