import type { AuditEntry, Context, Decision, Timer } from '../decision.ts';
import type { Fact, FactOf, RaisedFact } from '../fact.ts';
import { as, type EffectId, type Millis, type RoomId, type ServerName } from '../brand.ts';
import { COUNTS_MS, isOutweighed, knownOf, type Seen, type Trait } from './conduct.ts';
import { standbyOf } from './demands.ts';
import { endingSoon, hasManyPending, NOTICES, noticeAt, type Entry, type Handed, type Register } from './register.ts';
import { beginOf, endOf, partnerIn, type Terms } from './terms.ts';

type RegisterDecision = Decision<Register | undefined>;

/**
 * What is agreed with one partner (45 CFR 164.308(b)(1), 164.314(a), 164.504(e); 42 CFR 2.11). The signatures were verified before the fact was taken, and are again at each
 * use; what is asked here is whether it is about this hospital and this partner, signed by the key that is pinned. Begin, notice and end are timers.
 */
export function decideAgreement(state: Register | undefined, fact: Fact, { settings }: Context): RegisterDecision {
  const { body, at, aggregate } = fact;
  switch (body.type) {
    case 'agreement.added':
      return added(state, body, at, { partner: aggregate.id, own: settings.ownServer });
    case 'agreement.revoked':
      return revoked(state, body, at);
    case 'agreement.used':
      return state === undefined || state.rooms.includes(body.party) ? { state, audit: [] } : { state: { ...state, rooms: [...state.rooms, body.party] }, audit: [] };
    case 'operator.hand-over': case 'operator.take-back':
      return handed(state, body, fact);
    case 'standby.invited':
      return invited(state, body.roomId, fact);
    case 'effect.done':
      return { state: followed(state, body.effect), audit: body.result.type === 'room.standBy' ? [{ action: 'standby.joined', because: 'guardian and policy server stand by in a room of the partner', detail: { partner: aggregate.id, room: body.result.roomId } }] : [] };
    case 'effect.failed':
      return { state: body.final ? followed(state, body.effect) : state, audit: [{ action: 'standby.not-joined', because: body.message, detail: { partner: aggregate.id, effect: body.effect, final: body.final } }] };
    case 'partner.seen':
      return seen(state, body, at, aggregate.id);
    case 'timer.due':
      return due(state, body.name, at);
    default:
      return { state, audit: [{ action: 'agreement.ignored', because: `an agreement has no rule for ${body.type}` }] };
  }
}

function added(state: Register | undefined, body: FactOf<'agreement.added'>, at: Millis, { partner, own }: { readonly partner: string; readonly own: string }): RegisterDecision {
  const { terms, signatures, key, pin, rooms, by } = body;
  const why = partnerIn(terms, own)?.server !== partner ? 'it is not between this hospital and that partner'
    : state?.agreements.some((entry) => entry.terms.id === terms.id) ? 'it is in the register already'
      : pin === 'known' && state?.key !== key ? 'its key is not the one that is pinned for this partner' : undefined;
  if (why !== undefined) return { state, audit: [{ action: 'agreement.refused', because: why, detail: { ...detailOf(terms), by } }] };
  const entry: Entry = { terms, signatures, addedAt: at, addedBy: by };
  const next: Register = { ...state, server: partner, key, agreements: [...(state?.agreements ?? []), entry], rooms: [...new Set([...(state?.rooms ?? []), ...rooms])] };
  const pinned: readonly AuditEntry[] = state?.key === key ? [] : [{ action: 'agreement.key-pinned', because: `confirmed by ${by}`, detail: { partner, key } }];
  return { state: next, names: [partner], timers: timersOf(terms).filter(({ dueAt }) => at < dueAt), raise: toRooms(next, `agreement ${terms.id}`), audit: [...pinned, { action: 'agreement.added', because: `by ${by}`, detail: { ...detailOf(terms), key } }] };
}

