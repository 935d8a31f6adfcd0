import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { request } from 'node:https';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { startAuthorizationServer, type AuthorizationServer } from '../support/authorizationServer.ts';
import { ROOT } from '../support/aceso.ts';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { potassiumReport } from '../support/fhir.ts';
import { removeFolder, temporaryFolder } from '../support/folders.ts';
import { freePort } from '../support/ports.ts';
import { startProcess, untilReady, type OwnedProcess } from '../support/processes.ts';
import { newSigner, tokenForm, type Signer } from '../support/trust.ts';
import { until } from '../support/until.ts';

const MAIN = join(ROOT, 'src', 'main.ts');
const GUIDE = readFileSync(join(ROOT, 'bridges', 'fhir-push', 'TRUST.md'), 'utf8');

/** The shell blocks of a section of the guide, in order. */
const blocks = (heading: string): readonly string[] => {
  const section = GUIDE.split(/^## /mu).find((each) => each.startsWith(heading)) ?? '';
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```/gmu)].map(([, block = '']) => block);
};

type Answer = { readonly status: number | undefined; readonly body: string; readonly headers: Readonly<Record<string, string | string[] | undefined>> };

describe('Sources prove themselves', function () {
  this.timeout(120_000);
  let folder: string;
  let url: string;
  let operationsUrl: string;
  let running: OwnedProcess;
  let sso: AuthorizationServer;
  let site: Server;
  let signer: Signer;
  let published = '';

  const shell = (script: string): Promise<string> => new Promise((resolve, reject) => {
    execFile('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder, env: { ...process.env, PATH: `${folder}:${process.env['PATH'] ?? ''}`, ACESO: url, CURL_CA_BUNDLE: join(folder, 'ca.pem') } }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${stderr}\n${script}`, { cause: error }));
      else resolve(stdout);
    });
  });
  const call = (path: string, { method = 'POST', headers = {}, body = '' }: { readonly method?: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {}): Promise<Answer> => new Promise((resolve, reject) => {
    request(`${url}${path}`, { method, ca: readFileSync(join(folder, 'ca.pem')), headers, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (part) => { text += String(part); }).on('end', () => resolve({ status: answer.statusCode, body: text, headers: answer.headers }));
    }).on('error', reject).end(body);
  });
  const push = (token: string, accession: string, path = '/fhir/DiagnosticReport'): Promise<Answer> => call(path, { headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/fhir+json' }, body: JSON.stringify(potassiumReport({ accession })) });
  const askToken = (form: string): Promise<Answer> => call('/auth/token', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: form });

  const start = async (): Promise<void> => {
    const logFile = join(folder, 'aceso.log');
    running = await startProcess(process.execPath, [MAIN, 'start'], { cwd: folder, logFile });
    await untilReady('Aceso', running, logFile, async () => (await call('/fhir/metadata', { method: 'GET' })).status === 200);
  };

  before(async () => {
    folder = temporaryFolder('trust');
    const [port, appservicePort, sitePort, operationsPort] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
    operationsUrl = `http://127.0.0.1:${operationsPort}`;
    url = `https://localhost:${port}`;
    writeFileSync(join(folder, 'aceso'), `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`);
    chmodSync(join(folder, 'aceso'), 0o700);
    writeFileSync(join(folder, 'report.json'), JSON.stringify(potassiumReport({ accession: 'by-hand' })));
    makeCertificate(folder, 'door', makeCa(folder, 'ca'), { subject: '/CN=localhost', names: 'DNS:localhost', use: 'serverAuth' });
    // What the guide has hospital and source do before the start.
    await shell(`aceso init . --organisation Mercy --server-name mercy.example\n${blocks('Bearer')[0] ?? ''}${blocks('SMART')[0] ?? ''}${blocks('Client certificate')[0] ?? ''}`);
    [sso, signer] = await Promise.all([startAuthorizationServer(), newSigner('ES384', 'key-of-ehr')]);
    published = JSON.stringify(signer.jwks);
    site = createServer((_request, response) => response.end(published));
    await new Promise<void>((resolve) => { site.listen(sitePort, '127.0.0.1', resolve); });
    const { token_sha256: sha256 } = JSON.parse(readFileSync(join(folder, 'token.json'), 'utf8')) as { readonly token_sha256: string };
    const source = (id: string, more: object): object => ({ id, name: id, owner: 'Laboratory desk', ...more });
    writeFileSync(join(folder, 'aceso.yaml'), stringify({
      organisation: { name: 'Mercy General Hospital' },
      homeserver: { url: 'http://127.0.0.1:9', server_name: 'mercy.example' },
      appservice: { url: `http://127.0.0.1:${appservicePort}`, port: appservicePort },
      http: { host: '127.0.0.1', port, public_url: url, tls: { certificate: 'door.pem', key: 'door.key', client_ca: 'client-ca.pem' } },
      operations: { port: operationsPort },
      authorization: { issuers: [{ issuer: sso.issuer, jwks_url: `${sso.issuer}/jwks`, audience: `${url}/fhir`, algorithms: ['RS256'] }] },
      sources: [
        source('by-token', { tokens: [{ sha256, not_after: '2099-01-31T00:00:00Z' }] }),
        source('by-smart', { smart: { client_id: 'mercy-lab', jwks_file: 'lis.jwks.json' } }),
        source('by-url', { smart: { client_id: 'ehr', jwks_url: `http://127.0.0.1:${sitePort}/jwks` } }),
        source('by-certificate', { certificates: [{ name: 'DNS:lis.mercy.example' }] }),
        source('by-issuer', { issued: [{ issuer: sso.issuer, client_id: 'lis' }] }),
      ],
    }));
    await start();
  });
  after(async () => {
    await running.stop();
    await sso.stop();
    site.close();
    removeFolder(folder);
  });

  for (const way of ['Bearer', 'SMART', 'Client certificate']) it(`as the guide says under "${way}"`, async () => {
    writeFileSync(join(folder, 'report.json'), JSON.stringify(potassiumReport({ accession: way })));
    expect((await shell(blocks(way).at(-1) ?? '')).trim()).to.equal('201');
  });

  it('by an access token of the hospital\'s real authorization server, for what its scopes allow', async () => {
    expect((await push(await sso.token(`${url}/fhir`, 'system/DiagnosticReport.c'), 'I1')).status).to.equal(201);
    const narrow = await push(await sso.token(`${url}/fhir`, 'system/Observation.c'), 'I2');
    expect([narrow.status, narrow.headers['www-authenticate']]).to.deep.equal([403, 'Bearer realm="aceso", error="insufficient_scope", scope="system/DiagnosticReport.c"']);
    expect((await push(await sso.token('https://elsewhere.example', 'system/DiagnosticReport.c'), 'I3')).status, 'for somebody else').to.equal(401);
    expect((await push(await sso.token(`${url}/fhir`, ''), 'I4')).status, 'without scopes').to.equal(401);
  });

  it('by keys at their own address; an assertion that was used is refused also after a restart', async () => {
    const form = tokenForm(await signer.assertion('ehr', `${url}/auth/token`));
    const first = await askToken(form);
    expect(first.status, first.body).to.equal(200);
    await running.kill();
    await start();
    const again = await askToken(form);
    expect([again.status, (JSON.parse(again.body) as { readonly error?: string }).error]).to.deep.equal([400, 'invalid_client']);
    const { access_token: token } = JSON.parse(first.body) as { readonly access_token: string };
    expect((await push(token, 'U1')).status, 'the token of before the restart').to.equal(201);
  });

  it('and the statements say so', async () => {
    const { rest: [rest] } = JSON.parse((await call('/fhir/metadata', { method: 'GET' })).body) as { readonly rest: readonly [{ readonly security: { readonly service: readonly { readonly coding: readonly [{ readonly code: string }] }[]; readonly description: string } }] };
    expect(rest.security.service.map(({ coding: [{ code }] }) => code)).to.deep.equal(['SMART-on-FHIR', 'OAuth', 'Certificates']);
    const smart = JSON.parse((await call('/fhir/.well-known/smart-configuration', { method: 'GET' })).body) as Record<string, unknown>;
    expect(smart).to.include({ token_endpoint: `${url}/auth/token` }).and.to.deep.include({ token_endpoint_auth_signing_alg_values_supported: ['RS384', 'ES384'], grant_types_supported: ['client_credentials'] });
  });

  it('and an operator sees how', async () => {
    const text = await shell('aceso source check');
    for (const says of ['counts until 2099', 'client_id ehr', 'key key-of-ehr', 'EC P-384 ES384', 'key sso-1', 'name DNS:lis.mercy.example']) expect(text).to.include(says);
    expect(await shell('aceso status'), 'in plain HTTP, beside the doors\' TLS').to.include('not ready (store ready');
    expect(await (await fetch(`${operationsUrl}/healthz`)).json(), 'what a probe without a certificate sees').to.deep.equal({ ok: true });
    expect(await shell('aceso config check')).to.include('is fine: 5 source(s)');
    expect(await shell('aceso source certificate lis.pem')).to.include('- subject: "CN=lis,O=Mercy"').and.to.include('- name: "DNS:lis.mercy.example"');
  });

  it('and can\'t ask for health and figures where they send, only whether somebody is there', async () => {
    const statuses = await Promise.all(['/readyz', '/metrics', '/healthz'].map(async (path) => (await call(path, { method: 'GET' })).status));
    expect(statuses).to.deep.equal([404, 404, 200]);
  });

  it('and every refusal is counted, and audited without an address', async () => {
    expect((await push('wrong', 'R1')).status).to.equal(401);
    const metrics = await (await fetch(`${operationsUrl}/metrics`)).text();
    expect(metrics).to.match(/aceso_http_refusals_total\{door="fhir-push",code="unknown-credentials"\} \d/u);
    expect(metrics).to.match(/aceso_http_refusals_total\{door="auth",code="assertion-replayed"\} 1/u);
    const database = new DatabaseSync(join(folder, 'data', 'aceso.db'), { readOnly: true });
    const rows = (): readonly string[] => database.prepare('select because, detail from audit where kind = ?').all('door').map((row) => `${String(row['because'])} ${String(row['detail'])}`);
    await until('the refusals in the audit', () => ['unknown-credentials', 'assertion-replayed'].every((code) => rows().some((row) => row.startsWith(code))));
    expect(rows().join()).not.to.include('127.0.0.1');
    database.close();
  });
});
