import { as, type EffectId, type EventId, type Millis } from '../brand.ts';
import type { Context, Lookup, Settings, Timer } from '../decision.ts';
import { lookupsOfPatient, type Patient } from '../care/care.ts';
import { versionOf } from '../care/patient.ts';
import { withScope } from '../consent/scope.ts';
import { NO_AGREEMENT, noAgreement, strangersAmong } from '../agreements/agreed.ts';
import type { Fact, FactOf, Membership, RaisedFact } from '../fact.ts';
import type { Party } from '../people/party.ts';
import { lookupsOfMembers, mayRead, refusalWords, type Judged } from '../policy/members.ts';
import { fileFailed, fileFetched, fileNoticed, fileSent, refusedNotices } from './decideFiles.ts';
import { eventNames, fetchedFile, fetchEffects, fileEffects, fileLanes, fileOf, holdCodeOf, isFileHold, isWhole, noticedFile } from './files.ts';
import { AGREEMENT_ENDED, roomEnding, roomKept, takenOver, untilClosed } from './ending.ts';
import { isIn, needsConsent, reaching, reachOf, sendEffect, sendLane, type Reach } from './send.ts';
import { ANSWER_LIMIT, POLICY, type DeliveryPhase, type DeliveryState, type Evidence } from './delivery.ts';
import { hold, kept, keptBack, letGo, noted, released, releasedUnlessUnread, went, type DeliveryDecision } from './steps.ts';

const INVITATION = 'invitation';
const SENDING = 'sending';
const NO_RECIPIENT = 'no-recipient';
const UNREADABLE = 'reply-unreadable';
/** What hasn't left by then is held: it waits behind another message to the same party, whose hold says why. */
const SENDING_PATIENCE_MS = 30_000;

/** Whom it goes to, and in whose care the patient is, is asked of the policy when its room is ready. */
export const lookupsOfDelivery = ({ body }: Fact, state: DeliveryState | undefined): readonly Lookup[] => (body.type === 'room.ready' ? [...lookupsOfMembers(body.party), ...lookupsOfPatient(state?.content.subject)] : []);

/**
 * The life of a delivery (product M8; 42 CFR 493.1291(g)). Total: every fact in every phase has an outcome. Nothing is ever dropped:
 * what can't proceed carries a hold with its reason and owner, and leaves it by itself when what it waits for happens.
 */
export const decideDelivery = (state: DeliveryState | undefined, fact: Fact, context: Context): DeliveryDecision => unlessWhole(state, untilClosed(state, decided(noted(state), fact, context)));

function decided(state: DeliveryState | undefined, fact: Fact, context: Context): DeliveryDecision {
  const { body } = fact;
  if (body.type === 'delivery.requested') return state ? kept(state, 'already requested') : requested(fact, body);
  if (!state) return { state, audit: [{ action: 'delivery.ignored', because: `${body.type} came for a delivery that does not exist` }] };
  const now = fact.at;
  switch (body.type) {
    case 'room.ready':
      return roomReady(state, body, context, now);
    case 'room.blocked':
      return state.eventId ? kept(state, 'already sent') : hold({ ...state, members: body.members }, { code: body.code, reason: body.message }, now);
    case 'recipient.membership':
      return membership(state, body, context, now);
    case 'effect.done':
      return done(state, body, context, now);
    case 'effect.failed': {
      const file = fileOf(state, body.effect) ?? fetchedFile(state, body.effect);
      // It was stopped because the rules kept it back, and they let it go meanwhile.
      const isFree = body.code === POLICY && !state.keptBack && state.party;
      const again = isFree ? { raise: [wantRoom(state.id, isFree)] } : {};
      if (file) return { ...fileFailed(state, file, body, context, now), ...again };
      if (state.eventId) return kept(state, 'already sent');
      if (state.held?.code === POLICY) return kept(state, 'the rules keep it back, whatever became of the attempt that was in hand');
      return { ...hold(state, { code: body.code, reason: body.message }, now), ...again };
    }
    case 'reply.received':
      return answered(state, body, now);
    case 'reply.unread':
      return unreadReply(state, body, now);
    case 'reply.readable':
      return readable(state, body.eventId, now);
    case 'reaction.received':
      return reached(state, 'seen', { at: now, what: 'reaction (proves seen at most)', by: body.sender, proof: body.eventId });
    case 'receipt.seen':
      return reached(state, 'seen', { at: now, what: 'read receipt', by: body.userId, proof: body.eventId });
    case 'timer.due':
      if (body.name === INVITATION) return patienceEnded(state, now);
      return body.name === SENDING ? notSentYet(state, now) : kept(state, `no rule for timer ${body.name}`);
    case 'delivery.superseded':
      return superseded(state, body.by, now);
    case 'room.ending':
      return roomEnding(state, body, now);
    case 'room.kept':
      return roomKept(state, now);
    case 'operator.retry':
      return retry(state, { what: 'tried again by hand', by: body.by }, now);
    case 'patient.changed':
      return askedAgain(state, now);
    case 'operator.close':
      return close(state, body.by, now);
    case 'operator.assign':
      return assign(state, body, now);
    default:
      return kept(state, `a delivery has no rule for ${body.type}`);
  }
}

