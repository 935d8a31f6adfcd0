import { as, type EventId, type UserId } from './brand.ts';

/** An `m.room.encrypted` event of a room (client-server API §11.12.4.5): ciphertext, and who sent it when. */
export type EncryptedEvent = {
  readonly event_id: EventId;
  readonly sender: UserId;
  readonly origin_server_ts: number;
  readonly type: 'm.room.encrypted';
  readonly content: Readonly<Record<string, unknown>>;
};

/** The events that a reply, message of a thread, edit or annotation is about, the nearest first (client-server API §11.10). */
export function relatedTo(content: unknown): readonly EventId[] {
  const relation = child(content, 'm.relates_to');
  const targets = [child(child(relation, 'm.in_reply_to'), 'event_id'), child(relation, 'event_id')];
  return targets.filter((target) => typeof target === 'string').map((target) => as<EventId>(target));
}

const child = (value: unknown, name: string): unknown => (typeof value === 'object' && value !== null && name in value ? (value as Record<string, unknown>)[name] : undefined);
