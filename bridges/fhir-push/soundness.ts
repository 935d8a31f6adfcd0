/** What the definitions can't say of one resource: that its references lead somewhere, and that nothing in it changes its meaning unseen. */
import { isNode, text } from './node.ts';
import { problem } from './outcome.ts';
import type { Issue } from './outcome.ts';
import type { Located, Scope } from './reference.ts';

/**
 * - `#id` without its contained resource, `urn:uuid` without its entry: what was meant is not here.
 * - `modifierExtension` (FHIR R4 §2.4.0.1) and `implicitRules` (§2.26.3.3) may turn a statement into its opposite: who doesn't know them
 *   must not act on the resource. None are known here.
 */
export const unsoundParts = (located: Located, scope: Scope): readonly Issue[] => {
  const found: Issue[] = [];
  const visit = (value: unknown, path: string): void => {
    if (Array.isArray(value)) { value.forEach((each, index) => visit(each, `${path}[${index}]`)); return; }
    if (!isNode(value)) return;
    const to = text(value, 'reference');
    if (to !== undefined && /^(?:#|urn:(?:uuid|oid):)/i.test(to) && scope.resolve(value, located) === undefined) {
      found.push(problem('not-found', to.startsWith('#') ? 'No contained resource has this id.' : 'No entry of this bundle has this fullUrl.', `${path}.reference`));
    }
    for (const [name, each] of Object.entries(value)) {
      if (name === 'modifierExtension') found.push(problem('not-supported', 'This modifier extension is not known here; it could change the meaning of the rest.', `${path}.${name}`));
      else if (name === 'implicitRules') found.push(problem('not-supported', 'Rules outside the resource are not known here; they could change its meaning.', `${path}.${name}`));
      else visit(each, `${path}.${name}`);
    }
  };
  visit(located.node, located.path);
  return found;
};
