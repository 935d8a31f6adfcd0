/** Taking a bundle apart: which entries become deliveries, which are part of another, which only explain (FHIR R4 §2.36 Bundle, §3.1.0.11 transaction). */
import type { FhirPushConfig, SourceConfig } from './config.ts';
import { isAboutStaff, isContextType, isOfPatient, isStaffType, isTakenType } from './config.ts';
import { child, children, resourceType, text } from './node.ts';
import type { Node } from './node.ts';
import { problem } from './outcome.ts';
import type { Issue } from './outcome.ts';
import { createScope, localName } from './reference.ts';
import type { BundleMember, Located, Scope } from './reference.ts';
import { unsoundParts } from './soundness.ts';

export type BundleKind = 'transaction' | 'batch' | 'collection' | 'message';

export type Entry = {
  readonly index: number;
  readonly member: BundleMember;
  readonly type: string;
  readonly ifNoneExist?: string;
  /** `staff`: it changes the directory. */
  readonly role: 'deliver' | 'part' | 'context' | 'header' | 'staff';
  /** Of a part: the index of the entry that it is told with. */
  readonly owner?: number;
  /** Why this entry can't be taken, with the HTTP status that says so. */
  readonly fault?: { readonly status: number; readonly issues: readonly Issue[] };
};

export type Opened = { readonly entries: readonly Entry[]; readonly scope: Scope };

/** The bundle has been validated; what is checked here is what this endpoint can do with it. */
export const openBundle = (config: FhirPushConfig, source: SourceConfig, kind: BundleKind, bundle: Node): Opened => {
  const raw = children(bundle, 'entry');
  const members = raw.map((entry, index) => memberOf(entry, index, kind, source));
  const scope = createScope(config, source, members.filter((each) => each.node['resourceType'] !== undefined), children(child(bundle, 'meta'), 'security'));
  const parts = partsOf(members, scope);
  // Beside anything else they explain it, and may say no more than that needs.
  const types = kind === 'message' ? [] : members.map(({ node }) => resourceType(node));
  // Sources that send results send encounters to explain them: of those that may not, they are nothing else.
  const explains = (type: string): boolean => type === 'Encounter' && source.directory?.types.includes(type) !== true;
  const isOfStaff = types.length > 0 && types.every((type) => isAboutStaff(type) && type !== 'Encounter');
  const isOfCare = types.some(isOfPatient) && types.every((type) => (isAboutStaff(type) && !explains(type)) || type === 'Patient');
  const entries = members.map((member, index): Entry => {
    const request = child(raw[index], 'request');
    const type = resourceType(member.node);
    const owner = parts.get(member.node);
    const role = kind === 'message' && index === 0 ? 'header' : (isOfStaff && isStaffType(type)) || (isOfCare && isOfPatient(type)) ? 'staff' : isContextType(type) ? 'context' : owner === undefined ? 'deliver' : 'part';
    const fault = faultOf(member, type, role, request, source, scope);
    const ifNoneExist = text(request, 'ifNoneExist');
    return { index, member, type, role, ...(owner === undefined ? {} : { owner }), ...(ifNoneExist === undefined ? {} : { ifNoneExist }), ...(fault === undefined ? {} : { fault }) };
  });
  return { entries, scope };
};

const EMPTY: Node = {};

const memberOf = (entry: Node, index: number, kind: BundleKind, source: SourceConfig): BundleMember => {
  const node = child(entry, 'resource') ?? EMPTY;
  const path = `Bundle.entry[${index}].resource`;
  const fullUrl = text(entry, 'fullUrl');
  const request = child(entry, 'request');
  const [, base, restful] = /^(https?:\/\/.*\/)([A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64})$/.exec(fullUrl ?? '') ?? [];
  const id = text(node, 'id');
  // An id in a create is the sender's own affair (FHIR R4 §3.1.0.8); elsewhere it is where the resource lives at the source.
  const named = restful ?? (id !== undefined && (kind === 'message' || kind === 'collection' || text(request, 'method') === 'PUT') ? `${resourceType(node)}/${id}` : undefined);
  const local = restful === undefined ? named : (localName(fullUrl, source) ?? named);
  return { node, path, root: node, rootPath: path, ...(fullUrl === undefined ? {} : { fullUrl }), ...(local === undefined ? {} : { local }), ...(base === undefined ? {} : { base }) };
};

/**
 * Observations that a report gives as its result, or another observation as its member, are told with it: each with the entry that tells it.
 * What only a circle of members names is told by the first of them, so that nothing falls out.
 */
const partsOf = (members: readonly Located[], scope: Scope): ReadonlyMap<Node, number> => {
  const indexes = new Map(members.map(({ node }, index) => [node, index]));
  const namedBy = members.map((member) => {
    const references = resourceType(member.node) === 'DiagnosticReport' ? children(member.node, 'result') : children(member.node, 'hasMember');
    return references.map((reference) => indexes.get(scope.resolve(reference, member)?.node ?? EMPTY)).filter((index) => index !== undefined);
  });
  const named = new Set(namedBy.flatMap((targets, index) => targets.filter((target) => target !== index)));
  const owners = new Map<Node, number>();
  const told = new Set<number>();
  const tell = (index: number, owner: number): void => {
    const node = members[index]?.node;
    if (told.has(index) || node === undefined) return;
    told.add(index);
    if (index !== owner) owners.set(node, owner);
    for (const target of namedBy[index] ?? []) tell(target, owner);
  };
  for (const index of members.keys()) if (!named.has(index)) tell(index, index);
  for (const index of members.keys()) tell(index, index);
  return owners;
};

const faultOf = (member: BundleMember, type: string, role: Entry['role'], request: Node | undefined, source: SourceConfig, scope: Scope): Entry['fault'] => {
  const at = member.path.replace(/\.resource$/, '');
  const one = (status: number, issue: Issue): Entry['fault'] => ({ status, issues: [issue] });
  const method = text(request, 'method');
  if (method !== undefined && method !== 'POST' && !(method === 'PUT' && (role === 'context' || role === 'staff'))) {
    return one(405, problem('not-supported', 'Only POST is supported here; PUT too, for resources that only explain others.', `${at}.request.method`));
  }
  if (type === '') return one(422, problem('required', 'A resource is required.', `${at}.resource`));
  if (role === 'header') return type === 'MessageHeader' ? undefined : one(422, problem('required', 'The first resource of a message is its MessageHeader.', member.path));
  if (!isTakenType(type) && role !== 'context' && role !== 'staff') return one(422, problem('not-supported', 'This endpoint does not take this resource type. GET metadata says what it takes.', member.path));
  if (request !== undefined && !addresses(request, type)) return one(422, problem('value', 'The URL of the request is not that of the resource type.', `${at}.request.url`));
  if (role === 'deliver' && !source.resourceTypes.some((each) => each === type)) return one(403, problem('forbidden', 'This source may not send this resource type.', member.path));
  if (role === 'staff' && source.directory?.types.some((each) => each === type) !== true) return one(403, problem('forbidden', 'This source may not change the directory.', member.path));
  const unsound = unsoundParts(member, scope);
  return unsound.length === 0 ? undefined : { status: 422, issues: unsound };
};

/** `POST Type`, `PUT Type/id`, `PUT Type?identifier=…`, relative or below the base. */
const addresses = (request: Node, type: string): boolean => {
  const url = (text(request, 'url') ?? '').split('?', 1)[0] ?? '';
  const path = url.split('/').filter((each) => each !== '');
  return text(request, 'method') === 'PUT' ? path.at(-2) === type || path.at(-1) === type : path.at(-1) === type;
};
