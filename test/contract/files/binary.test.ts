import { expect } from 'chai';
import { createRemoteJWKSet, exportJWK, exportPKCS8, generateKeyPair, jwtVerify } from 'jose';
import { createServer } from 'node:http';
import { createBackendClient } from '../../../src/adapters/auth/backendClient.ts';
import { createBinaryClient, type Credentials } from '../../../src/adapters/files/binary.ts';
import { ok } from '../../../src/domain/outcome.ts';
import { pdf } from '../../support/files.ts';
import { raw, resource, startFileServer, status, type FileServer } from '../../support/fileServer.ts';
import { freePort } from '../../support/ports.ts';

const file = pdf('Histology of Rosa Quintana');
const MAX = 10_000;

describe('A source\'s own server, asked for a file', () => {
  let server: FileServer;
  let refusals: number;
  const credentials: Credentials = { value: async () => ok('Bearer token-of-aceso'), refused: () => { refusals += 1; } };
  beforeEach(async () => {
    refusals = 0;
    server = await startFileServer();
  });
  afterEach(() => server.stop());
  /** The bytes, or the code of what kept them, with whether it is worth another try. */
  const got = async (path: string, timeoutMs = 1000): Promise<string> => {
    const answer = await createBinaryClient({ base: server.base, credentials, maxBytes: MAX, timeoutMs })({ address: path.includes('://') ? path : `${server.base}/${path}` });
    if (!answer.ok) {
      expect(answer.error.message, 'an address may name a patient').not.to.include('Binary').and.not.to.include('127.0.0.1');
      return `${answer.error.code}${answer.error.retry ? ', again' : ''}${answer.error.retryAfterMs === undefined ? '' : ` in ${answer.error.retryAfterMs}`}`;
    }
    return 'refused' in answer.value ? answer.value.refused : `${answer.value.declared ?? 'nothing'} ${Buffer.from(answer.value.bytes).equals(Buffer.from(file)) ? 'whole' : 'other'}`;
  };

  it('gives its bytes, or a FHIR Binary that holds them', async () => {
    server.answer('Binary/1', raw(file, 'application/pdf'));
    server.answer('Binary/2', resource(file, 'application/pdf'));
    expect([await got('Binary/1'), await got('Binary/2')]).to.deep.equal(['application/pdf whole', 'application/pdf whole']);
    expect(server.asked[0]).to.deep.include({ path: '/r4/Binary/1', authorization: 'Bearer token-of-aceso' });
    expect(server.asked[0]?.accept).to.match(/^application\/pdf.*application\/fhir\+json;q=0\.5$/u);
  });

  it('is asked below its base only, and no redirect is followed', async () => {
    const other = await startFileServer();
    other.answer('Binary/1', raw(file, 'application/pdf'));
    for (const address of [`${other.base}/Binary/1`, `${server.base}/../admin`, `${server.base}x/Binary/1`]) expect(await got(address)).to.equal('elsewhere');
    server.answer('Binary/1', status(302, { location: `${other.base}/Binary/1` }));
    server.answer('Binary/2', status(307, { location: `${server.base}/Binary/1` }));
    expect([await got('Binary/1'), await got('Binary/2')]).to.deep.equal(['elsewhere', 'elsewhere']);
    expect([other.asked.length, server.asked.length]).to.deep.equal([0, 2]);
    await other.stop();
  });

  it('may give no more bytes than are taken, whatever it says of their number', async () => {
    const large = new Uint8Array(MAX + 1);
    server.answer('Binary/1', raw(large, 'application/pdf'));
    server.answer('Binary/2', (_, response) => { response.writeHead(200, { 'content-type': 'application/pdf' }); const more = (): void => { if (response.destroyed) return; response.write(Buffer.alloc(4096), () => setImmediate(more)); }; more(); });
    server.answer('Binary/3', resource(new Uint8Array(MAX * 10), 'application/pdf'));
    for (const path of ['Binary/1', 'Binary/2', 'Binary/3']) expect(await got(path), path).to.equal('too-large');
  });

  it('that gives no Binary is not believed', async () => {
    const json = (body: string): void => server.answer('Binary/1', (_, response) => { response.writeHead(200, { 'content-type': 'application/fhir+json' }).end(body); });
    for (const body of ['{"resourceType":"Patient"}', '{"resourceType":"Binary","contentType":"application/pdf"}', '{"resourceType":"Binary","data":"!!!!"}', 'null', '{']) {
      json(body);
      expect(await got('Binary/1'), body).to.equal('unreadable');
    }
  });

  it('that is away, slow, breaks off or errs is asked again, when it says', async () => {
    server.answer('Binary/1', status(503, { 'retry-after': '7' }));
    server.answer('Binary/2', () => undefined);
    server.answer('Binary/3', (_, response) => { response.writeHead(200, { 'content-type': 'application/pdf', 'content-length': '5000' }); response.write('x', () => response.destroy()); });
    expect(await Promise.all([got('Binary/1'), got('Binary/2', 200), got('Binary/3'), got('Binary/404')])).to.deep.equal(['source-away, again in 7000', 'source-away, again', 'source-away, again', 'source-away, again']);
    await server.stop();
    expect(await got('Binary/1')).to.equal('source-away, again');
  });

  it('that doesn\'t take what Aceso proves itself with is asked again, with new proof', async () => {
    server.answer('Binary/1', status(401));
    server.answer('Binary/2', status(403));
    expect([await got('Binary/1'), await got('Binary/2'), refusals]).to.deep.equal(['source-refuses, again', 'source-refuses, again', 2]);
  });
});

