/**
 * What became of each outgoing message, in the same file as the keys: ciphertext is written here, durably, before it leaves, so that
 * after any crash the same ciphertext goes out again and no message index encrypts two plaintexts. No row holds PHI: the ciphertext is
 * Megolm's, and what opens uploaded media is sealed.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { EventId } from '../../domain/brand.ts';
import { subkey, type Store } from './store.ts';

/** `media`: the attachment is uploaded. `ready`: encrypted; whether it was sent isn't known. `sent`: it is an event. */
export type Entry =
  | { readonly state: 'media'; readonly file: string }
  | { readonly state: 'ready'; readonly ciphertext: string; readonly createdAt: number; readonly devices: number; readonly withheld: number }
  | { readonly state: 'sent'; readonly eventId: EventId; readonly devices: number; readonly withheld: number };

export type Journal = {
  /** Of this room alone: when the recipient got another room, what was encrypted for the former one must not go there. */
  find(id: string, roomId: string): Promise<Entry | undefined>;
  /** `file` is the EncryptedFile object as JSON; it is sealed here. What was encrypted or sent meanwhile stays so: uploads of one message may overlap. */
  media(id: string, roomId: string, file: string): Promise<void>;
  ready(id: string, roomId: string, ciphertext: string, reached: { readonly devices: number; readonly withheld: number }): Promise<void>;
  /** In this room: an answer that comes late is nothing to a message that was encrypted for another room since. */
  sent(id: string, roomId: string, eventId: string): Promise<void>;
  /** An earlier device sent it. */
  found(id: string, roomId: string, eventId: string): Promise<void>;
  /** The homeserver refused it in this room, so there is no such event, and its ciphertext may be forgotten. */
  refused(id: string, roomId: string): Promise<void>;
  /** Forgets what was sent, or only uploaded, before `before` (milliseconds since the epoch); gives how many. A ciphertext that isn't known to be sent stays. */
  prune(before: number): Promise<number>;
};

export function createJournal(store: Store, storeKey: Uint8Array): Journal {
  const key = subkey(storeKey, 'media');
  const statements = new Map<string, StatementSync>();
  /** For each message the same few: they stay prepared for as long as the file is open. */
  const prepared = (sql: DatabaseSync, text: string): StatementSync => {
    const known = statements.get(text) ?? sql.prepare(text);
    statements.set(text, known);
    return known;
  };
  return {
    async find(id, roomId) {
      const row = await store.read((sql) => prepared(sql, 'SELECT state, media, ciphertext, created_at, devices, withheld, event_id FROM courier_message WHERE id = ? AND room_id = ?').get(id, roomId));
      if (!row) return undefined;
      const reached = { devices: Number(row['devices'] ?? 0), withheld: Number(row['withheld'] ?? 0) };
      const { media, ciphertext, event_id: eventId } = row;
      if (row['state'] === 'sent' && typeof eventId === 'string') return { state: 'sent', eventId: eventId as EventId, ...reached };
      if (row['state'] === 'ready' && typeof ciphertext === 'string') return { state: 'ready', ciphertext, createdAt: Number(row['created_at']), ...reached };
      if (row['state'] === 'media' && media instanceof Uint8Array) return { state: 'media', file: open(key, id, media) };
      throw new Error(`the journal's row of ${id} isn't whole`);
    },
    async media(id, roomId, file) {
      await store.durable((sql) => sql.prepare(`INSERT INTO courier_message (id, room_id, state, created_at, media) VALUES (?, ?, 'media', ?, ?)
        ON CONFLICT (id) DO UPDATE SET room_id = excluded.room_id, state = 'media', media = excluded.media, ciphertext = NULL
          WHERE courier_message.state = 'media' OR courier_message.room_id <> excluded.room_id`).run(id, roomId, Date.now(), seal(key, id, file)));
    },
    async ready(id, roomId, ciphertext, { devices, withheld }) {
      await store.durable((sql) => prepared(sql, `INSERT INTO courier_message (id, room_id, state, created_at, ciphertext, devices, withheld) VALUES (?, ?, 'ready', ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET room_id = excluded.room_id, state = 'ready', created_at = excluded.created_at, ciphertext = excluded.ciphertext, devices = excluded.devices, withheld = excluded.withheld`).run(id, roomId, Date.now(), ciphertext, devices, withheld));
    },
    async sent(id, roomId, eventId) {
      // Lost with the machine's power, the same ciphertext goes out once more under the same transaction id, and gives the same event.
      await store.noted((sql) => prepared(sql, "UPDATE courier_message SET state = 'sent', event_id = ?, sent_at = ?, ciphertext = NULL, media = NULL WHERE id = ? AND room_id = ?").run(eventId, Date.now(), id, roomId));
    },
    async found(id, roomId, eventId) {
      await store.durable((sql) => sql.prepare(`INSERT OR REPLACE INTO courier_message (id, room_id, state, created_at, devices, withheld, event_id, sent_at) VALUES (?, ?, 'sent', ?, 0, 0, ?, ?)`).run(id, roomId, Date.now(), eventId, Date.now()));
    },
    async refused(id, roomId) {
      await store.durable((sql) => {
        sql.prepare("UPDATE courier_message SET state = 'media', ciphertext = NULL WHERE id = ? AND room_id = ? AND media IS NOT NULL").run(id, roomId);
        sql.prepare("DELETE FROM courier_message WHERE id = ? AND room_id = ? AND state = 'ready'").run(id, roomId);
      });
    },
    // An upload that nothing was sent with is made again if it is needed after all. A ciphertext in doubt stays, however old.
    prune: (before) => store.durable((sql) => Number(sql.prepare("DELETE FROM courier_message WHERE (state = 'sent' AND sent_at < ?) OR (state = 'media' AND created_at < ?)").run(before, before).changes)),
  };
}

/** AES-256-GCM: nonce, tag, ciphertext; bound to the message's id. */
function seal(key: Uint8Array, id: string, plain: string): Uint8Array {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(id));
  const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

function open(key: Uint8Array, id: string, sealed: Uint8Array): string {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12)).setAAD(Buffer.from(id)).setAuthTag(sealed.subarray(12, 28));
  return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString('utf8');
}
