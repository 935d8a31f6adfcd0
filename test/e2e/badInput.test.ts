import { expect } from 'chai';
import { request } from 'node:http';
import { newAceso, type Aceso, type Answer } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { potassiumReport } from '../support/fhir.ts';
import { sharedHospitals } from '../support/lab.ts';

const NPI = '5000000001';
const MB = 1024 * 1024;
const good = (accession: string, change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({ ...potassiumReport({ accession, npi: NPI }), ...change });
const text = (accession: string): string => JSON.stringify(good(accession));
const path = '/DiagnosticReport';

type Case = readonly [given: string, push: (aceso: Aceso) => Promise<Answer>, status: number, code: string, expression?: string];

const CASES: readonly Case[] = [
  ['a wrong type', (aceso) => aceso.push(path, good('X', { status: 7 })), 422, 'structure', 'DiagnosticReport.status'],
  ['a field that does not exist', (aceso) => aceso.push(path, good('X', { stauts: 'final' })), 422, 'structure', 'DiagnosticReport'],
  ['another resource than the path says', (aceso) => aceso.push('/Observation', good('X')), 400, 'invalid'],
  ['a type that is not taken', (aceso) => aceso.push('/Patient', { resourceType: 'Patient' }), 404, 'not-found'],
  ['a truncated body', (aceso) => aceso.push(path, text('X').slice(0, -20)), 400, 'structure'],
  ['an empty body', (aceso) => aceso.push(path, ''), 400, 'structure'],
  ['nesting 5,000 deep', (aceso) => aceso.push(path, `${'{"extension":['.repeat(5000)}${']}'.repeat(5000)}`), 400, 'structure'],
  ['bad UTF-8', (aceso) => aceso.push(path, Buffer.concat([Buffer.from(text('X').slice(0, 40)), Buffer.from([0xc3, 0x28]), Buffer.from(text('X').slice(40))])), 400, 'structure'],
  ['a key twice', (aceso) => aceso.push(path, text('X').replace('"status":"final"', '"status":"final","status":"cancelled"')), 400, 'structure'],
  ['status banana', (aceso) => aceso.push(path, good('X', { status: 'banana' })), 422, 'code-invalid', 'DiagnosticReport.status'],
  ['no patient', (aceso) => aceso.push(path, good('X', { subject: undefined })), 422, 'required', 'DiagnosticReport.subject'],
  ['a wrong token', (aceso) => aceso.push(path, good('X'), { authorization: 'Bearer wrong' }), 401, 'login'],
  ['XML', (aceso) => aceso.push(path, '<DiagnosticReport/>', { 'content-type': 'application/fhir+xml' }), 415, 'not-supported'],
  ['50 MB, said beforehand', (aceso) => aceso.push(path, Buffer.alloc(50 * MB, 0x20)), 413, 'too-long'],
];

describe('Bad input at the door', function () {
  this.timeout(120_000);
  let aceso: Aceso;
  let client: Client;

  before(async () => {
    const hospitals = await sharedHospitals();
    const user = await hospitals.stAnne.register('badinput', 'password-of-bad');
    client = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'badinput', password: 'password-of-bad' });
    aceso = await newAceso({ mercy: hospitals.mercy, slot: hospitals.takeSlot(), partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], people: [{ id: 'dr-wren', name: 'Dr. Wren', user_id: user, npi: NPI }] });
    await aceso.start();
  });
  after(async () => {
    await Promise.all([client.stop(), aceso.stop()]);
    aceso.remove();
  });

  for (const [given, push, status, code, expression] of CASES) it(`${given}: ${status} ${code}${expression === undefined ? '' : ` at ${expression}`}`, async () => {
    const answer = await push(aceso);
    expect(answer.status, answer.text).to.equal(status);
    expect(answer.headers.get('content-type')).to.include('application/fhir+json');
    const { resourceType, issue: [issue] = [] } = answer.body as { readonly resourceType?: string; readonly issue?: readonly { readonly severity: string; readonly code: string; readonly expression?: readonly string[]; readonly diagnostics?: string }[] };
    expect(resourceType).to.equal('OperationOutcome');
    expect({ severity: issue?.severity, code: issue?.code }).to.deep.equal({ severity: 'error', code });
    if (expression !== undefined) expect(issue?.expression?.[0]).to.equal(expression);
    expect(answer.text).not.to.match(/\bat .*\.ts|node_modules|Quintana|00481516/u);
  });

  it('50 MB, said by nobody: refused while it comes, and not read to its end', async () => {
    expect(await stream(aceso, 50 * MB)).to.deep.equal({ status: 413, all: false });
  });

  it('an unknown recipient is no error of the sender\'s: taken, and held with an owner', async () => {
    expect((await aceso.push(path, potassiumReport({ accession: 'X-unknown', npi: '5999999999' }))).status).to.equal(201);
    const delivery = await aceso.delivery('held', ({ held }) => held?.code === 'no-recipient');
    expect(delivery.held?.owner).to.equal('Laboratory desk, ext. 4410');
    expect(delivery.held?.reason).to.include('not in the directory');
  });

  it('hostile HTML is text: taken, and shown as text', async () => {
    const hostile = '<img src=x onerror=alert(1)><script>alert(2)</script> @room https://matrix.to/#/@x:y';
    expect((await aceso.push(path, potassiumReport({ accession: 'X-html', npi: NPI, note: hostile }))).status).to.equal(201);
    const { content } = await client.waitForMessage((message) => String(message.content['body']).includes('X-html'), 60_000);
    expect(String(content['formatted_body'])).to.include('&lt;script&gt;').and.not.to.match(/<(img|script)/u);
    expect(content['m.mentions']).to.deep.equal({ user_ids: [client.userId] });
  });

  it('disturbs nothing else: what is good still arrives, and nothing of the bad was kept', async () => {
    expect((await aceso.push(path, good('GOOD'))).status).to.equal(201);
    await client.waitForMessage(({ content }) => String(content['body']).includes('GOOD'), 60_000);
    expect((await aceso.deliveries()).length).to.equal(3);
    expect(aceso.ended()).to.equal(undefined);
  });
});

/** Sends without a length until it is answered; says whether all went out. */
function stream(aceso: Aceso, size: number): Promise<{ readonly status: number; readonly all: boolean }> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    const chunk = Buffer.alloc(64 * 1024, 0x20);
    const outgoing = request(`${aceso.fhirUrl}${path}`, { method: 'POST', headers: { 'content-type': 'application/fhir+json', authorization: `Bearer ${aceso.token}` } }, (response) => {
      resolve({ status: response.statusCode ?? 0, all: sent >= size });
      outgoing.destroy();
    });
    outgoing.on('error', reject);
    const more = (): void => {
      while (sent < size && !outgoing.destroyed) {
        sent += chunk.length;
        if (!outgoing.write(chunk)) return void outgoing.once('drain', more);
      }
      outgoing.end();
    };
    more();
  });
}