describe('Aceso as a client of a source\'s authorization server (SMART Backend Services)', () => {
  it('signs an assertion for a token, keeps it until it ends, and gets another when it isn\'t taken', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES384', { extractable: true });
    const [jwk, pem, port] = [{ ...(await exportJWK(publicKey)), kid: 'aceso-1' }, await exportPKCS8(privateKey), await freePort()];
    const tokenUrl = `http://127.0.0.1:${port}/token`;
    const seen: string[] = [];
    let answer = 200;
    const server = createServer((request, response) => {
      if (request.url === '/jwks') { response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] })); return; }
      let body = '';
      request.on('data', (chunk: Buffer) => { body += chunk.toString(); }).on('end', () => {
        const form = new URLSearchParams(body);
        void jwtVerify(form.get('client_assertion') ?? '', createRemoteJWKSet(new URL(`http://127.0.0.1:${port}/jwks`)), { issuer: 'aceso', subject: 'aceso', audience: tokenUrl }).then(({ payload }) => {
          seen.push(`${form.get('grant_type')} ${form.get('scope')} ${String(payload.jti).length}`);
          response.writeHead(answer, { 'content-type': 'application/json' }).end(JSON.stringify({ access_token: `token-${seen.length}`, expires_in: 300 }));
        }, () => response.writeHead(401).end());
      });
    });
    await new Promise<void>((resolve) => { server.listen(port, '127.0.0.1', resolve); });
    let now = Date.now();
    const client = createBackendClient({ tokenUrl, clientId: 'aceso', scope: 'system/Binary.read', algorithm: 'ES384', keyId: 'aceso-1', privateKey: () => pem, now: () => now });
    const token = async (): Promise<string> => ((told) => (told.ok ? told.value : told.error.code))(await client.token());
    expect(await Promise.all([token(), token()]), 'asked at once, one is fetched').to.deep.equal(['token-1', 'token-1']);
    expect(seen).to.deep.equal(['client_credentials system/Binary.read 36']);
    client.forget();
    expect(await token()).to.equal('token-2');
    now += 280_000;
    expect(await token(), 'shortly before its end').to.equal('token-3');
    now += 300_000;
    answer = 400;
    expect(await token()).to.equal('source-refuses');
    answer = 500;
    expect(await token()).to.equal('source-away');
    await new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
    expect(await token()).to.equal('source-away');
  });
});
