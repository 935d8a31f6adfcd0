/** Practitioners and organisations behind references: words to show, identifiers to find them by. */
import type { Candidate, Identifier, RecipientRule } from '../../../src/domain/people/recipient.ts';
import type { Organisation } from '../../../src/domain/clinical/report.ts';
import { asIdentifier } from '../identity.ts';
import { child, children, resourceType, text } from '../node.ts';
import type { Node } from '../node.ts';
import { conditionalIdentifier, localName, referencedType } from '../reference.ts';
import type { Located, Scope } from '../reference.ts';
import { addressText, conceptText, nameText } from './words.ts';

/** Who a reference shows to a reader: name, and role where the role is what is named. */
export const displayOf = (reference: Node | undefined, from: Located, scope: Scope): string | undefined => {
  const target = scope.resolve(reference, from);
  const name = target === undefined ? undefined : resourceType(target.node) === 'PractitionerRole' ? roleName(target, scope) : nameOf(target);
  return name ?? text(reference, 'display');
};

/** A person's name is a list, an organisation's or a team's a text. */
const nameOf = ({ node }: Located): string | undefined => nameText(children(node, 'name')) ?? text(node, 'name');

const roleName = (role: Located, scope: Scope): string | undefined => {
  const practitioner = child(role.node, 'practitioner');
  const target = scope.resolve(practitioner, role);
  const person = (target === undefined ? undefined : nameOf(target)) ?? text(practitioner, 'display');
  const code = conceptText(children(role.node, 'code')[0]);
  return person !== undefined && code !== undefined ? `${person} (${code})` : (person ?? code);
};

/**
 * Staff never has a patient's identifiers: those are PHI and name nobody who could be told. A team is each of its members, besides its own
 * name, under which the directory may know it.
 */
export const candidatesOf = (rule: RecipientRule, reference: Node | undefined, from: Located, scope: Scope, depth = 0): readonly Candidate[] => {
  const target = scope.resolve(reference, from);
  const type = referencedType(reference, target);
  if (type === 'Patient' || type === 'RelatedPerson' || type === 'Device') return [];
  const identifiers = unique(identifiersOf(reference, from, scope));
  const members = type === 'CareTeam' && target !== undefined && depth < MOST_TEAMS ? children(target.node, 'participant').flatMap((each) => candidatesOf(rule, child(each, 'member'), target, scope, depth + 1)) : [];
  return [...(identifiers.length === 0 ? [] : [{ rule, identifiers }]), ...members];
};

/** A team may have teams as members, and two may have each other. */
const MOST_TEAMS = 3;

/** Everything by which a directory may know who is meant: logical identifier, the source's own reference, what the resource says. */
const identifiersOf = (reference: Node | undefined, from: Located, scope: Scope, isOfRole?: true): readonly Identifier[] => {
  if (reference === undefined) return [];
  const target = scope.resolve(reference, from);
  const written = text(reference, 'reference');
  const logical = child(reference, 'identifier');
  const names = [target?.local, localName(written, scope.source)].filter((each) => each !== undefined).map((value) => ({ system: scope.localSystem, value }));
  const own = [...(logical === undefined ? [] : [logical]), ...children(target?.node, 'identifier')].map((each) => asIdentifier(each, scope));
  const person = target !== undefined && isOfRole === undefined && resourceType(target.node) === 'PractitionerRole' ? identifiersOf(child(target.node, 'practitioner'), target, scope, true) : [];
  return [...own, conditionalIdentifier(written), ...names, ...person].filter((each) => each !== undefined);
};

const unique = (identifiers: readonly Identifier[]): readonly Identifier[] => [...new Map(identifiers.map((each) => [`${each.system}|${each.value}`, each])).values()];

/** The organisation a performer is, or works for. */
export const organisationOf = (reference: Node | undefined, from: Located, scope: Scope): Organisation | undefined => {
  const target = scope.resolve(reference, from);
  if (target !== undefined && resourceType(target.node) === 'PractitionerRole') return described(child(target.node, 'organization'), target, scope);
  return described(reference, from, scope);
};

const described = (reference: Node | undefined, from: Located, scope: Scope): Organisation | undefined => {
  const target = scope.resolve(reference, from);
  const name = text(target?.node, 'name') ?? text(reference, 'display');
  if (referencedType(reference, target) !== 'Organization' || name === undefined) return undefined;
  const address = children(target?.node, 'address').map(addressText).find((each) => each !== undefined);
  const phone = children(target?.node, 'telecom').filter((each) => text(each, 'system') === 'phone').map((each) => text(each, 'value')).find((each) => each !== undefined);
  return { name, ...(address === undefined ? {} : { address }), ...(phone === undefined ? {} : { phone }) };
};

export const isOrganisation = (reference: Node, from: Located, scope: Scope): boolean => referencedType(reference, scope.resolve(reference, from)) === 'Organization';
