/**
 * SMART scopes as this endpoint can grant them: `system/<type>.<rights>` (SMART App Launch 2.2 §"Scopes for requesting FHIR Resources"), in the
 * syntax of version 2 (a part of `cruds`, in order) or of version 1 (`read`, `write`, `*`). Only the right to create means anything here.
 */
const SCOPE = /^system\/(\*|[A-Z][A-Za-z]{1,63})\.(c?r?u?d?s?|read|write|\*)$/u;

type Wish = { readonly type: string; readonly isFirstVersion: boolean };

/** What of the requested scopes a client that may send `types` gets: version 2 as `.c`, version 1 as it was asked. Empty: nothing of it. */
export function grantedScopes(requested: string, types: readonly string[]): readonly string[] {
  const granted = wishes(requested).flatMap(({ type, isFirstVersion }) => {
    const wanted = type === '*' ? types : types.filter((each) => each === type);
    return wanted.map((each) => `system/${each}.${isFirstVersion ? 'write' : 'c'}`);
  });
  return [...new Set(granted)];
}

/** Resource types that the scopes of an access token let a source create, out of `types`. */
export function typesIn(scope: string, types: readonly string[]): readonly string[] {
  const named = wishes(scope).map(({ type }) => type);
  return types.filter((type) => named.includes(type) || named.includes('*'));
}

/** Scopes to advertise: those that can be granted. */
export const scopesFor = (types: readonly string[]): readonly string[] => [...new Set(types)].sort().map((type) => `system/${type}.c`);

/** A scope with a search parameter (`?category=…`) is not here: what can't be enforced isn't granted. */
function wishes(scope: string): readonly Wish[] {
  return scope.split(' ').flatMap((each) => {
    const [, type = '', rights = ''] = SCOPE.exec(each) ?? [];
    const isFirstVersion = rights === 'write' || rights === '*';
    return isFirstVersion || (rights !== 'read' && rights.startsWith('c')) ? [{ type, isFirstVersion }] : [];
  });
}
