/** Who is calling, as the host's authenticator finds it, and how a failure is told (RFC 6750 §3). */
import type { AuthenticationFailure, Authenticator, HttpHead } from '../../src/ports/bridge.ts';
import type { FhirPushConfig, SourceConfig } from './config.ts';
import { problem, refuse } from './outcome.ts';
import type { Result } from './outcome.ts';

/** The source, with no more types than the caller's access token allows. */
export type Authorise = (head: HttpHead) => Promise<Result<SourceConfig>>;

export const createAuthorise = ({ sources }: FhirPushConfig, authenticator: Authenticator): Authorise => {
  const known = new Map(sources.map((source) => [source.id, source]));
  return async (head) => {
    const answer = await authenticator.authenticate(head);
    if (!answer.ok) return refused(answer.error.code, answer.error.message, answer.error.retryAfterMs);
    const { source: id, types } = answer.value;
    const source = known.get(id);
    if (source === undefined) return refused('unknown-credentials', 'These credentials belong to no source of this endpoint.', undefined);
    return { ok: true, value: types === undefined ? source : scoped(source, types) };
  };
};

const scoped = (source: SourceConfig, types: readonly string[]): SourceConfig => {
  const { resourceTypes, directory } = source;
  return { ...source, resourceTypes: resourceTypes.filter((type) => types.includes(type)), ...(directory === undefined ? {} : { directory: { ...directory, types: directory.types.filter((type) => types.includes(type)) } }), isScoped: true };
};

const refused = (code: AuthenticationFailure, message: string, retryAfterMs: number | undefined): Result<never> => {
  const retry = { 'retry-after': String(Math.max(1, Math.ceil((retryAfterMs ?? 10_000) / 1000))) };
  switch (code) {
    case 'throttled': return refuse(429, 'login-throttled', problem('throttled', message), retry);
    case 'unavailable': return refuse(503, 'login-unavailable', problem('transient', message), retry);
    case 'no-credentials': return refuse(401, 'no-credentials', problem('login', message), { 'www-authenticate': 'Bearer realm="aceso"' });
    default: return refuse(401, code, problem('login', message), { 'www-authenticate': 'Bearer realm="aceso", error="invalid_token"' });
  }
};
