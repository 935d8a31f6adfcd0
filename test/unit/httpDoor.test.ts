import { expect } from 'chai';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { startHttpServer, type DoorRefusal, type HttpServer, type HttpServerOptions } from '../../src/adapters/http/server.ts';
import type { HttpHead, HttpRoute } from '../../src/ports/bridge.ts';
import { fingerprintOf, makeCa, makeCertificate, type Pair } from '../support/certificates.ts';
import { sha256 } from '../fixtures/fhir/endpoint.ts';
import { until } from '../support/until.ts';

type Opened = { readonly server: HttpServer; readonly heads: HttpHead[]; readonly refusals: DoorRefusal[]; readonly failures: unknown[] };

describe('The door', () => {
  let folder: string;
  let ca: Pair;
  let door: Pair;
  let other: Pair;
  let lis: Pair;
  let stranger: Pair;
  let expired: Pair;
  let open: Opened | undefined;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'aceso-door-'));
    ca = makeCa(folder, 'ca');
    const foreign = makeCa(folder, 'foreign');
    const server = { subject: '/CN=localhost', names: 'DNS:localhost,IP:127.0.0.1', use: 'serverAuth' } as const;
    const client = { subject: '/O=Mercy, General/CN=lis', names: 'DNS:lis.mercy.example,URI:urn:mercy:lis,IP:10.0.0.1', use: 'clientAuth' } as const;
    door = makeCertificate(folder, 'door', ca, server);
    other = makeCertificate(folder, 'other', ca, server);
    lis = makeCertificate(folder, 'lis', ca, client);
    stranger = makeCertificate(folder, 'stranger', foreign, client);
    expired = makeCertificate(folder, 'expired', ca, { ...client, days: 0 });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(async () => { await open?.server.stop(100); open = undefined; });

  const start = async (options: Partial<HttpServerOptions> = {}): Promise<Opened> => {
    const [heads, refusals, failures]: [HttpHead[], DoorRefusal[], unknown[]] = [[], [], []];
    const server = await startHttpServer({
      host: '127.0.0.1', port: 0, failed: (error) => void failures.push(error), refused: (refusal) => void refusals.push(refusal),
      routes: [{ prefix: '/x', admit: (head) => { heads.push(head); return { reply: { status: 204 } }; } }], ...options,
    });
    open = { server, heads, refusals, failures };
    return open;
  };

  /** Gives the head that the route saw. */
  const over = async ({ server, heads }: Opened, headers: Readonly<Record<string, string | string[]>> = {}): Promise<HttpHead> => {
    await new Promise<IncomingMessage>((resolve, reject) => { httpRequest({ port: server.port, path: '/x', headers }, (answer) => { answer.resume(); resolve(answer); }).on('error', reject).end(); });
    const head = heads.at(-1);
    if (head === undefined) throw new Error('the route saw nothing');
    return head;
  };
  const overTls = async ({ server, heads }: Opened, client?: Pair): Promise<{ readonly head: HttpHead; readonly shown: string }> => {
    const shown = await new Promise<string>((resolve, reject) => {
      httpsRequest({ port: server.port, path: '/x', servername: 'localhost', ca: readFileSync(ca.certificate), agent: false, ...(client === undefined ? {} : { cert: readFileSync(client.certificate), key: readFileSync(client.key) }) }, (answer) => {
        answer.resume();
        if (answer.socket instanceof TLSSocket) resolve(answer.socket.getPeerX509Certificate()?.fingerprint256 ?? '');
      }).on('error', reject).end();
    });
    const head = heads.at(-1);
    if (head === undefined) throw new Error('the route saw nothing');
    return { head, shown };
  };
  /** Sends text as it is, and gives all that comes back. */
  const raw = ({ server }: Opened, text: string): Promise<string> => new Promise((resolve) => {
    let answer = '';
    const socket = connect(server.port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (part) => { answer += String(part); }).on('error', () => undefined).on('close', () => resolve(answer));
  });
  const tls = (): NonNullable<HttpServerOptions['tls']> => ({ certificate: door.certificate, key: door.key, clientCa: ca.certificate });
  const der = (pair: Pair): string => readFileSync(pair.certificate, 'utf8').replaceAll(/-----[A-Z ]+-----|\s/gu, '');

  describe('with TLS', () => {
    it('says who the client is by its certificate', async () => {
      const { head } = await overTls(await start({ tls: tls() }), lis);
      expect(head.peer).to.deep.equal({
        address: '127.0.0.1',
        certificate: { sha256: fingerprintOf(lis.certificate).replaceAll(':', '').toLowerCase(), subject: 'CN=lis,O=Mercy\\, General', names: ['DNS:lis.mercy.example', 'URI:urn:mercy:lis', 'IP:10.0.0.1'] },
      });
    });

    it('lets in clients without a certificate, as such', async () => expect((await overTls(await start({ tls: tls() }))).head.peer).to.deep.equal({ address: '127.0.0.1' }));
    it('believes no certificate of another CA, and says why', async () => expect((await overTls(await start({ tls: tls() }), stranger)).head.peer).to.deep.equal({ address: '127.0.0.1', untrusted: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }));
    it('believes no certificate that is over', async () => expect((await overTls(await start({ tls: tls() }), expired)).head.peer.untrusted).to.equal('CERT_HAS_EXPIRED'));
    it('believes no certificate that is for servers', async () => expect((await overTls(await start({ tls: tls() }), other)).head.peer.untrusted).to.equal('INVALID_PURPOSE'));
    it('asks for none without a client CA', async () => expect((await overTls(await start({ tls: { certificate: door.certificate, key: door.key } }), lis)).head.peer).to.deep.equal({ address: '127.0.0.1' }));

    it('goes on when somebody talks to it without TLS, and counts it', async () => {
      const opened = await start({ tls: tls() });
      await raw(opened, 'GET /x HTTP/1.1\r\n\r\n');
      await until('the refusal to be told', () => opened.refusals.length > 0);
      expect(opened.refusals).to.deep.equal([{ code: 'tls-failed', status: 0, peer: '127.0.0.1' }]);
      expect((await overTls(opened, lis)).head.peer.certificate?.names).to.include('DNS:lis.mercy.example');
    });

    it('takes new files when they are there, and keeps the old ones while the new can\'t be used', async () => {
      const files = { certificate: join(folder, 'now.pem'), key: join(folder, 'now.key'), clientCa: ca.certificate };
      const put = (pair: Pair): void => { copyFileSync(pair.certificate, files.certificate); copyFileSync(pair.key, files.key); };
      put(door);
      const opened = await start({ tls: files, tlsLookMs: 20 });
      expect((await overTls(opened)).shown).to.equal(fingerprintOf(door.certificate));
      writeFileSync(files.key, 'no key');
      await until('the failure to be told', () => opened.failures.length > 0);
      expect(() => { opened.server.reloadTls(); }).to.throw(/can't be used together.*The key must be that of the certificate/u);
      expect((await overTls(opened)).shown).to.equal(fingerprintOf(door.certificate));
      put(other);
      await until('the new certificate', async () => (await overTls(opened)).shown === fingerprintOf(other.certificate));
    });

    it('does not open with files that aren\'t there, or that don\'t belong together, and says what to do', async () => {
      const says = (files: NonNullable<HttpServerOptions['tls']>): Promise<string> => start({ tls: files }).then(() => 'open', (error: unknown) => String(error));
      expect(await says({ certificate: 'none.pem', key: door.key })).to.match(/tls\.certificate: none\.pem can't be read \(ENOENT\)\. Put the file there/u);
      expect(await says({ certificate: door.certificate, key: lis.key })).to.match(/can't be used together/u);
    });
  });

  describe('behind a proxy', () => {
    const LOCAL = { addresses: ['127.0.0.1', '10.1.0.0/16', '2001:db8::/32'] };
    const spoof = (): Record<string, string> => ({ 'x-forwarded-for': '192.0.2.1', 'client-cert': `:${der(lis)}:`, 'x-ssl-client-cert': encodeURIComponent(readFileSync(lis.certificate, 'utf8')), 'x-ssl-client-verify': 'SUCCESS', 'forwarded': 'for=192.0.2.1', 'x-real-ip': '192.0.2.1', 'x-aceso-proxy': 'x' });

    for (const [given, options] of [['no proxy is trusted', {}], ['the client is not one of the proxies', { proxies: { addresses: ['10.1.0.0/16'], certificateHeader: 'client-cert' } }], ['the secret is not the proxies\'', { proxies: { ...LOCAL, secretSha256: sha256('right'), certificateHeader: 'client-cert' } }]] as const) {
      it(`believes no header when ${given}, and hands none on`, async () => {
        const { peer, headers } = await over(await start(options), spoof());
        expect(peer).to.deep.equal({ address: '127.0.0.1' });
        for (const name of Object.keys(spoof())) expect(headers, name).not.to.have.property(name);
      });
    }

    const ADDRESSES: readonly (readonly [given: string, forwardedFor: string | string[], address: string])[] = [
      ['whom the proxy heard from', '192.0.2.1', '192.0.2.1'],
      ['the last that is no proxy, whatever the client wrote before it', '198.51.100.9, 192.0.2.1', '192.0.2.1'],
      ['whom the outer of two proxies heard from', '198.51.100.9, 192.0.2.1, 10.1.2.3', '192.0.2.1'],
      ['the outermost proxy when all are', '10.1.2.3, 10.1.9.9', '10.1.2.3'],
      ['what stands behind what is no address', 'unknown, 10.1.2.3', '10.1.2.3'],
      ['the proxy when what it says is no address', 'evil', '127.0.0.1'],
      ['an address with a port', '192.0.2.1:4711', '192.0.2.1'],
      ['an IPv6 address', '[2001:db9::1]:4711', '2001:db9::1'],
      ['IPv4 in IPv6 clothes', '::ffff:192.0.2.1', '192.0.2.1'],
      ['the last of several headers', ['192.0.2.1', '192.0.2.2'], '192.0.2.2'],
    ];
    for (const [given, forwardedFor, address] of ADDRESSES) it(`takes for the client ${given}`, async () => expect((await over(await start({ proxies: LOCAL }), { 'x-forwarded-for': forwardedFor })).peer.address).to.equal(address));

    const read = (certificateHeader: 'client-cert' | 'x-ssl-client-cert', headers: Readonly<Record<string, string | string[]>>): Promise<unknown> => start({ proxies: { ...LOCAL, certificateHeader } }).then((opened) => over(opened, headers)).then(({ peer }) => peer.certificate?.names[0]);

    it('reads the client certificate of RFC 9440', async () => expect(await read('client-cert', { 'client-cert': `:${der(lis)}:` })).to.equal('DNS:lis.mercy.example'));
    it('reads nginx\'s, when it was verified', async () => expect(await read('x-ssl-client-cert', { 'x-ssl-client-cert': encodeURIComponent(readFileSync(lis.certificate, 'utf8')), 'x-ssl-client-verify': 'SUCCESS' })).to.equal('DNS:lis.mercy.example'));
    it('reads none that was not verified', async () => expect(await read('x-ssl-client-cert', { 'x-ssl-client-cert': encodeURIComponent(readFileSync(lis.certificate, 'utf8')), 'x-ssl-client-verify': 'FAILED:expired' })).to.equal(undefined));
    it('reads no other header than its own', async () => expect(await read('client-cert', { 'x-ssl-client-cert': encodeURIComponent(readFileSync(lis.certificate, 'utf8')), 'x-ssl-client-verify': 'SUCCESS' })).to.equal(undefined));
    it('reads none when there are two', async () => expect(await read('client-cert', { 'client-cert': [`:${der(lis)}:`, `:${der(stranger)}:`] })).to.equal(undefined));
    it('reads none that is over', async () => expect(await read('client-cert', { 'client-cert': `:${der(expired)}:` })).to.equal(undefined));
    for (const bad of [':AAAA:', '::', 'AAAA', ':%%:']) it(`reads none from ${bad}`, async () => expect(await read('client-cert', { 'client-cert': bad })).to.equal(undefined));

    it('lets a proxy with the secret speak for its clients', async () => {
      const proxies = { ...LOCAL, secretSha256: sha256('right') };
      expect((await over(await start({ proxies }), { 'x-aceso-proxy': 'right', 'x-forwarded-for': '192.0.2.1' })).peer.address).to.equal('192.0.2.1');
    });
  });

  it('keeps room for those who proved themselves, whatever strangers have in hand elsewhere', async () => {
    const taking = (prefix: string): HttpRoute => ({ prefix, admit: () => ({ maxBytes: 1000, tooLarge: () => ({ status: 413 }), take: async () => ({ status: 201 }) }) });
    const { server, refusals } = await start({ maxBytesInFlight: 1000, routes: [taking('/token'), taking('/fhir')] });
    const stranger = connect(server.port, '127.0.0.1');
    const statusOf = (path: string): Promise<number | undefined> => new Promise((resolve, reject) => { httpRequest({ port: server.port, path, method: 'POST' }, (answer) => { answer.resume(); resolve(answer.statusCode); }).on('error', reject).end('x'); });
    try {
      stranger.write('POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n');
      await until('the stranger is in', async () => (await statusOf('/token')) === 503);
      expect(await statusOf('/fhir')).to.equal(201);
      expect(refusals.at(-1)).to.include({ code: 'busy' });
    } finally {
      stranger.destroy();
    }
  });

  it('keeps no room for what strangers only announce: what came counts, in room of its own, and one address gets a part of it', async () => {
    const taking = (path: string, bytes: number): HttpRoute['admit'] => (head) => ({ maxBytes: 900, tooLarge: () => ({ status: 413 }), take: async () => ({ status: 201 }), room: { name: head.path === path ? 'own' : 'other', bytes, perPeer: 1000 } });
    const { server, refusals } = await start({ routes: [{ prefix: '/', admit: taking('/sign', 2000) }] });
    const statusOf = (path: string, size: number): Promise<number | undefined> => new Promise((resolve, reject) => { httpRequest({ port: server.port, path, method: 'POST' }, (answer) => { answer.resume(); resolve(answer.statusCode); }).on('error', reject).end('x'.repeat(size)); });
    const strangers = Array.from({ length: 4 }, () => connect(server.port, '127.0.0.1'));
    try {
      for (const each of strangers) each.write('POST /send HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n');
      expect(await statusOf('/send', 800), 'announced is not taken').to.equal(201);
      strangers[0]?.write('x'.repeat(600));
      await until('what came to be counted', async () => (await statusOf('/send', 800)) === 503);
      expect(await statusOf('/sign', 800)).to.equal(201);
      expect(refusals.at(-1)).to.include({ code: 'busy', status: 503 });
      strangers[0]?.destroy();
      await until('its room to be free again', async () => (await statusOf('/send', 800)) === 201);
    } finally {
      for (const each of strangers) each.destroy();
    }
  });

  it('has no more in hand than it may: 503 with Retry-After for the next, and room again afterwards', async () => {
    const waiting: (() => void)[] = [];
    const ended: string[] = [];
    const { server, refusals } = await start({
      maxBytesInFlight: 1000,
      routes: [{ prefix: '/x', admit: () => ({ maxBytes: 800, tooLarge: () => ({ status: 413 }), done: () => void ended.push('done'), take: async () => { await new Promise<void>((resolve) => { waiting.push(resolve); }); return { status: 201 }; } }) }],
    });
    const post = (size: number): Promise<{ readonly status: number | undefined; readonly retry: string | undefined }> => new Promise((resolve, reject) => {
      httpRequest({ port: server.port, path: '/x', method: 'POST' }, (answer) => { answer.resume(); resolve({ status: answer.statusCode, retry: answer.headers['retry-after'] }); }).on('error', reject).end(Buffer.alloc(size));
    });
    const first = post(600);
    await until('the first to be taken', () => waiting.length === 1);
    expect(await post(600)).to.deep.equal({ status: 503, retry: '2' });
    expect(refusals.map(({ code }) => code)).to.deep.equal(['busy']);
    const small = post(100);
    await until('a small one to be taken beside it', () => waiting.length === 2);
    for (const go of waiting) go();
    expect((await Promise.all([first, small])).map(({ status }) => status)).to.deep.equal([201, 201]);
    const next = post(600);
    await until('the next to be taken', () => waiting.length === 3);
    waiting[2]?.();
    expect((await next).status).to.equal(201);
    expect(ended.length).to.equal(4);
  });

  for (const [how, prefix] of [['one route for all paths', '/'], ['a route of its own prefix', '/x']] as const) describe(`with ${how}`, () => {
    type Told = { readonly taken: number[]; readonly ended: string[] };
    const opened = async (options: Partial<HttpServerOptions> = {}): Promise<Opened & Told> => {
      const [taken, ended]: [number[], string[]] = [[], []];
      const route: HttpRoute = { prefix, admit: ({ path }) => (path === '/none' ? { reply: { status: 404, body: 'none' } } : {
        maxBytes: 100, tooLarge: () => ({ status: 413, headers: { 'content-type': 'application/json' }, body: '{}' }), done: () => void ended.push('done'),
        take: async (body) => { taken.push(body.length); if (body.length === 13) throw new Error('a bug'); return { status: 200, headers: { 'content-type': 'application/json' }, body: '{"ä":1}' }; },
      }) };
      return { ...await start({ ...options, routes: [route] }), taken, ended };
    };
    const post = (path: string, more: string, body: string): string => `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${more}\r\n${body}`;
    const sized = (size: number): string => post('/x', `Content-Length: ${size}\r\n`, 'x'.repeat(size));

    it('answers with what the route says, its length, and not to be kept', async () => {
      const [head = '', body] = (await raw(await opened(), sized(100))).split('\r\n\r\n');
      expect([head.split('\r\n')[0], body]).to.deep.equal(['HTTP/1.1 200 OK', Buffer.from('{"ä":1}').toString()]);
      expect(head.toLowerCase()).to.match(/content-type: application\/json/u).and.to.match(/content-length: 8/u).and.to.match(/cache-control: no-store/u).and.to.match(/x-content-type-options: nosniff/u).and.not.to.match(/x-powered-by/u);
    });

    it('reads no more of a body than may come, announced or not', async () => {
      const door_ = await opened();
      expect((await raw(door_, sized(101))).split('\r\n')[0]).to.equal('HTTP/1.1 413 Payload Too Large');
      expect((await raw(door_, post('/x', 'Transfer-Encoding: chunked\r\n', `40\r\n${'x'.repeat(64)}\r\n40\r\n${'x'.repeat(64)}\r\n0\r\n\r\n`))).split('\r\n')[0]).to.equal('HTTP/1.1 413 Payload Too Large');
      expect([door_.taken, door_.ended]).to.deep.equal([[], ['done', 'done']]);
    });

    it('ends the connection of a body that doesn\'t come, and has nothing of it in hand', async () => {
      const door_ = await opened({ requestWithinMs: 300 });
      // Where the machine stalls the head itself can come too late: then it is tried again.
      await until('the route to be told that it is over', async () => {
        expect((await raw(door_, post('/x', 'Content-Length: 90\r\n', 'x'))).split('\r\n')[0]).to.equal('HTTP/1.1 408 Request Timeout');
        return door_.ended.length > 0;
      });
      expect(door_.taken).to.deep.equal([]);
      expect(door_.refusals[0]).to.deep.equal({ code: 'bad-request', status: 408, peer: '127.0.0.1' });
    });

    it('tells the route that a client went away in the midst of its body, and goes on', async () => {
      const door_ = await opened();
      const socket = connect(door_.server.port, '127.0.0.1', () => socket.write(post('/x', 'Content-Length: 90\r\n', 'x')));
      await until('the request to be there', async () => { await raw(door_, sized(1)); return door_.ended.length > 0; });
      const before = door_.ended.length;
      socket.destroy();
      await until('its end to be told', () => door_.ended.length > before);
      expect((await raw(door_, sized(2))).split('\r\n')[0]).to.equal('HTTP/1.1 200 OK');
      expect(door_.taken, 'nothing of the one that went').to.not.include(90);
    });

    it('answers what the route refuses before its body, and a bug with 500 that is told', async () => {
      const door_ = await opened();
      expect((await raw(door_, post(prefix === '/' ? '/none' : '/x/none', 'Content-Length: 5\r\n', 'xxxxx'))).split('\r\n')[0]).to.equal('HTTP/1.1 404 Not Found');
      expect((await raw(door_, sized(13))).split('\r\n')[0]).to.equal('HTTP/1.1 500 Internal Server Error');
      expect(door_.failures.map(String)).to.deep.equal(['Error: a bug']);
    });
  });

  it('counts what is no HTTP, and answers it', async () => {
    const opened = await start();
    const answer = await raw(opened, 'NONSENSE\r\n\r\n');
    expect(answer.split('\r\n')[0]).to.equal('HTTP/1.1 400 Bad Request');
    expect(opened.refusals).to.deep.equal([{ code: 'bad-request', status: 400, peer: '127.0.0.1' }]);
  });
});
