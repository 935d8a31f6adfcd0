/** Filters as identity providers send them: `userName eq "ada"`, joined by `and` (RFC 7644 §3.4.2.2). Anything else is refused: a filter that is not understood must not find everybody. */
import { done, refuse, type Result } from './reply.ts';

export type Criterion = { readonly attribute: string; readonly value: string };

const CRITERION = /^\s*([A-Za-z][A-Za-z0-9.:_-]*(?:\[value\])?)\s+eq\s+("(?:[^"\\]|\\.)*"|true|false)\s*/iu;

/** All of them must hold. Empty: no filter. */
export function criteriaIn(filter: string | null): Result<readonly Criterion[]> {
  if (filter === null || filter.trim() === '') return done([]);
  const found: Criterion[] = [];
  let rest = filter;
  for (;;) {
    const [whole = '', attribute = '', written = ''] = CRITERION.exec(rest) ?? [];
    if (whole === '') return NOT_UNDERSTOOD;
    const value = written.startsWith('"') ? textOf(written) : written.toLowerCase();
    if (value === undefined) return NOT_UNDERSTOOD;
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

const NOT_UNDERSTOOD = refuse(400, 'invalid-filter', 'Filters here are attribute eq "value", joined by and: userName, externalId, id, displayName, active.', { scimType: 'invalidFilter' });
