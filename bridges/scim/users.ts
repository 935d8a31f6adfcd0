/** /Users: create, read, list, replace, change, delete (RFC 7644 §3.3 to §3.6). */
import { createHash, randomUUID } from 'node:crypto';
import type { SourceId } from '../../src/domain/brand.ts';
import { NOTHING_KEPT, tokenOf, type Kept, type Staff } from '../../src/domain/people/staff.ts';
import type { StaffDesk } from '../../src/ports/bridge.ts';
import type { ScimSource } from './config.ts';
import type { Criterion } from './filter.ts';
import { groupName, groupsHeldBy, keptGroup } from './group.ts';
import { everybody, keep, retried, somebody, type Wish } from './keeping.ts';
import { operationsIn, patchedUser } from './patch.ts';
import { done, refuse, type Result } from './reply.ts';
import { attributeAt, attributesOf, idOf, keptUser, personOf, resourceOf, subjectOf, USER, type Attributes, type Json } from './user.ts';

export type Desk = { readonly desk: StaffDesk; readonly source: ScimSource; readonly base: string };

const NOT_THERE = refuse(404, 'not-found', 'There is no such user.');
const TAKEN = refuse(409, 'uniqueness', 'Another user has this userName.', { scimType: 'uniqueness' });

/** The same name again is the same user: who was deleted and comes back is who they were. */
const idFor = (source: SourceId, userName: string): string => idOfName(`${source}\0${userName.toLowerCase()}`);

/** Looks like the UUIDs that clients know. */
export const idOfName = (name: string): string => {
  const hex = createHash('sha256').update(name).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
};

const sameName = (attributes: Attributes, other: Attributes): boolean => attributes['userName']?.toLowerCase() === other['userName']?.toLowerCase();

export const createUser = async (at: Desk, body: Json): Promise<Result<object>> => {
  const attributes = attributesOf(body);
  if (!attributes.ok) return attributes;
  return retried(async () => {
    const all = await everybody(at.desk, at.source.id);
    if (!all.ok) return all;
    if (all.value.some((each) => { const kept = keptUser(each); return kept !== undefined && sameName(kept.attributes, attributes.value); })) return TAKEN;
    const usual = idFor(at.source.id, attributes.value['userName'] ?? '');
    const id = all.value.some((each) => idOf(each) === usual && keptUser(each) !== undefined) ? randomUUID() : usual;
    return write(at, id, attributes.value, NOTHING_KEPT, all.value, endings(at, all.value.find(({ subject }) => subject === subjectOf(id))));
  });
};

export const readUser = async (at: Desk, id: string): Promise<Result<object>> => {
  const all = await everybody(at.desk, at.source.id);
  if (!all.ok) return all;
  const staff = all.value.find(({ subject }) => subject === subjectOf(id));
  const kept = keptUser(staff);
  return staff === undefined || kept === undefined ? NOT_THERE : done(resourceOf(staff, kept, groupsOf(staff, all.value), at.base));
};

/** Those that every criterion finds, in a steady order. */
export const listUsers = async (at: Desk, criteria: readonly Criterion[]): Promise<Result<readonly object[]>> => {
  const all = await everybody(at.desk, at.source.id);
  if (!all.ok) return all;
  const found = all.value.flatMap((staff) => { const kept = keptUser(staff); return kept !== undefined && criteria.every((each) => matches(staff, kept, each)) ? [{ staff, kept }] : []; });
  const names = groupNames(all.value);
  return done(found.sort((one, other) => (idOf(one.staff) < idOf(other.staff) ? -1 : 1)).map(({ staff, kept }) => resourceOf(staff, kept, groupsIn(staff, names), at.base)));
};

/** What users can be looked for by. */
export const userCriterion = (path: string): string | undefined => (['id', `${USER}:id`].some((name) => name.toLowerCase() === path.toLowerCase()) ? 'id' : attributeAt(path));

function matches(staff: Staff, { attributes }: Kept, { attribute, value }: Criterion): boolean {
  // Ours and the client's own id have a case (RFC 7643 §3.1).
  if (attribute === 'id') return idOf(staff) === value;
  return attribute === 'externalId' ? attributes[attribute] === value : attributes[attribute]?.toLowerCase() === value.toLowerCase();
}

export const replaceUser = async (at: Desk, id: string, body: Json): Promise<Result<object>> => {
  const attributes = attributesOf(body);
  return attributes.ok ? changeUser(at, id, () => attributes) : attributes;
};