const wantRoom = (id: DeliveryState['id'], party: Party): RaisedFact => ({ aggregate: { kind: 'room', id: party.id }, body: { type: 'room.wanted', party, delivery: id } });

function requested(fact: Fact, body: FactOf<'delivery.requested'>): DeliveryDecision {
  const { report, source, news, critical, labels, content, owner, party, rule, why, supersedes, acceptedAt, files } = body;
  const state: DeliveryState = {
    id: as(fact.aggregate.id), report, source, news, critical, content, owner, members: {}, acceptedAt, history: [],
    phase: party ? 'addressed' : 'accepted', ...(party ? { party } : {}), ...(rule ? { rule } : {}), ...(supersedes ? { supersedes } : {}), ...(files ? { files } : {}), ...(labels ? { labels } : {}),
  };
  const effects = fetchEffects(state);
  if (!party) return { ...hold(state, { code: NO_RECIPIENT, reason: why ?? 'nobody responsible could be found' }, fact.at), effects };
  return went(state, { at: fact.at, what: `addressed to ${party.name}`, by: rule ?? 'unknown rule' }, { raise: [wantRoom(state.id, party)], effects });
}

function roomReady(before: DeliveryState, body: FactOf<'room.ready'>, context: Context, at: Millis): DeliveryDecision {
  const { party } = body;
  const { settings } = context;
  const reach = reachOf(body, settings);
  const [stranger] = strangersAmong(party, context);
  if (stranger !== undefined && before.party?.id === party.id) return withoutAgreement(before, stranger, party, at);
  if (before.eventId) {
    const isAccepted = before.held?.code.startsWith('invitation-') === true && Object.values(body.members).includes('joined');
    const decision = isAccepted ? went(released({ ...before, members: body.members }), { at, what: MEMBERSHIP_WORDS.joined }) : kept(before, 'already sent');
    if (before.party?.id !== party.id) return decision;
    return needsConsent(before) && !isWhole(before) ? filesAsked(before, decision, reach, context, at) : { ...decision, effects: fileEffects(before, reach) };
  }
  if (before.party?.id !== party.id) return kept(before, 'a room is ready, of a party to which it is not addressed');
  const asked = rulesOver(before, reach, context);
  if (asked.refused.length > 0) {
    const reason = refusalWords(asked.refused);
    const held = hold(before.held?.code === POLICY && before.held.reason !== reason ? released(keptBack(before)) : keptBack(before), { code: POLICY, reason }, at);
    return { ...held, raise: [waits(before, context)], audit: [...held.audit, ...asked.audit] };
  }
  const state: DeliveryState = { ...letGo(released(addressedTo(before, party))), phase: 'sending', roomId: body.roomId, seat: reach.seat, members: body.members };
  const decision = went(state, { at, what: `its results room can be used; in it: ${present(body.members)}`, proof: body.roomId }, { effects: [sendEffect({ ...state, content: state.content.map((content) => withScope(content, asked.grants)) }, reach)], ...(asked.grants.length === 0 ? {} : { raise: [waits(before, context)] }), timers: [sendingTimer(at)], clearTimers: [INVITATION] });
  return { ...decision, audit: [...decision.audit, ...asked.audit] };
}

/** Everybody in a room reads what is sent there: one who may not keeps it from going out, and a person answers for that. */
const rulesOver = ({ id, critical, labels, content, rule }: DeliveryState, { party, recipients }: Reach, context: Context): Judged =>
  mayRead(party, recipients, context, { delivery: id, critical, labels: labels?.reveal() ?? [], patient: content.subject, rule });

