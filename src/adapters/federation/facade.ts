import type { Admission, Admitted, HttpHead, HttpReply, HttpRoute } from '../../ports/bridge.ts';
import { canonicalFields, hasFewValues, joined, NotCanonical, type Fields } from './canonicalJson.ts';
import type { WrittenEvent } from './event.ts';
import type { Membership } from './membership.ts';
import type { OriginKeys } from './originKeys.ts';
import type { SignAnswer } from './signing.ts';
import { isObject, type JsonObject } from './signedJson.ts';
import { isAuthentic, parseXMatrix } from './xMatrix.ts';

export type FacadeParts = {
  readonly serverName: string;
  /** Host and port that `.well-known` names. */
  readonly delegate: string;
  readonly userId: string; readonly displayName: string;
  /** Servers that may ask anything: the own homeserver and those with an agreement. */
  readonly servers: () => readonly string[];
  readonly keys: Pick<OriginKeys, 'find'>;
  readonly published: () => JsonObject;
  readonly sign: (event: WrittenEvent, origin: string) => Promise<SignAnswer>;
  readonly membership: Pick<Membership, 'invited'>;
  readonly now: () => number;
  readonly version: string;
  readonly failed: (error: unknown) => void;
  readonly refused: (refusal: { readonly code: 'no-credentials' | 'wrong-destination' | 'server-not-admitted' | 'bad-request-signature' | 'unrecognised'; readonly status: number; readonly peer: string }) => void;
};

/** An event has 64 KiB, and `unsigned` beside it. */
const EVENT_BYTES = 128 * 1024;
/** An invitation brings some of the room's state. */
const INVITATION_BYTES = 512 * 1024;
/** A transaction has 50 events and 100 EDUs. */
const TRANSACTION_BYTES = 4 * 1024 * 1024;

/** Requests are proven by a signature of their body, so that it is read before: questions to sign have room that nothing else takes. */
const MIB = 1024 * 1024;
const SIGN_ROOM = { name: 'sign', bytes: 32 * MIB, perPeer: 8 * MIB };
const OTHER_ROOM = { name: 'other', bytes: 32 * MIB, perPeer: 8 * MIB };

type Answer = { readonly status: number; readonly body: JsonObject };
type Asked = { readonly parameters: readonly string[]; readonly content: JsonObject; readonly fields: Fields; readonly origin: string; readonly query: URLSearchParams };
type Endpoint = { readonly method: string; readonly path: RegExp; readonly maxBytes?: number; readonly room?: Admitted['room']; readonly answer: (parts: FacadeParts, asked: Asked) => Answer | Promise<Answer> };

const ok = (body: JsonObject): Answer => ({ status: 200, body });
const error = (status: number, errcode: string, text: string): Answer => ({ status, body: { errcode, error: text } });
const NOT_KEPT = error(404, 'M_NOT_FOUND', 'A policy server keeps no events.');
const NO_WAY_IN = error(403, 'M_FORBIDDEN', 'A policy server lets nobody into rooms.');

/** What anybody may ask. */
const OPEN: readonly Endpoint[] = [
  { method: 'GET', path: /^\/\.well-known\/matrix\/server$/u, answer: ({ delegate }) => ok({ 'm.server': delegate }) },
  { method: 'GET', path: /^\/_matrix\/key\/v2\/server(?:\/[^/]*)?$/u, answer: ({ published }) => ok(published()) },
  { method: 'GET', path: /^\/_matrix\/federation\/v1\/version$/u, answer: ({ version }) => ok({ server: { name: 'Aceso policy server', version } }) },
];

/** What a member's server is asked, answered truly: it has one user without devices, and keeps nothing. */
const AUTHENTICATED: readonly Endpoint[] = [
  { method: 'POST', path: /^\/_matrix\/policy\/(?:v1|unstable\/org\.matrix\.msc4284)\/sign$/u, maxBytes: EVENT_BYTES, room: SIGN_ROOM, answer: ({ sign }, { content: event, fields, origin }) => sign({ event, fields }, origin) },
  { method: 'PUT', path: /^\/_matrix\/federation\/v1\/send\/[^/]+$/u, maxBytes: TRANSACTION_BYTES, answer: () => ok({ pdus: {} }) },
  { method: 'PUT', path: /^\/_matrix\/federation\/v2\/invite\/[^/]+\/[^/]+$/u, maxBytes: INVITATION_BYTES, answer: ({ membership }, { content, origin }) => membership.invited(content, origin) },
  { method: 'GET', path: /^\/_matrix\/federation\/v1\/query\/profile$/u, answer: ({ userId, displayName }, { query }) => (query.get('user_id') === userId ? ok({ displayname: displayName }) : error(404, 'M_NOT_FOUND', 'No such user.')) },
  { method: 'GET', path: /^\/_matrix\/federation\/v1\/user\/devices\/([^/]+)$/u, answer: ({ userId }, { parameters: [user] }) => (user === userId ? ok({ user_id: userId, stream_id: 1, devices: [] }) : error(404, 'M_NOT_FOUND', 'No such user.')) },
  { method: 'POST', path: /^\/_matrix\/federation\/v1\/user\/keys\/query$/u, maxBytes: INVITATION_BYTES, answer: ({ userId }, { content: { device_keys: asked } }) => ok({ device_keys: isObject(asked) && Object.hasOwn(asked, userId) ? { [userId]: {} } : {} }) },
  { method: 'POST', path: /^\/_matrix\/federation\/v1\/user\/keys\/claim$/u, maxBytes: INVITATION_BYTES, answer: () => ok({ one_time_keys: {} }) },
  { method: 'GET', path: /^\/_matrix\/federation\/v1\/(?:event|state|state_ids|event_auth|hierarchy|timestamp_to_event)\/.+$/u, answer: () => NOT_KEPT },
  { method: 'GET', path: /^\/_matrix\/federation\/v1\/query\/directory$/u, answer: () => NOT_KEPT },
  { method: 'GET', path: /^\/_matrix\/federation\/v1\/backfill\/.+$/u, answer: ({ serverName, now }) => ok({ origin: serverName, origin_server_ts: now(), pdus: [] }) },
  { method: 'POST', path: /^\/_matrix\/federation\/v1\/get_missing_events\/.+$/u, maxBytes: EVENT_BYTES, answer: () => ok({ events: [] }) },
  { method: 'GET', path: /^\/_matrix\/federation\/v1\/make_(?:join|leave|knock)\/.+$/u, answer: () => NO_WAY_IN },
  { method: 'PUT', path: /^\/_matrix\/federation\/v[12]\/send_(?:join|leave|knock)\/.+$/u, maxBytes: EVENT_BYTES, answer: () => NO_WAY_IN },
];

