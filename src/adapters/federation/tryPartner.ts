import { randomBytes } from 'node:crypto';
import { as, type EventId, type Millis, type RoomId } from '../../domain/brand.ts';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import { findServer } from './discovery.ts';
import { createClient, type Answer, type Ask } from './client.ts';
import { publicKeyOf, type Signer } from './ed25519.ts';
import { eventIdOf, isRoomVersion, ROOM_VERSIONS, signableBytes, signedEvent } from './event.ts';
import { isObject, isObjectSignedBy, keyIdsIn, type JsonObject } from './signedJson.ts';
import { xMatrix } from './xMatrix.ts';

export type TryParts = { readonly partner: string; readonly ca?: Buffer | undefined; readonly serverName: string; readonly userId: string; readonly signingKeyId: string; readonly signing: Signer; readonly now: () => Millis };

type Failure = 'unavailable' | 'refused';
type Tried<T> = Promise<Outcome<T, Failure>>;

/** A partner's homeserver, asked by the policy server as the server it is. For `aceso partner check` alone: nothing else calls other servers than our own homeserver. */
export type PartnerTrial = {
  /** Name and version of its software, as it says. */
  version(): Tried<string>;
  /** Whether the keys that it publishes are its own: signed by themselves, for this name, still valid. */
  keys(): Tried<'good'>;
  /** An event as it gives it out; undefined when it has none. */
  event(eventId: EventId): Tried<JsonObject | undefined>;
  /** The devices of one of its people for which it gives a key to encrypt with, of all that they have. */
  devices(userId: string): Tried<{ readonly all: number; readonly usable: number }>;
  /** Sends it an empty event that the policy server didn't sign and won't: whether it is asked about is the trial. `stand`: the events that allow it, by their ids. To be tried again while it has only half joined. */
  sendUnsigned(roomId: RoomId, stand: readonly EventId[]): Tried<EventId>;
  close(): void;
};

const WITHIN_MS = 15_000;
const MOST_DEVICES = 20;

export async function tryPartner({ partner, ca, serverName, userId, signingKeyId, signing, now }: TryParts): Promise<PartnerTrial> {
  const { url, host } = await findServer(partner, ca);
  const { ask, close } = createClient(url, { ca, host, advice: `${partner} is looked for there; its administrators, DNS and firewalls know more` });
  const get: (uri: string) => ReturnType<Ask> = (uri) => ask('GET', uri, { withinMs: WITHIN_MS });
  const call = (method: string, uri: string, content?: JsonObject): ReturnType<Ask> =>
    ask(method, uri, { withinMs: WITHIN_MS, authorization: xMatrix({ method, uri, ...(content === undefined ? {} : { content }) }, serverName, partner, signingKeyId, signing), ...(content === undefined ? {} : { content }) });

  return {
    async version() {
      const answer = taken('asked for its version', await get('/_matrix/federation/v1/version'));
      if (!answer.ok) return answer;
      const server = isObject(answer.value['server']) ? answer.value['server'] : {};
      return ok(`${plain(server['name'])} ${plain(server['version'])}`);
    },
    async keys() {
      const answer = taken('asked for its keys', await get('/_matrix/key/v2/server'));
      if (!answer.ok) return answer;
      const { server_name: name, valid_until_ts: until, verify_keys: current } = answer.value;
      if (name !== partner) return fail('refused', 'its keys are for another server name');
      if (typeof until !== 'number' || until < now()) return fail('refused', 'its keys are valid no more: is its clock right?');
      const isOwn = isObject(current) && keyIdsIn(answer.value, partner).some((id) => { const each = current[id]; const key = isObject(each) ? publicKeyOf(each['key']) : undefined; return key !== undefined && isObjectSignedBy(answer.value, partner, id, key); });
      return isOwn ? ok('good') : fail('refused', 'its keys are not signed by themselves');
    },
    async event(eventId) {
      const answer = await call('GET', `/_matrix/federation/v1/event/${encodeURIComponent(eventId)}`);
      if (answer.ok && (answer.value.status === 404 || answer.value.status === 403)) return ok(undefined);
      const body = taken('asked for an event', answer);
      if (!body.ok) return body;
      const { pdus } = body.value;
      return ok(Array.isArray(pdus) && isObject(pdus[0]) ? pdus[0] : undefined);
    },
    async devices(user) {
      const answer = taken('asked for devices', await call('POST', '/_matrix/federation/v1/user/keys/query', { device_keys: { [user]: [] } }));
      if (!answer.ok) return answer;
      const devices = Object.keys(valueIn(answer.value['device_keys'], user)).slice(0, MOST_DEVICES);
      if (devices.length === 0) return ok({ all: 0, usable: 0 });
      const claimed = taken('asked for one-time keys', await call('POST', '/_matrix/federation/v1/user/keys/claim', { one_time_keys: { [user]: Object.fromEntries(devices.map((device) => [device, 'signed_curve25519'])) } }));
      if (!claimed.ok) return claimed;
      const given = valueIn(claimed.value['one_time_keys'], user);
      return ok({ all: devices.length, usable: devices.filter((device) => Object.keys(valueIn(given, device)).length > 0).length });
    },
    async sendUnsigned(roomId, stand) {
      const offered = taken('asked where an event would stand', await call('GET', `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(userId)}?${ROOM_VERSIONS.map((version) => `ver=${version}`).join('&')}`));
      if (!offered.ok) return offered;
      const { room_version: version, event } = offered.value;
      if (!isRoomVersion(version) || !isObject(event)) return fail('refused', 'it doesn\'t say where an event would stand');
      const pdu = signedEvent(version, { type: 'org.aceso.probe', room_id: roomId, sender: userId, content: {}, prev_events: event['prev_events'], auth_events: stand, depth: event['depth'], origin_server_ts: now() }, serverName, signingKeyId, signing);
      const sent = taken('sent an event', await call('PUT', `/_matrix/federation/v1/send/${randomBytes(8).toString('hex')}`, { origin: serverName, origin_server_ts: now(), pdus: [pdu], edus: [] }));
      return sent.ok ? ok(as<EventId>(eventIdOf(signableBytes(version, pdu)))) : sent;
    },
    close,
  };
}

/** Its texts are left out: they may quote what was sent. */
function taken(what: string, answer: Outcome<Answer, 'unavailable'>): Outcome<JsonObject, Failure> {
  if (!answer.ok) return answer;
  const { status, body } = answer.value;
  return status === 200 ? ok(body) : fail('refused', `${what}, it answered ${status} ${plain(body['errcode'])}`, { retry: status === 404 || status === 429 });
}

const plain = (value: unknown): string => (typeof value === 'string' ? value.replaceAll(/[^\w .:+()/-]/gu, '').slice(0, 60) : '');
const valueIn = (value: unknown, key: string): JsonObject => { const found = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined; return isObject(found) ? found : {}; };
