import { as, type DeliveryId, type EffectId, type FactId, type Millis, type RoomId, type UserId } from '../brand.ts';
import type { AuditEntry, Context, Decision, Lookup, Settings } from '../decision.ts';
import type { Effect, EffectResult } from '../effect.ts';
import type { Fact, FactOf, Membership, RaisedFact } from '../fact.ts';
import { NO_AGREEMENT, noAgreement, strangersAmong, unawareOf } from '../agreements/agreed.ts';
import { entryName, serverOf, serversOf, type Party } from '../people/party.ts';
import { lookupsOfMembers, mayJoin, refusalWords, type Judged } from '../policy/members.ts';
import { sendLane } from '../delivery/send.ts';
import { answeredEvents, arrived, isUnreadTimer, opened, pass, patienceEnded, unreadable } from './answers.ts';
import { beginEnding, departing, endingOver, released } from './ending.ts';
import { findingEntries, LOOK_TIMER, lookEffect, lookSoon } from './look.ts';
import { awaitJoin, awaitMissing, goOnWithout, MISSING_TIMER } from './missing.ts';
import { bringing, brought, clearTextNotice, notBrought, notTold, withNotice } from './notice.ts';
import { creationOf, entitled, invitationOf, isComing, isInviting, OPEN_LIMIT, outside, roomLane, seatOf, serves, usable, type MemberChange, type RoomState } from './room.ts';
import { seatAmong, seatFor } from './seat.ts';
import { notProtected, protectedAnew, protection, UNPROTECTED } from './underPolicy.ts';
import { isFollowing, moved as movedTo, notFollowed, tombstoned } from './upgrade.ts';

type RoomDecision = Decision<RoomState | undefined>;

/**
 * Whom a room is for, the directory says: what asks for it may have been addressed long ago. And an answer is about the events it relates to:
 * the delivery that was sent as one of them, or was answered by one of them, must be known.
 */
export function lookupsOfRoom(fact: Fact, state: RoomState | undefined): readonly Lookup[] {
  const entryOf = ({ id }: Party): Lookup => ({ kind: 'party', name: entryName(id) });
  switch (fact.body.type) {
    case 'room.wanted':
      return [entryOf(fact.body.party), ...lookupsOfMembers(fact.body.party, state?.party)];
    case 'party.changed':
      return lookupsOfMembers(fact.body.party);
    case 'policy.changed':
      return state ? [entryOf(state.party), ...lookupsOfMembers(state.party)] : [];
    default:
      return answeredEvents(fact).map((name) => ({ kind: 'delivery', name }));
  }
}

/**
 * The results room of one party (issue: "one per recipient"; 45 CFR 164.312(a)(1)): made on demand from its template, its members invited,
 * and the deliveries that need it told when it can be used and when it can't.
 */
export const decideRoom = (before: RoomState | undefined, fact: Fact, context: Context): RoomDecision => bringing(decided(before, fact, context), context.settings);

