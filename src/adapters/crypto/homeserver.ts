/**
 * The homeserver's client-server API as the courier's own user and device, with the application service's token
 * (application service API, "Identity assertion"; `device_id` from MSC4326 as Synapse ships it).
 * Plain `fetch`: matrix-js-sdk's MatrixHttpApi stops its clock when the headers are there, so that a body that never ends would hang us.
 */
import type { ThreadOptions } from './options.ts';

export type Request = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** After `/_matrix/`, with each part encoded, e.g. `client/v3/keys/query`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** JSON text, or bytes. */
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** Whom the call is made for; the device when left out. */
  readonly as?: 'service' | 'user' | 'device';
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
};

export type Homeserver = {
  /** The body of a 2xx, as text. Throws a {@link HomeserverError} for everything else. */
  text(request: Request): Promise<string>;
  /** The same, parsed. */
  json(request: Request): Promise<Readonly<Record<string, unknown>>>;
};

/** The homeserver refused (`status`, `errcode`), or couldn't be reached (`status` 0). */
export class HomeserverError extends Error {
  readonly status: number;
  readonly errcode: string;
  readonly retryAfterMs: number | undefined;
  /** What was asked for, e.g. `client/v3/keys/upload`. */
  readonly path: string;

  constructor(status: number, errcode: string, path: string, retryAfterMs?: number) {
    super(`${status} ${errcode}`);
    this.name = 'HomeserverError';
    this.status = status;
    this.errcode = errcode;
    this.path = path;
    this.retryAfterMs = retryAfterMs;
  }

  /**
   * Whether the homeserver understood the request and said no: then nothing of it was done. A 4xx without a Matrix error isn't its word: it
   * comes from something on the way, which may have passed the request on. Only what is too large for the way is never passed on.
   */
  get refused(): boolean {
    return this.status === 413 || (this.status >= 400 && this.status < 500 && this.errcode !== noErrcode);
  }
}

const noErrcode = 'no-matrix-error';

/** A request in the name of a device that there isn't (MSC4326; 400 at Synapse). */
export const UNKNOWN_DEVICE = 'M_UNKNOWN_DEVICE';

export const pathOf = (...parts: readonly string[]): string => parts.map(encodeURIComponent).join('/');

const usualTimeoutMs = 20_000;

export type HomeserverHooks = {
  /** Throws when nothing may be sent any more; it is asked last thing before each request. */
  readonly mayLeave?: () => void;
  /** The homeserver doesn't know our device (any more). May be called often. */
  readonly unknownDevice?: () => void;
};

export function createHomeserver(options: Pick<ThreadOptions, 'homeserverUrl' | 'asToken' | 'userId' | 'deviceId'>, { mayLeave, unknownDevice }: HomeserverHooks = {}): Homeserver {
  const identity = { service: {}, user: { user_id: options.userId }, device: { user_id: options.userId, device_id: options.deviceId } };

  const text = async (request: Request): Promise<string> => {
    const url = new URL(`/_matrix/${request.path}`, options.homeserverUrl);
    url.search = new URLSearchParams({ ...identity[request.as ?? 'device'], ...request.query }).toString();
    const signals = [AbortSignal.timeout(request.timeoutMs ?? usualTimeoutMs), ...(request.signal ? [request.signal] : [])];
    const headers = { authorization: `Bearer ${options.asToken}`, ...(request.body === undefined ? {} : { 'content-type': typeof request.body === 'string' ? 'application/json' : 'application/octet-stream' }) };
    let status = 0;
    let body = '';
    let retryAfter: string | null = null;
    mayLeave?.();
    try {
      const response = await fetch(url, { method: request.method, headers, redirect: 'error', signal: AbortSignal.any(signals), ...(request.body === undefined ? {} : { body: request.body }) });
      body = await response.text();
      status = response.status;
      retryAfter = response.headers.get('retry-after');
    } catch {
      request.signal?.throwIfAborted();
      throw new HomeserverError(0, 'unreachable', request.path);
    }
    if (status >= 200 && status < 300) return body;
    const answer = parse(body);
    if (answer['errcode'] === UNKNOWN_DEVICE) unknownDevice?.();
    throw new HomeserverError(status, typeof answer['errcode'] === 'string' ? answer['errcode'] : noErrcode, request.path, retryAfterMs(answer, retryAfter));
  };

  return { text, json: async (request) => parse(await text(request)) };
}

function parse(body: string): Readonly<Record<string, unknown>> {
  try {
    return asRecord(JSON.parse(body));
  } catch {
    return {};
  }
}

/** An object's fields, or none: what comes from outside is looked at field by field. */
export const asRecord = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : {});

export const asArray = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The texts of a list; anything else in it is left out. */
export const asTexts = (value: unknown): readonly string[] => asArray(value).filter((item) => typeof item === 'string');

function retryAfterMs(answer: Readonly<Record<string, unknown>>, header: string | null): number | undefined {
  if (typeof answer['retry_after_ms'] === 'number') return answer['retry_after_ms'];
  const seconds = Number(header ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds * 1000 : undefined;
}
