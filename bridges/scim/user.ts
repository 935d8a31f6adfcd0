/** A SCIM User (RFC 7643 §4.1, §4.3) as attributes that are kept, what they say of somebody, and the resource that is read back. Whatever else is sent (passwords, addresses, photos) is not kept. */
import { as, type UserId } from '../../src/domain/brand.ts';
import { NPI, type Identifier } from '../../src/domain/people/recipient.ts';
import type { Kept, PersonSaid, Staff } from '../../src/domain/people/staff.ts';
import type { ScimSource } from './config.ts';
import { done, refuse, type Result } from './reply.ts';

export const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
export const ACESO = 'urn:ietf:params:scim:schemas:extension:aceso:2.0:User';

export type Attributes = Readonly<Record<string, string>>;
export type Json = { readonly [name: string]: unknown };
export const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Where each attribute stands in the resource. `active` is one of them, as a word. */
export const PLACES: Readonly<Record<string, readonly string[]>> = {
  userName: ['userName'], externalId: ['externalId'], displayName: ['displayName'], title: ['title'], active: ['active'],
  'name.formatted': ['name', 'formatted'], 'name.givenName': ['name', 'givenName'], 'name.familyName': ['name', 'familyName'],
  employeeNumber: [ENTERPRISE, 'employeeNumber'], department: [ENTERPRISE, 'department'], organization: [ENTERPRISE, 'organization'],
  matrixId: [ACESO, 'matrixId'], npi: [ACESO, 'npi'],
};
const MOST = 256;

/** The attribute that a path names: `name.familyName`, `urn:…:User:department`; names without regard to case (RFC 7643 §2.1). */
export function attributeAt(path: string): string | undefined {
  const wanted = path.toLowerCase();
  return Object.keys(PLACES).find((name) => {
    const [first = '', ...rest] = PLACES[name] ?? [];
    const full = first.startsWith('urn:') ? `${first}:${rest.join('.')}` : name;
    return [full, first.startsWith('urn:') ? full : `${USER}:${name}`].some((each) => each.toLowerCase() === wanted);
  });
}

/** A value as it is kept. Undefined: not a value that an attribute may have. `active` also comes as a text (Microsoft Entra sends "False"). */
export function valueOf(name: string, value: unknown): string | undefined {
  if (name === 'active') return typeof value === 'boolean' ? String(value) : typeof value === 'string' && /^(?:true|false)$/iu.test(value) ? value.toLowerCase() : undefined;
  const text = typeof value === 'number' ? String(value) : value;
  return typeof text === 'string' && text.length <= MOST && !/\p{Cc}/u.test(text) ? text : undefined;
}

/** The attributes of a whole resource, as POST and PUT bring it. */
export function attributesOf(resource: Json): Result<Attributes> {
  const found: Record<string, string> = {};
  for (const [name, place] of Object.entries(PLACES)) {
    const value = place.reduce<unknown>((from, step) => (isJson(from) ? from[Object.keys(from).find((key) => key.toLowerCase() === step.toLowerCase()) ?? ''] : undefined), resource);
    if (value === undefined || value === null || value === '') continue;
    const kept = valueOf(name, value);
    if (kept === undefined) return refuse(400, 'invalid-value', `${name} is not a value that it may have: a text of at most ${MOST} characters, or true or false.`, { scimType: 'invalidValue' });
    found[name] = kept;
  }
  return whole(found);
}

/** What a user can't be without. */
export function whole(attributes: Attributes): Result<Attributes> {
  if ((attributes['userName'] ?? '') === '') return refuse(400, 'invalid-value', 'userName is required.', { scimType: 'invalidValue' });
  return done({ ...attributes, active: attributes['active'] ?? 'true' });
}

export const nameOf = (attributes: Attributes): string | undefined =>
  attributes['displayName'] ?? attributes['name.formatted'] ?? ([attributes['name.givenName'], attributes['name.familyName']].filter((part) => part !== undefined).join(' ') || undefined);

/** What it says of somebody. A Matrix id is made as the configuration says, or there is none. */
export function personOf(attributes: Attributes, source: ScimSource, kept: Omit<Kept, 'attributes'>): PersonSaid {
  const systems: Readonly<Record<string, string>> = { npi: NPI, ...source.identifiers };
  const identifiers = Object.entries(systems).flatMap(([name, system]): readonly Identifier[] => (attributes[name] === undefined ? [] : [{ system, value: attributes[name] }]));
  const userId = matrixIdOf(attributes, source.matrixId);
  const name = nameOf(attributes);
  const { department, organization } = attributes;
  return {
    identifiers, active: kept.gone !== true && attributes['active'] !== 'false', ...(userId === undefined ? {} : { userId }), ...(name === undefined ? {} : { name }),
    ...(department === undefined ? {} : { department }), ...(organization === undefined ? {} : { organisation: [organization] }), kept: { ...kept, attributes },
  };
}

function matrixIdOf(attributes: Attributes, template: string | undefined): UserId | undefined {
  let isWhole = template !== undefined;
  const id = (template ?? '').replaceAll(/\{([A-Za-z.]+?)(\.local)?\}/gu, (_, name: string, local?: string) => {
    const value = attributes[name];
    isWhole &&= value !== undefined;
    // userName has no case of its own (RFC 7643 §4.1.1), a Matrix id has.
    const cased = name === 'userName' ? (value ?? '').toLowerCase() : (value ?? '');
    return local === undefined ? cased : (cased.split('@', 1)[0] ?? '');
  });
  return isWhole && /^@[a-z0-9._=\-/+]+:[A-Za-z0-9.\-:[\]]+$/u.test(id) ? as<UserId>(id) : undefined;
}

/** `User/<id>` as the staff entry is called. */
export const subjectOf = (id: string): string => `User/${id}`;
export const idOf = ({ subject }: Pick<Staff, 'subject'>): string => subject.slice(subject.indexOf('/') + 1);

/** The user of an entry; undefined when it was deleted, or is none. */
export const keptUser = (staff: Staff | undefined): Kept | undefined => (staff?.person?.kept === undefined || staff.person.kept.gone ? undefined : staff.person.kept);

/** The resource as it is read back, with the groups that it is in. */
export function resourceOf(staff: Staff, { attributes }: Kept, groups: readonly { readonly id: string; readonly name: string }[], base: string): object {
  const resource: Record<string, unknown> = { schemas: [USER, ...[ENTERPRISE, ACESO].filter((schema) => Object.entries(PLACES).some(([name, [first]]) => first === schema && attributes[name] !== undefined))], id: idOf(staff) };
  for (const [name, place] of Object.entries(PLACES)) {
    const value = attributes[name];
    if (value === undefined) continue;
    const [first = '', second] = place;
    const plain = name === 'active' ? value === 'true' : value;
    resource[first] = second === undefined ? plain : { ...(isJson(resource[first]) ? resource[first] : {}), [second]: plain };
  }
  return { ...resource, groups: groups.map(({ id, name }) => ({ value: id, $ref: `${base}/Groups/${id}`, display: name })), meta: { resourceType: 'User', location: `${base}/Users/${idOf(staff)}` } };
}