function decided(before: RoomState | undefined, fact: Fact, context: Context): RoomDecision {
  const { body } = fact;
  const state = before && seated(before, context.settings);
  if (body.type === 'room.wanted') return wanted(state, body, context, fact.id);
  if (!state) return { state, audit: [{ action: 'room.ignored', because: `${body.type} came for a room that was never wanted` }] };
  switch (body.type) {
    case 'party.changed':
      return wanted(state, { type: 'room.wanted', party: body.party }, context, fact.id);
    case 'policy.changed':
      return wanted(state, { type: 'room.wanted', party: state.party }, context, fact.id);
    case 'effect.done':
      if (body.result.type === 'room.create') return body.effect === creationOf(state) ? created(state, body.result.roomId, context.settings) : superseded(state, body.effect);
      if (body.result.type === 'room.invite') return invited(state, body.effect, fact.at);
      if (body.result.type === 'room.follow') return isFollowing(state, body.effect) ? upgraded(state, body.result.roomId, context.settings) : superseded(state, body.effect);
      if (body.result.type === 'courier.accept') return { state, wake: [sendLane(state.party)], audit: [{ action: 'identity.accepted', because: 'an operator confirmed it', detail: { user: body.result.userId } }] };
      if (body.result.type === 'courier.member') return { state: { ...state, untold: untoldOf(state).filter(({ effect }) => effect !== body.effect) }, audit: [] };
      if (body.result.type === 'member.remove') return { state, audit: [{ action: 'member.removed', because: state.party.standing?.left ? 'they have left' : 'the agreement is over', detail: { user: body.result.userId, party: state.party.id } }] };
      if (body.result.type === 'room.repair') return { state: { ...state, looked: { at: fact.at, findings: body.result.findings } }, audit: findingEntries(body.result) };
      if (body.result.type === 'room.protect') return underPolicy(state, body.result, context.settings);
      if (body.result.type === 'room.send') return brought(state, body.effect);
      if (body.result.type === 'event.decrypt') return opened(state, body.result, context);
      return ignored(state, body.type);
    case 'effect.failed':
      return failed(state, body, fact.at);
    case 'room.member':
      return member(state, body, fact.at);
    case 'room.released':
      return released(state, body.delivery);
    case 'operator.accept':
      return accept(state, body, fact.id);
    case 'room.unprotected':
      return unprotected(state, fact.id, body);
    case 'room.changed':
      return body.roomId === state.roomId ? lookSoon(state, body, fact.at) : ignored(state, body.type);
    case 'room.tombstone':
      return tombstoned(state, body);
    case 'room.encrypted':
      return arrived(state, body, context);
    case 'room.clear-text': {
      const { roomId, eventId, sender } = body;
      const redaction: Effect = { id: as<EffectId>(`redact:${eventId}`), lane: `redact:${eventId}`, body: { type: 'room.redact', roomId, eventId, reason: 'Not encrypted: results rooms take encrypted messages only.' } };
      const { state: told, audit } = state.party.members.includes(sender) ? withNotice(state, clearTextNotice(sender, { id: state.party.id, words: 'this room' }, fact.at)) : { state, audit: [] };
      return { state: told, effects: [redaction], audit: [{ action: 'clear-text.removed', because: 'PHI rooms take ciphertext only (45 CFR 164.312(e)(1))', detail: { event: eventId, sender } }, ...audit] };
    }
    case 'room.reaction':
      return pass(state, context, [body.relatesTo], { type: 'reaction.received', eventId: body.eventId, sender: body.sender });
    case 'room.receipt':
      // No event that could be shown: the homeserver takes them from servers with anybody in the room.
      if (state.members[body.userId] === 'left' || state.members[body.userId] === 'declined') return { state, audit: [{ action: 'receipt.not-counted', because: 'whoever is said to have read it is not in the room', detail: { event: body.eventId, by: body.userId } }] };
      return pass(state, context, [body.eventId], { type: 'receipt.seen', eventId: body.eventId, userId: body.userId, seenAt: body.seenAt });
    case 'timer.due':
      if (body.name === MISSING_TIMER) return { ...settle(goOnWithout(state)), audit: [{ action: 'member.missing', because: 'their invitation could not be brought to them in time: the rest of the team is told', detail: { party: state.party.id } }] };
      if (body.name === LOOK_TIMER && state.roomId !== undefined) return { state: lookedAt(state), effects: [lookEffect({ kind: 'room', id: fact.aggregate.id }, state.roomId, fact.id)], audit: [] };
      return isUnreadTimer(body.name) ? patienceEnded(state, body.name) : ignored(state, body.type);
    default:
      return ignored(state, body.type);
  }
}

const lookedAt = ({ lookAt: _, ...state }: RoomState): RoomState => state;

/** Nothing new is asked of a seat that is none any more. */
function seated(state: RoomState, { courierSeats }: Settings): RoomState {
  const seat = seatAmong(seatOf(state), state.party.id, courierSeats);
  return seat === seatOf(state) ? state : { ...state, seat };
}

const superseded = (state: RoomState, effect: EffectId): RoomDecision => ({ state, audit: [{ action: 'room.superseded', because: 'asked for before its party changed, or before something newer was heard', detail: { effect } }] });

const ignored = (state: RoomState, type: string): RoomDecision => ({ state, audit: [{ action: 'room.ignored', because: `a room has no rule for ${type}` }] });

