import { expect } from 'chai';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { newAceso, type Aceso } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { registerPusher, startPushGateway } from '../support/clients/pushGateway.ts';
import { pdf } from '../support/files.ts';
import { dumpDatabase, sharedHospitals, type Hospitals } from '../support/lab.ts';
import { matrix } from '../support/matrixHttp.ts';
import { openTestDatabase, STORE_KINDS } from '../support/stores.ts';
import { query } from '../support/postgres.ts';
import { until } from '../support/until.ts';

const MARK = 'CANARY';
let planted = 0;
const canary = (): string => `${MARK}${(planted += 1)}x`;

/** A report with a marker in every field that takes free text or an identifier. */
const marked = (accession: string, npi: string, change: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  resourceType: 'DiagnosticReport', id: canary(), identifier: [{ system: `urn:${canary()}`, value: accession }],
  contained: [
    {
      resourceType: 'Patient', id: 'p', identifier: [{ system: `urn:${canary()}`, value: canary(), assigner: { display: canary() } }], name: [{ text: canary(), family: canary(), given: [canary()], prefix: [canary()] }],
      birthDate: '1958-03-02', telecom: [{ system: 'phone', value: canary() }], address: [{ line: [canary()], city: canary(), postalCode: canary() }],
    },
    { resourceType: 'Practitioner', id: 'o', identifier: [{ system: 'http://hl7.org/fhir/sid/us-npi', value: npi }], name: [{ family: canary() }] },
    { resourceType: 'ServiceRequest', id: 'r', identifier: [{ value: canary() }], status: 'active', intent: 'order', subject: { reference: '#p', display: canary() }, requester: { reference: '#o', display: canary() }, code: { text: canary() }, note: [{ text: canary() }] },
    { resourceType: 'Specimen', id: 's', identifier: [{ value: canary() }], accessionIdentifier: { value: canary() }, type: { text: canary() }, condition: [{ text: canary() }], note: [{ text: canary() }] },
    { resourceType: 'Organization', id: 'l', name: canary(), address: [{ text: canary() }], telecom: [{ system: 'phone', value: canary() }] },
    {
      resourceType: 'Observation', id: 'k', identifier: [{ value: canary() }], status: 'final', code: { text: canary(), coding: [{ system: `urn:${canary()}`, code: canary(), display: canary() }] }, subject: { reference: '#p' }, specimen: { reference: '#s' },
      valueString: canary(), interpretation: [{ text: canary(), coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', code: 'HH', display: canary() }] }], referenceRange: [{ text: canary() }], note: [{ text: canary(), authorString: canary() }],
    },
  ],
  basedOn: [{ reference: '#r', display: canary() }], status: 'final', code: { text: canary() }, subject: { reference: '#p', display: canary() }, performer: [{ reference: '#l', display: canary() }], specimen: [{ reference: '#s' }], result: [{ reference: '#k' }],
  conclusion: canary(), issued: '2026-11-24T08:14:00-05:00', presentedForm: [{ title: canary(), contentType: 'application/pdf', data: Buffer.from(pdf(canary())).toString('base64') }, { title: canary(), contentType: `x/${canary()}`, data: Buffer.from(canary()).toString('base64') }],
  text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${canary()}</div>` }, ...change,
});

/** What a patient consented to, likewise. */
const consented = (): Record<string, unknown> => ({
  resourceType: 'Consent', id: canary(), identifier: [{ system: `urn:${canary()}`, value: canary() }], status: 'active', scope: { coding: [{ code: 'patient-privacy' }], text: canary() }, category: [{ coding: [{ code: '42CFRPart2', display: canary() }], text: canary() }],
  patient: { display: canary(), identifier: { system: `urn:${canary()}`, value: canary() } }, performer: [{ display: canary() }], organization: [{ display: canary() }], sourceAttachment: { title: canary(), contentType: 'text/plain', data: Buffer.from(canary()).toString('base64') },
  policyRule: { text: canary() }, verification: [{ verified: true, verifiedWith: { display: canary() } }], text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${canary()}</div>` },
  provision: {
    type: 'permit', purpose: [{ code: canary() }], securityLabel: [{ code: canary() }], actor: [{ role: { coding: [{ code: 'IRCP' }], text: canary() }, reference: { reference: `Practitioner/${canary()}`, display: canary(), identifier: { system: `urn:${canary()}`, value: canary() } } }],
    data: [{ meaning: 'instance', reference: { reference: `Observation/${canary()}`, display: canary() } }], code: [{ text: canary() }],
  },
});

