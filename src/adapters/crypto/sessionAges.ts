/**
 * How long a room's session still holds, by what this device has seen of it: then the engine need not be asked before the next message, which
 * is most of what a message costs it (docs/benchmarks.md). The engine panics on a session that is over, so what isn't known for sure
 * doesn't hold: a session of before this thread began is left to the engine until the next one follows it.
 */
import type { RoomId } from '../../domain/brand.ts';
import { asRecord } from './homeserver.ts';
import type { PlainMessage } from './protocol.ts';

export type SessionAges = {
  /** The engine is about to be asked to share the room's session; it may make a new one. */
  asked(roomId: RoomId, now: number): void;
  /** It gave so many requests. */
  shared(roomId: RoomId, requests: number): void;
  /** The content of the event that it encrypted after that. */
  encrypted(roomId: RoomId, content: unknown): void;
  /** Whether one more message may be encrypted with it. `now`: milliseconds since the epoch, by the clock that the engine goes by. */
  holds(roomId: RoomId, rotation: PlainMessage['rotation'], now: number): boolean;
};

type Session = { readonly id: string; /** Not made before this. */ readonly madeAt: number; readonly messages: number };

/** The engine counts in seconds, and its session is over a moment before the message is encrypted with it. */
const MARGIN_MS = 60_000;

export function createSessionAges(): SessionAges {
  const sessions = new Map<RoomId, Session>();
  /** Since the last encryption: when the engine was asked first, and whether it had anything to send. */
  const asks = new Map<RoomId, { readonly since: number; requests: number }>();
  return {
    asked(roomId, now) {
      if (!asks.has(roomId)) asks.set(roomId, { since: now, requests: 0 });
    },
    shared(roomId, requests) {
      const ask = asks.get(roomId);
      if (ask) ask.requests += requests;
    },
    encrypted(roomId, content) {
      const ask = asks.get(roomId);
      asks.delete(roomId);
      const { session_id: id, ciphertext } = asRecord(content);
      const index = typeof ciphertext === 'string' ? indexOf(ciphertext) : undefined;
      const known = sessions.get(roomId);
      sessions.delete(roomId);
      if (typeof id !== 'string' || index === undefined) return;
      if (known?.id === id) sessions.set(roomId, { ...known, messages: index + 1 });
      // One that was new to its devices, and is used for the first time, was made when the engine was asked.
      else if (index === 0 && ask && ask.requests > 0) sessions.set(roomId, { id, madeAt: ask.since, messages: 1 });
    },
    holds(roomId, { periodMs, messages }, now) {
      const session = sessions.get(roomId);
      return session !== undefined && session.messages < messages && now >= session.madeAt && now < session.madeAt + periodMs - MARGIN_MS;
    },
  };
}

/** The index of a Megolm message: after its version, field 1, a variable-length integer (Megolm specification, "Message format"). */
function indexOf(ciphertext: string): number | undefined {
  const bytes = Buffer.from(ciphertext.slice(0, 16), 'base64');
  if (bytes[0] !== 3 || bytes[1] !== 0x08) return undefined;
  let index = 0;
  for (const [place, byte] of bytes.subarray(2, 7).entries()) {
    index += (byte & 0x7f) * 2 ** (7 * place);
    if (byte < 0x80) return index;
  }
  return undefined;
}
