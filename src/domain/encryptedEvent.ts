import type { EventId, UserId } from './brand.ts';

/** An `m.room.encrypted` event of a room (client-server API §11.12.4.5): ciphertext, and who sent it when. */
export type EncryptedEvent = {
  readonly event_id: EventId;
  readonly sender: UserId;
  readonly origin_server_ts: number;
  readonly type: 'm.room.encrypted';
  readonly content: Readonly<Record<string, unknown>>;
};
