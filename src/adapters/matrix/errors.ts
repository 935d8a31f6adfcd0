import { ConnectionError, HTTPError, MatrixError } from 'matrix-js-sdk/lib/http-api/index.js';
import { fail, type Outcome } from '../../domain/outcome.ts';
import type { HomeserverFailure } from '../../ports/homeserver.ts';

/** Runs a request; what it throws becomes one of the few failures that the loop can act on. Server texts are left out: they may quote what was sent. */
export async function attempt<T>(what: string, request: () => Promise<T>): Promise<Outcome<T, HomeserverFailure>> {
  try {
    return { ok: true, value: await request() };
  } catch (error) {
    return failureOf(what, error);
  }
}

function failureOf(what: string, error: unknown): Outcome<never, HomeserverFailure> {
  if (error instanceof MatrixError) {
    const code = error.errcode ?? 'M_UNKNOWN';
    const said = `${what}: the homeserver answered ${error.httpStatus ?? '?'} ${code}`;
    // In so many words, not for want of any: so Synapse passes on that a partner's server doesn't know whom it was asked for.
    if (error.errcode === 'M_UNKNOWN' && error.httpStatus === 404) return fail('not-found', said);
    switch (code) {
      case 'M_LIMIT_EXCEEDED': {
        const wait = error.data['retry_after_ms'] as unknown;
        return fail('limited', said, { retry: true, ...(typeof wait === 'number' ? { retryAfterMs: wait } : {}) });
      }
      case 'M_FORBIDDEN':
        return fail('forbidden', said);
      case 'M_NOT_FOUND':
        return fail('not-found', said);
      case 'M_ROOM_IN_USE':
      case 'M_USER_IN_USE':
        return fail('in-use', said);
      case 'M_UNKNOWN_TOKEN':
      case 'M_MISSING_TOKEN':
        return fail('unauthorized', `${said}. Is the registration file of Aceso loaded by the homeserver, and is its as_token the one in use?`, { retry: true });
      default:
        return (error.httpStatus ?? 500) >= 500 ? fail('unavailable', said, { retry: true }) : fail('invalid', said, { retry: error.httpStatus === 429 });
    }
  }
  if (error instanceof HTTPError) return fail('unavailable', `${what}: the homeserver answered ${error.httpStatus ?? '?'} without a Matrix error`, { retry: true });
  if (error instanceof ConnectionError || (error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError'))) return fail('unavailable', `${what}: the homeserver can't be reached`, { retry: true });
  // Cut off in the middle, or not in the protocol's form: something else answers in its place.
  return fail('unavailable', `${what}: the answer can't be read (is the homeserver's address right, and nothing else in its place?)`, { retry: true });
}