/** Its message is there, and files of it are still to come: whether they may is asked like the message. */
function filesAsked(before: DeliveryState, { state = before, ...decision }: DeliveryDecision, reach: Reach, context: Context, at: Millis): DeliveryDecision {
  const asked = rulesOver(before, reach, context);
  const raise = [waits(before, context)];
  const audit = [...decision.audit, ...asked.audit];
  if (asked.refused.length === 0) return { ...decision, state: letGo(state), raise, audit, effects: fileEffects(before, reach) };
  const back = keptBack(state);
  if (back.held && !isFileHold(back)) return { ...decision, state: back, raise, audit };
  const held = hold(back, { code: holdCodeOf(POLICY), reason: `its message is sent, its files are not: ${refusalWords(asked.refused)}` }, at);
  return { ...held, raise, audit: [...audit, ...held.audit] };
}

/** What is known of its patient may change: then it is asked again. */
const waits = ({ id, content: { subject } }: DeliveryState, { found }: Context): RaisedFact => ({ aggregate: { kind: 'patient', id: subject }, body: { type: 'patient.waits', delivery: id, version: versionOf(found.get(subject)?.state as Patient | undefined) } });

/** Once everything of it has left, its patient has nothing to tell it any more. */
function unlessWhole(before: DeliveryState | undefined, decision: DeliveryDecision): DeliveryDecision {
  const { state } = decision;
  if (!before || !state || isWhole(before) || !isWhole(state) || !needsConsent(state)) return decision;
  return { ...decision, raise: [...(decision.raise ?? []), { aggregate: { kind: 'patient', id: state.content.subject }, body: { type: 'patient.settled', delivery: state.id } }] };
}

/** The agreement ended while the room was got ready: nothing more goes there, and the room is asked for again, so that it tells when there is another. */
function withoutAgreement(before: DeliveryState, stranger: string, party: Party, at: Millis): DeliveryDecision {
  const { code, message } = noAgreement(stranger);
  if (before.eventId) return kept(before, 'already sent');
  return { ...hold(before, { code, reason: message }, at), raise: [wantRoom(before.id, party)] };
}

const present = (members: DeliveryState['members']): string => Object.entries(members).filter(([, membership]) => membership === 'joined').map(([userId]) => userId).join(', ');

/** Mentions whom it is for, so that their phones ring. */
const addressedTo = (state: DeliveryState, party: Party): DeliveryState => ({ ...state, party, content: state.content.map((content) => ({ ...content, 'm.mentions': { user_ids: party.members } })) });

const invitationTimer = ({ invitationPatienceMs }: Settings, at: Millis): Timer => ({ name: INVITATION, dueAt: as<Millis>(at + invitationPatienceMs) });

const sendingTimer = (at: Millis): Timer => ({ name: SENDING, dueAt: as<Millis>(at + SENDING_PATIENCE_MS) });

function done(state: DeliveryState, { effect, kind, result }: FactOf<'effect.done'>, context: Context, at: Millis): DeliveryDecision {
  if (result.type === 'room.send') return left(state, effect, result, context, at);
  const file = result.type === 'file.fetch' ? fetchedFile(state, effect) : undefined;
  return file && result.type === 'file.fetch' ? fileFetched(state, file, result, context, at) : kept(state, `no rule for ${kind}`);
}

type SendResult = Extract<FactOf<'effect.done'>['result'], { type: 'room.send' }>;

function left(state: DeliveryState, effect: EffectId, result: SendResult, context: Context, at: Millis): DeliveryDecision {
  const file = fileOf(state, effect);
  if (file) return fileSent(state, file, result, at);
  const noticed = noticedFile(state, effect);
  return noticed ? fileNoticed(state, noticed, result, at) : sent(state, result, context, at);
}

function sent(before: DeliveryState, result: SendResult, context: Context, at: Millis): DeliveryDecision {
  const { settings } = context;
  const state: DeliveryState = { ...releasedUnlessUnread(before), phase: 'sent', eventId: result.eventId, sentAt: at };
  const waits = Object.values(state.members).every((membership) => membership !== 'joined');
  const timers: readonly Timer[] = waits ? [invitationTimer(settings, at)] : [];
  const unreached = result.unreached?.length ? `; ${result.unreached.join(', ')} can't read it yet: no device that may get keys, or their server is away` : '';
  const what = `sent, encrypted for ${result.devices} device(s)${result.withheld ? `, withheld from ${result.withheld}` : ''}${unreached}`;
  const effects = [...fileEffects(state, reaching(state, settings)), ...refusedNotices(state, context)];
  const decision = went(state, { at, what, proof: result.eventId }, { names: eventNames(state), timers, clearTimers: [SENDING], effects });
  return { ...decision, audit: decision.audit.map((entry) => ({ ...entry, detail: { ...entry.detail, ms: at - before.acceptedAt } })) };
}

