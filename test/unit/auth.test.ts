import { expect } from 'chai';
import { createAuthenticator, type TrustedSource } from '../../src/adapters/auth/authenticator.ts';
import { remoteKeySet } from '../../src/adapters/auth/keySet.ts';
import { createThrottle } from '../../src/adapters/auth/throttle.ts';
import { as, type Millis } from '../../src/domain/brand.ts';
import type { AuthenticationFailure, ClientCertificate, Peer } from '../../src/ports/bridge.ts';
import { sha256 } from '../fixtures/fhir/endpoint.ts';
import { newSigner } from '../support/trust.ts';

const T0 = 1_800_000_000_000;
const certificate = (change: Partial<ClientCertificate> = {}): ClientCertificate => ({ sha256: 'ab'.repeat(32), subject: 'CN=lis,O=Mercy', names: ['DNS:lis.mercy.example'], ...change });
const source = (change: Partial<TrustedSource>): TrustedSource => ({ id: as('lab'), types: ['Observation'], tokens: [], issued: [], certificates: [], certificate: 'enough', ...change });

const door = (sources: readonly TrustedSource[], clock = { now: T0 }) => {
  const authenticator = createAuthenticator({ sources, issuers: [], throttle: createThrottle(), now: () => as<Millis>(clock.now) });
  return async (authorization: string | undefined, peer: Partial<Peer> = {}): Promise<string> => {
    const answer = await authenticator.authenticate({ method: 'POST', path: '/', query: new URLSearchParams(), headers: { authorization }, peer: { address: '192.0.2.7', ...peer } });
    return answer.ok ? `${answer.value.source} by ${answer.value.way}` : answer.error.code;
  };
};
const unknown: AuthenticationFailure = 'unknown-credentials';

describe('A bearer token', () => {
  it('may be followed by a new one while both count, until the old one is over', async () => {
    const clock = { now: T0 };
    const enter = door([source({ tokens: [{ sha256: sha256('old'), notAfter: as<Millis>(T0 + 1000) }, { sha256: sha256('new') }] })], clock);
    expect(await Promise.all([enter('Bearer old'), enter('Bearer new')])).to.deep.equal(['lab by token', 'lab by token']);
    clock.now += 1000;
    expect(await Promise.all([enter('Bearer old'), enter('Bearer new')])).to.deep.equal(['expired-credentials', 'lab by token']);
  });

  it('whose hash can\'t be one, or that two sources share, ends the start', () => {
    expect(() => door([source({ tokens: [{ sha256: 'secret' }] })])).to.throw('not 64 hexadecimal digits');
    expect(() => door([source({ tokens: [{ sha256: sha256('x') }] }), source({ id: as('other'), tokens: [{ sha256: sha256('x') }] })])).to.throw('two sources have the same token');
  });
});

describe('A client certificate', () => {
  const rules: readonly (readonly [string, TrustedSource['certificates'][number]])[] = [['fingerprint', { sha256: 'AB:'.repeat(31).concat('AB') }], ['subject', { subject: 'CN=lis,O=Mercy' }], ['name', { name: 'DNS:lis.mercy.example' }]];
  for (const [by, rule] of rules) it(`is enough, known by its ${by}`, async () => {
    const enter = door([source({ certificates: [rule] })]);
    expect(await enter(undefined, { certificate: certificate() })).to.equal('lab by certificate');
    expect(await enter(undefined, { certificate: certificate({ sha256: 'cd'.repeat(32), subject: 'CN=lis2,O=Mercy', names: ['DNS:lis2.mercy.example'] }) })).to.equal(unknown);
    expect(await enter(undefined)).to.equal('no-credentials');
  });

  it('that stands for two sources stands for none', async () => {
    const enter = door([source({ certificates: [{ subject: 'CN=lis,O=Mercy' }] }), source({ id: as('other'), certificates: [{ name: 'DNS:lis.mercy.example' }] })]);
    expect(await enter(undefined, { certificate: certificate() })).to.equal(unknown);
  });

  it('does not make up for a wrong token', async () => {
    const enter = door([source({ tokens: [{ sha256: sha256('x') }], certificates: [{ subject: 'CN=lis,O=Mercy' }] })]);
    expect(await enter('Bearer y', { certificate: certificate() })).to.equal(unknown);
  });

  it('is asked for beside a token, where the source says so', async () => {
    const enter = door([source({ tokens: [{ sha256: sha256('x') }], certificates: [{ subject: 'CN=lis,O=Mercy' }], certificate: 'beside-tokens' })]);
    expect(await enter('Bearer x')).to.equal('certificate-needed');
    expect(await enter('Bearer x', { certificate: certificate({ subject: 'CN=other' }) })).to.equal('certificate-needed');
    expect(await enter('Bearer x', { certificate: certificate() })).to.equal('lab by token');
    expect(await enter(undefined, { certificate: certificate() }), 'alone').to.equal(unknown);
  });
});