for (const store of STORE_KINDS) describe(`No PHI gets out (store: ${store})`, function () {
  this.timeout(120_000);
  let hospitals: Hospitals;
  let aceso: Aceso;
  let client: Client;
  let url: string | undefined;
  const user = `canary${store}`;
  const npi = store === 'sqlite' ? '3000000001' : '3000000002';

  before(async () => {
    hospitals = await sharedHospitals();
    const userId = await hospitals.stAnne.register(user, 'password-of-canary');
    client = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user, password: 'password-of-canary' });
    url = store === 'postgres' ? await openTestDatabase() : undefined;
    aceso = await newAceso({
      mercy: hospitals.mercy, slot: hospitals.takeSlot(), partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], ...(url === undefined ? {} : { postgresUrl: url }),
      people: [{ id: user, name: 'Dr. Wren', user_id: userId, npi }], source: { directory: { consents: true } },
    });
    await aceso.start();
  });
  after(async () => {
    await Promise.all([client.stop(), aceso.stop()]);
    aceso.remove();
  });

  it('to a log, a metric, an error, a room\'s state, a URL, a push, the command line, or an unsealed column', async () => {
    const gateway = await startPushGateway();
    await registerPusher({ baseUrl: hospitals.stAnne.baseUrl, accessToken: client.accessToken, gateway, format: 'full' });
    const seen: string[] = [];

    // What is taken, sent, read and answered …
    expect((await aceso.push('/DiagnosticReport', marked('CANARY-A', npi), { 'if-none-exist': 'identifier=urn:CANARYcond|CANARY-A' })).status).to.equal(201);
    const message = await client.waitForMessage(({ type }) => type === 'm.room.message', 60_000);
    expect(around(JSON.stringify(message)), 'the search finds a marker where one is').to.include(MARK);
    await client.read(message.roomId, message.eventId);
    await client.reply(message.roomId, message.eventId, canary());
    await aceso.delivery('answered', ({ phase, party }) => phase === 'answered' && party === user);
    expect((await aceso.push('/Consent', consented())).status).to.equal(201);
    // … what is held, what is refused, and what breaks …
    expect((await aceso.push('/DiagnosticReport', marked('CANARY-B', '3999999999'))).status).to.equal(201);
    await aceso.delivery('held', ({ held }) => held?.code === 'no-recipient');
    const refusals: readonly (readonly [string, unknown, Readonly<Record<string, string>>])[] = [
      ['/DiagnosticReport', marked('CANARY-C', npi, { status: canary() }), {}], ['/DiagnosticReport', marked('CANARY-D', npi, { [canary()]: canary() }), {}], ['/DiagnosticReport', JSON.stringify(marked('CANARY-E', npi)).slice(0, -9), {}],
      [`/${canary()}`, marked('CANARY-F', npi), {}], ['/DiagnosticReport', marked('CANARY-G', npi), { authorization: `Bearer ${canary()}` }], ['/DiagnosticReport', marked('CANARY-H', npi, { issued: canary() }), {}],
      ['/DiagnosticReport', marked('CANARY-I', npi), { 'if-none-exist': `${canary()}=${canary()}` }], ['/', { resourceType: 'Bundle', type: canary(), entry: [{ fullUrl: canary(), resource: marked('CANARY-J', npi) }] }, {}],
    ];
    for (const [path, body, headers] of refusals) {
      const answer = await aceso.push(path, body, headers);
      expect(answer.status, path).to.be.within(400, 499);
      seen.push(answer.text);
    }
    // … leaves no marker where it must not be.
    seen.push(await (await fetch(`${aceso.operationsUrl}/metrics`)).text(), await (await fetch(`${aceso.operationsUrl}/readyz`)).text());
    for (const command of [['deliveries', 'list'], ['held', 'list'], ['people', 'list'], ['status']]) seen.push(JSON.stringify(await aceso.cli(...command)));
    const [held] = (await aceso.deliveries()).filter((each) => each.held);
    if (held) seen.push(JSON.stringify(await aceso.cli('deliveries', 'show', held.id)));
    seen.push(JSON.stringify(await matrix(hospitals.stAnne.baseUrl, `/_matrix/client/v3/sync?timeout=0`, { token: client.accessToken })));
    await until('a push', () => gateway.raw.length > 0);
    seen.push(JSON.stringify(gateway.raw));
    for (const hospital of [hospitals.mercy, hospitals.stAnne]) seen.push(await dumpDatabase(hospital), readFileSync(hospital.logFile, 'utf8'));
    await aceso.stop();
    seen.push(...filesUnder(aceso.folder));
    if (url !== undefined) seen.push(await everyRow(url));
    await gateway.stop();
    for (const text of seen) expect(around(text)).to.equal('nothing');
    expect(planted).to.be.greaterThan(400);
  });
});

/** The first marker with what is around it, for a failure that shows where; `nothing` when there is none. */
function around(text: string): string {
  const at = text.indexOf(MARK);
  return at < 0 ? 'nothing' : text.slice(Math.max(0, at - 200), at + 100);
}

function filesUnder(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name))).filter((path) => statSync(path).isFile()).map((path) => readFileSync(path).toString('latin1'));
}

async function everyRow(url: string): Promise<string> {
  const tables = await query(url, `select table_name from information_schema.tables where table_schema = 'public'`);
  const rows = await Promise.all(tables.map(({ table_name: table }) => query(url, `select * from "${String(table)}"`)));
  return JSON.stringify(rows);
}
