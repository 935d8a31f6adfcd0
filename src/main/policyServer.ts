import { readAuthority } from '../adapters/federation/client.ts';
import { openServerKeys } from '../adapters/federation/keyFile.ts';
import { createPolicyServer, type RunningPolicyServer } from '../adapters/federation/policyServer.ts';
import { startHttpServer } from '../adapters/http/server.ts';
import type { HomeserverOptions } from '../adapters/matrix/homeserver.ts';
import { createInspection } from '../adapters/matrix/inspect.ts';
import { createRoomSource } from '../adapters/matrix/roomSource.ts';
import type { LoadedConfig } from '../config/load.ts';
import { hasManyPending, type Register } from '../domain/agreements/register.ts';
import { as, type Millis, type UserId } from '../domain/brand.ts';
import type { GovernedRoom } from '../domain/governed/governed.ts';
import type { Judge } from '../domain/policy/question.ts';
import type { RoomState } from '../domain/rooms/room.ts';
import type { RoomTemplates } from '../domain/rooms/template.ts';
import { createAllowance } from '../loop/allowance.ts';
import { createLeftOvers } from '../loop/leftOvers.ts';
import { createRefusals } from '../loop/refusals.ts';
import { createWitness } from '../loop/witness.ts';
import type { Agreed } from './agreements/agreed.ts';
import { ownTerms } from './agreements/roomDemands.ts';
import { createWriters } from './policy/writers.ts';
import type { KeyRing } from '../ports/keys.ts';
import type { PolicyServer } from '../ports/policyServer.ts';
import type { Store } from '../ports/store.ts';
import { standbyWanted } from '../loop/intake.ts';
import { errorCode, type Log, type Metrics } from '../ports/telemetry.ts';
import type { Problem } from './health.ts';
import { VERSION } from './version.ts';

export type PolicyParts = { readonly store: Store; readonly keys: KeyRing; readonly log: Log; readonly metrics: Metrics; readonly now: () => Millis; readonly guardian: UserId; readonly courier: UserId; readonly homeserver: HomeserverOptions; readonly templates: () => RoomTemplates; readonly judge: Judge; readonly agreed: Pick<Agreed, 'servers' | 'settings' | 'isInForce' | 'roomTerms' | 'standbys' | 'keepers'>; readonly nudge: () => void };

export type Policy = {
  readonly server: RunningPolicyServer;
  /** Opens its door; gives the port. */
  listen(): Promise<number>;
  reloadTls(): void;
  /** Why the homeserver can't ask it now. */
  problem(): Promise<Omit<Problem, 'since'> | undefined>;
  stop(): Promise<void>;
};

