/** The encrypted events of every room, as a homeserver has them on its disk: what was really sent, whatever clients made of it. */
import { DatabaseSync } from 'node:sqlite';
import type { Hospital } from '../support/lab.ts';

export type HistoryEvent = {
  readonly server: string;
  readonly eventId: string;
  readonly roomId: string;
  readonly sender: string;
  readonly sentAt: number;
  readonly sessionId: string;
  readonly ciphertext: string;
  /** `org.aceso.txn`: the courier's own mark of one message. */
  readonly mark?: string;
};

/** Read-only; Synapse may run. Rejected events are among them: their ciphertexts were made too. */
export function encryptedHistory(hospital: Hospital): readonly HistoryEvent[] {
  const database = new DatabaseSync(hospital.databaseFile, { readOnly: true });
  try {
    const rows = database.prepare(`SELECT json.event_id, json.json FROM event_json json JOIN events USING (event_id) WHERE events.type = 'm.room.encrypted'`).all();
    return rows.flatMap(({ event_id: eventId, json }) => eventOf(hospital.name, String(eventId), JSON.parse(String(json)) as StoredEvent));
  } finally {
    database.close();
  }
}

type StoredEvent = {
  readonly room_id: string; readonly sender: string; readonly origin_server_ts: number;
  readonly content: { readonly session_id?: unknown; readonly ciphertext?: unknown; readonly 'org.aceso.txn'?: unknown };
};

/** Nothing when it was redacted: then its content is gone. */
function eventOf(server: string, eventId: string, { room_id: roomId, sender, origin_server_ts: sentAt, content }: StoredEvent): readonly HistoryEvent[] {
  const { session_id: sessionId, ciphertext, 'org.aceso.txn': mark } = content;
  if (typeof sessionId !== 'string' || typeof ciphertext !== 'string') return [];
  return [{ server, eventId, roomId, sender, sentAt, sessionId, ciphertext, ...(typeof mark === 'string' ? { mark } : {}) }];
}