function wanted(before: RoomState | undefined, body: FactOf<'room.wanted'>, context: Context, fact: FactId): RoomDecision {
  const { party: addressed, delivery, notice } = body;
  const { settings, found } = context;
  const party = (found.get(entryName(addressed.id))?.state as Party | undefined) ?? addressed;
  // What is known of members whom the directory named since then was not looked up: it is, when it is asked with them.
  const isAsked = (userId: UserId): boolean => addressed.members.includes(userId) || before?.party.members.includes(userId) === true;
  const knows: readonly string[] = [settings.ownServer, ...[addressed, before?.party].flatMap((each) => (each ? serversOf(each) : []))];
  if (party.kind === 'team' ? !party.members.every(isAsked) : !serversOf(party).every((server) => knows.includes(server))) return { state: before, raise: [{ aggregate: { kind: 'room', id: party.id }, body: { ...body, party } }], audit: [{ action: 'room.asked-again', because: 'the directory names other members by now', detail: { party: party.id } }] };
  const strangers = strangersAmong(party, context);
  const relies: readonly RaisedFact[] = unawareOf(party, context).map(({ server }) => ({ aggregate: { kind: 'agreement', id: server }, body: { type: 'agreement.used', party: party.id } }));
  const asked = mayJoin(party, party.members, context);
  const admitted = admitting(roomFor(before, party, settings), asked);
  const [stranger] = strangers;
  const isClosed = stranger !== undefined || asked.allowed.length === 0;
  const unsaid = notice && isClosed ? [notTold(notice, 'the policy lets them have no results room')] : [];
  // No room is wanted for those who may have none, only to tell them so.
  if (notice && isClosed && !before) return { state: before, audit: [...asked.audit, ...unsaid] };
  if (stranger !== undefined) {
    const { state: ending, raise = [], effects = [], audit: said } = beginEnding(admitted, strangers);
    const refused: AuditEntry = { action: 'room.refused', because: noAgreement(stranger).message, detail: { party: party.id } };
    return { ...closed(ending, noAgreement(stranger), delivery, [...asked.audit, refused, ...said, ...unsaid], [...relies, ...raise]), effects };
  }
  const { state, raise: keeps = [], audit: saidOfKept } = endingOver(admitted);
  if (asked.allowed.length === 0) return { ...closed(state, { code: POLICY, message: refusalWords(asked.refused) }, delivery, [...asked.audit, ...saidOfKept, ...unsaid], [...relies, ...keeps]), effects: departing(state) };
  const { state: serving, audit: dropped } = notice ? withNotice(state, notice) : { state, audit: [] };
  const waiting: RoomState = delivery ? { ...serving, waiting: joined(serving.waiting, [delivery]) } : serving;
  const audit: AuditEntry = { action: 'room.wanted', because: delivery ? 'a delivery needs it' : notice ? 'somebody must be told something there' : 'its party was enrolled', detail: { party: party.id, ...(delivery ? { delivery } : {}) } };
  const create: Effect = { id: creationOf(state), lane: roomLane(party), body: { type: 'room.create', party } };
  if (state.generation !== before?.generation) return { state: waiting, effects: [create], raise: [...relies, ...keeps], audit: [audit, ...saidOfKept, ...asked.audit, ...dropped] };
  const { state: next, effects } = waiting.unprotected ? protectedAnew(waiting, fact) : waiting.phase === 'ready' ? invite(waiting, settings) : { state: waiting, effects: waiting.blocked ? [create] : [] };
  const obstacle = delivery && !usable(next) ? obstacleOf(next) : undefined;
  const told = !delivery || usable(next) ? [] : obstacle ? toDeliveries([delivery], { type: 'room.blocked', ...obstacle, members: next.members }) : waitsFor(next, delivery);
  const { state: settled, raise = [] } = settle(next);
  // That they may be in it is said when they are asked in, not again with each delivery.
  const isNews = effects.length > 0 || asked.refused.length > 0;
  return { state: settled, raise: [...relies, ...keeps, ...raise, ...told], effects, wake: [roomLane(party), ...(before.blocked?.code === NO_AGREEMENT ? [sendLane(party)] : [])], audit: [audit, ...saidOfKept, ...(isNews ? asked.audit : []), ...dropped] };
}

/** The room with those outside whom the policy doesn't let in. */
function admitting({ barred: _, ...room }: RoomState, { allowed, refused }: Judged): RoomState {
  const { blocked, ...rest } = room;
  const state: RoomState = (blocked?.code === POLICY || blocked?.code === NO_AGREEMENT) && room.phase === 'ready' && allowed.length > 0 ? rest : room;
  return refused.length === 0 ? state : { ...state, barred: refused.map(({ userId }) => userId) };
}

