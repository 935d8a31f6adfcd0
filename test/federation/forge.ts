/**
 * What a homeserver can forge that has its own key and no scruples: events made and signed here in its name, put wherever in the room's graph,
 * and sent straight to the others' federation API. Nothing of it goes through the hostile Synapse, whose own checks would stop some.
 */
import { readFileSync } from 'node:fs';
import { createClient } from '../../src/adapters/federation/client.ts';
import { signerOf } from '../../src/adapters/federation/ed25519.ts';
import { eventIdOf, signableBytes, signedEvent, type RoomVersion } from '../../src/adapters/federation/event.ts';
import { isObject, type JsonObject } from '../../src/adapters/federation/signedJson.ts';
import { xMatrix } from '../../src/adapters/federation/xMatrix.ts';
import type { Hospital } from '../support/lab.ts';
import { until } from '../support/until.ts';
import { call, listIn, reasonOf, roomPath, type Person, type Sendable } from './person.ts';
import { outboxTo, type Outbox } from './outbox.ts';

export type Room = { readonly roomId: string; readonly version: RoomVersion };
/** Where the next event of a room goes. */
export type Place = { readonly prev: readonly string[]; readonly depth: number };
export type Forged = { readonly eventId: string; readonly pdu: JsonObject; readonly place: Place };
export type Judged = { readonly granted: boolean; readonly ms: number; readonly forged: Forged; /** Why not: the rule. */ readonly rule?: string };

/** How an event differs from an honest one. */
export type Twist = {
  readonly sender?: string;
  readonly place?: Place;
  /** Added to the time that it says it was made at. */
  readonly lateMs?: number;
  /** Fields beside those of the specification. */
  readonly beside?: JsonObject;
  /** After hashing and signing. */
  readonly changed?: (pdu: JsonObject) => JsonObject;
};

export type Forge = {
  /** The graph's loose ends, as far as everybody has them: what comes after something that a hospital lacks, it drops. */
  place(room: Room): Promise<Place>;
  make(room: Room, event: Sendable, twist?: Twist): Promise<Forged>;
  /** Asks the room's policy server, as an honest server would before it sends. One that doesn't answer has the rule `no-answer`. */
  ask(forged: Forged): Promise<Judged>;
  /** Resolves when each target has taken it into its queue, or didn't for a minute; gives those that didn't. */
  deliver(forged: Forged): Promise<readonly string[]>;
  close(): void;
};

export type ForgeParts = {
  readonly server: Pick<Hospital, 'serverName' | 'dataDir'>;
  /** A member of the rooms at the hostile server. */
  readonly eve: Person;
  /** Administrates Mercy's homeserver: knows the graph's ends. */
  readonly root: Person;
  /** Whether both hospitals show an event. */
  readonly isEverywhere: (eventId: string) => boolean;
  readonly targets: readonly Pick<Hospital, 'serverName'>[];
  readonly policyServer: string;
  readonly ca: Buffer;
};

export const UNANSWERED = 'no-answer';

const asItIs = (pdu: JsonObject): JsonObject => pdu;

/** State changes rarely: what authorises an event is looked up once in this time. */
const STATE_KEPT_MS = 2000;

