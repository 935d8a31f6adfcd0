/** Conditional create (FHIR R4 §3.1.0.8.1): 0 matches → create, 1 → that one, more → 412. */
import type { BridgeHost, Receipt } from '../../src/ports/bridge.ts';
import type { SourceConfig } from './config.ts';
import { problem, refuse } from './outcome.ts';
import type { Result } from './outcome.ts';
import { unavailable } from './receive.ts';

/** `identifier=system|value` as the name the host looks up, `Type?identifier=system|value`. */
export const conditionName = (type: string, criteria: string, expression?: string): Result<string> => {
  const query = criteria.trim().replace(new RegExp(`^(?:${type})?\\?`), '');
  const entries = [...new URLSearchParams(query)];
  const unsupported = entries.filter(([name]) => name !== 'identifier' && name !== '_format').length;
  if (unsupported > 0) return bad(400, 'If-None-Exist: only the search parameter "identifier" is supported, without modifiers.', expression);
  const tokens = entries.filter(([name]) => name === 'identifier').map(([, token]) => token);
  const [token] = tokens;
  if (token === undefined || token === '' || token.endsWith('|')) return bad(412, 'If-None-Exist: no criterion that could select one resource. Give identifier=system|value.', expression);
  if (tokens.length > 1 || /(?<!\\),/.test(token)) return bad(400, 'If-None-Exist: only one identifier is supported.', expression);
  if (!token.includes('|')) return bad(400, 'If-None-Exist: an identifier is given with its system: identifier=system|value, or identifier=|value when it has none.', expression);
  return { ok: true, value: `${type}?identifier=${token.replaceAll(/\\([,|$\\])/g, '$1')}` };
};

/** What was accepted under this name before; undefined when nothing was. */
export const existing = async (host: BridgeHost, source: SourceConfig, name: string, expression?: string): Promise<Result<Receipt | undefined>> => {
  const found = await host.find(source.id, name);
  if (!found.ok) return { ok: false, refusal: unavailable(found.error.retryAfterMs) };
  if (found.value.length > 1) {
    return refuse(412, 'multiple-matches', problem('multiple-matches', 'More than one resource has this identifier: nothing was created.', expression));
  }
  return { ok: true, value: found.value[0] };
};

const bad = (status: 400 | 412, diagnostics: string, expression: string | undefined): Result<never> => refuse(status, 'bad-condition', problem('not-supported', diagnostics, expression));
