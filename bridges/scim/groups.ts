/** /Groups: as /Users, with members (RFC 7643 §4.2). */
import { randomUUID } from 'node:crypto';
import { NOTHING_KEPT, type Staff } from '../../src/domain/people/staff.ts';
import type { Criterion } from './filter.ts';
import { groupName, groupResource, groupsHeldBy, groupSubject, isMember, keptGroup, membership, postOf } from './group.ts';
import { everybody, keep, retried, type Wish } from './keeping.ts';
import { memberIds, operationsIn, patchedGroup, type MemberChange } from './patch.ts';
import { done, refuse, type Result } from './reply.ts';
import { GROUP } from './schemas.ts';
import { idOf, keptUser, subjectOf, valueOf, type Attributes, type Json } from './user.ts';
import { decided, idOfName, type Desk } from './users.ts';

const NOT_THERE = refuse(404, 'not-found', 'There is no such group.');
const TAKEN = refuse(409, 'uniqueness', 'Another group has this displayName: roles go by it.', { scimType: 'uniqueness' });

/** Whether the answer tells the members: of a large group, clients ask it not to. */
export type Shown = 'with-members' | 'without-members';

type Wanted = { readonly attributes: Attributes; readonly members: readonly string[] };

function wantedOf(body: Json): Result<Wanted> {
  const attributes: Record<string, string> = {};
  for (const name of ['displayName', 'externalId']) {
    const value = body[name];
    if (value === undefined || value === null || value === '') continue;
    const kept = valueOf(name, value);
    if (kept === undefined) return refuse(400, 'invalid-value', `${name} is not a value that it may have.`, { scimType: 'invalidValue' });
    attributes[name] = kept;
  }
  if (attributes['displayName'] === undefined) return refuse(400, 'invalid-value', 'displayName is required.', { scimType: 'invalidValue' });
  const members = memberIds(body['members']);
  return members === undefined ? refuse(400, 'invalid-value', 'Members are objects with the id of a user as value.', { scimType: 'invalidValue' }) : done({ attributes, members });
}

export const createGroup = async (at: Desk, body: Json): Promise<Result<object>> => {
  const wanted = wantedOf(body);
  if (!wanted.ok) return wanted;
  // Sent again while the first isn't decided yet, it is the same group and not a twin; once one of this id has another name, it is another.
  const usual = idOfName(`${at.source.id}\0group\0${(wanted.value.attributes['displayName'] ?? '').toLowerCase()}`);
  return retried(async () => {
    const all = await everybody(at.desk, at.source.id);
    if (!all.ok) return all;
    const id = all.value.some((each) => each.subject === groupSubject(usual) && keptGroup(each) !== undefined) ? randomUUID() : usual;
    return apply(at, id, 'new', () => done({ add: new Set(wanted.value.members), remove: new Set(), attributes: wanted.value.attributes }), 'with-members');
  });
};

export const replaceGroup = async (at: Desk, id: string, body: Json): Promise<Result<object>> => {
  const wanted = wantedOf(body);
  if (!wanted.ok) return wanted;
  const { members, attributes } = wanted.value;
  return retried(() => apply(at, id, 'known', (_, before) => done({ add: new Set(members.filter((each) => !before.includes(each))), remove: new Set(before.filter((each) => !members.includes(each))), attributes }), 'with-members'));
};

export const patchGroup = async (at: Desk, id: string, body: Json, shown: Shown): Promise<Result<object>> => {
  const operations = operationsIn(body);
  return operations.ok ? retried(() => apply(at, id, 'known', (attributes, before) => patchedGroup(attributes, before, operations.value), shown)) : operations;
};

export const readGroup = async (at: Desk, id: string, shown: Shown): Promise<Result<object>> => {
  const all = await everybody(at.desk, at.source.id);
  if (!all.ok) return all;
  const kept = keptGroup(all.value.find(({ subject }) => subject === groupSubject(id)));
  return kept === undefined ? NOT_THERE : done(groupResource(id, kept.attributes, shown === 'with-members' ? membersOf(id, all.value) : undefined, at.base));
};

export const listGroups = async (at: Desk, criteria: readonly Criterion[], shown: Shown): Promise<Result<readonly object[]>> => {
  const all = await everybody(at.desk, at.source.id);
  if (!all.ok) return all;
  const members = membersByGroup(all.value);
  const found = all.value.flatMap((staff) => { const kept = keptGroup(staff); return kept !== undefined && criteria.every((each) => matches(staff, kept.attributes, each, members)) ? [{ id: idOf(staff), kept }] : []; });
  return done(found.sort((one, other) => (one.id < other.id ? -1 : 1)).map(({ id, kept }) => groupResource(id, kept.attributes, shown === 'with-members' ? (members.get(id) ?? []) : undefined, at.base)));
};

const CRITERIA: ReadonlyMap<string, string> = new Map([['id', 'id'], ['displayname', 'displayName'], ['externalid', 'externalId'], ['members', 'members'], ['members.value', 'members'], ['members[value]', 'members']]);

/** What groups can be looked for by. */
export function groupCriterion(path: string): string | undefined {
  const [name, schema] = [path.toLowerCase(), `${GROUP}:`.toLowerCase()];
  return CRITERIA.get(name.startsWith(schema) ? name.slice(schema.length) : name);
}