/** The policy server of the configuration; undefined where there is none. */
export function composePolicyServer(config: LoadedConfig, { store, keys, log, metrics, now, guardian, courier, homeserver, templates, judge, agreed, nudge }: PolicyParts): Policy | undefined {
  const { policy_server: settings, homeserver: { url, server_name: ownServer }, organisation } = config;
  if (settings === undefined) return undefined;
  const { server_name: serverName, localpart, host, port, tls } = settings;
  // Beyond it they are in the figures and, summed, in the audit.
  const mayTell = createAllowance(now, 100, 10_000);
  const refusals = createRefusals({ store, keys, log, metrics, now });
  const witness = createWitness({ store, ownServer, now, log });
  const leftOvers = createLeftOvers({ store, log, metrics, now, nudge });
  const failed = (error: unknown): void => log.error('policy.failed', { error: errorCode(error) });
  const refused = (refusal: { readonly code: string; readonly status: number; readonly peer: string }): void => refusals.note({ door: 'policy', ...refusal });
  const server = createPolicyServer({
    serverName, localpart, delegate: settings.delegate ?? (/:\d+$/u.test(serverName) ? serverName : `${serverName}:8448`), displayName: `${organisation.name} (policy)`, version: VERSION,
    ownServer, federationUrl: settings.federation_url ?? url, ...(settings.federation_ca === undefined ? {} : { ca: readAuthority(config.at(settings.federation_ca)) }),
    guardian, courier, servers: agreed.servers, own: () => ownTerms(templates()), agreed: agreed.roomTerms, writer: createWriters({ store, judge, settings: agreed.settings, isInForce: agreed.isInForce, now }),
    standbys: agreed.standbys, keepers: agreed.keepers,
    async wanted(partner, roomId, eventId) {
      const register = (await store.load({ kind: 'agreement', id: partner }))?.state as Register | undefined;
      if (register && hasManyPending(register)) return 'too-many';
      await store.receive([standbyWanted(partner, roomId, eventId, now())]);
      nudge();
      return 'taken';
    },
    keys: openServerKeys(config.at(settings.keys_file)), source: createRoomSource(homeserver), now: () => as<Millis>(Date.now()), failed, refused,
    answered({ verdict: { allowed, rules: [rule = ''], by }, seconds, origin, roomId, eventId, about, leftOver }) {
      if (about) witness.note({ ...about, origin, rule, ...(eventId === undefined ? {} : { event: eventId }) });
      metrics.count('policy_signs', { answer: allowed ? 'signed' : 'refused', rule });
      metrics.observe('policy_seconds', seconds);
      if (allowed) return;
      if (mayTell()) log.warn('policy.refused', { rule, ...(by === undefined ? {} : { by }), origin, room: roomId, event: eventId });
      refusals.note({ door: 'policy', code: rule, status: 403, source: as(origin) });
      if (leftOver) leftOvers.note(leftOver);
    },
  });
  const inspection = createInspection(homeserver);
  let door: Awaited<ReturnType<typeof startHttpServer>> | undefined;
  return {
    server,
    async listen() {
      door = await startHttpServer({ host, port, routes: [server.route], failed, refused, ...(tls === undefined ? {} : { tls: { certificate: config.at(tls.certificate), key: config.at(tls.key) } }) });
      return door.port;
    },
    reloadTls: () => door?.reloadTls(),
    async problem() {
      const reached = await inspection.reaches(serverName);
      // Where the homeserver itself is away, that is the problem.
      if (reached.ok || !(await inspection.versions()).ok) return undefined;
      return { part: 'policy-server', code: reached.error.code, message: `the homeserver doesn't reach ${serverName}: nobody can send in its rooms. See that its name, certificate, delegate and port lead to an ingress of Aceso` };
    },
    async stop() {
      await door?.stop(2000);
      server.close();
      await leftOvers.stop();
      await refusals.stop();
      await witness.stop();
    },
  };
}

/** Rooms from before this policy server, or before this key of it, are put under it: each is asked for once. */
export async function protectRooms(store: Store, { serverName, publicKey, userId }: PolicyServer, now: Millis): Promise<void> {
  const rooms = (await store.states('room')) as readonly RoomState[];
  const governed = (await store.states('governed')) as readonly GovernedRoom[];
  const wanted = [
    ...rooms.filter(({ servers }) => servers.length > 1).flatMap(({ party, roomId, former }) => [...(roomId === undefined ? [] : [roomId]), ...former].map((id) => ({ room: { kind: 'room', id: party.id } as const, id }))),
    // One that can leave the hospital may have no partner now: its own people write there, and partners come back.
    ...governed.filter(({ servers, made }) => made !== 'local' || servers.length > 0).flatMap(({ key, roomId }) => (roomId === undefined ? [] : [{ room: { kind: 'governed', id: key } as const, id: roomId }])),
    // Those of before may be of either sort: where one never leaves the hospital, nothing is done.
    ...governed.flatMap(({ key, former = [] }) => former.map((id) => ({ room: { kind: 'governed', id: key } as const, id }))),
  ];
  await store.receive(wanted.map(({ room, id }) => ({ source: 'operator' as const, key: `protect:${serverName}:${publicKey}:${id}`, aggregate: room, at: now, body: { type: 'room.unprotected' as const, roomId: id, edge: 'start' as const, by: userId } })));
}