function revoked(state: Register | undefined, { agreement, by, reason }: FactOf<'agreement.revoked'>, at: Millis): RegisterDecision {
  const entry = state?.agreements.find(({ terms }) => terms.id === agreement);
  if (!state || !entry || entry.revoked) return { state, audit: [{ action: 'agreement.unchanged', because: entry ? 'revoked before' : 'not in the register', detail: { agreement, by } }] };
  const next: Register = { ...state, agreements: state.agreements.map((each) => (each === entry ? { ...each, revoked: { at, by, reason } } : each)) };
  return returning({ state: next, clearTimers: timersOf(entry.terms).map(({ name }) => name), raise: toRooms(next, `agreement ${entry.terms.id}`), audit: [{ action: 'agreement.revoked', because: reason, detail: { ...detailOf(entry.terms), by } }] }, at);
}

/** From then on the guardian sees to it that the room names whom it is to name, whoever changes it. */
function handed(state: Register | undefined, { type, roomId, room, reason, by, policyUser }: FactOf<'operator.hand-over'> | FactOf<'operator.take-back'>, { at, aggregate }: Fact): RegisterDecision {
  const standby = state && standbyOf(state, at);
  const detail = { partner: aggregate.id, room: roomId, by };
  if (!state || (type === 'operator.hand-over' && !standby)) return { state, audit: [{ action: 'policy.not-handed-over', because: 'no agreement in force says that the partner stands by', detail }] };
  const { [roomId]: before, ...others } = state.handed ?? {};
  const raise = [toGuardian(roomId, { room, policyUser })];
  if (type === 'operator.take-back') return { state: { ...state, handed: others }, raise, audit: [{ action: before ? 'policy.taken-back' : 'policy.not-taken-back', because: before ? reason : 'it was not handed over', detail }] };
  return { state: { ...state, handed: { ...others, [roomId]: { at, by, reason, room, policyUser } } }, raise, audit: [{ action: 'policy.handed-over', because: reason, detail: { ...detail, to: standby?.theirs.policyServer.serverName ?? '' } }] };
}

const toGuardian = (roomId: RoomId, { room, policyUser }: Pick<Handed, 'room' | 'policyUser'>): RaisedFact => ({ aggregate: room, body: { type: 'room.unprotected', roomId, edge: 'start', by: policyUser } });

/** What was handed over comes back when no agreement says any more that the partner stands by; another agreement, later, doesn't hand it over again. */
function returning(decision: RegisterDecision & { readonly state: Register }, at: Millis): RegisterDecision {
  const { state: { handed: rooms = {}, ...rest }, raise = [], audit } = decision;
  if (Object.keys(rooms).length === 0 || standbyOf(rest, at)) return decision;
  const back = Object.entries(rooms).map(([room, handedOver]) => [as<RoomId>(room), handedOver] as const);
  return { ...decision, state: rest, raise: [...raise, ...back.map(([roomId, handedOver]) => toGuardian(roomId, handedOver))], audit: [...audit, ...back.map(([room]): AuditEntry => ({ action: 'policy.taken-back', because: 'the agreement is over', detail: { partner: rest.server, room } }))] };
}

/** Both go in, in the order in which the one brings the other's server there. */
function invited(state: Register | undefined, roomId: RoomId, { id, at, aggregate }: Fact): RegisterDecision {
  const detail = { partner: aggregate.id, room: roomId };
  if (!state || !standbyOf(state, at)) return { state, audit: [{ action: 'standby.refused', because: 'no agreement in force says that this hospital stands by', detail }] };
  // The policy server's own invitation, which is refused then, too, comes again.
  if (hasManyPending(state)) return { state, audit: [{ action: 'standby.refused', because: 'too many invitations of this partner are pending', detail }] };
  const effect = as<EffectId>(`standby:${id}`);
  return { state: { ...state, pending: [...(state.pending ?? []), effect] }, effects: [{ id: effect, lane: `standby:${roomId}`, body: { type: 'room.standBy', roomId, partner: as<ServerName>(aggregate.id) } }], audit: [{ action: 'standby.invited', because: 'as the agreement says', detail }] };
}

const followed = (state: Register | undefined, effect: EffectId): Register | undefined => state && { ...state, pending: (state.pending ?? []).filter((each) => each !== effect) };

