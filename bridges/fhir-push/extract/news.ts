/** What a resource of the directory says: of staff, of who has a patient in care, or of what a patient consented to. */
import type { CareNews, ConsentNews, StaffNews } from '../../../src/ports/bridge.ts';
import { resourceType } from '../node.ts';
import type { Issue } from '../outcome.ts';
import type { Located, Scope } from '../reference.ts';
import { unsoundParts } from '../soundness.ts';
import { careOf } from './care.ts';
import { consentOf } from './consent.ts';
import { staffOf } from './staff.ts';

export const newsOf = (located: Located, scope: Scope): { readonly news: StaffNews | CareNews | ConsentNews } | { readonly issues: readonly Issue[] } => {
  const unsound = unsoundParts(located, scope);
  if (unsound.length > 0) return { issues: unsound };
  switch (resourceType(located.node)) {
    case 'CareTeam': case 'Encounter': return careOf(located, scope);
    case 'Consent': return consentOf(located, scope);
    default: return staffOf(located, scope);
  }
};
