/** Practitioner and PractitionerRole as what a source says of its staff. Nothing is concluded that they don't say. */
import { createHash, randomUUID } from 'node:crypto';
import { as, type Millis, type UserId } from '../../../src/domain/brand.ts';
import type { Identifier } from '../../../src/domain/people/recipient.ts';
import type { StaffSaid } from '../../../src/domain/people/staff.ts';
import type { StaffNews } from '../../../src/ports/bridge.ts';
import { asIdentifier } from '../identity.ts';
import { child, children, resourceType, text } from '../node.ts';
import type { Node } from '../node.ts';
import { problem } from '../outcome.ts';
import type { Issue } from '../outcome.ts';
import { conditionalIdentifier, localName, referencedType } from '../reference.ts';
import type { Located, Scope } from '../reference.ts';
import { nameText } from './words.ts';

export const staffOf = (located: Located, scope: Scope): { readonly news: StaffNews } | { readonly issues: readonly Issue[] } => {
  const said = resourceType(located.node) === 'Practitioner' ? personIn(located, scope) : postIn(located, scope);
  if ('code' in said) return { issues: [said] };
  if (!isStorable(said)) return { issues: [problem('value', `Identifiers and references are at most ${LONGEST} characters long, with their system, and no text has a NUL character.`, located.path)] };
  return { news: { key: keyOf(located.node, said), said } };
};

/** An index holds no longer name, and PostgreSQL no NUL: what can't be kept would be tried for ever, and hold up whatever else is said of them. */
export const LONGEST = 256;
const isStorable = (said: StaffSaid): boolean => {
  const of = 'person' in said ? said.person : 'said' in said ? said.said : undefined;
  const names = [said.subject, 'post' in said ? said.post : '', 'person' in said ? (said.person.userId ?? '') : '', ...(of?.identifiers ?? []).map(({ system, value }) => `${system}|${value}`)];
  return names.every((name) => name.length <= LONGEST) && !hasNul(said);
};

export const hasNul = (value: unknown): boolean => (typeof value === 'string' ? value.includes('\0') : typeof value === 'object' && value !== null && Object.values(value).some(hasNul));

/**
 * One version that says one thing is one fact: there are sources whose versionId never changes, and resources without an id. Without a version each push is one of its own: what it says
 * may have been said before, and something else since.
 */
export const keyOf = (node: Node, said: unknown): string => {
  const version = text(child(node, 'meta'), 'versionId');
  return `${resourceType(node)}/${text(node, 'id') ?? ''} ${version === undefined ? randomUUID() : `${version} ${text(child(node, 'meta'), 'lastUpdated') ?? ''} ${createHash('sha256').update(JSON.stringify(said)).digest('hex')}`}`;
};

const personIn = (located: Located, scope: Scope): StaffSaid | Issue => {
  const { node, path } = located;
  const subject = ownName(located, scope);
  if (subject === undefined) return problem('required', 'An id or an identifier is required: nothing else could name them again.', path);
  const userId = matrixIdOf(node, scope);
  const name = nameText(children(node, 'name'));
  return { source: scope.source.id, subject, person: { identifiers: identifiersIn(node, scope), ...(userId === undefined ? {} : { userId }), ...(name === undefined ? {} : { name }), active: text(node, 'active') !== 'false', ...writtenAt(node) } };
};

const postIn = (located: Located, scope: Scope): StaffSaid | Issue => {
  const { node, path } = located;
  const post = ownName(located, scope);
  if (post === undefined) return problem('required', 'An id or an identifier is required: nothing else could name it again.', path);
  const practitioner = child(node, 'practitioner');
  const target = scope.resolve(practitioner, located);
  if (target !== undefined && resourceType(target.node) !== 'Practitioner') return problem('value', 'The practitioner of a role is a Practitioner.', `${path}.practitioner`);
  const logical = child(practitioner, 'identifier');
  const written = text(practitioner, 'reference');
  const identifiers = [...(logical === undefined ? [] : [asIdentifier(logical, scope)]), conditionalIdentifier(written), ...(target === undefined ? [] : identifiersIn(target.node, scope))].filter((each) => each !== undefined);
  const [identifier] = identifiers;
  const subject = (target === undefined || target.root !== target.node ? undefined : ownName(target, scope)) ?? localName(written, scope.source) ?? (identifier && `${identifier.system}|${identifier.value}`);
  if (subject === undefined) return problem('required', 'It must say whose role it is: by reference, or by an identifier.', `${path}.practitioner`);
  const period = child(node, 'period');
  return {
    source: scope.source.id, subject, post,
    said: {
      identifiers, codes: children(node, 'code').flatMap((concept) => children(concept, 'coding')).flatMap((coding) => codeOf(coding)), active: text(node, 'active') !== 'false',
      ...organisationIn(located, scope), ...instant('from', text(period, 'start'), 'start'), ...instant('until', text(period, 'end'), 'end'), ...writtenAt(node),
    },
  };
};

export const ownName = ({ node, local }: Located, scope: Scope): string | undefined => {
  const id = text(node, 'id');
  const [identifier] = identifiersIn(node, scope);
  if (local !== undefined || id !== undefined) return local ?? `${resourceType(node)}/${id ?? ''}`;
  const kind = resourceType(node) === 'Practitioner' ? '' : `${resourceType(node)}?`;
  return identifier && `${kind}${identifier.system}|${identifier.value}`;
};

