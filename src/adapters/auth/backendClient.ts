import { importPKCS8, SignJWT } from 'jose';
import { randomUUID } from 'node:crypto';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';

export type BackendClientOptions = {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly scope: string;
  readonly algorithm: 'RS384' | 'ES384';
  readonly keyId?: string;
  /** Private key, PKCS #8 in PEM; read for each token, so that it may be changed. */
  readonly privateKey: () => string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
};

/** Aceso as a client of somebody's authorization server. */
export type BackendClient = { token(): Promise<Outcome<string, 'source-away' | 'source-refuses'>>; /** The token wasn't taken: the next one is a new one. */ forget(): void };

const TIMEOUT_MS = 10_000;
const ASSERTION_SECONDS = 240;
/** A token is used no longer than this before its end. */
const MARGIN_MS = 30_000;

/** SMART Backend Services (SMART App Launch 2.2): a signed assertion for an access token, which is kept until it ends. */
export function createBackendClient(options: BackendClientOptions): BackendClient {
  const { tokenUrl, now } = options;
  let held: { readonly token: string; readonly until: number } | undefined;
  let asking: ReturnType<BackendClient['token']> | undefined;

  async function ask(): ReturnType<BackendClient['token']> {
    const assertion = await sign(options).catch(() => undefined);
    if (assertion === undefined) return fail('source-refuses', 'the private key for the source\'s own server can\'t be used: see sources[].attachments.fetch.smart.key_file', { retry: true });
    const form = { grant_type: 'client_credentials', scope: options.scope, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: assertion };
    try {
      const response = await fetch(tokenUrl, { method: 'POST', headers: { accept: 'application/json' }, body: new URLSearchParams(form), redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.status >= 400 && response.status < 500) return fail('source-refuses', `the source's authorization server answered ${response.status}: see sources[].attachments.fetch.smart`, { retry: true });
      const { access_token: token, expires_in: seconds } = (await response.json()) as { readonly access_token?: unknown; readonly expires_in?: unknown };
      if (!response.ok || typeof token !== 'string') return fail('source-away', `the source's authorization server answered ${response.status}, and gave no token`, { retry: true });
      held = { token, until: now() + (typeof seconds === 'number' ? seconds * 1000 : MARGIN_MS) - MARGIN_MS };
      return ok(token);
    } catch {
      return fail('source-away', 'the source\'s authorization server can\'t be reached', { retry: true });
    }
  }

  return {
    token: async () => (held && now() < held.until ? ok(held.token) : (asking ??= ask().finally(() => { asking = undefined; }))),
    forget() {
      held = undefined;
    },
  };
}

async function sign({ tokenUrl, clientId, algorithm, keyId, privateKey, now }: BackendClientOptions): Promise<string> {
  const seconds = Math.floor(now() / 1000);
  return new SignJWT({}).setProtectedHeader({ alg: algorithm, typ: 'JWT', ...(keyId === undefined ? {} : { kid: keyId }) })
    .setIssuer(clientId).setSubject(clientId).setAudience(tokenUrl).setJti(randomUUID()).setIssuedAt(seconds).setExpirationTime(seconds + ASSERTION_SECONDS).sign(await importPKCS8(privateKey(), algorithm));
}
