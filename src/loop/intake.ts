import { as, isRoomId, type EventId, type Millis, type RoomId, type UserId } from '../domain/brand.ts';
import type { Standby } from '../domain/agreements/demands.ts';
import type { FoundAggregate } from '../domain/decision.ts';
import type { Aggregate, Claimed, FactBody, FactOf } from '../domain/fact.ts';
import type { GovernedRoom } from '../domain/governed/governed.ts';
import { serverOf } from '../domain/people/party.ts';
import { opens, type PolicyIdentity } from '../domain/rooms/protection.ts';
import { plainType } from '../domain/rooms/assess.ts';
import type { Faults } from '../ports/faults.ts';
import type { MatrixTransaction, RoomEvent } from '../ports/homeserver.ts';
import type { IncomingFact, Store } from '../ports/store.ts';
import type { Log, Metrics } from '../ports/telemetry.ts';

export type IntakeParts = { readonly store: Store; readonly guardian: UserId; readonly ownUsers: readonly UserId[]; readonly now: () => Millis; readonly log: Log; readonly metrics: Metrics; readonly faults: Faults; readonly nudge: () => void; /** Absent where none is configured. */ readonly policy?: PolicyIdentity; /** Policy servers that stand by. */ readonly standbys?: () => readonly Standby[]; /** The partner's that judges in a room for now. */ readonly handed?: (roomId: RoomId) => PolicyIdentity | undefined };

/**
 * RECEIVE, from the homeserver: what happens in results rooms becomes facts. Returns once they are committed: only then may the transaction
 * be answered. Rooms that are not ours are counted and left alone.
 */
export function createIntake(parts: IntakeParts): (transaction: MatrixTransaction) => Promise<void> {
  const { store, now, metrics, faults } = parts;
  return async ({ events, ephemeral }) => {
    faults.at('matrix.received');
    const ours = await roomsAmong(store, [...new Set([...events.map(({ room_id: room }) => room), ...ephemeral.map(({ room_id: room }) => room)])]);
    const facts: IncomingFact[] = events.flatMap((event) => standbyAsked(parts, event));
    const take = (room: RoomId, key: string, body: FactBody | undefined, toldAs: (body: FactBody) => FactBody = (same) => same): void => {
      const aggregate: Aggregate | undefined = ours.get(room)?.aggregate;
      if (aggregate && body && (aggregate.kind === 'room' || OF_GOVERNED.has(body.type))) facts.push({ source: 'matrix', key, aggregate, body: toldAs(body), at: now() });
    };
    for (const event of events) {
      metrics.count('matrix_events', { type: KNOWN.has(event.type) ? event.type : 'other', ours: String(ours.has(event.room_id)) });
      const unprotected = ours.has(event.room_id) ? unprotectedBy(parts, event) : undefined;
      if (unprotected) {
        metrics.count('policy_edges', { edge: unprotected.edge });
        parts.log.warn('policy.opened', { edge: unprotected.edge, room: event.room_id, by: event.sender });
      }
      const body = unprotected ?? bodyOf(parts, event);
      if (body?.type === 'room.clear-text' && parts.policy && isUnderPolicy(ours.get(event.room_id))) {
        metrics.count('policy_edges', { edge: 'unasked' });
        parts.log.warn('policy.opened', { edge: 'unasked', room: event.room_id, by: event.sender });
      }
      take(event.room_id, event.event_id, body, (said) => claimedBy(parts.guardian, event, said));
    }
    for (const { room_id: room, receipts } of ephemeral) {
      for (const { eventId, userId, at } of receipts) if (!parts.ownUsers.includes(userId)) take(room, `receipt:${userId}:${eventId}`, { type: 'room.receipt', userId, eventId, seenAt: at });
    }
    await store.receive(facts);
    faults.at('matrix.committed');
    if (facts.length > 0) parts.nudge();
  };
}

/** By the guardian's invitation, or by the policy server's: whichever comes, both go in. */
export const standbyWanted = (partner: string, roomId: RoomId, eventId: EventId, at: Millis): IncomingFact =>
  ({ source: 'matrix', key: `standby:${eventId}`, aggregate: { kind: 'agreement', id: partner }, at, body: { type: 'standby.invited', roomId } });

function standbyAsked({ guardian, policy, standbys = () => [], now }: IntakeParts, { type, state_key: user, content, sender, room_id: roomId, event_id: eventId }: RoomEvent): readonly IncomingFact[] {
  const partner = type === 'm.room.member' && user === guardian && content['membership'] === 'invite' && policy ? standbys().find(({ theirs }) => theirs.guardian === sender)?.partner : undefined;
  return partner === undefined || !isRoomId(roomId) ? [] : [standbyWanted(partner, roomId, eventId, now())];
}

/** In a room that leaves the hospital nothing comes in clear but where the policy server wasn't asked: the room was open, or the homeserver doesn't honour it. The guardian takes it out; why, a person must find out. */
function isUnderPolicy(room: FoundAggregate | undefined): boolean {
  const { servers = [], made } = (room?.state ?? {}) as Partial<Pick<GovernedRoom, 'servers' | 'made'>>;
  return room?.aggregate.kind === 'governed' ? made === 'federated' || servers.length > 0 : servers.length > 1;
}

/** Results rooms, and those in which people talk. */
async function roomsAmong(store: Pick<Store, 'lookup'>, names: readonly RoomId[]): Promise<ReadonlyMap<string, FoundAggregate>> {
  const results = await store.lookup(names.map((name) => ({ kind: 'room', name })));
  const others = names.filter((name) => !results.has(name));
  return others.length === 0 ? results : new Map([...results, ...(await store.lookup(others.map((name) => ({ kind: 'governed', name }))))]);
}