export function createForge({ server: { serverName, dataDir }, eve, root, isEverywhere, targets, policyServer, ca }: ForgeParts): Forge {
  const [, version = '', seed = ''] = readFileSync(`${dataDir}/signing.key`, 'utf8').trim().split(' ');
  const keyId = `ed25519:${version}`;
  const signer = signerOf(Buffer.from(seed, 'base64'));
  const outboxes: readonly Outbox[] = targets.map((target) => outboxTo({ target: target.serverName, origin: serverName, keyId, signer, ca }));
  const policy = createClient(`https://${policyServer}`, { ca, advice: '' });
  const places = new Map<string, Place>();
  const states = new Map<string, { readonly at: number; readonly ids: Promise<ReadonlyMap<string, string>> }>();

  function stateOf(roomId: string): Promise<ReadonlyMap<string, string>> {
    const kept = states.get(roomId);
    if (kept && Date.now() - kept.at < STATE_KEPT_MS) return kept.ids;
    const ids = call(eve, 'GET', roomPath(roomId, 'state')).then(({ body }) => {
      const events = listIn(body);
      return new Map(events.map(({ type, state_key: key = '', event_id: id }) => [`${type} ${key}`, id]));
    });
    states.set(roomId, { at: Date.now(), ids });
    return ids;
  }

  async function authEvents({ roomId, version: of }: Room, { type, stateKey, content }: Sendable, sender: string): Promise<readonly string[]> {
    const state = await stateOf(roomId);
    const names = [
      ...(of === '12' ? [] : ['m.room.create ']), 'm.room.power_levels ', `m.room.member ${sender}`,
      ...(type === 'm.room.member' ? [`m.room.member ${stateKey ?? ''}`, ...(content['membership'] === 'join' || content['membership'] === 'invite' ? ['m.room.join_rules '] : [])] : []),
    ];
    return [...new Set(names.flatMap((name) => state.get(name) ?? []))];
  }

  const lookForPlace = async ({ roomId }: Room): Promise<Place | undefined> => {
    const { body } = await call(root, 'GET', `/_synapse/admin/v1/rooms/${encodeURIComponent(roomId)}/forward_extremities`);
    const ends = (body['results'] as readonly { readonly event_id: string; readonly depth: number }[]).filter(({ event_id: id }) => isEverywhere(id));
    const last = places.get(roomId);
    if (ends.length === 0) return last;
    const found = { prev: ends.slice(0, 15).map(({ event_id: id }) => id), depth: Math.max(...ends.map(({ depth }) => depth)) + 1 };
    places.set(roomId, found);
    return found;
  };
  const place = (room: Room): Promise<Place> => until(`an end of ${room.roomId} that both hospitals have`, () => lookForPlace(room), 60_000);

  return {
    place,
    async make(room, event, { sender = eve.userId, place: given, lateMs = 0, beside = {}, changed = asItIs }: Twist = {}) {
      const at = given ?? await place(room);
      const { type, content, stateKey, redacts } = event;
      const inContent = redacts === undefined || room.version === '10' ? content : { ...content, redacts };
      const pdu = signedEvent(room.version, {
        ...beside, type, sender, room_id: room.roomId, content: inContent, ...(stateKey === undefined ? {} : { state_key: stateKey }), ...(redacts !== undefined && room.version === '10' ? { redacts } : {}),
        origin_server_ts: Date.now() + lateMs, depth: at.depth, prev_events: at.prev, auth_events: await authEvents(room, event, sender),
      }, serverName, keyId, signer);
      return { eventId: eventIdOf(signableBytes(room.version, pdu)), pdu: changed(pdu), place: at };
    },
    async ask(forged) {
      const uri = '/_matrix/policy/v1/sign';
      const began = performance.now();
      const answer = await policy.ask('POST', uri, { content: forged.pdu, authorization: xMatrix({ method: 'POST', uri, content: forged.pdu }, serverName, policyServer, keyId, signer) });
      const ms = performance.now() - began;
      if (!answer.ok) return { granted: false, ms, forged, rule: UNANSWERED };
      const { status, body } = answer.value;
      const signature = body[policyServer];
      if (status !== 200 || !isObject(signature)) return { granted: false, ms, forged, rule: reasonOf(body) };
      const signatures = isObject(forged.pdu['signatures']) ? forged.pdu['signatures'] : {};
      return { granted: true, ms, forged: { ...forged, pdu: { ...forged.pdu, signatures: { ...signatures, [policyServer]: signature } } } };
    },
    async deliver({ pdu }) {
      const sent = await Promise.allSettled(outboxes.map((outbox) => outbox.send(pdu)));
      return sent.flatMap((each, index) => (each.status === 'rejected' ? [targets[index]?.serverName ?? ''] : []));
    },
    close() {
      policy.close();
      for (const outbox of outboxes) outbox.close();
    },
  };
}
