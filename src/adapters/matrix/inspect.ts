import { randomUUID } from 'node:crypto';
import { MatrixError, Method } from 'matrix-js-sdk/lib/http-api/index.js';
import { as, type UserId } from '../../domain/brand.ts';
import { ok, type Outcome } from '../../domain/outcome.ts';
import type { HomeserverFailure, StateEvent } from '../../ports/homeserver.ts';
import { apiFor, type HomeserverOptions } from './api.ts';
import { attempt } from './errors.ts';

type Answer<T> = Promise<Outcome<T, HomeserverFailure>>;

/** Keys of one device, as the homeserver gives them to anybody, and whether the user's own self-signing key stands under them. */
export type PublishedDevice = { readonly deviceId: string; readonly signed: boolean };

/** Questions that a support engineer asks a homeserver about an application service. Each is asked once, and changes nothing. */
export type InspectedRoom = { readonly roomId: string; readonly federated: boolean; /** What says whether it is under a policy server, as far as it is there. */ readonly state: readonly StateEvent[] };

export type Inspection = {
  versions(): Answer<readonly string[]>;
  /** Whether the token of the registration is known there, and for whom it speaks. */
  whoami(): Answer<string>;
  /** Has the homeserver call Aceso (application service API, `/ping`); gives the milliseconds that took. */
  ping(id: string): Answer<number>;
  /** How far its clock is ahead of ours, in milliseconds; its `Date` header has whole seconds. */
  clockAhead(): Promise<number | undefined>;
  /** The guardian must have none. */
  guardianDevices(): Answer<readonly string[]>;
  courierDevices(): Answer<readonly PublishedDevice[]>;
  /** Whether that server answers through federation: asked for the profile of somebody who needn't exist. */
  reaches(server: string): Answer<void>;
  /** The rooms that the guardian made, so many at most: whether they leave the server, which policy server they name, and what this user of it is there. */
  rooms(most: number, policyUser: UserId): Answer<readonly InspectedRoom[]>;
  /** Sends, as the guardian, an empty event that the policy server must refuse, and sees whether it does; else why that wasn't seen. */
  probePolicyServer(roomId: string): Promise<'asks' | 'does-not-ask' | (string & {})>;
  /** Asks, as the courier, for a room that Aceso makes for nobody. `refused`: by Aceso. `away`: by the module, which got no answer. `made`: by nobody; it was left again. Else why that wasn't seen. */
  probeModule(): Promise<'refused' | 'away' | 'made' | (string & {})>;
};