function matches(staff: Staff, attributes: Attributes, { attribute, value }: Criterion, members: ReadonlyMap<string, readonly Staff[]>): boolean {
  switch (attribute) {
    case 'id': return idOf(staff) === value;
    case 'displayName': return attributes['displayName']?.toLowerCase() === value.toLowerCase();
    case 'externalId': return attributes['externalId'] === value;
    case 'members': return members.get(idOf(staff))?.some((each) => idOf(each) === value) === true;
    default: return false;
  }
}

/** In one pass: a hospital has hundreds of groups, and thousands of people in each. */
function membersByGroup(all: readonly Staff[]): ReadonlyMap<string, readonly Staff[]> {
  const members = new Map<string, Staff[]>();
  for (const each of all) {
    for (const group of keptUser(each) === undefined ? [] : groupsHeldBy(each)) {
      const known = members.get(group);
      if (known) known.push(each);
      else members.set(group, [each]);
    }
  }
  return members;
}

/** Whoever has its post, users or not by now: a role must be able to end. */
const holdersOf = (id: string, all: readonly Staff[]): readonly Staff[] => all.filter((each) => isMember(each, id));
const membersOf = (id: string, all: readonly Staff[]): readonly Staff[] => holdersOf(id, all).filter((each) => keptUser(each) !== undefined);

/** The group and the posts of everybody whom it concerns, in one transaction. A changed name is another code for all of its members. */
async function apply(at: Desk, id: string, state: 'new' | 'known', change: (attributes: Attributes, members: readonly string[]) => Result<MemberChange>, shown: Shown): Promise<Result<object | 'stale'>> {
  const all = await everybody(at.desk, at.source.id);
  if (!all.ok) return all;
  const kept = keptGroup(all.value.find(({ subject }) => subject === groupSubject(id)));
  if (state === 'known' && kept === undefined) return NOT_THERE;
  if (state === 'new' && kept !== undefined) return done('stale');
  // Of a group that is new, those whom an earlier one of this id left behind are no members.
  const members = kept === undefined ? [] : membersOf(id, all.value).map(idOf);
  const wanted = change(kept?.attributes ?? {}, members);
  if (!wanted.ok) return wanted;
  const { add, remove, attributes } = wanted.value;
  const users = new Set(all.value.filter((each) => keptUser(each) !== undefined).map(idOf));
  if ([...add].some((each) => !users.has(each))) return refuse(400, 'unknown-member', 'A member is no user of this endpoint: create the user first.', { scimType: 'invalidValue' });
  const name = attributes['displayName'] ?? '';
  const isNamed = kept === undefined || groupName(kept).toLowerCase() !== name.toLowerCase();
  // One of two that have a name from before can be changed and renamed.
  if (isNamed && all.value.some((each) => { const other = keptGroup(each); return other !== undefined && idOf(each) !== id && groupName(other).toLowerCase() === name.toLowerCase(); })) return TAKEN;
  const isRenamed = kept !== undefined && groupName(kept) !== name;
  const told = isRenamed ? new Set([...add, ...members.filter((each) => !remove.has(each))]) : add;
  const out = new Set([...remove, ...holdersOf(id, all.value).map(idOf).filter((each) => !members.includes(each) && !add.has(each))]);
  const said = await keep(at.desk, [...(JSON.stringify(kept?.attributes) === JSON.stringify(attributes) ? [] : [groupWish(at, id, attributes, kept?.token ?? NOTHING_KEPT)]), ...[...told].map((each) => postWish(at, id, each, name, 'in')), ...[...out].map((each) => postWish(at, id, each, name, 'out'))]);
  if (!said.ok || said.value === 'stale') return said as Result<'stale'>;
  return readGroup(at, id, shown);
}

export const deleteGroup = (at: Desk, id: string): Promise<Result<'deleted'>> => retried(async () => {
  const all = await everybody(at.desk, at.source.id);
  if (!all.ok) return all;
  const kept = keptGroup(all.value.find(({ subject }) => subject === groupSubject(id)));
  if (kept === undefined) return NOT_THERE;
  const said = await keep(at.desk, [groupWish(at, id, kept.attributes, kept.token, 'gone'), ...holdersOf(id, all.value).map((each) => postWish(at, id, idOf(each), groupName(kept), 'out'))]);
  return !said.ok || said.value === 'stale' ? said as Result<'stale'> : done('deleted');
});

function groupWish({ source }: Desk, id: string, attributes: Attributes, base: string, state: 'there' | 'gone' = 'there'): Wish {
  const token = randomUUID();
  return { said: { source: source.id, subject: groupSubject(id), group: { kept: { token, base, ...(state === 'gone' ? { gone: true } : {}), attributes } } }, isDone: (staff) => decided(staff?.group?.kept, token, base) };
}

function postWish({ source }: Desk, group: string, user: string, name: string, state: 'in' | 'out'): Wish {
  const post = membership(group, user);
  const said = postOf(name, state);
  return { said: { source: source.id, subject: subjectOf(user), post, said }, isDone: (staff) => JSON.stringify(staff?.posts[post]) === JSON.stringify(said) };
}
