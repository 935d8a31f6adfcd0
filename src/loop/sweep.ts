import type { Millis, RoomId, UserId } from '../domain/brand.ts';
import type { Register } from '../domain/agreements/register.ts';
import type { FoundAggregate, Settings } from '../domain/decision.ts';
import { admission } from '../domain/governed/admission.ts';
import { lookupsOfPatient } from '../domain/care/care.ts';
import { successorOf } from '../domain/governed/former.ts';
import type { GovernedRoom } from '../domain/governed/governed.ts';
import { personName, type Party } from '../domain/people/party.ts';
import type { Judge } from '../domain/policy/question.ts';
import type { RoomRule, StateOfRoom } from '../domain/rooms/assess.ts';
import { openEdge, type PolicyIdentity } from '../domain/rooms/protection.ts';
import type { RoomState } from '../domain/rooms/room.ts';
import type { OurRoom, Ours } from '../domain/rooms/standard.ts';
import type { Homeserver } from '../ports/homeserver.ts';
import type { Notes } from '../ports/notes.ts';
import type { IncomingFact, Store } from '../ports/store.ts';
import { errorCode, type Log, type Metrics } from '../ports/telemetry.ts';
import { findingsIn, loadRoom, openIn } from './repairing.ts';

export type SweepParts = {
  readonly store: Pick<Store, 'states' | 'load' | 'lookup' | 'receive' | 'lease'>; readonly notes: Pick<Notes, 'read' | 'write'>; readonly homeserver: Pick<Homeserver, 'state'>; readonly log: Log; readonly now: () => Millis; readonly worker: string; readonly nudge: () => void;
  readonly judge: Judge; /** As for decisions. */ readonly vouched: (found: ReadonlyMap<string, FoundAggregate>) => Promise<ReadonlyMap<string, FoundAggregate>>; readonly settings: () => Settings; readonly ours: () => Ours;
  readonly metrics: Pick<Metrics, 'count'>; /** Absent where none is configured. */ readonly policy?: PolicyIdentity; /** The partner's that judges in a room for now. */ readonly handed?: (roomId: RoomId) => PolicyIdentity | undefined;
  /** Rooms whose whole state is read in one round. */
  readonly looks: number;
};

/** Which room was read last: the next worker, or the next start, goes on from there. */
const CURSOR = 'rooms.sweep';
const LEASE_MS = 30_000;
const AT_ONCE = 4;
/** What stays open is on its way to be closed, or can't be: it isn't told anew with each round. */
const AGAIN_MS = 600_000;
/** A partner that is away, or hasn't taken the agreement into its register yet, is asked again after this long. */
const STANDBY_MS = 60_000;

type Named = { readonly kind: OurRoom['kind']; readonly id: string };

/**
 * The sweep, a round at each call. Everybody in every room where people talk is asked about again, from what events told: who drifted (a role, an agreement, a rule
 * changed) is found in the same round. A few rooms of each kind are read at the homeserver, in turn, for what no event told. What is found becomes a fact; what is as
 * it must be leaves no trace. Gives how many rooms that concerns.
 */
export function createSweep(parts: SweepParts): () => Promise<number> {
  const { store, notes, log, now, worker } = parts;
  // Which rooms there are is read once for each time around: there may be thousands.
  let rest: readonly Named[] = [];

  async function next(governed: readonly GovernedRoom[]): Promise<readonly Named[]> {
    if (rest.length === 0) {
      const results = (await store.states('room')) as readonly RoomState[];
      const all = [...governed.map(({ key }): Named => ({ kind: 'governed', id: key })), ...results.map(({ party }): Named => ({ kind: 'room', id: party.id }))].sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
      const last = (await notes.read(CURSOR)) ?? '';
      const after = all.filter((room) => nameOf(room) > last);
      rest = after.length > 0 ? after : all;
    }
    const due = rest.slice(0, parts.looks);
    rest = rest.slice(parts.looks);
    return due;
  }

  return async () => {
    try {
      if (!(await store.lease('rooms.sweep', worker, now(), LEASE_MS))) return 0;
      const governed = (await store.states('governed')) as readonly GovernedRoom[];
      const due = await next(governed);
      const facts = [...await drifted(parts, governed), ...await looked(parts, due)];
      if (facts.length > 0) {
        await store.receive(facts);
        parts.nudge();
      }
      const end = due.at(-1);
      if (end) await notes.write(CURSOR, nameOf(end));
      return facts.length;
    } catch (error) {
      rest = [];
      log.warn('rooms.not-swept', { error: errorCode(error) });
      return 0;
    }
  };
}

const nameOf = ({ kind, id }: Named): string => `${kind}/${id}`;