export function createInspection(options: HomeserverOptions): Inspection {
  const guardian = as<UserId>(`@${options.guardianLocalpart}:${options.serverName}`);
  const courier = as<UserId>(`@${options.courierLocalpart}:${options.serverName}`);
  const short = { ...options, timeoutMs: 15_000 };
  const asGuardian = apiFor(short, guardian);
  const asCourier = apiFor(short, courier);
  const unversioned = apiFor(short, guardian, '/_matrix/client');
  const v1 = apiFor(short, guardian, '/_matrix/client/v1');
  return {
    async versions() {
      const answer = await attempt('ask for the versions', () => unversioned.authedRequest<{ readonly versions: readonly string[] }>(Method.Get, '/versions'));
      return answer.ok ? ok(answer.value.versions) : answer;
    },
    async whoami() {
      const answer = await attempt('ask who the token is', () => asGuardian.authedRequest<{ readonly user_id: string }>(Method.Get, '/account/whoami'));
      return answer.ok ? ok(answer.value.user_id) : answer;
    },
    async ping(id) {
      const answer = await attempt('have the homeserver call Aceso', () => v1.authedRequest<{ readonly duration_ms: number }>(Method.Post, `/appservice/${encodeURIComponent(id)}/ping`, undefined, {}));
      return answer.ok ? ok(answer.value.duration_ms) : answer;
    },
    async clockAhead() {
      const before = Date.now();
      const response = await fetch(new URL('/_matrix/client/versions', options.url), { signal: AbortSignal.timeout(5000) }).catch(() => undefined);
      const date = Date.parse(response?.headers.get('date') ?? '');
      // Somewhere in the second that it names, and in the time that the answer took.
      return Number.isFinite(date) ? date + 500 - (before + Date.now()) / 2 : undefined;
    },
    async guardianDevices() {
      const answer = await attempt('ask for the guardian\'s devices', () => asGuardian.authedRequest<KeysQuery>(Method.Post, '/keys/query', undefined, { device_keys: { [guardian]: [] } }));
      return answer.ok ? ok(Object.keys(answer.value.device_keys?.[guardian] ?? {})) : answer;
    },
    async courierDevices() {
      const answer = await attempt('ask for the courier\'s devices', () => asCourier.authedRequest<KeysQuery>(Method.Post, '/keys/query', undefined, { device_keys: { [courier]: [] } }));
      if (!answer.ok) return answer;
      const signers = Object.keys(answer.value.self_signing_keys?.[courier]?.keys ?? {});
      return ok(Object.entries(answer.value.device_keys?.[courier] ?? {}).map(([deviceId, { signatures }]) => ({ deviceId, signed: signers.some((signer) => signatures?.[courier]?.[signer] !== undefined) })));
    },
    async reaches(server) {
      const answer = await attempt(`ask ${server}`, () => asGuardian.authedRequest<unknown>(Method.Get, `/profile/${encodeURIComponent(`@aceso-doctor:${server}`)}`));
      return answer.ok || answer.error.code === 'not-found' || answer.error.code === 'forbidden' ? ok(undefined) : answer;
    },
    async rooms(most, policyUser) {
      const joined = await attempt('ask for the guardian\'s rooms', () => asGuardian.authedRequest<{ readonly joined_rooms: readonly string[] }>(Method.Get, '/joined_rooms'));
      if (!joined.ok) return joined;
      const looked: InspectedRoom[] = [];
      for (const roomId of joined.value.joined_rooms.slice(0, most)) {
        // Where the homeserver says who made it: in rooms of partners the guardian only stands by.
        const made = await attempt('read who made a room', () => asGuardian.authedRequest<{ readonly sender?: unknown }>(Method.Get, `/rooms/${encodeURIComponent(roomId)}/state/m.room.create/`, { format: 'event' }));
        if (made.ok && typeof made.value.sender === 'string' && made.value.sender !== guardian) continue;
        const state: StateEvent[] = [];
        for (const [type, stateKey] of [['m.room.create', ''], ['m.room.policy', ''], ['m.room.member', policyUser]] as const) {
          const content = await attempt('read a room', () => asGuardian.authedRequest<StateEvent['content']>(Method.Get, `/rooms/${encodeURIComponent(roomId)}/state/${type}/${encodeURIComponent(stateKey)}`));
          if (content.ok) state.push({ type, stateKey, content: content.value });
          else if (content.error.code !== 'not-found') return content;
        }
        looked.push({ roomId, federated: state.find(({ type }) => type === 'm.room.create')?.content['m.federate'] !== false, state });
      }
      return ok(looked);
    },
    async probePolicyServer(roomId) {
      try {
        await asGuardian.authedRequest(Method.Put, `/rooms/${encodeURIComponent(roomId)}/send/org.aceso.probe/${randomUUID()}`, undefined, {});
        return 'does-not-ask';
      } catch (error) {
        if (error instanceof MatrixError && (error.data as { readonly 'org.aceso.rule'?: unknown })['org.aceso.rule'] === 'probe') return 'asks';
        const failed = await attempt('try the policy server', () => Promise.reject(error as Error));
        return failed.ok ? 'unknown' : failed.error.message;
      }
    },
    async probeModule() {
      try {
        const { room_id: roomId } = await asCourier.authedRequest<{ readonly room_id: string }>(Method.Post, '/createRoom', undefined, { preset: 'private_chat', creation_content: { 'm.federate': false } });
        await attempt('leave the room of the trial', () => asCourier.authedRequest(Method.Post, `/rooms/${encodeURIComponent(roomId)}/leave`, undefined, {}));
        return 'made';
      } catch (error) {
        const rule = error instanceof MatrixError ? (error.data as { readonly 'org.aceso.rule'?: unknown })['org.aceso.rule'] : undefined;
        if (rule === 'room-by-command') return 'refused';
        if (rule === 'aceso-away') return 'away';
        const failed = await attempt('try the module', () => Promise.reject(error as Error));
        return failed.ok ? 'unknown' : failed.error.message;
      }
    },
  };
}

type KeysQuery = {
  readonly device_keys?: Readonly<Record<string, Readonly<Record<string, { readonly signatures?: Readonly<Record<string, Readonly<Record<string, string>>>> }>>>>;
  readonly self_signing_keys?: Readonly<Record<string, { readonly keys: Readonly<Record<string, string>> }>>;
};
