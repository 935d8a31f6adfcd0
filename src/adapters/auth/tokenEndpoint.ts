import type { SourceId } from '../../domain/brand.ts';
import type { Admission, HttpHead, HttpReply, HttpRoute, Peer } from '../../ports/bridge.ts';
import type { AccessTokens } from './accessToken.ts';
import { verifyAssertion, type AssertionParts } from './assertion.ts';
import { grantedScopes } from './scopes.ts';
import type { Throttle } from './throttle.ts';

export type TokenEndpointParts = AssertionParts & {
  readonly accessTokens: AccessTokens;
  readonly throttle: Throttle;
  /** Told of each request: codes only. */
  readonly observe: (event: { readonly code: string; readonly status: number; readonly source?: SourceId; readonly peer: string }) => void;
};

/** Of RFC 6749 §5.2, with the code under which it is observed. */
type TokenError = { readonly status: number; readonly error: string; readonly code: string; readonly description: string; readonly source?: SourceId; readonly retryAfterS?: number };
type Granted = { readonly source: SourceId; readonly body: object };

const MOST_BYTES = 32 * 1024;
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** `POST /auth/token`: client credentials for SMART Backend Services (SMART App Launch 2.2, "Obtain access token"; RFC 6749 §4.4). */
export function tokenEndpoint(parts: TokenEndpointParts): HttpRoute {
  const { observe, throttle, now } = parts;
  const refused = ({ status, error, code, description, source, retryAfterS }: TokenError, peer: Peer): HttpReply => {
    observe({ code, status, peer: peer.address, ...(source === undefined ? {} : { source }) });
    return json(status, { error, error_description: description }, retryAfterS === undefined ? {} : { 'retry-after': String(retryAfterS) });
  };
  return {
    prefix: '/auth/token',
    admit(head): Admission {
      const { peer } = head;
      const wait = throttle.wait(peer.address, now());
      const fault = wait > 0 ? { ...problem('temporarily_unavailable', 'throttled', 'Too many failed log-ins from this address.'), status: 429, retryAfterS: wait } : faultOf(head);
      if (fault !== undefined) return { reply: { ...refused(fault, peer), ...(fault.status === 405 ? { headers: { ...JSON_HEADERS, allow: 'POST' } } : {}) } };
      return {
        maxBytes: MOST_BYTES,
        tooLarge: () => refused({ ...problem('invalid_request', 'too-large', 'This is larger than any token request.'), status: 413 }, peer),
        async take(body) {
          const answer = await grant(parts, body, peer);
          if ('error' in answer) {
            if (answer.error === 'invalid_client') throttle.failed(peer.address, now());
            return refused(answer, peer);
          }
          throttle.succeeded(peer.address, now());
          observe({ code: 'token-issued', status: 200, source: answer.source, peer: peer.address });
          return json(200, answer.body);
        },
      };
    },
  };
}

function faultOf({ method, path, headers }: HttpHead): TokenError | undefined {
  if (path !== '/') return { ...problem('invalid_request', 'not-found', 'There is nothing here.'), status: 404 };
  if (method !== 'POST') return { ...problem('invalid_request', 'method-not-allowed', 'Only POST is allowed here.'), status: 405 };
  if (headers['authorization'] !== undefined) return problem('invalid_request', 'other-credentials', 'A client proves itself here by client_assertion alone: send no Authorization.');
  const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  return type === 'application/x-www-form-urlencoded' ? undefined : problem('invalid_request', 'unsupported-media-type', 'Send application/x-www-form-urlencoded.');
}

async function grant(parts: TokenEndpointParts, body: Uint8Array, { certificate }: Peer): Promise<Granted | TokenError> {
  const form = new URLSearchParams(Buffer.from(body).toString('utf8'));
  const names = [...form.keys()];
  if (new Set(names).size < names.length) return problem('invalid_request', 'malformed', 'A parameter is there twice.');
  if (form.get('grant_type') !== 'client_credentials') return problem('unsupported_grant_type', 'unsupported-grant', 'grant_type is client_credentials here.');
  if (form.has('client_secret') || form.get('client_assertion_type') !== JWT_BEARER) return problem('invalid_client', 'other-credentials', `client_assertion_type is ${JWT_BEARER}; there are no client secrets here.`);
  const client = await verifyAssertion(parts, form.get('client_assertion') ?? '');
  if (!client.ok) {
    const { code, message, retryAfterMs } = client.error;
    return code === 'unavailable' ? { ...problem('temporarily_unavailable', code, message), status: 503, retryAfterS: Math.ceil((retryAfterMs ?? 10_000) / 1000) } : problem('invalid_client', code, message);
  }
  const { id, source, types } = client.value;
  if (form.has('client_id') && form.get('client_id') !== id) return { ...problem('invalid_client', 'assertion-claims', 'client_id is not that of the client_assertion.'), source };
  const scope = grantedScopes(form.get('scope') ?? '', types).join(' ');
  if (scope === '') return { ...problem('invalid_scope', 'invalid-scope', `Nothing of this scope can be granted. This client may ask for: ${types.map((type) => `system/${type}.c`).join(' ')}`), source };
  const { accessTokens } = parts;
  return { source, body: { access_token: await accessTokens.issue({ clientId: id, scope, certificate }), token_type: 'bearer', expires_in: accessTokens.seconds, scope } };
}

const problem = (error: string, code: string, description: string): TokenError => ({ status: 400, error, code, description });

const JSON_HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-store', 'pragma': 'no-cache' };
const json = (status: number, body: object, headers: Readonly<Record<string, string>> = {}): HttpReply => ({ status, headers: { ...JSON_HEADERS, ...headers }, body: JSON.stringify(body) });

/** `GET /fhir/.well-known/smart-configuration` (SMART App Launch 2.2, "Metadata"). */
export function smartConfiguration(options: { readonly tokenUrl: string; readonly scopes: readonly string[]; readonly algorithms: readonly string[] }): HttpRoute {
  const document = {
    token_endpoint: options.tokenUrl,
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: options.algorithms,
    scopes_supported: options.scopes,
    response_types_supported: [],
    code_challenge_methods_supported: ['S256'],
    capabilities: ['client-confidential-asymmetric', 'permission-v1', 'permission-v2'],
  };
  return {
    prefix: '/fhir/.well-known/smart-configuration',
    admit: ({ method, path }) => ({ reply: path !== '/' ? { status: 404 } : method === 'GET' || method === 'HEAD' ? { status: 200, headers: { 'content-type': 'application/json', 'access-control-allow-origin': '*' }, body: JSON.stringify(document) } : { status: 405, headers: { allow: 'GET' } } }),
  };
}
