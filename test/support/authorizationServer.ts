/** A hospital's own authorization server, real (`oidc-provider`): client credentials in, signed access tokens (RFC 9068) out. */
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';
import { freePort } from './ports.ts';

export type AuthorizationServer = {
  readonly issuer: string;
  /** An access token for `audience` with `scope`, as client `lis`. */
  token(audience: string, scope: string): Promise<string>;
  stop(): Promise<void>;
};

const SECRET = 'secret-of-lis-for-tests';
const SCOPES = 'system/DiagnosticReport.c system/Observation.c';

export async function startAuthorizationServer(): Promise<AuthorizationServer> {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'sso-1', alg: 'RS256', use: 'sig' }] },
    clients: [{ client_id: 'lis', client_secret: SECRET, grant_types: ['client_credentials'], redirect_uris: [], response_types: [], token_endpoint_auth_method: 'client_secret_post' }],
    scopes: SCOPES.split(' '),
    ttl: { ClientCredentials: 300 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: (_context, audience) => ({ scope: SCOPES, audience, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: 'RS256' } } }) },
    },
  });
  const answer = provider.callback();
  const server = createServer((request, response) => { void answer(request, response); });
  await new Promise<void>((resolve) => { server.listen(port, '127.0.0.1', resolve); });
  return {
    issuer,
    async token(audience, scope) {
      const answered = await fetch(`${issuer}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'lis', client_secret: SECRET, resource: audience, ...(scope === '' ? {} : { scope }) }) });
      const content = (await answered.json()) as { readonly access_token?: string };
      const { access_token: token } = content;
      if (token === undefined) throw new Error(`the authorization server gave no token: ${answered.status} ${JSON.stringify(content)}`);
      return token;
    },
    stop: () => new Promise((resolve) => { server.close(() => resolve()); server.closeAllConnections(); }),
  };
}
