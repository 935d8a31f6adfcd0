/** What a resource of the directory says: of staff, or of who has a patient in care. */
import type { CareNews, StaffNews } from '../../../src/ports/bridge.ts';
import { resourceType } from '../node.ts';
import type { Issue } from '../outcome.ts';
import type { Located, Scope } from '../reference.ts';
import { unsoundParts } from '../soundness.ts';
import { careOf } from './care.ts';
import { staffOf } from './staff.ts';

export const newsOf = (located: Located, scope: Scope): { readonly news: StaffNews | CareNews } | { readonly issues: readonly Issue[] } => {
  const unsound = unsoundParts(located, scope);
  if (unsound.length > 0) return { issues: unsound };
  return resourceType(located.node) === 'CareTeam' ? careOf(located, scope) : staffOf(located, scope);
};
