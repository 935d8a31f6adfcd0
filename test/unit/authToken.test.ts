import { expect } from 'chai';
import { SignJWT } from 'jose';
import { createAccessTokens } from '../../src/adapters/auth/accessToken.ts';
import { createAuthenticator } from '../../src/adapters/auth/authenticator.ts';
import { fixedKeySet } from '../../src/adapters/auth/keySet.ts';
import { createThrottle } from '../../src/adapters/auth/throttle.ts';
import { tokenEndpoint } from '../../src/adapters/auth/tokenEndpoint.ts';
import { as, type Millis, type SourceId } from '../../src/domain/brand.ts';
import type { ClientCertificate, HttpReply, Peer } from '../../src/ports/bridge.ts';
import { newSigner, tokenForm, type Signer } from '../support/trust.ts';

const URL_ = 'https://aceso.mercy.example/auth/token';
const TYPES = ['DiagnosticReport', 'Observation'];
const PEER: Peer = { address: '192.0.2.7' };
const CERTIFICATE: ClientCertificate = { sha256: 'ab'.repeat(32), subject: 'CN=lis', names: [] };
const CLIENT = 'mercy-lab';

describe('The token endpoint', () => {
  let rsa: Signer;
  let ec: Signer;
  let stranger: Signer;
  let clock = Date.now();
  const now = (): Millis => as<Millis>(clock);
  before(async () => { [rsa, ec, stranger] = await Promise.all([newSigner('RS384', 'key-1', now), newSigner('ES384', 'key-2', now), newSigner('ES384', 'key-2', now)]); });
  beforeEach(() => { clock = Date.now(); });

  const open = (mood: { away?: true } = {}) => {
    const seen = new Set<string>();
    const events: { readonly code: string; readonly status: number }[] = [];
    const accessTokens = createAccessTokens({ issuer: 'https://aceso.mercy.example', audience: 'https://aceso.mercy.example/fhir', key: new Uint8Array(32).fill(7), seconds: 300, now });
    const throttle = createThrottle();
    const remember = async (name: string): Promise<boolean> => {
      if (mood.away) throw new Error('SECRET-OF-THE-STORE');
      const isNew = !seen.has(name);
      seen.add(name);
      return isNew;
    };
    const client = { id: CLIENT, source: as<SourceId>('lab'), types: TYPES, keys: fixedKeySet({ keys: [...rsa.jwks.keys, ...ec.jwks.keys] }), jwksUrl: 'https://lis.mercy.example/jwks' };
    const route = tokenEndpoint({ clients: [client], audience: URL_, remember, now, accessTokens, throttle, observe: ({ code, status }) => void events.push({ code, status }) });
    const authenticator = createAuthenticator({ sources: [{ id: as('lab'), types: TYPES, tokens: [], issued: [], certificates: [], certificate: 'enough', clientId: CLIENT }], accessTokens, issuers: [], throttle, now });
    const ask = async (body: string, { peer = PEER, headers = {}, method = 'POST' }: { readonly peer?: Peer; readonly headers?: Readonly<Record<string, string>>; readonly method?: string } = {}): Promise<HttpReply & { readonly json: Record<string, unknown> }> => {
      const admission = await route.admit({ method, path: '/', query: new URLSearchParams(), headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, peer });
      const reply = 'reply' in admission ? admission.reply : await admission.take(Buffer.from(body));
      return { ...reply, json: JSON.parse(reply.body ?? '{}') as Record<string, unknown> };
    };
    const enter = (token: unknown, peer: Peer = PEER) => authenticator.authenticate({ method: 'POST', path: '/', query: new URLSearchParams(), headers: { authorization: `Bearer ${String(token)}` }, peer });
    return { ask, enter, events };
  };

  for (const [alg, signer] of [['RS384', () => rsa], ['ES384', () => ec]] as const) it(`gives a client that signs with ${alg} a token that opens the door for what was asked`, async () => {
    const { ask, enter } = open();
    const answer = await ask(tokenForm(await signer().assertion(CLIENT, URL_), { scope: 'system/DiagnosticReport.cruds system/Patient.c openid' }));
    expect(answer.status).to.equal(200);
    expect(answer.headers).to.include({ 'cache-control': 'no-store', 'pragma': 'no-cache', 'content-type': 'application/json' });
    expect(answer.json).to.include({ token_type: 'bearer', expires_in: 300, scope: 'system/DiagnosticReport.c' });
    expect(await enter(answer.json['access_token'])).to.deep.equal({ ok: true, value: { source: 'lab', way: 'smart', types: ['DiagnosticReport'] } });
  });

  it('gives version 1 scopes as they were asked, and every type for *', async () => {
    const { ask } = open();
    expect((await ask(tokenForm(await ec.assertion(CLIENT, URL_), { scope: 'system/Observation.write' }))).json['scope']).to.equal('system/Observation.write');
    expect((await ask(tokenForm(await ec.assertion(CLIENT, URL_), { scope: 'system/*.cud' }))).json['scope']).to.equal('system/DiagnosticReport.c system/Observation.c');
  });

  it('lets a token end after its seconds', async () => {
    const { ask, enter } = open();
    const { json } = await ask(tokenForm(await ec.assertion(CLIENT, URL_)));
    clock += 299_000;
    expect((await enter(json['access_token'])).ok).to.equal(true);
    clock += 2000;
    expect(await enter(json['access_token'])).to.have.nested.property('error.code', 'expired-credentials');
  });

  it('binds a token that was asked for with a client certificate to it', async () => {
    const { ask, enter } = open();
    const { json } = await ask(tokenForm(await ec.assertion(CLIENT, URL_)), { peer: { ...PEER, certificate: CERTIFICATE } });
    expect(await enter(json['access_token'])).to.have.nested.property('error.code', 'certificate-needed');
    expect(await enter(json['access_token'], { ...PEER, certificate: { ...CERTIFICATE, sha256: 'cd'.repeat(32) } })).to.have.nested.property('error.code', 'certificate-needed');
    expect((await enter(json['access_token'], { ...PEER, certificate: CERTIFICATE })).ok).to.equal(true);
  });

  it('takes an assertion once', async () => {
    const { ask, events } = open();
    const form = tokenForm(await ec.assertion(CLIENT, URL_));
    expect((await ask(form)).status).to.equal(200);
    const again = await ask(form);
    expect([again.status, again.json['error']]).to.deep.equal([400, 'invalid_client']);
    expect(events.map(({ code }) => code)).to.deep.equal(['token-issued', 'assertion-replayed']);
  });

  it('gives none while the store that remembers is away', async () => {
    const answer = await open({ away: true }).ask(tokenForm(await ec.assertion(CLIENT, URL_)));
    expect([answer.status, answer.json['error'], answer.headers?.['retry-after']]).to.deep.equal([503, 'temporarily_unavailable', '5']);
    expect(answer.body).not.to.include('SECRET');
  });

  const at = (seconds: number): number => Math.floor(clock / 1000) + seconds;
  const REFUSED: readonly (readonly [given: string, form: () => Promise<string>, error: string, code: string])[] = [
    ['no assertion', async () => tokenForm(''), 'invalid_client', 'assertion-malformed'],
    ['an assertion that is none', async () => tokenForm('a.b.c'), 'invalid_client', 'assertion-malformed'],
    ['another grant', async () => tokenForm(await ec.assertion(CLIENT, URL_), { grant_type: 'authorization_code' }), 'unsupported_grant_type', 'unsupported-grant'],
    ['another assertion type', async () => tokenForm(await ec.assertion(CLIENT, URL_), { client_assertion_type: 'x' }), 'invalid_client', 'other-credentials'],
    ['a client secret beside it', async () => tokenForm(await ec.assertion(CLIENT, URL_), { client_secret: 'x' }), 'invalid_client', 'other-credentials'],
    ['a parameter twice', async () => `${tokenForm(await ec.assertion(CLIENT, URL_))}&scope=system/*.c`, 'invalid_request', 'malformed'],
    ['no scope', async () => tokenForm(await ec.assertion(CLIENT, URL_), { scope: '' }), 'invalid_scope', 'invalid-scope'],
    ['a scope to read', async () => tokenForm(await ec.assertion(CLIENT, URL_), { scope: 'system/DiagnosticReport.rs system/*.read' }), 'invalid_scope', 'invalid-scope'],
    ['a type it may not send', async () => tokenForm(await ec.assertion(CLIENT, URL_), { scope: 'system/Communication.c' }), 'invalid_scope', 'invalid-scope'],
    ['a scope that can\'t be enforced', async () => tokenForm(await ec.assertion(CLIENT, URL_), { scope: 'system/Observation.c?category=laboratory' }), 'invalid_scope', 'invalid-scope'],
    ['a client_id of another', async () => tokenForm(await ec.assertion(CLIENT, URL_), { client_id: 'x' }), 'invalid_client', 'assertion-claims'],
    ['a client that is not known', async () => tokenForm(await ec.assertion('nobody', URL_)), 'invalid_client', 'assertion-unknown-client'],
    ['the signature of somebody else under the same key id', async () => tokenForm(await stranger.assertion(CLIENT, URL_)), 'invalid_client', 'assertion-untrusted'],
    ['an unknown key id', async () => tokenForm(await ec.assertion(CLIENT, URL_, {}, { kid: 'key-9' })), 'invalid_client', 'assertion-untrusted'],
    ['no key id', async () => tokenForm(await ec.assertion(CLIENT, URL_, {}, { kid: undefined })), 'invalid_client', 'assertion-malformed'],
    ['a jku that is not on file', async () => tokenForm(await ec.assertion(CLIENT, URL_, {}, { jku: 'https://evil.example/jwks' })), 'invalid_client', 'assertion-unknown-client'],
    ['an ID token\'s typ', async () => tokenForm(await ec.assertion(CLIENT, URL_, {}, { typ: 'at+jwt' })), 'invalid_client', 'assertion-malformed'],
    ['alg none', async () => tokenForm(`${Buffer.from('{"alg":"none","typ":"JWT","kid":"key-2"}').toString('base64url')}.${Buffer.from(JSON.stringify({ iss: CLIENT })).toString('base64url')}.`), 'invalid_client', 'assertion-malformed'],
    ['HS256 under the public key', async () => tokenForm(await new SignJWT({ iss: CLIENT, sub: CLIENT, aud: URL_, exp: at(60), jti: 'x' }).setProtectedHeader({ alg: 'HS256', kid: 'key-2', typ: 'JWT' }).sign(Buffer.from(JSON.stringify(ec.jwks.keys[0])))), 'invalid_client', 'assertion-malformed'],
    ['another audience', async () => tokenForm(await ec.assertion(CLIENT, 'https://other.example/token')), 'invalid_client', 'assertion-claims'],
    ['the audience with a slash more', async () => tokenForm(await ec.assertion(CLIENT, `${URL_}/`)), 'invalid_client', 'assertion-claims'],
    ['two audiences', async () => tokenForm(await ec.assertion(CLIENT, URL_, { aud: [URL_, 'https://other.example/token'] })), 'invalid_client', 'assertion-claims'],
    ['another subject', async () => tokenForm(await ec.assertion(CLIENT, URL_, { sub: 'x' })), 'invalid_client', 'assertion-claims'],
    ['an end that is over', async () => tokenForm(await ec.assertion(CLIENT, URL_, { exp: at(-11) })), 'invalid_client', 'assertion-claims'],
    ['an end more than five minutes ahead', async () => tokenForm(await ec.assertion(CLIENT, URL_, { exp: at(312) })), 'invalid_client', 'assertion-claims'],
    ['no end', async () => tokenForm(await ec.assertion(CLIENT, URL_, { exp: undefined as unknown as number })), 'invalid_client', 'assertion-claims'],
    ['no jti', async () => tokenForm(await ec.assertion(CLIENT, URL_, { jti: undefined as unknown as string })), 'invalid_client', 'assertion-claims'],
    ['a jti without end', async () => tokenForm(await ec.assertion(CLIENT, URL_, { jti: 'x'.repeat(257) })), 'invalid_client', 'assertion-claims'],
  ];
  for (const [given, form, error, code] of REFUSED) it(`refuses ${given}: ${error}`, async () => {
    const { ask, events } = open();
    const answer = await ask(await form());
    expect([answer.status, answer.json['error']]).to.deep.equal([400, error]);
    expect(events).to.deep.equal([{ code, status: 400 }]);
    expect(answer.json).not.to.have.property('access_token');
  });

  it('refuses other methods, formats and credentials before the body is read', async () => {
    const { ask, events } = open();
    expect(await ask('', { method: 'GET' })).to.deep.include({ status: 405 }).and.to.have.nested.property('headers.allow', 'POST');
    expect((await ask('', { headers: { 'content-type': 'application/json' } })).json['error']).to.equal('invalid_request');
    expect((await ask('', { headers: { authorization: 'Basic x' } })).json['error']).to.equal('invalid_request');
    expect(events.map(({ code }) => code)).to.deep.equal(['method-not-allowed', 'unsupported-media-type', 'other-credentials']);
  });
});
