import { createLocalJWKSet, type CryptoKey, type FlattenedJWSInput, type JSONWebKeySet, type JWSHeaderParameters, errors } from 'jose';
import { errorCode } from '../../ports/telemetry.ts';

/** The public keys of one signer (RFC 7517). */
export type KeySet = {
  /** The one key that the header names. Rejects with `KeysUnavailable` when the keys can't be had now, with an error of jose when no key is the one. */
  key(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey>;
  /** What is known now, fetched when need be: for `aceso source jwks`. */
  keys(): Promise<JSONWebKeySet>;
};

/** The keys can't be had now: the signer's address doesn't answer, or not with a key set. Never holds what it answered. */
export class KeysUnavailable extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'KeysUnavailable';
  }
}

export const fixedKeySet = (jwks: JSONWebKeySet): KeySet => {
  const local = createLocalJWKSet(jwks);
  return { key: (header, token) => local(header, token), keys: async () => jwks };
};

export type RemoteOptions = { readonly url: string; readonly now: () => number; readonly fetch?: typeof fetch };

const TIMEOUT_MS = 5000;
const MOST_BYTES = 256 * 1024;
/** Kept no longer than the signer's `Cache-Control: max-age` says (SMART App Launch 2.2, "Signature Verification"), and no longer than this. */
const LONGEST_MS = 10 * 60_000;
/** Nobody makes Aceso fetch more often than this, whatever key ids they make up and whatever the signer's server says about its cache. */
const PAUSE_MS = 10_000;

/**
 * Keys at an address of the configuration; no address in a token is ever followed. Fetched when they are asked for, again when they are old, and again when
 * a token names a key that isn't among them, so that a signer may rotate its keys by itself.
 */
export function remoteKeySet({ url, now, fetch: get = fetch }: RemoteOptions): KeySet {
  let held: { readonly jwks: JSONWebKeySet; readonly find: ReturnType<typeof createLocalJWKSet>; readonly until: number } | undefined;
  let asked = -Infinity;
  let asking: Promise<void> | undefined;

  const refresh = (): Promise<void> => (asking ??= load().finally(() => { asking = undefined; }));
  async function load(): Promise<void> {
    asked = now();
    const { jwks, maxAgeMs } = await fetchKeys(get, url);
    held = { jwks, find: createLocalJWKSet(jwks), until: asked + Math.max(PAUSE_MS, Math.min(maxAgeMs, LONGEST_MS)) };
  }
  async function current(): Promise<NonNullable<typeof held>> {
    if (held === undefined || now() >= held.until) {
      if (asking === undefined && now() - asked < PAUSE_MS) throw new KeysUnavailable('the key set could not be fetched a moment ago');
      await refresh();
    }
    if (held === undefined) throw new KeysUnavailable('there is no key set');
    return held;
  }

  return {
    async key(header, token) {
      const { find } = await current();
      try {
        return await find(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey) || (asking === undefined && now() - asked < PAUSE_MS)) throw error;
        await refresh();
        return await (await current()).find(header, token);
      }
    },
    keys: async () => (await current()).jwks,
  };
}

async function fetchKeys(get: typeof fetch, url: string): Promise<{ readonly jwks: JSONWebKeySet; readonly maxAgeMs: number }> {
  try {
    const response = await get(url, { headers: { accept: 'application/json' }, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.status !== 200) throw new KeysUnavailable(`the key set's address answered ${response.status}`);
    return { jwks: keySetOf(JSON.parse(await bounded(response)) as unknown), maxAgeMs: maxAge(response.headers.get('cache-control')) };
  } catch (error) {
    throw error instanceof KeysUnavailable ? error : new KeysUnavailable(`the key set's address gave none (${errorCode(error)})`, { cause: error });
  }
}

async function bounded(response: Response): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array<ArrayBuffer>>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new KeysUnavailable('the key set is larger than any key set');
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Only public keys: a set that gives its private ones away proves nothing. Throws `KeysUnavailable`. */
export function keySetOf(value: unknown): JSONWebKeySet {
  const keys = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : undefined;
  if (!Array.isArray(keys)) throw new KeysUnavailable('this is not a key set: it has no list of keys');
  for (const key of keys as readonly unknown[]) {
    if (typeof key !== 'object' || key === null) throw new KeysUnavailable('this is not a key set: one of its keys is no object');
    if ('d' in key || 'k' in key) throw new KeysUnavailable('this key set holds a private or secret key');
  }
  return { keys: keys as JSONWebKeySet['keys'] };
}

/** Milliseconds; with neither `max-age` nor `no-store`, the longest. */
function maxAge(cacheControl: string | null): number {
  if (/\bno-(?:store|cache)\b/iu.test(cacheControl ?? '')) return 0;
  const seconds = /\bmax-age=(\d{1,9})\b/iu.exec(cacheControl ?? '')?.[1];
  return seconds === undefined ? LONGEST_MS : Number(seconds) * 1000;
}