/** The federation API of Aceso's own server name, as far as a policy server's membership needs it (server-server API). */
export function createFacade(parts: FacadeParts): HttpRoute {
  const admit = (head: HttpHead): Admission => {
    const path = decoded(head.path);
    const open = OPEN.find((each) => each.method === head.method && each.path.test(head.path));
    if (open) return admitted({}, () => respond(parts, open, { parameters: [], content: {}, fields: NOTHING, origin: '', query: head.query }));
    const endpoint = AUTHENTICATED.find((each) => each.method === head.method && each.path.test(head.path));
    const refuse = (code: Parameters<FacadeParts['refused']>[0]['code'], answer: Answer): HttpReply => {
      parts.refused({ code, status: answer.status, peer: head.peer.address });
      return json(answer);
    };
    if (!endpoint || path === undefined) return { reply: refuse('unrecognised', error(404, 'M_UNRECOGNIZED', 'A policy server has no such endpoint.')) };
    const credentials = parseXMatrix(head.headers['authorization']);
    if (!credentials) return { reply: refuse('no-credentials', error(401, 'M_UNAUTHORIZED', 'Servers prove themselves with X-Matrix.')) };
    const { origin, destination, key: keyId } = credentials;
    if (destination !== undefined && destination !== parts.serverName) return { reply: refuse('wrong-destination', error(401, 'M_UNAUTHORIZED', `This is ${parts.serverName}.`)) };
    if (!parts.servers().includes(origin)) return { reply: refuse('server-not-admitted', error(403, 'M_FORBIDDEN', 'Your server has no agreement with this hospital. Ask its privacy office.')) };
    return admitted(endpoint, async (bytes) => {
      const unproven = (): HttpReply => refuse('bad-request-signature', error(401, 'M_UNAUTHORIZED', 'The signature of the request does not fit your server\'s keys.'));
      const key = await parts.keys.find(origin, keyId, parts.now());
      if (!key) return unproven();
      const content = parsed(bytes);
      if (content === 'not JSON') return json(error(400, 'M_NOT_JSON', 'The body is no JSON object, or holds too many values.'));
      const fields = content === undefined ? NOTHING : fieldsIn(content);
      if (!fields) return unproven();
      const request = { method: head.method, uri: head.uri ?? head.path, ...(content === undefined ? {} : { content: joined(fields) }) };
      if (!isAuthentic(request, credentials, parts.serverName, key)) return unproven();
      const [, ...parameters] = endpoint.path.exec(path) ?? [];
      return respond(parts, endpoint, { parameters, content: content ?? {}, fields, origin, query: head.query });
    });
  };
  return { prefix: '/', admit };
}

const admitted = ({ maxBytes = 0, room = OTHER_ROOM }: Pick<Endpoint, 'maxBytes' | 'room'>, take: Admitted['take']): Admission => ({ maxBytes, room, take, tooLarge: () => json(error(413, 'M_TOO_LARGE', 'The body is larger than what this may hold.')) });

async function respond(parts: FacadeParts, endpoint: Endpoint, asked: Asked): Promise<HttpReply> {
  try {
    return json(await endpoint.answer(parts, asked));
  } catch (error_) {
    parts.failed(error_);
    return json(error(500, 'M_UNKNOWN', 'The policy server failed on this: it is written in its log.'));
  }
}

const json = ({ status, body }: Answer): HttpReply => ({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

const NOTHING: Fields = new Map();

/** Undefined for what can't be what was signed. */
function fieldsIn(content: JsonObject): Fields | undefined {
  try {
    return canonicalFields(content);
  } catch (error_) {
    if (error_ instanceof NotCanonical) return undefined;
    throw error_;
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Undefined: there is none. */
function parsed(bytes: Uint8Array): JsonObject | undefined | 'not JSON' {
  if (bytes.length === 0) return undefined;
  if (!hasFewValues(bytes)) return 'not JSON';
  try {
    const value: unknown = JSON.parse(UTF8.decode(bytes));
    return isObject(value) ? value : 'not JSON';
  } catch {
    return 'not JSON';
  }
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