/** Nobody of the party may be in it, by the policy or for want of an agreement: what is for them waits, held, until they may, or the directory knows them better. */
function closed(state: RoomState, blocked: NonNullable<RoomState['blocked']>, delivery: DeliveryId | undefined, audit: readonly AuditEntry[], relies: readonly RaisedFact[]): RoomDecision {
  const waiting = joined(state.waiting, delivery ? [delivery] : []);
  return { state: { ...state, waiting, blocked }, raise: [...relies, ...toDeliveries(waiting, { type: 'room.blocked', ...blocked, members: state.members })], audit };
}

const POLICY = 'policy';

/** The room as it is for the party as it is now. Deliveries that were told of it as it was are told again: they may have been on their way to others. */
function roomFor(before: RoomState | undefined, party: Party, { courierSeats }: Settings): RoomState {
  if (!before) return { party, phase: 'creating', generation: 1, seat: seatFor(party.id, courierSeats), servers: serversOf(party), former: [], members: {}, invitations: {}, waiting: [], open: [] };
  const { roomId, generation, seat, invitations, members } = before;
  const again = { party, waiting: joined(before.open, before.waiting), open: [] };
  if (!serves(before, party)) return { ...again, phase: 'creating', generation: generation + 1, servers: serversOf(party), former: roomId ? [...before.former, roomId] : before.former, members: {}, invitations, ...(seat === undefined ? {} : { seat }) };
  const isSame = JSON.stringify(party.standing) === JSON.stringify(before.party.standing) && party.members.length === before.party.members.length && party.members.every((member) => before.party.members.includes(member));
  return isSame ? { ...before, party } : { ...before, ...again, members: Object.fromEntries(Object.entries(members).filter(([userId]) => party.members.some((member) => member === userId))) };
}

const joined = (first: readonly DeliveryId[], then: readonly DeliveryId[]): readonly DeliveryId[] => [...first.filter((id) => !then.includes(id)), ...then];

/** What is known to keep the room from being used, when nothing is under way that would change it soon. A delivery that comes later is told too. */
function obstacleOf(room: RoomState): { readonly code: string; readonly message: string } | undefined {
  const { blocked, unprotected, members } = room;
  if (blocked) return { code: `room-${blocked.code}`, message: blocked.message };
  if (unprotected) return { code: UNPROTECTED, message: unprotected.message };
  if (isInviting(room)) return undefined;
  const stuck = entitled(room).find((userId) => members[userId] === 'limited' || members[userId] === 'unreachable');
  if (stuck === undefined) return undefined;
  return { code: `invitation-${members[stuck] ?? ''}`, message: members[stuck] === 'limited' ? `the server of ${stuck} limits invitations; Aceso keeps trying` : `the invitation of ${stuck} can't be brought to their server; Aceso keeps trying` };
}

/** A delivery that comes while members haven't accepted yet hears of them as those before it did. */
const waitsFor = ({ party, members }: RoomState, delivery: DeliveryId): readonly RaisedFact[] =>
  party.members.filter((userId) => members[userId] === 'invited').flatMap((userId) => toDeliveries([delivery], { type: 'recipient.membership', userId, membership: 'invited' }));

function created(before: RoomState, roomId: NonNullable<RoomState['roomId']>, settings: Settings): RoomDecision {
  const { blocked: _, ...rest } = before;
  const { state, effects } = invite({ ...rest, phase: 'ready', roomId }, settings);
  return { ...settle(state), effects, names: [roomId, ...before.former], audit: [{ action: 'room.created', because: 'made from its template', detail: { room: roomId, party: state.party.id } }] };
}

function upgraded(before: RoomState, roomId: RoomId, settings: Settings): RoomDecision {
  const { state: replaced, names, audit } = movedTo(before, roomId);
  const { state, effects } = invite(replaced, settings);
  return { ...settle(state), effects, names, audit };
}

