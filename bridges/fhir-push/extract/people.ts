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
  if (target === undefined) return text(reference, 'display');
  return nameOf(target, scope) ?? text(reference, 'display');
};

const nameOf = (target: Located, scope: Scope): string | undefined => {
  if (resourceType(target.node) !== 'PractitionerRole') return nameText(children(target.node, 'name')) ?? text(target.node, 'name');
  const person = displayOf(child(target.node, 'practitioner'), target, scope);
  const role = conceptText(children(target.node, 'code')[0]);
  return person !== undefined && role !== undefined ? `${person} (${role})` : (person ?? role);
};

/**
 * Staff never has a patient's identifiers: those are PHI and name nobody who could be told. A team is each of its members, besides its own
 * name, under which the directory may know it.
 */
export const candidatesOf = (rule: RecipientRule, reference: Node | undefined, from: Located, scope: Scope): readonly Candidate[] => {
  const target = scope.resolve(reference, from);
  const type = referencedType(reference, target);
  if (type === 'Patient' || type === 'RelatedPerson' || type === 'Device') return [];
  const identifiers = unique(identifiersOf(reference, from, scope));
  const members = type === 'CareTeam' && target !== undefined ? children(target.node, 'participant').flatMap((each) => candidatesOf(rule, child(each, 'member'), target, scope)) : [];
  return [...(identifiers.length === 0 ? [] : [{ rule, identifiers }]), ...members];
};

/** Everything by which a directory may know who is meant: logical identifier, the source's own reference, what the resource says. */
const identifiersOf = (reference: Node | undefined, from: Located, scope: Scope, depth = 0): readonly Identifier[] => {
  if (reference === undefined || depth > 2) return [];
  const target = scope.resolve(reference, from);
  const written = text(reference, 'reference');
  const logical = child(reference, 'identifier');
  const names = [target?.local, localName(written, scope.source)].filter((each) => each !== undefined).map((value) => ({ system: scope.localSystem, value }));
  const own = [...(logical === undefined ? [] : [logical]), ...children(target?.node, 'identifier')].map((each) => asIdentifier(each, scope));
  const person = target !== undefined && resourceType(target.node) === 'PractitionerRole' ? identifiersOf(child(target.node, 'practitioner'), target, scope, depth + 1) : [];
  return [...own, conditionalIdentifier(written), ...names, ...person].filter((each) => each !== undefined);
};

const unique = (identifiers: readonly Identifier[]): readonly Identifier[] => [...new Map(identifiers.map((each) => [`${each.system}|${each.value}`, each])).values()];

/** The organisation a performer is, or works for. */
export const organisationOf = (reference: Node | undefined, from: Located, scope: Scope): Organisation | undefined => {
  const target = scope.resolve(reference, from);
  const type = referencedType(reference, target);
  if (type === 'PractitionerRole') return target === undefined ? undefined : organisationOf(child(target.node, 'organization'), target, scope);
  if (type !== 'Organization') return undefined;
  const name = text(target?.node, 'name') ?? text(reference, 'display');
  if (name === undefined) return undefined;
  const address = children(target?.node, 'address').map(addressText).find((each) => each !== undefined);
  const phone = children(target?.node, 'telecom').filter((each) => text(each, 'system') === 'phone').map((each) => text(each, 'value')).find((each) => each !== undefined);
  return { name, ...(address === undefined ? {} : { address }), ...(phone === undefined ? {} : { phone }) };
};

export const isOrganisation = (reference: Node, from: Located, scope: Scope): boolean => referencedType(reference, scope.resolve(reference, from)) === 'Organization';
