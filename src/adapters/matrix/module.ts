import { createHash, timingSafeEqual } from 'node:crypto';
import { as, type RoomId, type UserId } from '../../domain/brand.ts';
import type { Pdu } from '../../domain/policy/admit.ts';
import type { LocalRoom } from '../../domain/policy/local.ts';
import type { RoomWish } from '../../domain/policy/ownRoom.ts';
import type { Verdict } from '../../domain/policy/verdict.ts';
import type { Admission, HttpHead, HttpReply, HttpRoute } from '../../ports/bridge.ts';

/** What the module in the homeserver asks (docker/synapse, docs/synapse-module.md). */
export type ModuleQuestion =
  | { readonly about: 'create-room'; readonly user: UserId; readonly wish: RoomWish }
  | { readonly about: 'event'; readonly roomId: RoomId; readonly pdu: Pdu; readonly bytes: number; readonly room: LocalRoom }
  | { readonly about: 'invite-in'; readonly user: UserId }
  | { readonly about: 'publish'; readonly user: UserId; readonly isOfTemplate: boolean }
  | { readonly about: 'join' | 'alias'; readonly user: UserId };

export type ModuleAnswer = { readonly verdict: Verdict; readonly room?: RoomWish };

export type ModuleOptions = {
  readonly token: string;
  readonly answer: (question: ModuleQuestion) => Promise<ModuleAnswer>;
  readonly failed: (error: unknown) => void;
  /** Told of what is refused before it is understood. */
  readonly refused: (refusal: { readonly code: 'wrong-token' | 'unrecognised'; readonly status: number; readonly peer: string }) => void;
};

/** An event has 64 KiB; a wish for a room may have many in it. */
const MAX_BYTES = 512 * 1024;

/** Beside the application service's own endpoints, on the same listener: the homeserver is at the other end of both. */
export function createModuleRoutes({ token, answer, failed, refused }: ModuleOptions): HttpRoute {
  return {
    prefix: '/_aceso/module/v1',
    admit(head): Admission {
      const refuse = (code: 'wrong-token' | 'unrecognised', status: number): HttpReply => { refused({ code, status, peer: head.peer.address }); return json(status, { error: code }); };
      if (!mayEnter(head, token)) return { reply: refuse('wrong-token', 401) };
      if (head.method !== 'POST') return { reply: refuse('unrecognised', 404) };
      return {
        maxBytes: MAX_BYTES,
        tooLarge: () => refuse('unrecognised', 413),
        async take(bytes) {
          const question = questionOf(head.path.slice(1), parsed(bytes));
          if (!question) return refuse('unrecognised', 400);
          try {
            return json(200, said(await answer(question)));
          } catch (error) {
            // No answer: the module refuses.
            failed(error);
            return json(503, { error: 'unavailable' });
          }
        },
      };
    },
  };
}

const json = (status: number, body: unknown): HttpReply => ({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

const NO_RULE = 'No rule of this hospital allows it. Ask your IT department or the privacy office.';

function said({ verdict: { allowed, rules, revision, message }, room }: ModuleAnswer): object {
  const rule = rules.join(' ') || 'default-deny';
  return allowed ? { allowed, rule, revision, ...(room === undefined ? {} : { room }) } : { allowed, rule, revision, error: message === '' ? NO_RULE : message };
}

/** Compares digests, so that neither length nor content of the token shows in the time it takes. */
function mayEnter({ headers }: HttpHead, token: string): boolean {
  const digest = (text: string): Uint8Array => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(/^Bearer (.+)$/u.exec(headers['authorization'] ?? '')?.[1] ?? ''), digest(token));
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

type JsonObject = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
const isUserId = (value: unknown): value is UserId => typeof value === 'string' && /^@[^:\s]*:\S+$/u.test(value);

/** Undefined for what is none: the module and Aceso are not of the same version. */
function questionOf(about: string, body: unknown): ModuleQuestion | undefined {
  if (!isObject(body)) return undefined;
  const { user, room, event, sender, template } = body;
  switch (about) {
    case 'create-room': return isUserId(user) && isObject(room) ? { about, user, wish: room } : undefined;
    case 'event': return eventQuestion(event, room);
    case 'invite-in': return isUserId(sender) ? { about, user: sender } : undefined;
    case 'publish': return isUserId(user) && typeof template === 'boolean' ? { about, user, isOfTemplate: template } : undefined;
    case 'join': case 'alias': return isUserId(user) ? { about, user } : undefined;
    default: return undefined;
  }
}

function eventQuestion(event: unknown, room: unknown): ModuleQuestion | undefined {
  if (!isObject(event) || !isObject(room)) return undefined;
  const { room_id: roomId, type, sender, state_key: key, origin_server_ts: at, content, redacts } = event;
  if (typeof roomId !== 'string' || typeof type !== 'string' || !isUserId(sender) || typeof at !== 'number' || !isObject(content) || (key !== undefined && typeof key !== 'string')) return undefined;
  const held = roomOf(room);
  if (!held) return undefined;
  const pdu: Pdu = { type, sender, content, origin_server_ts: at, ...(key === undefined ? {} : { state_key: key }), ...(redacts === undefined ? {} : { redacts }) };
  return { about: 'event', roomId: as<RoomId>(roomId), pdu, bytes: Buffer.byteLength(JSON.stringify(event)), room: held };
}

function roomOf({ version, creator, template, members }: JsonObject): LocalRoom | undefined {
  if (typeof version !== 'string' || !isObject(members)) return undefined;
  const known = isObject(template) && typeof template['sender'] === 'string' && isObject(template['content']) ? { sender: template['sender'], content: template['content'] } : undefined;
  // One that can't be read is no room without a template: that would let everything pass.
  if (known === undefined && template !== null) return undefined;
  return {
    version, template: known, creator: typeof creator === 'string' ? creator : undefined,
    members: new Map(Object.entries(members).flatMap(([user, member]) => (isObject(member) && typeof member['membership'] === 'string' && isUserId(member['by']) ? [[user, { membership: member['membership'], by: member['by'] }] as const] : []))),
  };
}