function underPolicy(before: RoomState, { roomId, steps }: Extract<EffectResult, { readonly type: 'room.protect' }>, settings: Settings): RoomDecision {
  const audit: readonly AuditEntry[] = [{ action: 'policy.in-force', because: 'its homeservers ask the policy server about every event', detail: { room: roomId, steps } }];
  const { unprotected, ...room } = before;
  if (roomId !== before.roomId || !unprotected) return { state: before, audit };
  // What else keeps it from being used still does.
  if (room.blocked) return { state: room, audit };
  const { state, effects } = invite(room, settings);
  return { ...settle(state), effects, wake: [sendLane(state.party)], audit };
}

/** Homeservers let everything pass where the policy server isn't in force: it is put back, whoever took it away. */
function unprotected(state: RoomState, fact: FactId, { roomId, edge, by }: FactOf<'room.unprotected'>): RoomDecision {
  const audit: AuditEntry = edge === 'start' ? { action: 'policy.wanted', because: 'a policy server is configured', detail: { room: roomId } } : { action: 'policy.opened', because: `its homeservers may let everything pass: ${edge}`, detail: { room: roomId, edge, by } };
  return { state, effects: [protection(roomId, fact)], audit: [audit] };
}

/** Each time it is confirmed is one of its own: the identity may change again. */
function accept(state: RoomState, { by, userId }: FactOf<'operator.accept'>, fact: FactId): RoomDecision {
  if (!state.party.members.includes(userId)) return { state, audit: [{ action: 'identity.refused', because: 'not of the party this room serves', detail: { user: userId, by } }] };
  const effect: Effect = { id: as<EffectId>(`accept:${fact}`), lane: `accept:${state.party.id}:${userId}`, seat: seatOf(state), body: { type: 'courier.accept', userId } };
  return { state, effects: [effect], audit: [{ action: 'identity.confirmed', because: `by ${by}`, detail: { user: userId } }] };
}

/** Invites everybody of the party who is outside and not already on the way. */
function invite(state: RoomState, { ownServer }: Settings): { readonly state: RoomState; readonly effects: readonly Effect[] } {
  const { roomId } = state;
  if (!roomId) return { state, effects: [] };
  let next = state;
  const effects: Effect[] = [];
  for (const userId of outside(state)) {
    if (isComing(state.members[userId])) continue;
    next = { ...next, members: { ...next.members, [userId]: 'wanted' }, invitations: { ...next.invitations, [userId]: (next.invitations[userId] ?? 0) + 1 } };
    const destination = serverOf(userId);
    effects.push({ id: invitationOf(next, userId), lane: `invite:${state.party.id}:${userId}`, body: { type: 'room.invite', roomId, userId }, ...(destination === ownServer ? {} : { destination }) });
  }
  return { state: next, effects };
}

/** Tells the waiting deliveries once the room can be used. */
function settle(state: RoomState): Pick<RoomDecision, 'raise'> & { readonly state: RoomState } {
  if (!usable(state) || !state.roomId || state.waiting.length === 0) return { state };
  const raise = toDeliveries(state.waiting, { type: 'room.ready', roomId: state.roomId, party: { ...state.party, members: entitled(state) }, members: state.members, seat: seatOf(state) });
  return { state: { ...state, waiting: [], open: joined(state.open, state.waiting).slice(-OPEN_LIMIT) }, raise };
}

/** The member whom an invitation was for, as long as nothing newer was heard of them: what the homeserver tells of its members stays. */
const invitee = (state: RoomState, effect: EffectId): UserId | undefined => state.party.members.find((userId) => invitationOf(state, userId) === effect && isComing(state.members[userId]));

function invited(state: RoomState, effect: EffectId, at: Millis): RoomDecision {
  const userId = invitee(state, effect);
  return userId ? moved(state, userId, 'invited', at) : superseded(state, effect);
}

function moved(before: RoomState, userId: UserId, membership: Membership, at: Millis): RoomDecision {
  if (before.members[userId] === membership || (membership === 'invited' && before.members[userId] === 'joined')) return { state: before, audit: [] };
  const now: RoomState = { ...before, members: { ...before.members, [userId]: membership } };
  const { state, timers } = membership === 'invited' ? awaitJoin(now, at) : { state: now, timers: [] };
  const { state: settled, raise = [] } = settle(state);
  return {
    state: settled,
    timers,
    raise: [...raise, ...toDeliveries([...before.open, ...settled.waiting], { type: 'recipient.membership', userId, membership })],
    audit: [{ action: `member.${membership}`, because: 'the homeserver said so', detail: { user: userId, party: before.party.id } }],
  };
}

