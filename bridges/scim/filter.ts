/** Filters as identity providers send them: `userName eq "ada"`, joined by `and` (RFC 7644 §3.4.2.2). Anything else is refused: a filter that is not understood must not find everybody. */
import { done, refuse, type Result } from './reply.ts';

/** `attribute` is its name here, however it was written. */
export type Criterion = { readonly attribute: string; readonly value: string };

const CRITERION = /^\s*([A-Za-z][A-Za-z0-9.:_-]*(?:\[value\])?)\s+eq\s+("(?:[^"\\]|\\.)*"|true|false)\s*/iu;

/** All of them must hold. Empty: no filter. `named` knows the attributes that can be looked for; one that isn't kept is refused, since nobody found would mean that there is nobody. */
export function criteriaIn(filter: string | null, named: (path: string) => string | undefined): Result<readonly Criterion[]> {
  if (filter === null || filter.trim() === '') return done([]);
  const found: Criterion[] = [];
  let rest = filter;
  for (;;) {
    const [whole = '', path = '', written = ''] = CRITERION.exec(rest) ?? [];
    if (whole === '') return NOT_UNDERSTOOD;
    const value = written.startsWith('"') ? textOf(written) : written.toLowerCase();
    const attribute = named(path);
    if (value === undefined || attribute === undefined) return NOT_UNDERSTOOD;
    found.push({ attribute, value });
    rest = rest.slice(whole.length);
    if (rest === '') return done(found);
    if (!/^and\s/iu.test(rest)) return NOT_UNDERSTOOD;
    rest = rest.slice('and'.length);
  }
}

function textOf(written: string): string | undefined {
  try {
    return JSON.parse(written) as string;
  } catch {
    return undefined;
  }
}

const NOT_UNDERSTOOD = refuse(400, 'invalid-filter', 'Filters here are attribute eq "value", joined by and, on attributes that are kept: userName, externalId, id, displayName, active and the others of /Schemas; of groups displayName, externalId, id and members.', { scimType: 'invalidFilter' });
