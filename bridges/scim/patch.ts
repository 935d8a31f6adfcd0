/** PATCH (RFC 7644 §3.5.2) as Okta and Microsoft Entra ID really send it: operations in any case, without a path, with dotted names in the value, members removed by filter or by value. */
import { attributeAt, isJson, valueOf, whole, type Attributes, type Json } from './user.ts';
import { done, refuse, type Result } from './reply.ts';

export type Operation = { readonly op: 'add' | 'replace' | 'remove'; readonly path?: string; readonly value?: unknown };

const MOST = 1000;
/** Of a path, written or put together. */
const LONGEST = 256;
/** Values of one operation, objects among them: a user has a few dozen. */
const MOST_VALUES = 500;

export function operationsIn(body: Json): Result<readonly Operation[]> {
  const written = body['Operations'] ?? body['operations'];
  if (!Array.isArray(written) || written.length === 0 || written.length > MOST) return refuse(400, 'invalid-patch', `A PATCH has Operations, 1 to ${MOST} of them.`, { scimType: 'invalidSyntax' });
  const operations: Operation[] = [];
  for (const each of written as readonly unknown[]) {
    const op = isJson(each) && typeof each['op'] === 'string' ? each['op'].toLowerCase() : '';
    const path = isJson(each) ? each['path'] : undefined;
    if (!isJson(each) || (op !== 'add' && op !== 'replace' && op !== 'remove') || (path !== undefined && (typeof path !== 'string' || path.length > LONGEST))) return refuse(400, 'invalid-patch', `The op of an operation is add, replace or remove, and its path is a text of at most ${LONGEST} characters.`, { scimType: 'invalidSyntax' });
    operations.push({ op, ...(path === undefined || path === '' ? {} : { path }), value: each['value'] });
  }
  return done(operations);
}

/** A user's attributes after the operations. What isn't kept here (`emails[type eq "work"].value`) changes nothing. */
export function patchedUser(before: Attributes, operations: readonly Operation[]): Result<Attributes> {
  const after = new Map(Object.entries(before));
  for (const { op, path, value } of operations) {
    if (path === undefined && op === 'remove') return refuse(400, 'no-target', 'What is removed needs a path.', { scimType: 'noTarget' });
    const found = leavesOf(value, path);
    if (found === undefined) return refuse(400, 'too-many-values', `The value of an operation has at most ${MOST_VALUES} values, with names of at most ${LONGEST} characters.`, { scimType: 'invalidValue' });
    for (const [name, each] of found) {
      const attribute = attributeAt(name);
      if (attribute === undefined) continue;
      if (op === 'remove' || each === null || each === '') { after.delete(attribute); continue; }
      const kept = valueOf(attribute, each);
      if (kept === undefined) return refuse(400, 'invalid-value', `${attribute} is not a value that it may have.`, { scimType: 'invalidValue' });
      after.set(attribute, kept);
    }
  }
  return whole(Object.fromEntries(after));
}

/**
 * `{ name: { familyName } }` and `{ "name.familyName" }` both name `name.familyName`; what stands below a schema's URN is joined by a colon. Undefined: more than anybody means, or
 * nested deeper; each name is put together from all those above it.
 */
function leavesOf(value: unknown, path = ''): readonly Leaf[] | undefined {
  const found: Leaf[] = [];
  const open: Leaf[] = [[path, value]];
  for (let seen = 0, next = open.shift(); next !== undefined; seen += 1, next = open.shift()) {
    const [at, each] = next;
    if (seen > MOST_VALUES || at.length > LONGEST) return undefined;
    if (!isJson(each)) { if (at !== '') found.push(next); continue; }
    const names = Object.keys(each);
    if (names.length > MOST_VALUES) return undefined;
    open.unshift(...names.map((name): Leaf => [at === '' ? name : `${at}${/^urn:.*:[A-Za-z]+$/u.test(at) && !at.includes('.', at.lastIndexOf(':')) ? ':' : '.'}${name}`, each[name]]));
  }
  return found;
}

type Leaf = readonly [name: string, value: unknown];

export type MemberChange = { readonly add: ReadonlySet<string>; readonly remove: ReadonlySet<string>; readonly attributes: Attributes };

/** What the operations make of a group: whom they add and take out, and its own attributes. */
export function patchedGroup(before: Attributes, members: readonly string[], operations: readonly Operation[]): Result<MemberChange> {
  const now = new Set(members);
  const attributes = new Map(Object.entries(before));
  for (const { op, path, value } of operations) {
    const parts: readonly (readonly [string, unknown])[] = path === undefined ? (isJson(value) ? Object.entries(value) : []) : [[path, value]];
    if (path === undefined && parts.length === 0) return refuse(400, 'no-target', 'An operation without a path needs a value with attributes.', { scimType: 'noTarget' });
    for (const [name, each] of parts) {
      const one = /^members\[\s*value\s+eq\s+"([^"\\]*)"\s*\]$/iu.exec(name)?.[1];
      if (one !== undefined) {
        if (op !== 'remove') return refuse(400, 'invalid-path', 'Members are added by the path members, without a filter.', { scimType: 'invalidPath' });
        now.delete(one);
      } else if (name.toLowerCase() === 'members') {
        const ids = memberIds(each);
        if (ids === undefined) return refuse(400, 'invalid-value', 'Members are objects with the id of a user as value.', { scimType: 'invalidValue' });
        if (op === 'replace' || (op === 'remove' && each === undefined)) now.clear();
        for (const id of ids) if (op === 'remove') now.delete(id); else now.add(id);
      } else if (name.toLowerCase() === 'displayname' || name.toLowerCase() === 'externalid') {
        const attribute = name.toLowerCase() === 'displayname' ? 'displayName' : 'externalId';
        const kept = op === 'remove' ? undefined : valueOf(attribute, each);
        if ((kept ?? '') === '' && attribute === 'displayName') return refuse(400, 'invalid-value', 'displayName is required.', { scimType: 'invalidValue' });
        if (kept === undefined) attributes.delete(attribute); else attributes.set(attribute, kept);
      } else if (/\[/u.test(name)) return refuse(400, 'invalid-path', 'The only filter in a path here is members[value eq "id"].', { scimType: 'invalidPath' });
    }
  }
  return done({ add: new Set([...now].filter((id) => !members.includes(id))), remove: new Set(members.filter((id) => !now.has(id))), attributes: Object.fromEntries(attributes) });
}

/** Of a list, or of one. Undefined when they are none. */
export function memberIds(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return [];
  const ids = (Array.isArray(value) ? (value as readonly unknown[]) : [value]).map((each) => (isJson(each) && typeof each['value'] === 'string' ? each['value'] : undefined));
  return ids.every((each) => each !== undefined) ? ids : undefined;
}
