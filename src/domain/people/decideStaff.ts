import { as, type PartyId } from '../brand.ts';
import type { AuditEntry, Context, Decision, Lookup } from '../decision.ts';
import type { Fact, FactBody, FactOf, RaisedFact } from '../fact.ts';
import { fnv1a } from '../fnv.ts';
import { isFedBeside } from './fed.ts';
import { personName, serverOf, type Party } from './party.ts';
import { fedBy, namesOfStaff, nextTurn, postName, staffId, tokenOf, type PersonSaid, type PostSaid, type Staff, type StaffSaid } from './staff.ts';

type StaffDecision = Decision<Staff | undefined>;

const TURN_TIMER = 'turn';
const MATCH_TIMER = 'match';
/** Somebody may be being enrolled just now: looked for once more. Later enrolments ask by themselves. */
const MATCH_MS = 60_000;

/** Who in the directory it may be, and whose the post was. */
export function lookupsOfStaff({ body }: Fact, state: Staff | undefined): readonly Lookup[] {
  const said = body.type === 'staff.said' ? body : undefined;
  const next = said === undefined ? state : after(state, said);
  return [
    ...(next === undefined ? [] : namesOfStaff(next).map((name): Lookup => ({ kind: 'party', name }))),
    ...(said !== undefined && 'post' in said ? [{ kind: 'staff', name: postName(said.source, said.post) } as const] : []),
  ];
}

/** One person as one source has them. What is said of somebody whom the directory doesn't know is kept, shown, and counts once they are enrolled. */
export function decideStaff(before: Staff | undefined, fact: Fact, context: Context): StaffDecision {
  const { body } = fact;
  switch (body.type) {
    case 'staff.said':
      return said(before, body, fact.aggregate.id, context);
    case 'staff.left':
      return left(before, body, context);
    case 'staff.asked':
      return before ? settled(before, before, context, 'told-again') : ignored(before, body);
    case 'staff.refused':
      return before && before.party === body.party ? refused(before, body, context) : { state: before, audit: [] };
    case 'staff.forgotten':
      return before ? forgotten(before, fact.aggregate.id, body) : ignored(before, body);
    case 'timer.due':
      return before && (body.name === TURN_TIMER || body.name === MATCH_TIMER) ? settled(before, before, context, 'if-changed') : ignored(before, body);
    default:
      return ignored(before, body);
  }
}

const ignored = (state: Staff | undefined, { type }: FactBody): StaffDecision => ({ state, audit: [{ action: 'staff.ignored', because: `what a source says of somebody has no rule for ${type}` }] });

function said(before: Staff | undefined, body: FactOf<'staff.said'>, id: string, context: Context): StaffDecision {
  const [kept, known] = 'person' in body ? [body.person.kept, before?.person?.kept] : 'group' in body ? [body.group.kept, before?.group?.kept] : [];
  if (kept !== undefined && kept.base !== tokenOf(known)) return { state: before, audit: [{ action: 'staff.stale', because: 'something else was said meanwhile: the source is told to ask again', detail: { source: body.source } }] };
  const older = before && ('person' in body ? isOlder(body.person, before.person) : 'post' in body && isOlder(body.said, before.posts[body.post]));
  if (older) return { state: before, audit: [{ action: 'staff.older', because: 'the source wrote it before what it said last', detail: { source: body.source } }] };
  const owner = 'post' in body ? context.found.get(postName(body.source, body.post))?.aggregate : undefined;
  // Whoever had it loses it first: a post has one holder at a time.
  if (owner !== undefined && owner.id !== id && 'post' in body) return { state: before, raise: [{ aggregate: owner, body: { type: 'staff.left', post: body.post, next: body } }], audit: [{ action: 'staff.moved', because: 'the post was somebody else\'s', detail: { source: body.source, post: body.post } }] };
  return settled(before, after(before, body), context, 'if-changed');
}

