import { createHash, timingSafeEqual } from 'node:crypto';
import { as, type EventId, type Millis, type RoomId, type UserId } from '../../domain/brand.ts';
import type { Admission, HttpHead, HttpReply, HttpRoute } from '../../ports/bridge.ts';
import type { MatrixTransaction, ReadReceipt, RoomEvent } from '../../ports/homeserver.ts';

export type AppserviceOptions = {
  readonly hsToken: string;
  /** Resolves once the transaction is committed; a rejection makes the homeserver send it again. */
  readonly take: (transaction: MatrixTransaction) => Promise<void>;
  readonly isOurs: (userOrAlias: string) => boolean;
  readonly failed: (error: unknown) => void;
  /** Told of what is refused before it is read. */
  readonly refused?: (refusal: { readonly code: 'wrong-token' | 'unrecognised'; readonly status: number; readonly peer: string }) => void;
};

const PREFIX = '/_matrix/app/v1';
const MAX_BYTES = 100 * 70 * 1024;

const json = (status: number, body: unknown): HttpReply => ({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
const refusal = (status: number, errcode: string, error: string): HttpReply => json(status, { errcode, error });

/** The application service API, as the homeserver calls it (application service API v1: transactions, users, rooms, ping). */
export function createAppserviceRoutes({ hsToken, take, isOurs, failed, refused }: AppserviceOptions): HttpRoute {
  const decide = (head: HttpHead): Admission => {
    if (!mayEnter(head, hsToken)) return { reply: refusal(head.headers['authorization'] === undefined ? 401 : 403, 'M_FORBIDDEN', 'This token is not the hs_token of the registration.') };
    const [, area = '', name = ''] = head.path.startsWith(`${PREFIX}/`) ? head.path.slice(PREFIX.length).split('/').map(decode) : [];
    if (area === 'transactions' && head.method === 'PUT' && name !== '') return body(async (content) => takeTransaction(content, take, failed));
    if (area === 'ping' && head.method === 'POST') return body(async () => json(200, {}));
    if ((area === 'users' || area === 'rooms') && head.method === 'GET') return { reply: isOurs(name) ? json(200, {}) : refusal(404, 'M_NOT_FOUND', 'Not one of Aceso.') };
    return { reply: refusal(404, 'M_UNRECOGNIZED', 'Not an endpoint of the application service API.') };
  };
  return {
    // The whole door: whatever else is asked for is refused in the protocol's form too.
    prefix: '/',
    admit(head) {
      const admission = decide(head);
      const status = 'reply' in admission ? admission.reply.status : 200;
      if (status >= 400) refused?.({ code: status < 404 ? 'wrong-token' : 'unrecognised', status, peer: head.peer.address });
      return admission;
    },
  };
}

const body = (takeBody: (content: unknown) => Promise<HttpReply>): Admission => ({
  maxBytes: MAX_BYTES,
  tooLarge: () => refusal(413, 'M_TOO_LARGE', 'A transaction of 100 events is smaller than this.'),
  async take(bytes) {
    let content: unknown;
    try {
      content = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch {
      return refusal(400, 'M_NOT_JSON', 'The body is not JSON.');
    }
    return takeBody(content);
  },
});

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}

/** Compares digests, so that neither length nor content of the token shows in the time it takes. */
function mayEnter({ headers }: HttpHead, hsToken: string): boolean {
  const given = /^Bearer (.+)$/u.exec(headers['authorization'] ?? '')?.[1] ?? '';
  const digest = (text: string): Uint8Array => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(hsToken));
}

async function takeTransaction(content: unknown, take: AppserviceOptions['take'], failed: AppserviceOptions['failed']): Promise<HttpReply> {
  const transaction = transactionOf(content);
  if (!transaction) return refusal(400, 'M_BAD_JSON', '`events` is not a list.');
  try {
    await take(transaction);
    return json(200, {});
  } catch (error) {
    failed(error);
    return refusal(503, 'M_UNKNOWN', 'Not stored: send it again.');
  }
}

/** Takes what has the shape of an event and leaves the rest: one odd event must not stop the others. */
function transactionOf(content: unknown): MatrixTransaction | undefined {
  if (!isObject(content) || !Array.isArray(content['events'])) return undefined;
  const ephemeral = content['ephemeral'] ?? content['de.sorunome.msc2409.ephemeral'];
  return { events: content['events'].filter(isRoomEvent), ephemeral: (Array.isArray(ephemeral) ? (ephemeral as readonly unknown[]) : []).flatMap(receiptsOf) };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

export const isRoomEvent = (value: unknown): value is RoomEvent =>
  isObject(value) && ['event_id', 'room_id', 'sender', 'type'].every((name) => typeof value[name] === 'string') && typeof value['origin_server_ts'] === 'number' && isObject(value['content']);

/** `m.receipt`: event id → receipt type → user → { ts } (client-server API §11.5). */
export function receiptsOf(edu: unknown): MatrixTransaction['ephemeral'] {
  if (!isObject(edu) || edu['type'] !== 'm.receipt' || typeof edu['room_id'] !== 'string' || !isObject(edu['content'])) return [];
  const receipts: ReadReceipt[] = [];
  for (const [eventId, kinds] of Object.entries(edu['content'])) {
    const read = isObject(kinds) ? kinds['m.read'] : undefined;
    if (!isObject(read)) continue;
    for (const [userId, receipt] of Object.entries(read)) {
      const ts = isObject(receipt) ? receipt['ts'] : undefined;
      receipts.push({ eventId: as<EventId>(eventId), userId: as<UserId>(userId), at: as<Millis>(typeof ts === 'number' ? ts : 0) });
    }
  }
  return [{ room_id: as<RoomId>(edu['room_id']), receipts }];
}
