import { as, isRoomId, type EventId, type RoomId, type UserId } from '../../domain/brand.ts';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import { serverOf } from '../../domain/people/party.ts';
import type { HomeserverFailure } from '../../ports/homeserver.ts';
import { canonicalFields } from './canonicalJson.ts';
import type { Answer, Ask } from './client.ts';
import { contentHash, eventIdOf, isHashRight, isRoomVersion, ROOM_VERSIONS, signableBytes, signedEvent } from './event.ts';
import { isSignedBy, type Signer } from './ed25519.ts';
import type { OriginKeys } from './originKeys.ts';
import { isObject, keyIdsIn, signatureIn, type JsonObject } from './signedJson.ts';
import { xMatrix, type SignedRequest } from './xMatrix.ts';

export type MembershipParts = {
  readonly ask: Ask; readonly keys: Pick<OriginKeys, 'find'>; readonly now: () => number;
  readonly serverName: string; readonly userId: string; readonly displayName: string;
  readonly signingKeyId: string; readonly signing: Signer;
  /** The only server that it joins through. */
  readonly ownServer: string; readonly guardian: string;
  /** Guardians of partners in whose rooms it stands by. */
  readonly partners: () => readonly string[];
  /** One of them invites it to a room. Once this is written down, the invitation is taken: whoever joins then, may do so at any time. `too-many` of them are pending: it isn't. */
  readonly wanted: (guardian: string, roomId: RoomId, eventId: EventId) => Promise<Wanted>;
};

export type Wanted = 'taken' | 'too-many';

export type Membership = {
  /** As a server of its own (server-server API §"Joining Rooms"). */
  join(roomId: RoomId): Promise<Outcome<void, HomeserverFailure>>;
  /** The invitation with our signature under it, or why it isn't taken (server-server API §"Inviting to a room"). */
  invited(body: JsonObject, origin: string): Promise<{ readonly status: number; readonly body: JsonObject }>;
};

const FORBIDDEN = (error: string, errcode = 'M_FORBIDDEN'): { readonly status: number; readonly body: JsonObject } => ({ status: 403, body: { errcode, error } });

/** The one membership that a policy server needs: without a joined member of its name, homeservers let everything pass. */
export function createMembership(parts: MembershipParts): Membership {
  const { ask, now, serverName, userId, ownServer, signingKeyId, signing } = parts;
  const call = (request: SignedRequest): Promise<Outcome<Answer, 'unavailable'>> =>
    ask(request.method, request.uri, { authorization: xMatrix(request, serverName, ownServer, signingKeyId, signing), ...(request.content === undefined ? {} : { content: request.content }) });

  return {
    async join(roomId) {
      const offered = await call({ method: 'GET', uri: `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(userId)}?${ROOM_VERSIONS.map((version) => `ver=${version}`).join('&')}` });
      if (!offered.ok) return offered;
      if (offered.value.status !== 200) return notJoined(offered.value);
      const { room_version: version, event } = offered.value.body;
      if (!isRoomVersion(version) || !isObject(event)) return fail('invalid', `join as the policy server: the room's version is none of ${ROOM_VERSIONS.join(', ')}`);
      const { prev_events: previous, auth_events: auth, depth } = event;
      // Only what places it in the room is the homeserver's; what it says is ours.
      const joining = signedEvent(version, {
        type: 'm.room.member', room_id: roomId, sender: userId, state_key: userId, content: { membership: 'join', displayname: parts.displayName },
        prev_events: previous, auth_events: auth, depth, origin_server_ts: now(),
      }, serverName, signingKeyId, signing);
      const eventId = eventIdOf(signableBytes(version, joining));
      const joined = await call({ method: 'PUT', uri: `/_matrix/federation/v2/send_join/${encodeURIComponent(roomId)}/${encodeURIComponent(eventId)}`, content: joining });
      if (!joined.ok) return joined;
      return joined.value.status === 200 ? ok(undefined) : notJoined(joined.value);
    },

    async invited({ event, room_version: version }, origin) {
      const guardian = [parts.guardian, ...parts.partners()].find((each) => serverOf(as<UserId>(each)) === origin);
      if (guardian === undefined) return FORBIDDEN('Only the homeserver of this policy server invites it, and those of partners for whom it stands by.');
      if (!isRoomVersion(version)) return { status: 400, body: { errcode: 'M_INCOMPATIBLE_ROOM_VERSION', error: 'This version of room is not supported here.', room_version: String(version) } };
      if (!isObject(event) || !isObject(event['content'])) return { status: 400, body: { errcode: 'M_INVALID_PARAM', error: 'The body holds no invitation.' } };
      if (event['type'] !== 'm.room.member' || event['state_key'] !== userId || event['content']['membership'] !== 'invite' || event['sender'] !== guardian || !isRoomId(event['room_id'])) return FORBIDDEN('Only Aceso\'s guardian invites, and only the policy server\'s own user.');
      const signable = signableBytes(version, event);
      if (!isHashRight(event, contentHash(canonicalFields(event))) || !await isSignedByServer(parts, origin, event, signable)) return FORBIDDEN('The invitation is not signed by the homeserver, or was changed.');
      // As 403: a 429 would have homeservers ask us nothing for a while, and nobody could send.
      if (guardian !== parts.guardian && await parts.wanted(guardian, event['room_id'], eventIdOf(signable)) === 'too-many') return FORBIDDEN('Many invitations of yours are pending here: invite it again in a minute.', 'M_LIMIT_EXCEEDED');
      const signatures = isObject(event['signatures']) ? event['signatures'] : {};
      return { status: 200, body: { event: { ...event, signatures: { ...signatures, [serverName]: { [signingKeyId]: signing.sign(signable) } } } } };
    },
  };
}

async function isSignedByServer({ keys, now }: MembershipParts, server: string, event: JsonObject, signable: Buffer): Promise<boolean> {
  for (const keyId of keyIdsIn(event, server).slice(0, 4)) {
    const key = await keys.find(server, keyId, now());
    if (key && isSignedBy(key, signable, signatureIn(event, server, keyId))) return true;
  }
  return false;
}

/** Server texts are left out: they may quote what was sent. */
function notJoined({ status, body }: Answer): Outcome<never, HomeserverFailure> {
  const said = `join as the policy server: the homeserver answered ${status} ${typeof body['errcode'] === 'string' ? body['errcode'] : ''}`;
  if (status === 403) return fail('forbidden', `${said}. Is it invited, and its server admitted?`, { retry: true });
  if (status === 404) return fail('not-found', said, { retry: true });
  if (status === 429) return fail('limited', said, { retry: true });
  return status >= 500 ? fail('unavailable', said, { retry: true }) : fail('invalid', said, { retry: status === 401 });
}
