import type { EventId, RoomId, UserId } from '../../domain/brand.ts';
import { viewOf, type RoomView } from '../../domain/policy/roomView.ts';
import type { RoomEvent } from '../../ports/homeserver.ts';
import type { RoomSource } from '../../ports/policyServer.ts';
import { keep } from './keep.ts';

/** Rooms as the homeserver holds them, kept in memory: the database is not asked, so that it may be away. */
export type Views = {
  /** From memory while it is young enough. Undefined: the homeserver shows the guardian no such room. */
  room(roomId: RoomId): Promise<Looked>;
  /** As the homeserver holds it after now: whatever was read before doesn't count. */
  fresh(roomId: RoomId): Promise<Looked>;
  /** Who sent an event, accepted or not. */
  sender(roomId: RoomId, eventId: EventId): Promise<UserId | undefined>;
  /** Who sent an event that the homeserver accepted. Synapse pushes to an application service what it refused, too: that something was heard of doesn't count. */
  accepted(roomId: RoomId, eventId: EventId): Promise<UserId | undefined>;
  /** The sender of an event that was let pass: the homeserver will have it in a moment. */
  passed(eventId: EventId, sender: UserId): void;
  /** What the homeserver pushed: state that changed is read again when it is needed. */
  heard(events: readonly RoomEvent[]): void;
};

/** `away`: the homeserver doesn't answer. */
export type Looked = RoomView | 'away' | undefined;

export type ViewLimits = { readonly rooms: number; readonly events: number; /** A view older than this is read again before it counts: what was pushed may have gone to another process. */ readonly agesMs: number; /** Where the homeserver doesn't answer, it counts up to this age; then nothing passes. */ readonly lastsMs: number };

type Kept = { readonly view: RoomView; readonly at: number };

export function createViews(source: RoomSource, now: () => number, limits: ViewLimits = { rooms: 20_000, events: 50_000, agesMs: 60_000, lastsMs: 300_000 }): Views {
  const kept = new Map<RoomId, Kept>();
  const reading = new Map<RoomId, { readonly begun: number; readonly done: Promise<Looked> }>();
  const senders = new Map<EventId, UserId>();
  const shown = new Map<EventId, UserId>();

  function read(roomId: RoomId): Promise<Looked> {
    const begun = now();
    const done: Promise<Looked> = source.state(roomId).then((state) => {
      if (!state.ok && state.error.retry) return 'away';
      const view = state.ok ? viewOf(state.value) : undefined;
      if (!view) kept.delete(roomId);
      // What was pushed while it was read may not be in it.
      else if (reading.get(roomId)?.done === done) keep(kept, roomId, { view, at: begun }, limits.rooms);
      return view;
    }).catch(() => 'away' as const).finally(() => { if (reading.get(roomId)?.done === done) reading.delete(roomId); });
    reading.set(roomId, { begun, done });
    return done;
  }

  async function accepted(roomId: RoomId, eventId: EventId): Promise<UserId | undefined> {
    const known = shown.get(eventId);
    if (known !== undefined) return known;
    const event = await source.event(roomId, eventId);
    if (!event.ok || event.value.event_id !== eventId) return undefined;
    keep(shown, eventId, event.value.sender, limits.events);
    return event.value.sender;
  }

  return {
    async room(roomId) {
      const known = kept.get(roomId);
      if (known && now() - known.at <= limits.agesMs) return known.view;
      const looked = await (reading.get(roomId)?.done ?? read(roomId));
      if (looked !== 'away') return looked;
      // Whether it changed while it was asked for, or is too old by now.
      const last = kept.get(roomId);
      return last && now() - last.at <= limits.lastsMs ? last.view : 'away';
    },
    async fresh(roomId) {
      const asked = now();
      // One that is under way may have begun too early; the next is shared by all who wait for it.
      await reading.get(roomId)?.done;
      const next = reading.get(roomId);
      return next && next.begun >= asked ? next.done : read(roomId);
    },
    sender: async (roomId, eventId) => senders.get(eventId) ?? accepted(roomId, eventId),
    accepted,
    passed(eventId, sender) { keep(shown, eventId, sender, limits.events); },
    heard(events) {
      for (const { event_id: id, room_id: roomId, sender, state_key: key } of events) {
        keep(senders, id, sender, limits.events);
        if (key === undefined) continue;
        kept.delete(roomId);
        reading.delete(roomId);
      }
    },
  };
}
