import { ClientPrefix, type HttpApiEvent, type HttpApiEventHandlerMap, MatrixHttpApi } from 'matrix-js-sdk/lib/http-api/index.js';
import { TypedEventEmitter } from 'matrix-js-sdk/lib/models/typed-event-emitter.js';
import type { UserId } from '../../domain/brand.ts';

export type HomeserverOptions = {
  readonly url: string;
  readonly serverName: string;
  readonly asToken: string;
  readonly guardianLocalpart: string;
  readonly courierLocalpart: string;
  /** What people see of them. */
  readonly names: { readonly guardian: string; readonly courier: string };
  readonly timeoutMs?: number;
};

export type Api = MatrixHttpApi<{ readonly baseUrl: string; readonly prefix: string; readonly onlyData: true; readonly accessToken: string }>;
/** The client-server API as one user of the application service. */
export function apiFor({ url, asToken, timeoutMs = 60_000 }: HomeserverOptions, userId: UserId, prefix: string = ClientPrefix.V3): Api {
  const events = new TypedEventEmitter<HttpApiEvent, HttpApiEventHandlerMap>();
  return new MatrixHttpApi(events, { baseUrl: url, prefix, onlyData: true, accessToken: asToken, extraParams: { user_id: userId }, fetchFn: fetchWithin(timeoutMs) });
}

/**
 * A `fetch` with an end, for the body too. The SDK's own `localTimeoutMs` leaves a timer behind each request that keeps the process alive
 * (a command would answer and then hang for a minute), and stops its clock at the headers.
 */
function fetchWithin(timeoutMs: number): typeof fetch {
  return (input, init) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    return fetch(input, { ...init, signal: init?.signal ? AbortSignal.any([init.signal, timeout]) : timeout });
  };
}