/** Old numbers may be somebody else's by now. */
export const identifiersIn = (node: Node, scope: Scope): readonly Identifier[] => children(node, 'identifier').filter((each) => text(each, 'use') !== 'old' && !isMatrix(each, scope)).map((each) => asIdentifier(each, scope)).filter((each) => each !== undefined);

const isMatrix = (identifier: Node, { source }: Scope): boolean => source.directory?.matrixId !== undefined && text(identifier, 'system') === source.directory.matrixId;

const codeOf = (coding: Node): readonly string[] => {
  const code = text(coding, 'code');
  return code === undefined ? [] : [`${text(coding, 'system') ?? ''}|${code}`];
};

/** By what the configuration may know it; and an organisation that came along and is a department by its own word. */
const organisationIn = (located: Located, scope: Scope): { readonly organisation: readonly string[]; readonly department?: string } => {
  const reference = child(located.node, 'organization');
  if (reference === undefined) return { organisation: [] };
  const target = scope.resolve(reference, located);
  const names = organisationNames(reference, located, scope);
  const isDepartment = children(target?.node, 'type').flatMap((type) => children(type, 'coding')).some((coding) => text(coding, 'code') === 'dept');
  const name = text(target?.node, 'name');
  // A department is part of an organisation, and that one is whose staff they are.
  const above = isDepartment && target !== undefined ? organisationAbove(target, scope) : undefined;
  return { organisation: [...new Set(above ?? names)], ...(isDepartment && name !== undefined ? { department: name } : {}) };
};

/** Every name under which the configuration may have an organisation. */
export const organisationNames = (reference: Node, located: Located, scope: Scope): readonly string[] => {
  const target = scope.resolve(reference, located);
  const logical = child(reference, 'identifier');
  const identifiers = [...(logical === undefined ? [] : [logical]), ...children(target?.node, 'identifier')].map((each) => asIdentifier(each, scope)).filter((each) => each !== undefined);
  return [target?.local, localName(text(reference, 'reference'), scope.source), ...identifiers.map(({ system, value }) => `${system}|${value}`)].filter((each) => each !== undefined);
};

const organisationAbove = (department: Located, scope: Scope): readonly string[] => {
  const reference = child(department.node, 'partOf');
  const target = scope.resolve(reference, department);
  if (referencedType(reference, target) !== 'Organization') return [];
  const identifiers = children(target?.node, 'identifier').map((each) => asIdentifier(each, scope)).filter((each) => each !== undefined);
  return [target?.local, localName(text(reference, 'reference'), scope.source), ...identifiers.map(({ system, value }) => `${system}|${value}`)].filter((each) => each !== undefined);
};

/** In the system that the hospital names, or as telecom: `@ada:mercy.example`, or a matrix: URI (Matrix specification, appendix "URIs"). */
const matrixIdOf = (node: Node, { source: { directory } }: Scope): UserId | undefined => {
  const said = directory?.matrixId === 'telecom' ? children(node, 'telecom').map((each) => text(each, 'value')) : children(node, 'identifier').filter((each) => text(each, 'system') === directory?.matrixId).map((each) => text(each, 'value'));
  const ids = new Set(said.map((each) => (each ?? '').replace(/^matrix:u\//u, '@')).filter((each) => /^@[a-z0-9._=\-/+]+:[A-Za-z0-9.\-:[\]]+$/u.test(each)));
  const [only] = ids;
  return ids.size === 1 && only !== undefined ? as<UserId>(only) : undefined;
};

export const writtenAt = (node: Node): { readonly writtenAt?: Millis } => instant('writtenAt', text(child(node, 'meta'), 'lastUpdated'), 'start');

/** A date without a time ends with its last moment (FHIR R4 §2.24.0.14 Period). */
export const instant = <Name extends string>(name: Name, written: string | undefined, edge: 'start' | 'end'): { readonly [name in Name]?: Millis } => {
  const at = written === undefined ? NaN : Date.parse(written);
  if (Number.isNaN(at)) return {};
  return { [name]: as<Millis>(edge === 'end' ? endOf(written ?? '', at) : at) } as { readonly [name in Name]?: Millis };
};

/** Whether a date or time is one that `instant` reads as it was meant (FHIR R4 §2.24.0.1 dateTime): none is left out, none runs over into the next month. */
export const isInstant = (written: string | undefined): boolean => {
  if (written === undefined) return true;
  const [, day = ''] = /^(\d{4}(?:-\d{2}(?:-\d{2})?)?)(?:T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}))?$/u.exec(written) ?? [];
  return day !== '' && !Number.isNaN(Date.parse(written)) && new Date(day).toISOString().startsWith(day);
};

const endOf = (written: string, at: number): number => {
  const date = new Date(at);
  if (/^\d{4}$/u.test(written)) return Date.UTC(date.getUTCFullYear() + 1, 0);
  if (/^\d{4}-\d{2}$/u.test(written)) return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
  return /^\d{4}-\d{2}-\d{2}$/u.test(written) ? at + 86_400_000 : at;
};
