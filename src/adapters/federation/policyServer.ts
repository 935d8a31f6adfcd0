import type { Standby } from '../../domain/agreements/demands.ts';
import { as, type EventId, type Millis, type RoomId, type ServerName, type UserId } from '../../domain/brand.ts';
import { serverOf } from '../../domain/people/party.ts';
import type { AdmissionTerms } from '../../domain/policy/admit.ts';
import type { HttpRoute } from '../../ports/bridge.ts';
import type { RoomEvent } from '../../ports/homeserver.ts';
import type { PolicyServer, RoomSource } from '../../ports/policyServer.ts';
import { createClient } from './client.ts';
import { createFacade, type FacadeParts } from './facade.ts';
import type { ServerKeys } from './keyFile.ts';
import type { JudgeParts } from './judge.ts';
import { createMembership, type Wanted } from './membership.ts';
import { createOriginKeys, type OriginKeys } from './originKeys.ts';
import { createSigning, type Answered } from './signing.ts';
import { createViews } from './views.ts';

export type PolicyServerOptions = Pick<FacadeParts, 'serverName' | 'delegate' | 'displayName' | 'version' | 'failed' | 'refused'> & {
  readonly localpart: string;
  readonly ownServer: string; readonly federationUrl: string; readonly ca?: Buffer;
  readonly guardian: UserId; readonly courier: UserId; /** As the configuration says now. */
  readonly servers: () => readonly string[]; readonly own: () => AdmissionTerms['own']; readonly agreed: () => AdmissionTerms['agreed']; readonly writer: JudgeParts['writer'];
  /** Partners' policy servers that stand by for this one, which stands by for theirs. */
  readonly standbys: () => readonly Standby[];
  /** Whom partners had stand by, by any agreement, over or not. */
  readonly keepers: () => readonly UserId[];
  /** A partner's guardian invites it to stand by in a room: to be written down. */
  readonly wanted: (partner: string, roomId: RoomId, eventId: EventId) => Promise<Wanted>;
  readonly keys: ServerKeys; readonly source: RoomSource; readonly now: () => Millis;
  readonly answered: (answered: Answered) => void;
};

export type RunningPolicyServer = PolicyServer & { readonly route: HttpRoute; /** What the homeserver pushed. */ heard(events: readonly RoomEvent[]): void; close(): void };

/** A policy server of its own server name: its keys, its one membership in each room, and what it signs. */
export function createPolicyServer(options: PolicyServerOptions): RunningPolicyServer {
  const { serverName, displayName, keys: { signingKeyId, signing, policy, published, verifying }, ownServer, guardian, courier, servers, own, agreed, writer, standbys, keepers, now } = options;
  const userId = as<UserId>(`@${options.localpart}:${serverName}`);
  const { ask, close } = createClient(options.federationUrl, { ca: options.ca, advice: 'Is policy_server.federation_url where the homeserver\'s federation API is?' });
  const origins = createOriginKeys({ ask, ownServer, now });
  const keys: OriginKeys = { find: async (server, keyId, at) => (server === serverName ? verifying(keyId, at) : origins.find(server, keyId, at)) };
  const views = createViews(options.source, now);
  const terms = (): AdmissionTerms => ({ guardian, courier, ownServer, policyUsers: [userId, ...standbys().map(({ theirs }) => theirs.policyServer.userId)], keepers: [guardian, ...standbys().map(({ theirs }) => theirs.guardian), ...keepers()], servers: servers(), own: own(), agreed: agreed() });
  const membership = createMembership({ ask, keys, now, serverName, userId, displayName, signingKeyId, signing, ownServer, guardian, partners: () => standbys().map(({ theirs }) => theirs.guardian), wanted: (by, roomId, eventId) => options.wanted(serverOf(as(by)), roomId, eventId) });
  const sign = createSigning({ views, keys, terms, standbys, writer, now, serverName, policy, answered: options.answered });
  return {
    serverName: as<ServerName>(serverName), userId, publicKey: policy.publicKey,
    join: membership.join,
    heard: views.heard,
    route: createFacade({ ...options, userId, keys, published: () => published(serverName, now()), sign, membership, servers }),
    close,
  };
}