const OF_TRAIT: Readonly<Record<Trait, Readonly<Record<Seen['honoured'], string>>>> = {
  'asks-before-sending': { yes: 'it asked the policy server before its people\'s event was sent', no: 'an event of its people came that the policy server was never asked about' },
  'asks-about-received': { yes: 'it asked the policy server about an event of others', no: 'it took an event without asking the policy server' },
  'serves-keys': { yes: 'it gives the keys of its people\'s devices, for encryption', no: 'it gives no keys of its people\'s devices: nothing can be encrypted for them' },
  'applies-redactions': { yes: 'it gave out a redacted event without its content', no: 'it gave out the content of an event after it was redacted' },
};

/** What a partner's homeserver does is a fact that rules may look at; what changes is asked again, and so is what was seen too long ago. */
function seen(state: Register | undefined, { trait, honoured, source, by, event, rooms }: FactOf<'partner.seen'>, at: Millis, partner: string): RegisterDecision {
  const before = state?.conduct?.[trait];
  if (isOutweighed({ honoured, source }, before, at)) return { state, audit: [] };
  const isNews = knownOf(before, at) !== honoured;
  const next: Register = {
    ...(state ?? { server: partner, agreements: [], rooms }),
    conduct: { ...state?.conduct, [trait]: { honoured, at, source, ...(by === undefined ? {} : { by }), ...(event === undefined ? {} : { event }) } },
  };
  return {
    state: next, names: [partner], timers: [{ name: `old:${trait}`, dueAt: (at + COUNTS_MS) as Millis }], raise: isNews ? toRooms(next, `conduct of ${partner}`) : [],
    audit: isNews || source === 'check' ? [{ action: 'partner.seen', because: OF_TRAIT[trait][honoured], detail: { partner, trait, honoured, source, ...(by === undefined ? {} : { by }) } }] : [],
  };
}

function due(state: Register | undefined, name: string, at: Millis): RegisterDecision {
  const [what = '', id] = name.split(':');
  if (what === 'old' && state) return { state, raise: toRooms(state, `conduct of ${state.server}`), audit: [{ action: 'partner.unknown', because: 'it was seen too long ago to count: check it anew', detail: { partner: state.server, trait: id ?? '' } }] };
  const entry = state?.agreements.find(({ terms }) => terms.id === id);
  if (!state || !entry || entry.revoked) return { state, audit: [] };
  const { terms } = entry;
  switch (what) {
    case 'begins':
      return { state, raise: toRooms(state, `agreement ${terms.id}`), audit: [{ action: 'agreement.in-force', because: 'its first day has come', detail: detailOf(terms) }] };
    case 'ends':
      return returning({ state, raise: toRooms(state, `agreement ${terms.id}`), audit: [{ action: 'agreement.expired', because: 'its last day is over', detail: detailOf(terms) }] }, at);
    default: {
      const isFollowed = !endingSoon(state, at).includes(entry);
      return { state, audit: [{ action: 'agreement.expiring', because: isFollowed ? 'it ends, and another of its kind goes on' : 'it ends, and no other of its kind goes on: renew it', detail: { ...detailOf(terms), until: terms.until } }] };
    }
  }
}

const timersOf = (terms: Terms): readonly Timer[] => [
  { name: `begins:${terms.id}`, dueAt: beginOf(terms) },
  ...NOTICES.map((days) => ({ name: `notice-${days}:${terms.id}`, dueAt: noticeAt(terms, days) })),
  { name: `ends:${terms.id}`, dueAt: endOf(terms) },
];

/** Who may be in them, and what may be sent there, is asked again. */
const toRooms = ({ rooms }: Register, revision: string): readonly RaisedFact[] => rooms.map((party) => ({ aggregate: { kind: 'room', id: party }, body: { type: 'policy.changed', revision } }));

const detailOf = ({ id, kind, parties: [one, other] }: Terms): Readonly<Record<string, string>> => ({ agreement: id, kind, between: `${one.server} ${other.server}` });