/** What people say to each other, and when they read it, is none of Aceso's business. */
const OF_GOVERNED: ReadonlySet<FactBody['type']> = new Set<FactBody['type']>(['room.member', 'room.changed', 'room.unprotected', 'room.clear-text']);

const CLAIMS: ReadonlySet<FactBody['type']> = new Set<Claimed['type']>(['room.member', 'room.tombstone', 'room.encrypted', 'room.reaction']);
const isClaim = (body: FactBody): body is Claimed => CLAIMS.has(body.type);

/** What our own server's people do is checked before it exists; what comes from another is pushed even where it is shown to nobody. */
function claimedBy(guardian: UserId, { event_id: eventId, room_id: roomId, sender }: RoomEvent, said: FactBody): FactBody {
  return isClaim(said) && serverOf(sender) !== serverOf(guardian) ? { type: 'room.claimed', roomId, eventId, sender, said } : said;
}

const KNOWN = new Set(['m.room.member', 'm.room.encrypted', 'm.reaction', 'm.room.message', 'm.room.redaction', 'm.room.create', 'm.room.encryption', 'm.room.power_levels', 'm.room.tombstone']);

function unprotectedBy({ policy, guardian, handed = () => undefined }: IntakeParts, { type, state_key: stateKey, content, room_id: roomId, sender }: RoomEvent): FactOf<'room.unprotected'> | undefined {
  const edge = policy && stateKey !== undefined ? opens({ type, stateKey, content }, guardian, policy, handed(roomId)) : undefined;
  return edge && { type: 'room.unprotected', roomId, edge, by: sender, ...(sender === guardian ? { actor: 'guardian' } : {}) };
}

function bodyOf({ guardian, ownUsers, policy, standbys = () => [] }: IntakeParts, event: RoomEvent): FactBody | undefined {
  const { event_id: eventId, room_id: roomId, sender } = event;
  const membership = membershipOf(event);
  const actor = sender === guardian ? { actor: 'guardian' as const } : {};
  if (membership && event.state_key === policy?.userId) return undefined;
  // Nobody's colleagues: that they are in the room is part of how it must be.
  if (membership && standbys().some(({ theirs }) => theirs.guardian === event.state_key || theirs.policyServer.userId === event.state_key)) return membership === 'leave' || membership === 'ban' ? { type: 'room.changed', roomId, what: 'm.room.member', by: sender, ...actor } : undefined;
  if (membership) return { type: 'room.member', roomId, userId: as<UserId>(event.state_key ?? ''), ...(ownUsers.some((own) => own === event.state_key) ? { of: 'ours' as const } : {}), membership, sender, ...actor, eventId };
  if (event.type === 'm.room.tombstone' && event.state_key === '') {
    const { replacement_room: successor } = event.content;
    return { type: 'room.tombstone', roomId, eventId, sender, by: sender === guardian ? 'guardian' : 'another', ...(typeof successor === 'string' && successor.startsWith('!') ? { successor: as<RoomId>(successor) } : {}) };
  }
  // Also as the guardian: an administrator of the homeserver can have it send what Aceso didn't.
  if (event.state_key !== undefined && event.type !== 'm.room.create' && event.type !== 'm.room.member') return { type: 'room.changed', roomId, what: plainType(event.type), by: sender, ...actor };
  if (ownUsers.includes(sender)) return undefined;
  if (event.type === 'm.room.encrypted') {
    return { type: 'room.encrypted', roomId, event: { event_id: eventId, sender, type: 'm.room.encrypted', origin_server_ts: event.origin_server_ts, content: ciphertextOf(event.content) } };
  }
  // A redacted one comes without its body.
  if (event.type === 'm.room.message' && Object.keys(event.content).length > 0) return { type: 'room.clear-text', roomId, eventId, sender };
  const relatesTo = event.type === 'm.reaction' ? (event.content['m.relates_to'] as { readonly event_id?: unknown } | undefined)?.event_id : undefined;
  return typeof relatesTo === 'string' ? { type: 'room.reaction', eventId, sender, relatesTo: as<EventId>(relatesTo) } : undefined;
}

/**
 * What decrypting and relating need of an encrypted event (client-server API §11.12.4.5, §11.10). Whatever else its sender put there stays
 * outside: an event that can't be stored would be sent again by the homeserver for ever, with all that came with it.
 */
function ciphertextOf(content: RoomEvent['content']): RoomEvent['content'] {
  const { 'm.relates_to': relation, ...cipher } = content;
  const { 'm.in_reply_to': reply, ...target } = record(relation);
  return {
    ...texts(cipher, ['algorithm', 'ciphertext', 'sender_key', 'session_id', 'device_id']),
    ...(relation === undefined ? {} : { 'm.relates_to': { ...texts(target, ['rel_type', 'event_id', 'key']), ...(reply === undefined ? {} : { 'm.in_reply_to': texts(record(reply), ['event_id']) }) } }),
  };
}

const record = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {});
const texts = (from: Readonly<Record<string, unknown>>, names: readonly string[]): Readonly<Record<string, string>> => Object.fromEntries(names.flatMap((name) => (typeof from[name] === 'string' ? [[name, from[name]]] : [])));

function membershipOf({ type, content, state_key: user }: RoomEvent): 'invite' | 'join' | 'leave' | 'ban' | 'knock' | undefined {
  const { membership } = content;
  if (type !== 'm.room.member' || user === undefined) return undefined;
  return membership === 'invite' || membership === 'join' || membership === 'leave' || membership === 'ban' || membership === 'knock' ? membership : undefined;
}