function left(before: Staff | undefined, { post, next }: FactOf<'staff.left'>, context: Context): StaffDecision {
  const held = before?.posts[post];
  if ('post' in next && isOlder(next.said, held)) return { state: before, audit: [{ action: 'staff.older', because: 'the source wrote it before it gave the post to whoever has it', detail: { source: next.source, post } }] };
  const raise: readonly RaisedFact[] = [{ aggregate: { kind: 'staff', id: staffId(next) }, body: next }];
  if (before === undefined || held === undefined) return { state: before, raise, audit: [] };
  const { [post]: _, ...posts } = before.posts;
  const decision = settled(before, { ...before, posts, spoke: true, gave: [...new Set([...(before.gave ?? []), post])] }, context, 'if-changed');
  return { ...decision, raise: [...(decision.raise ?? []), ...raise] };
}

/** A link that the directory didn't take is no link: whatever is said later would be taken for that person. Looked for again at once, because the one who came first may be them. */
function refused({ party: _, told: __, ...rest }: Staff, { party, because }: FactOf<'staff.refused'>, context: Context): StaffDecision {
  const again = settled(rest, rest, context, 'told-again');
  return again.state?.party === party ? { state: { ...rest, why: because }, audit: [entry('staff.unmatched', because, rest)] } : again;
}

/** A source that is gone, or wrong about somebody who is needed now. */
function forgotten({ source, subject, party }: Staff, id: string, { by }: FactOf<'staff.forgotten'>): StaffDecision {
  return {
    state: { source, subject, posts: {}, why: `taken back by ${by}` }, names: [], clearTimers: [TURN_TIMER, MATCH_TIMER],
    raise: party === undefined ? [] : [{ aggregate: { kind: 'party', id: party }, body: { type: 'party.unfed', entry: id, by } }], audit: [{ action: 'staff.forgotten', because: `by ${by}`, detail: { source, subject } }],
  };
}

const isOlder = (now: PersonSaid | PostSaid, known: PersonSaid | PostSaid | undefined): boolean => now.writtenAt !== undefined && known?.writtenAt !== undefined && now.writtenAt < known.writtenAt;

function after(before: Staff | undefined, body: StaffSaid): Staff {
  const known: Staff = before ?? { source: body.source, subject: body.subject, posts: {} };
  if ('group' in body) return { ...known, group: body.group };
  return 'person' in body ? { ...known, person: body.person } : { ...known, posts: { ...known.posts, [body.post]: body.said } };
}

/** Whom it is about, and what the directory is told of them. */
function settled(before: Staff | undefined, staff: Staff, context: Context, manner: 'if-changed' | 'told-again'): StaffDecision {
  if (staff.group !== undefined) return { state: staff, audit: JSON.stringify(staff.group.kept.attributes) === JSON.stringify(before?.group?.kept.attributes) && staff.group.kept.gone === before?.group?.kept.gone ? [] : [entry('staff.group', staff.group.kept.gone ? 'it is gone' : 'by its source', staff)] };
  const { now, settings } = context;
  const terms = settings.feeds?.get(staff.source);
  const turn = nextTurn(staff, now);
  const names = Object.keys(staff.posts).map((post) => postName(staff.source, post));
  const time: Pick<StaffDecision, 'timers' | 'clearTimers'> = turn === undefined ? { clearTimers: [TURN_TIMER] } : { timers: [{ name: TURN_TIMER, dueAt: turn }] };
  const { why: _, ...rest } = staff;
  // What it said last goes on counting.
  if (terms === undefined) return { state: { ...staff, why: 'the source may not change the directory any more' }, names, ...time, audit: [] };
  const match = matched(staff, context);
  if (match.party === undefined) {
    const isNew = before?.why !== match.why;
    const again = isNew && match.why === UNKNOWN ? [{ name: MATCH_TIMER, dueAt: (now + MATCH_MS) as typeof now }] : [];
    return { state: { ...rest, why: match.why }, names, ...time, timers: [...(time.timers ?? []), ...again], audit: isNew ? [entry('staff.unmatched', match.why, staff)] : [] };
  }
  const fed = fedBy(staff, terms, now);
  const state: Staff = { ...rest, party: match.party, told: fed, ...(match.why === undefined ? {} : { why: match.why }) };
  const isSame = manner === 'if-changed' && before?.party === match.party && JSON.stringify(before.told) === JSON.stringify(fed);
  const audit = match.why !== undefined && match.why !== before?.why ? [entry('staff.doubtful', match.why, staff)] : [];
  return { state, names, ...time, raise: isSame ? [] : [{ aggregate: { kind: 'party', id: match.party }, body: { type: 'party.fed', entry: staffId(staff), fed, by: staff.source, ...(match.made === undefined ? {} : { made: match.made }), ...(staff.person?.userId === undefined ? {} : { userId: staff.person.userId }), ...(isAlone(staff) ? { alone: true } : {}) } }], audit };
}