export const patchUser = async (at: Desk, id: string, body: Json): Promise<Result<object>> => {
  const operations = operationsIn(body);
  return operations.ok ? changeUser(at, id, (before) => patchedUser(before, operations.value)) : operations;
};

const changeUser = (at: Desk, id: string, change: (before: Attributes) => Result<Attributes>): Promise<Result<object>> => retried(async () => {
  const all = await everybody(at.desk, at.source.id);
  if (!all.ok) return all;
  const staff = all.value.find(({ subject }) => subject === subjectOf(id));
  const kept = keptUser(staff);
  if (staff === undefined || kept === undefined) return NOT_THERE;
  const after = change(kept.attributes);
  if (!after.ok) return after;
  if (!sameName(after.value, kept.attributes) && all.value.some((each) => { const other = keptUser(each); return each !== staff && other !== undefined && sameName(other.attributes, after.value); })) return TAKEN;
  if (isSame(after.value, kept.attributes)) return done(resourceOf(staff, kept, groupsOf(staff, all.value), at.base));
  return write(at, id, after.value, kept.token, all.value);
});

const isSame = (one: Attributes, other: Attributes): boolean => JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());

/** They have left, and the client knows them no more; nor are they in a group, should they come back. */
export const deleteUser = (at: Desk, id: string): Promise<Result<'deleted'>> => retried(async () => {
  const staff = await somebody(at.desk, at.source.id, subjectOf(id));
  if (!staff.ok) return staff;
  const kept = keptUser(staff.value);
  if (kept === undefined) return NOT_THERE;
  const said = await store(at, id, kept.attributes, kept.token, 'gone', endings(at, staff.value));
  return !said.ok || said.value === 'stale' ? said as Result<'stale'> : done('deleted');
});

async function write(at: Desk, id: string, attributes: Attributes, base: string, all: readonly Staff[], more: readonly Wish[] = []): Promise<Result<object | 'stale'>> {
  const said = await store(at, id, attributes, base, 'there', more);
  if (!said.ok || said.value === 'stale') return said as Result<'stale'>;
  const staff = await somebody(at.desk, at.source.id, subjectOf(id));
  if (!staff.ok) return staff;
  const kept = keptUser(staff.value);
  return staff.value === undefined || kept === undefined ? NOT_THERE : done(resourceOf(staff.value, kept, groupsOf(staff.value, all), at.base));
}

function store({ desk, source }: Desk, id: string, attributes: Attributes, base: string, state: 'there' | 'gone', more: readonly Wish[]): Promise<Result<'done' | 'stale'>> {
  const token = randomUUID();
  const person = personOf(attributes, source, { token, base, ...(state === 'gone' ? { gone: true } : {}) });
  return keep(desk, [{ said: { source: source.id, subject: subjectOf(id), person }, isDone: (staff) => decided(staff?.person?.kept, token, base) }, ...more]);
}

/** The end of each membership of theirs that is not at its end. */
const endings = ({ source }: Desk, staff: Staff | undefined): readonly Wish[] => Object.entries(staff?.posts ?? {}).flatMap(([post, held]): readonly Wish[] => {
  const said = { ...held, active: false };
  return staff !== undefined && held.active ? [{ said: { source: source.id, subject: staff.subject, post, said }, isDone: (now) => now?.posts[post]?.active === false }] : [];
});

/** Ours, or not yet; else somebody else's came first. */
export const decided = (kept: Kept | undefined, token: string, base: string): boolean | 'stale' => (kept?.token === token ? true : tokenOf(kept) === base ? false : 'stale');

type GroupOfUser = { readonly id: string; readonly name: string };

/** Those of the groups there are in which they are. */
const groupsIn = (staff: Staff, names: ReadonlyMap<string, string>): readonly GroupOfUser[] => groupsHeldBy(staff).flatMap((id) => { const name = names.get(id); return name === undefined ? [] : [{ id, name }]; });
const groupNames = (all: readonly Staff[]): ReadonlyMap<string, string> => new Map(all.flatMap((each) => { const kept = keptGroup(each); return kept === undefined ? [] : [[idOf(each), groupName(kept)] as const]; }));
const groupsOf = (staff: Staff, all: readonly Staff[]): readonly GroupOfUser[] => groupsIn(staff, groupNames(all));