describe('An address that fails to log in', () => {
  it('is not looked at for a while after twenty failures; others are', async () => {
    const clock = { now: T0 };
    const enter = door([source({ tokens: [{ sha256: sha256('x') }] })], clock);
    for (let n = 0; n < 20; n += 1) expect(await enter('Bearer y')).to.equal(unknown);
    expect(await enter('Bearer x')).to.equal('throttled');
    expect(await enter('Bearer x', { address: '192.0.2.8' })).to.equal('lab by token');
    clock.now += 3000;
    expect(await enter('Bearer x')).to.equal('lab by token');
  });

  it('from which a source has come lately is looked at all the same: hospitals share addresses', async () => {
    const enter = door([source({ tokens: [{ sha256: sha256('x') }] })]);
    expect(await enter('Bearer x')).to.equal('lab by token');
    for (let n = 0; n < 40; n += 1) expect(await enter('Bearer y')).to.equal(unknown);
    expect(await enter('Bearer x')).to.equal('lab by token');
  });

  it('counts with its whole network when it is IPv6', async () => {
    const enter = door([source({ tokens: [{ sha256: sha256('x') }] })]);
    for (let n = 0; n < 20; n += 1) await enter('Bearer y', { address: `2001:db8:1:2::${n.toString(16)}` });
    expect(await enter('Bearer x', { address: '2001:db8:1:2:ffff::1' })).to.equal('throttled');
    expect(await enter('Bearer x', { address: '2001:db8:1:3::1' })).to.equal('lab by token');
  });
});

describe('The keys at a signer\'s address', () => {
  const setOf = async (cacheControl?: string) => {
    const clock = { now: T0 };
    const [first, second] = await Promise.all([newSigner('ES384', 'k1'), newSigner('ES384', 'k2')]);
    const site = { answer: (): Response => new Response(JSON.stringify(first.jwks), { headers: cacheControl === undefined ? {} : { 'cache-control': cacheControl } }), asked: 0 };
    const get = (async () => { site.asked += 1; return site.answer(); }) as unknown as typeof fetch;
    const set = remoteKeySet({ url: 'https://lis.mercy.example/jwks', now: () => clock.now, fetch: get });
    const find = (kid: string): Promise<string> => set.key({ alg: 'ES384', kid }, { payload: '', signature: '' }).then(() => 'found', (error: unknown) => (error instanceof Error ? error.name : ''));
    return { clock, site, find, rotated: { keys: [...first.jwks.keys, ...second.jwks.keys] } };
  };

  it('are fetched once, and again when they are old', async () => {
    const { clock, site, find } = await setOf('max-age=60');
    expect(await Promise.all([find('k1'), find('k1')])).to.deep.equal(['found', 'found']);
    clock.now += 59_999;
    expect([await find('k1'), site.asked]).to.deep.equal(['found', 1]);
    clock.now += 1;
    expect([await find('k1'), site.asked]).to.deep.equal(['found', 2]);
  });

  it('are fetched again for a key that is new, but not at everybody\'s pleasure', async () => {
    const { clock, site, find, rotated } = await setOf();
    expect(await find('k1')).to.equal('found');
    site.answer = () => new Response(JSON.stringify(rotated));
    expect(await find('k2')).to.equal('JWKSNoMatchingKey');
    clock.now += 10_000;
    expect([await find('k2'), site.asked]).to.deep.equal(['found', 2]);
    for (let n = 0; n < 50; n += 1) await find(`made-up-${n}`);
    expect(site.asked).to.equal(2);
  });

  it('are not had from an address that fails, which is not asked at every request', async () => {
    const { clock, site, find } = await setOf();
    const good = site.answer;
    site.answer = () => new Response('gone', { status: 500 });
    for (let n = 0; n < 5; n += 1) expect(await find('k1')).to.equal('KeysUnavailable');
    expect(site.asked).to.equal(1);
    site.answer = good;
    clock.now += 10_000;
    expect(await find('k1')).to.equal('found');
  });

  for (const [given, answer] of [
    ['no JSON', () => new Response('<html>')], ['no key set', () => new Response('{"keys":7}')], ['private keys', () => new Response('{"keys":[{"kty":"EC","kid":"k1","d":"x"}]}')],
    ['a secret', () => new Response('{"keys":[{"kty":"oct","kid":"k1","k":"x"}]}')], ['more than any key set', () => new Response(`{"keys":[],"x":"${'x'.repeat(300_000)}"}`)],
  ] as const) it(`that answers with ${given} are none`, async () => {
    const { site, find } = await setOf();
    site.answer = answer;
    expect(await find('k1')).to.equal('KeysUnavailable');
  });
});