async function drifted({ store, judge, vouched, settings, now }: SweepParts, rooms: readonly GovernedRoom[]): Promise<readonly IncomingFact[]> {
  if (rooms.length === 0) return [];
  // All at once: to ask for each of them would cost more than the rest of the round.
  const [parties, registers] = await Promise.all([store.states('party'), store.states('agreement')]) as readonly [readonly Party[], readonly Register[]];
  const patients = await store.lookup([...new Set(rooms.map(({ patient }) => patient))].flatMap(lookupsOfPatient));
  const found = await vouched(new Map<string, FoundAggregate>([
    ...patients,
    ...parties.filter(({ kind }) => kind === 'person').flatMap((party) => party.members.map((userId) => [personName(userId), { aggregate: { kind: 'party', id: party.id }, state: party }] as const)),
    ...registers.map((register) => [register.server, { aggregate: { kind: 'agreement', id: register.server }, state: register }] as const),
  ]));
  const by = { judge, settings: settings(), now: now(), found };
  return rooms.filter((room) => {
    const { admitted, speakers } = admission(room, by);
    const left = new Set(room.refused.filter(({ rules }) => rules.includes('made-local')).map(({ userId }) => userId));
    return JSON.stringify([admitted.filter((userId) => !left.has(userId)), speakers]) !== JSON.stringify([room.admitted, room.speakers]);
  }).map(({ key }) => ({ source: 'operator', key: `sweep:${now()}:${key}`, aggregate: { kind: 'governed', id: key }, at: now(), body: { type: 'policy.changed', revision: 'sweep' } }));
}

async function looked(parts: SweepParts, due: readonly Named[]): Promise<readonly IncomingFact[]> {
  const { store, homeserver, ours, log, now } = parts;
  const facts: IncomingFact[] = [];
  const look = async (named: Named): Promise<void> => {
    const room = await loadRoom(store, named);
    const roomId = room?.state.roomId;
    if (!room || roomId === undefined) return;
    if (room.kind === 'governed') facts.push(...await reopened(parts, named, room));
    const state = await homeserver.state(roomId);
    // That it is away says nothing of the room.
    if (!state.ok && state.error.code !== 'forbidden' && state.error.code !== 'not-found') return;
    if (state.ok) facts.push(...opened(parts, named, roomId, state.value));
    const rules = (state.ok ? findingsIn(room, state.value, ours()) : [{ rule: 'guardian' as const }]).filter((finding) => !isKnown(room, finding));
    if (rules.length === 0) return;
    log.warn('room.drifted', { room: roomId, rules: [...new Set(rules.map(({ rule }) => rule))].join(' ') });
    const isStandby = rules.every(({ rule }) => rule === 'standby');
    facts.push({ source: 'operator', key: isStandby ? `sweep:standby:${Math.floor(now() / STANDBY_MS)}:${roomId}` : `sweep:${now()}:${roomId}`, aggregate: named, at: now(), body: { type: 'room.changed', roomId, what: 'sweep', by: 'aceso' } });
  };
  for (let at = 0; at < due.length; at += AT_ONCE) await Promise.all(due.slice(at, at + AT_ONCE).map(look));
  return facts;
}

/** Rooms that it had before and that somebody opened again, or is in who isn't let in. */
async function reopened(parts: SweepParts, aggregate: Named, room: Extract<OurRoom, { readonly kind: 'governed' }>): Promise<readonly IncomingFact[]> {
  const { homeserver, ours, log, now } = parts;
  const facts: IncomingFact[] = [];
  for (const roomId of room.state.former ?? []) {
    const state = await homeserver.state(roomId);
    // Where the guardian is out, nothing can be put back.
    if (!state.ok) continue;
    facts.push(...opened(parts, aggregate, roomId, state.value));
    if (openIn(room, state.value, successorOf(room.state, roomId), ours()).length === 0) continue;
    log.warn('room.drifted', { room: roomId, rules: 'former' });
    facts.push({ source: 'operator', key: `sweep:former:${Math.floor(now() / AGAIN_MS)}:${roomId}`, aggregate, at: now(), body: { type: 'room.changed', roomId, what: 'sweep', by: 'aceso' } });
  }
  return facts;
}

/** That homeservers don't ask the policy server: an event told it, as a rule, but events can be lost, and state that rides in where a room's graph forks is told by none. */
function opened({ policy, handed = () => undefined, metrics, log, now }: SweepParts, aggregate: Named, roomId: RoomId, state: StateOfRoom): readonly IncomingFact[] {
  const edge = policy && openEdge(state, policy, handed(roomId));
  if (!policy || edge === undefined) return [];
  if (edge !== 'start') {
    metrics.count('policy_edges', { edge });
    log.warn('policy.opened', { edge, room: roomId, by: 'sweep' });
  }
  return [{ source: 'operator', key: `sweep:${edge}:${Math.floor(now() / AGAIN_MS)}:${roomId}`, aggregate, at: now(), body: { type: 'room.unprotected', roomId, edge, by: policy.userId } }];
}

/** What was told already and nobody but a person can mend isn't told again with each round. */
function isKnown({ kind, state }: OurRoom, { rule, user }: { readonly rule: RoomRule; readonly user?: UserId }): boolean {
  const isMended = rule !== 'federation' && rule !== 'state-unknown' && rule !== 'guardian' && !(rule === 'member' && kind === 'room');
  return !isMended && state.looked?.findings.some((known) => known.rule === rule && known.user === user) === true;
}