function membership(before: DeliveryState, body: FactOf<'recipient.membership'>, { settings }: Context, at: Millis): DeliveryDecision {
  const state: DeliveryState = { ...before, members: { ...before.members, [body.userId]: body.membership } };
  const evidence: Evidence = { at, what: MEMBERSHIP_WORDS[body.membership], by: body.userId };
  if (body.membership === 'joined') {
    const isWaiting = state.eventId !== undefined && state.held?.code.startsWith('invitation-') === true;
    return went(isWaiting ? released(state) : state, evidence, { clearTimers: [INVITATION] });
  }
  // Whoever answers for it knows already why nobody of theirs is there; and what the rules keep back, no invitation lets go.
  if (state.keepsRoom === 'closed' || state.held?.code === NO_AGREEMENT || state.held?.code === POLICY) return went(state, evidence);
  if ((body.membership === 'declined' || body.membership === 'left') && !hasAnswered(state) && !Object.values(state.members).some(isIn)) {
    return hold(state, { code: `invitation-${body.membership}`, reason: `${MEMBERSHIP_WORDS[body.membership]} before it was seen` }, at);
  }
  // Whatever kept the room from being used before is over: now it is waited for them.
  if (body.membership === 'invited' && state.phase === 'addressed') return went(released(state), evidence, { timers: [invitationTimer(settings, at)] });
  return went(state, evidence);
}

const MEMBERSHIP_WORDS: Readonly<Record<Membership, string>> = {
  wanted: 'is to be invited', limited: 'their server limits invitations; Aceso keeps trying', unreachable: 'their server can\'t be reached; Aceso keeps trying', refused: 'their server refused the invitation',
  invited: 'was invited', joined: 'accepted the invitation', declined: 'declined the invitation', left: 'left the results room',
};

const hasAnswered = (state: DeliveryState): boolean => state.phase === 'seen' || state.phase === 'answered';

const ORDER: readonly DeliveryPhase[] = ['accepted', 'addressed', 'sending', 'sent', 'seen', 'answered'];

/** Only the party's own members can have seen or answered; phases never go back. */
function reached(before: DeliveryState, phase: DeliveryPhase, evidence: Evidence): DeliveryDecision {
  if (!before.party?.members.some((member) => member === evidence.by)) return kept(before, `${phase} by somebody who is not responsible`);
  const later = ORDER.indexOf(phase) > ORDER.indexOf(before.phase);
  const isKnown = before.history.some(({ proof, by, what }) => proof === evidence.proof && by === evidence.by && what === evidence.what);
  if (isKnown) return { state: before, audit: [] };
  // Seen is the message; only an answer says that its reader has what they need.
  const state = isFileHold(before) && phase === 'seen' ? before : releasedUnlessUnread(before);
  return went({ ...state, phase: later ? phase : before.phase }, evidence, { clearTimers: [INVITATION] });
}

/** An answer counts as one only from a device that its owner signed. A reply becomes a name of the delivery, so that what answers or edits it is found too. */
function answered(state: DeliveryState, { eventId, sender, signedByOwner }: FactOf<'reply.received'>, at: Millis): DeliveryDecision {
  const what = signedByOwner ? 'reply, from a device its owner signed' : 'reply, from a device its owner has not signed';
  const decision = reached(state, signedByOwner ? 'answered' : 'seen', { at, what, by: sender, proof: eventId });
  if (!decision.state || decision.state === state) return decision;
  const answers = [...(state.answers ?? []), eventId].slice(-ANSWER_LIMIT);
  const next = { ...decision.state, answers };
  return { ...decision, state: next, names: eventNames(next) };
}

/** What a clinician answered may matter as much as what they were told: until it can be read, somebody has to ask them. */
function unreadReply(before: DeliveryState, { eventId, sender }: FactOf<'reply.unread'>, at: Millis): DeliveryDecision {
  if (!before.party?.members.some((member) => member === sender)) return kept(before, 'an answer that can\'t be read, by somebody who is not responsible');
  if (before.unread?.includes(eventId)) return { state: before, audit: [] };
  const state: DeliveryState = { ...before, unread: [...(before.unread ?? []), eventId].slice(-ANSWER_LIMIT) };
  const reason = `${sender} answered, and the answer can't be read: its keys haven't come. Call them`;
  return went({ ...state, held: { code: UNREADABLE, reason, owner: state.owner, since: at } }, { at, what: `held: ${reason}`, by: sender, proof: eventId });
}

