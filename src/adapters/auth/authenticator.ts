import type { Millis, SourceId } from '../../domain/brand.ts';
import { fail, ok, type Outcome } from '../../domain/outcome.ts';
import type { AuthenticationFailure, Authenticator, Caller, HttpHead, Peer, TrustWay } from '../../ports/bridge.ts';
import { thumbprint, type AccessTokens } from './accessToken.ts';
import { bearerIn, createGivenTokens, type GivenToken } from './bearer.ts';
import { matches, sourceOf, type CertificateRule } from './certificates.ts';
import { issuerIn, readIssued, type IssuedClient, type TrustedIssuer } from './issuer.ts';
import { typesIn } from './scopes.ts';
import type { Throttle } from './throttle.ts';

/** A source, and everything by which it may prove itself. */
export type TrustedSource = {
  readonly id: SourceId;
  /** Resource types it may send. */
  readonly types: readonly string[];
  readonly tokens: readonly GivenToken[];
  /** `client_id` of SMART Backend Services at Aceso's own token endpoint. */
  readonly clientId?: string;
  readonly issued: readonly IssuedClient[];
  readonly certificates: readonly CertificateRule[];
  /** `beside-tokens`: a token counts only on a connection with one of the certificates. */
  readonly certificate: 'enough' | 'beside-tokens';
};

export type AuthenticatorParts = {
  readonly sources: readonly TrustedSource[];
  /** Aceso's own access tokens, when it gives any out. */
  readonly accessTokens?: AccessTokens;
  readonly issuers: readonly TrustedIssuer[];
  readonly throttle: Throttle;
  readonly now: () => Millis;
};

type Answer = Outcome<Caller, AuthenticationFailure>;

/** Throws when the sources can't be told apart. */
export function createAuthenticator(parts: AuthenticatorParts): Authenticator {
  const { sources, throttle, now } = parts;
  const given = createGivenTokens(sources);
  const byId = new Map(sources.map((source) => [source.id, source]));

  async function byToken(token: string): Promise<Answer & { readonly boundTo?: string }> {
    const source = given(token, now());
    if (source === 'expired') return EXPIRED;
    if (source !== undefined) return ok({ source, way: 'token' });
    const own = await parts.accessTokens?.read(token);
    if (own === 'expired') return EXPIRED;
    if (own !== undefined) {
      const client = sources.find(({ clientId }) => clientId === own.clientId);
      return client === undefined ? UNKNOWN : bound(ok({ source: client.id, way: 'smart', types: typesIn(own.scope, client.types) }), own.certificate);
    }
    const issuer = issuerIn(token);
    const trusted = parts.issuers.find((each) => each.issuer === issuer);
    const issued = trusted === undefined ? 'unknown' : await readIssued(trusted, token, sources, now());
    if (issued === 'unknown') return UNKNOWN;
    if (issued === 'expired') return EXPIRED;
    if (issued === 'unavailable') return UNAVAILABLE;
    const types = issued.scope === undefined ? {} : { types: typesIn(issued.scope, byId.get(issued.source)?.types ?? []) };
    return bound(ok({ source: issued.source, way: 'issuer', ...types }), issued.certificate);
  }

  async function identify({ headers, peer }: HttpHead): Promise<Answer> {
    const { authorization } = headers;
    if (authorization === undefined) return byCertificate(peer);
    const token = bearerIn(authorization);
    if (token === undefined) return fail('unknown-credentials', 'A bearer token is needed.');
    const found = await byToken(token);
    if (!found.ok) return found;
    const { certificate, certificates = [] } = byId.get(found.value.source) ?? {};
    const isBound = found.boundTo === undefined || (peer.certificate !== undefined && thumbprint(peer.certificate) === found.boundTo);
    const isBeside = certificate !== 'beside-tokens' || certificates.some((rule) => peer.certificate !== undefined && matches(rule, peer.certificate));
    return isBound && isBeside ? { ok: true, value: found.value } : fail('certificate-needed', 'This token counts only on a connection with the client certificate that belongs to it.');
  }

  function byCertificate({ certificate }: Peer): Answer {
    if (certificate === undefined) return fail('no-credentials', 'A bearer token is needed.');
    const source = sourceOf(certificate, sources.filter((each) => each.certificate === 'enough'));
    return source === undefined ? fail('unknown-credentials', 'This client certificate belongs to no source, and there is no bearer token.') : ok({ source, way: 'certificate' });
  }

  return {
    ways: waysOf(sources),
    async authenticate(head) {
      const wait = throttle.wait(head.peer.address, now());
      if (wait > 0) return fail('throttled', 'Too many failed log-ins from this address.', { retry: true, retryAfterMs: wait * 1000 });
      const answer = await identify(head);
      if (answer.ok) throttle.succeeded(head.peer.address, now());
      else if (answer.error.code !== 'unavailable' && answer.error.code !== 'no-credentials') throttle.failed(head.peer.address, now());
      return answer;
    },
  };
}

const bound = (answer: { readonly ok: true; readonly value: Caller }, to: string | undefined): Answer & { readonly boundTo?: string } => (to === undefined ? answer : { ...answer, boundTo: to });

const UNKNOWN = fail('unknown-credentials', 'This bearer token is not known.');
const EXPIRED = fail('expired-credentials', 'This bearer token is over. Get a new one.');
const UNAVAILABLE = fail('unavailable', 'This token can not be checked now. Send it again.', { retry: true, retryAfterMs: 10_000 });

const waysOf = (sources: readonly TrustedSource[]): readonly TrustWay[] => {
  const ways: readonly (readonly [TrustWay, (source: TrustedSource) => boolean])[] = [
    ['token', ({ tokens }) => tokens.length > 0], ['smart', ({ clientId }) => clientId !== undefined], ['issuer', ({ issued }) => issued.length > 0], ['certificate', ({ certificates }) => certificates.length > 0],
  ];
  return ways.filter(([, isOffered]) => sources.some(isOffered)).map(([way]) => way);
};
