/** Conditional create (FHIR R4 §3.1.0.8.1): 0 matches → 201, 1 → 200, more → 412. */
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

export type Verdict =
  /** Nothing of this name: to be created. */
  | { readonly kind: 'new' }
  /** One of this name, which says the same: nothing to do. */
  | { readonly kind: 'known'; readonly receipt: Receipt }
  /** One of this name, which says something else. */
  | { readonly kind: 'version' };

/**
 * FHIR lets a server drop the second content here. A corrected result would be lost that way, and its sender told `200`; so what says something
 * new is taken in as a new version of what matched, and only what says the same is dropped.
 */
export const verdictOn = async (host: BridgeHost, { id }: SourceConfig, name: string | undefined, contentName: string, expression?: string): Promise<Result<Verdict>> => {
  if (name === undefined) return { ok: true, value: { kind: 'new' } };
  const found = await host.find(id, name);
  if (!found.ok) return { ok: false, refusal: unavailable(found.error.retryAfterMs) };
  if (found.value.length > 1) return refuse(412, 'multiple-matches', problem('multiple-matches', 'More than one resource has this identifier: nothing was created.', expression));
  if (found.value.length === 0) return { ok: true, value: { kind: 'new' } };
  const same = await host.find(id, contentName);
  if (!same.ok) return { ok: false, refusal: unavailable(same.error.retryAfterMs) };
  const [receipt] = same.value;
  return { ok: true, value: receipt === undefined ? { kind: 'version' } : { kind: 'known', receipt: { ...receipt, created: false } } };
};

const bad = (status: 400 | 412, diagnostics: string, expression: string | undefined): Result<never> => refuse(status, 'bad-condition', problem('not-supported', diagnostics, expression));