function readable(before: DeliveryState, eventId: EventId, at: Millis): DeliveryDecision {
  if (!before.unread?.includes(eventId)) return { state: before, audit: [] };
  const state: DeliveryState = { ...before, unread: before.unread.filter((each) => each !== eventId) };
  return went(state.unread?.length === 0 && state.held?.code === UNREADABLE ? released(state) : state, { at, what: 'the answer can be read after all', proof: eventId });
}

function close(before: DeliveryState, by: string, at: Millis): DeliveryDecision {
  if (before.held?.code === AGREEMENT_ENDED) return went(released({ ...before, keepsRoom: 'closed' }), { at, what: 'closed by hand: they were called', by });
  if (before.held?.code !== UNREADABLE) return kept(before, 'only an answer that can\'t be read is closed by hand');
  return went(released({ ...before, unread: [] }), { at, what: 'closed by hand: the sender was asked', by });
}

function patienceEnded(state: DeliveryState, at: Millis): DeliveryDecision {
  if (state.held && state.eventId === undefined) return kept(state, 'held for a reason of its own');
  if (hasAnswered(state) || Object.values(state.members).some((membership) => membership === 'joined')) return kept(state, 'the invitation was accepted meanwhile');
  return hold(state, { code: 'invitation-not-accepted', reason: 'the invitation to the results room has not been accepted yet' }, at);
}

function notSentYet(state: DeliveryState, at: Millis): DeliveryDecision {
  if (state.eventId !== undefined || state.held) return kept(state, 'sent, or held for a reason of its own');
  return hold(state, { code: 'waiting', reason: 'it waits its turn: an earlier message to the same recipient is held, the homeserver is slow, or no courier is at work' }, at);
}

/**
 * The correction shows the old value beside the new, so the old one alone must not follow it (42 CFR 493.1291(k)). What is under way stays so: it is
 * ahead of the correction in its lane. What only a person could send is not sent any more: the correction waits for them in its place.
 */
function superseded(before: DeliveryState, by: DeliveryState['id'], at: Millis): DeliveryDecision {
  const state: DeliveryState = { ...before, supersededBy: by };
  return went(before.held?.code === NO_RECIPIENT ? released(state) : state, { at, what: 'a correction takes its place', proof: by });
}

function retry(state: DeliveryState, { what, by }: Pick<Evidence, 'what' | 'by'>, at: Millis): DeliveryDecision {
  const evidence: Evidence = { at, what, ...(by === undefined ? {} : { by }) };
  const { party, supersededBy } = state;
  if (!state.held) return kept(state, 'not held');
  if (supersededBy !== undefined && state.eventId === undefined) return went(released(state), { at, what: 'not tried again: a correction took its place', ...(by === undefined ? {} : { by }), proof: supersededBy });
  if (state.held.code === UNREADABLE) return went(state, evidence, { wake: (state.unread ?? []).map((eventId) => `decrypt:${eventId}`) });
  if (!party) return kept(state, 'nobody is addressed yet: assign it to somebody');
  return went(state, evidence, { raise: [wantRoom(state.id, party)], wake: [sendLane(party), ...fileLanes(state)] });
}

/** A consent or care team of its patient came, changed or ended: the rules may let it go now, or keep it back before it has left. */
function askedAgain(state: DeliveryState, at: Millis): DeliveryDecision {
  const evidence = { what: 'asked again: something that is known of the patient has changed' };
  const isOnItsWay = state.eventId === undefined ? state.keptBack || state.phase === 'sending' : needsConsent(state) && !isWhole(state);
  const isPassedOver = state.keptBack && !state.held && state.supersededBy !== undefined;
  if (!isOnItsWay || isPassedOver || !state.party) return { state, audit: [] };
  if (state.held?.code === POLICY) return retry(state, evidence, at);
  // Until they answer: it may have been taken back, and its turn may come first.
  return went(keptBack(state), { at, ...evidence }, { raise: [wantRoom(state.id, state.party)] });
}

function assign(before: DeliveryState, body: FactOf<'operator.assign'>, at: Millis): DeliveryDecision {
  const { by, party } = body;
  if (before.keepsRoom === 'open' && before.party?.id !== party.id) return takenOver(before, body, at);
  if (before.party) return kept(before, `already addressed to ${before.party.name}`);
  if (before.supersededBy !== undefined) return kept(before, `a correction took its place: assign ${before.supersededBy}`);
  const state: DeliveryState = { ...released(addressedTo(before, party)), phase: 'addressed', rule: `assigned by ${by}` };
  return went(state, { at, what: `assigned to ${party.name}`, by }, { raise: [wantRoom(state.id, party), { aggregate: { kind: 'report', id: state.report }, body: { type: 'delivery.assigned', delivery: state.id, party } }] });
}