function member(before: RoomState, { roomId, userId, of, membership, sender, eventId }: FactOf<'room.member'>, at: Millis): RoomDecision {
  if (of === 'ours') return { state: before, audit: [] };
  if (roomId !== before.roomId) return { state: before, audit: [{ action: 'member.former', because: 'of a room that this party had before', detail: { user: userId, membership } }] };
  if (!before.party.members.includes(userId)) {
    const expected = membership !== 'join' && membership !== 'invite';
    return { state: before, audit: [{ action: expected ? 'member.other' : 'member.unexpected', because: 'not of the party this room serves: gets no keys', detail: { user: userId, membership, by: sender } }] };
  }
  if (membership === 'knock') return ignored(before, 'knock');
  const change: MemberChange = { effect: as<EffectId>(`member:${eventId}`), userId, membership };
  const state: RoomState = { ...before, untold: [...untoldOf(before).filter((earlier) => earlier.userId !== userId), change] };
  const told: Effect = { id: change.effect, lane: `member:${before.party.id}:${userId}`, seat: seatOf(state), body: { type: 'courier.member', roomId, userId, membership } };
  return { ...moved(state, userId, membershipOf(before.members[userId], membership, sender === userId ? 'themselves' : 'another'), at), effects: [told] };
}

const untoldOf = ({ untold = [] }: RoomState): readonly MemberChange[] => untold;

const membershipOf = (before: Membership | undefined, now: MemberChange['membership'], by: 'themselves' | 'another'): Membership => {
  if (now === 'invite') return 'invited';
  if (now === 'join') return 'joined';
  return before === 'invited' && by === 'themselves' ? 'declined' : 'left';
};

function failed(state: RoomState, body: FactOf<'effect.failed'>, at: Millis): RoomDecision {
  if (body.kind === 'event.decrypt') return unreadable(state, body, at);
  if (body.kind === 'room.send') return notBrought(state, body);
  if (body.kind === 'room.follow') return isFollowing(state, body.effect) ? notFollowed(state, body) : superseded(state, body.effect);
  const reason = { code: body.code, message: body.message };
  const audit: AuditEntry = { action: 'room.blocked', because: body.message, detail: { code: body.code, effect: body.effect, final: body.final } };
  if (body.kind === 'courier.accept') return { state, audit: [{ ...audit, action: 'identity.not-accepted' }] };
  if (body.kind === 'member.remove') return { state, audit: [{ ...audit, action: 'member.not-removed' }] };
  if (body.kind === 'room.repair') return { state, audit: [{ ...audit, action: 'room.not-repaired' }] };
  if (body.kind === 'room.protect') return exposed(state, notProtected(state, body), { ...audit, action: 'policy.not-in-force' });
  if (body.kind === 'courier.member') return { state, audit: [{ ...audit, action: 'member.not-told' }] };
  if (body.kind === 'room.redact') return { state, audit: [{ ...audit, action: 'clear-text.not-removed' }] };
  const userId = body.kind === 'room.invite' ? invitee(state, body.effect) : undefined;
  if (!userId && body.effect !== creationOf(state)) return superseded(state, body.effect);
  const membership: Membership = body.final ? 'refused' : body.code === 'limited' ? 'limited' : 'unreachable';
  const { state: next, timers } = userId ? awaitMissing(state, { ...state, members: { ...state.members, [userId]: membership } }, userId, at) : { state: { ...state, blocked: reason }, timers: [] };
  if (usable(next)) return { ...settle(next), audit: [audit] };
  const blocked = toDeliveries(isInviting(next) ? [] : next.waiting, { type: 'room.blocked', ...reason, code: userId ? `invitation-${membership}` : `room-${body.code}`, members: next.members });
  return { state: next, raise: blocked, timers, audit: [audit] };
}

const exposed = (before: RoomState, state: RoomState, audit: AuditEntry): RoomDecision => ({
  state, audit: [audit],
  raise: state === before || !state.unprotected ? [] : toDeliveries(state.waiting, { type: 'room.blocked', code: UNPROTECTED, message: state.unprotected.message, members: state.members }),
});

const toDeliveries = (ids: readonly string[], body: RaisedFact['body']): readonly RaisedFact[] => ids.map((id) => ({ aggregate: { kind: 'delivery', id }, body }));
