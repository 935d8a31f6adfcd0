import { expect } from 'chai';
import { sql } from 'kysely';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrate, openPostgres } from '../../src/adapters/store/database.ts';
import { startProxy, type Proxy } from '../chaos/proxy.ts';
import { randomOf } from '../chaos/random.ts';
import { ROOT } from '../support/aceso.ts';
import { acesoProcess, type AcesoProcess, type Readyz } from '../support/acesoProcess.ts';
import { hospitalFolder, type HospitalFolder } from '../support/hospitalFolder.ts';
import { freePort } from '../support/ports.ts';
import type { OwnedProcess } from '../support/processes.ts';
import { openTestDatabase } from '../support/stores.ts';
import { until } from '../support/until.ts';

describe('aceso start, while its PostgreSQL is away', function () {
  this.timeout(120_000);
  let mercy: HospitalFolder;
  let aceso: AcesoProcess;
  let running: OwnedProcess;
  let network: Proxy;
  let url: URL;
  const addressIs = (address: string): void => writeFileSync(mercy.at('postgres-url'), address, { mode: 0o600 });
  const waitsFor = (code: string): Promise<Readyz> => until(`it to wait for ${code}`, async () => ((told) => (told?.store === code ? told : undefined))(await aceso.readyz()));
  const storeIsReady = (): Promise<unknown> => until('its store to be ready', async () => (await aceso.readyz())?.store === 'ready');
  const push = (): Promise<Response> => fetch(`${aceso.httpUrl}/fhir/DiagnosticReport`, { method: 'POST', headers: { 'content-type': 'application/fhir+json' }, body: '{}' });

  beforeEach(async () => {
    mercy = await hospitalFolder('postgres');
    url = new URL(await openTestDatabase());
    network = await startProxy({ name: 'postgres', port: await freePort(), targets: [Number(url.port)], random: randomOf(1, 'postgres') });
    url.port = String(network.port);
    addressIs(url.href);
    aceso = await acesoProcess(mercy);
  });
  afterEach(async () => {
    await running.stop();
    await network.stop();
  });

  it('tells of itself, asks whoever comes to come again, and goes on by itself when it is there', async () => {
    await network.set({ kind: 'refuse' });
    running = await aceso.start();
    const { status, ready, problems } = await waitsFor('unreachable');
    expect({ status, ready }).to.deep.equal({ status: 503, ready: false });
    expect(problems.map(({ message }) => message).join()).to.match(/see that it runs/u);
    expect((await fetch(`${aceso.operationsUrl}/healthz`)).status).to.equal(200);
    expect(await (await fetch(`${aceso.operationsUrl}/metrics`)).text()).to.include('aceso_problem{part="store",code="unreachable"} 1');
    const refused = await push();
    expect([refused.status, Number(refused.headers.get('retry-after'))]).to.deep.equal([503, 10]);
    expect(((await refused.json()) as { readonly resourceType: string }).resourceType).to.equal('OperationOutcome');
    const transaction = await fetch(`${aceso.appserviceUrl}/_matrix/app/v1/transactions/1`, { method: 'PUT', body: '{"events":[]}' });
    expect([transaction.status, ((await transaction.json()) as { readonly errcode: string }).errcode]).to.deep.equal([503, 'M_UNKNOWN']);
    await network.set(undefined);
    await storeIsReady();
    expect((await push()).status, 'the door is open: it asks who comes').to.equal(401);
    expect(running.ended()).to.equal(undefined);
  });

  it('and silent, waits all the same', async () => {
    await network.set({ kind: 'partition', then: 'heal' });
    running = await aceso.start();
    await waitsFor('unreachable');
    await network.set(undefined);
    await storeIsReady();
  });

  it('waits also when it can be opened, and not be asked what the rules were', async () => {
    const database = openPostgres(url.href, { connectMs: 5000, queryMs: 60_000, statementMs: 60_000, lockMs: 60_000, idleInTransactionMs: 60_000 });
    await migrate(database);
    const [locked, freed] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    const holder = database.db.transaction().execute(async (tx) => {
      await sql`lock table policy_revision`.execute(tx);
      locked.resolve(undefined);
      await freed.promise;
    });
    await locked.promise;
    running = await aceso.start();
    await waitsFor('locked');
    freed.resolve(undefined);
    await holder;
    await storeIsReady();
    expect(running.ended()).to.equal(undefined);
    await database.db.destroy();
  });

  it('ends at once when it is told to', async () => {
    await network.set({ kind: 'refuse' });
    running = await aceso.start();
    await waitsFor('unreachable');
    const began = performance.now();
    await running.stop({ graceMs: 10_000 });
    expect([running.ended(), performance.now() - began < 2000]).to.deep.equal(['code 0', true]);
  });

  it('or refuses the log-in, or has no such database, says what to correct, and takes the correction without a restart', async () => {
    const wrong = new URL(url);
    wrong.password = 'not-the-password';
    addressIs(wrong.href);
    running = await aceso.start();
    expect((await waitsFor('no-login')).problems[0]?.message).to.match(/store\.postgres_url_file/u);
    wrong.password = url.password;
    wrong.pathname = '/nowhere';
    addressIs(wrong.href);
    expect((await waitsFor('no-database')).problems[0]?.message).to.match(/create it/u);
    addressIs(url.href);
    await storeIsReady();
    expect(aceso.log()).not.to.include('not-the-password');
  });

  it('leaves the other commands as they are: they say at once what is wrong', async () => {
    await network.set({ kind: 'refuse' });
    running = await aceso.start();
    const told = await new Promise<string>((resolve) => execFile(process.execPath, [join(ROOT, 'src', 'main.ts'), '--config', mercy.at('aceso.yaml'), 'people', 'list'], (error, _, stderr) => resolve(`${error?.code ?? 0} ${stderr}`)));
    expect(told).to.match(/^1 aceso: the database can't be used: .*\[unreachable\]/u);
  });
});
