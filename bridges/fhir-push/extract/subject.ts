/** That everything a report is made of is about the same patient: a part or an order of somebody else would tell the wrong person, or tell of the wrong one. */
import { identifierName } from '../identity.ts';
import { child, children, resourceType, text } from '../node.ts';
import type { Node } from '../node.ts';
import { problem } from '../outcome.ts';
import type { Issue } from '../outcome.ts';
import { conditionalIdentifier, localName } from '../reference.ts';
import type { Located, Scope } from '../reference.ts';

/** An issue for each of `related` whose subject is certainly another one than that of `located`. */
export const otherSubjects = (located: Located, related: readonly Located[], scope: Scope): readonly Issue[] => {
  const patient = child(located.node, 'subject');
  return related.filter((each) => differs({ reference: patient, from: located }, { reference: child(each.node, 'subject') ?? child(each.node, 'patient'), from: each }, scope))
    .map((each) => problem('business-rule', `The subject of this ${resourceType(each.node)} is not that of the ${resourceType(located.node)} it belongs to.`, `${each.path}.subject`));
};

type Pointer = { readonly reference: Node | undefined; readonly from: Located };

/** Names of one system that have no value in common. What can't be compared is not said to differ. */
const differs = (a: Pointer, b: Pointer, scope: Scope): boolean => {
  if (a.reference === undefined || b.reference === undefined) return false;
  const target = scope.resolve(a.reference, a.from);
  if (target !== undefined && scope.resolve(b.reference, b.from)?.node === target.node) return false;
  const [left, right] = [namesOf(a, scope), namesOf(b, scope)];
  if (left.some((name) => right.includes(name))) return false;
  const systems = new Set(left.map(systemOf));
  return right.some((name) => systems.has(systemOf(name)));
};

const systemOf = (name: string): string => name.slice(0, name.lastIndexOf('|'));

const namesOf = ({ reference, from }: Pointer, scope: Scope): readonly string[] => {
  const target = scope.resolve(reference, from);
  const identifiers = [child(reference, 'identifier'), ...children(target?.node, 'identifier')].filter((each) => each !== undefined);
  const local = target?.local ?? localName(text(reference, 'reference'), scope.source);
  const conditional = conditionalIdentifier(text(reference, 'reference'));
  return [
    ...identifiers.map((each) => identifierName(each, scope)),
    local === undefined ? undefined : `${scope.localSystem}|${local}`,
    conditional === undefined ? undefined : `${conditional.system}|${conditional.value}`,
  ].filter((each) => each !== undefined);
};