const entry = (action: string, because: string, { source, subject }: Staff): AuditEntry => ({ action, because, detail: { source, subject } });

type Match = { readonly party: PartyId; readonly why?: string; readonly made?: FactOf<'party.fed'>['made'] } | { readonly party?: undefined; readonly why: string };

const UNKNOWN = 'nobody in the directory has their identifiers: enrol them, or give the source their Matrix id';

function matched(staff: Staff, { found, settings }: Context): Match {
  const { person, party } = staff;
  const userId = person?.userId;
  const foreign = userId !== undefined && serverOf(userId) !== settings.ownServer ? 'their Matrix id is not on the hospital\'s own server: a source gives nobody an account elsewhere' : undefined;
  const names = namesOfStaff(staff).filter((name) => foreign === undefined || userId === undefined || name !== personName(userId));
  const people = new Map(names.flatMap((name) => {
    const hit = found.get(name);
    return hit?.aggregate.kind === 'party' && (hit.state as Party).kind === 'person' ? [[hit.aggregate.id, hit.state as Party] as const] : [];
  }));
  const others = [...people.keys()].filter((id) => id !== party);
  if (party !== undefined) {
    const known = people.get(party);
    const renamed = userId !== undefined && known !== undefined && !known.members.includes(userId) ? 'the directory has another Matrix id of them: enrol them with the new one if it is theirs' : undefined;
    const why = others.length > 0 ? `its identifiers lead to ${others.join(', ')} too` : (foreign ?? renamed);
    return { party, ...(why === undefined ? {} : { why }) };
  }
  if (people.size > 1) return { why: `its identifiers belong to different people: ${others.join(', ')}` };
  const [one] = people.values();
  if (one !== undefined && isAlone(staff) && isFedBeside(one, staffId(staff), staff.source)) return { why: `${one.id} is another user of this source: give one of the two another Matrix id or number there, or take the other back (aceso people forget) and enrol them again` };
  if (one !== undefined) return userId === undefined || foreign !== undefined || one.members.includes(userId) ? { party: one.id, ...(foreign === undefined ? {} : { why: foreign }) } : { why: `${one.id} has another Matrix id` };
  if (userId === undefined || foreign !== undefined) return { why: foreign ?? UNKNOWN };
  if (person?.active === false) return { why: 'they are not active, and not in the directory' };
  return { party: partyIdOf(staff), made: { name: person?.name ?? userId, userId } };
}

/** Whoever keeps its users here (SCIM) has each person once: a second user is a second person. FHIR may name one by id and by number. */
const isAlone = ({ person }: Staff): boolean => person?.kept !== undefined;

/** A short name of the directory's own, in the source's name space; the digest tells apart what looks the same when shortened. Two that meet nevertheless are refused by the directory. */
export function partyIdOf({ source, subject }: Pick<Staff, 'source' | 'subject'>): PartyId {
  const bare = subject.slice(subject.lastIndexOf('/') + 1).toLowerCase().replaceAll(/[^a-z0-9._-]/gu, '-');
  return as<PartyId>(`${`${source}.${bare}`.slice(0, 54)}-${fnv1a(subject).toString(16).padStart(8, '0')}`);
}
