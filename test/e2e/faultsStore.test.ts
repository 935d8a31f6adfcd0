import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { startProxy, type Proxy } from '../chaos/proxy.ts';
import { randomOf } from '../chaos/random.ts';
import { newAceso, type Aceso, type Answer } from '../support/aceso.ts';
import type { Client } from '../support/clients/client.ts';
import { startJsClient } from '../support/clients/jssdk.ts';
import { temporaryFolder } from '../support/folders.ts';
import { potassiumReport } from '../support/fhir.ts';
import { sharedHospitals, type Hospitals } from '../support/lab.ts';
import { freePort } from '../support/ports.ts';
import { sharedPostgres, startPostgres, type Postgres } from '../support/postgres.ts';
import { sees, tell } from '../support/results.ts';
import { until } from '../support/until.ts';

const NPI = '1500000002';
type Ready = { readonly status: number; readonly ready: boolean; readonly store: string; readonly problems: readonly { readonly part: string; readonly code: string; readonly message: string }[] };

let hospitals: Hospitals;
let ada: Client;

const readiness = async (aceso: Aceso): Promise<Ready> => {
  const answer = await fetch(`${aceso.operationsUrl}/readyz`);
  return { ...((await answer.json()) as Omit<Ready, 'status'>), status: answer.status };
};
/** What it says once it is not ready: its answer may be a second old. */
const unready = (aceso: Aceso): Promise<Ready> => until('it to say that it is not ready', async () => ((answer) => (answer.ready ? undefined : answer))(await readiness(aceso)));
const pushOf = (aceso: Aceso, accession: string): Promise<Answer> => aceso.push('/DiagnosticReport', potassiumReport({ accession, npi: NPI }));
/** A refusal that a laboratory's system understands: try later. */
const expectLater = ({ status, headers, body, text }: Answer): void => {
  expect(status, text).to.equal(503);
  expect(Number(headers.get('retry-after'))).to.be.within(1, 60);
  expect(body['resourceType']).to.equal('OperationOutcome');
  expect(text).not.to.match(/SQLITE|ECONN|errcode/u);
};
const acesoIn = async (options: { readonly folder?: string; readonly postgresUrl?: string }): Promise<Aceso> => {
  const { mercy, stAnne } = hospitals;
  const aceso = await newAceso({ mercy, slot: hospitals.takeSlot(), partners: [{ server_name: stAnne.serverName, name: 'St. Anne' }], people: [{ id: 'ada', name: 'Dr. Ada', user_id: ada.userId, npi: NPI }], ...options });
  await aceso.start();
  return aceso;
};
const recovers = async (aceso: Aceso, accession: string): Promise<void> => {
  await until(`${accession} to be taken`, async () => (await pushOf(aceso, accession)).status < 300);
  await sees(ada, accession, 60_000);
  await until('readiness', async () => (await readiness(aceso)).ready);
};

before(async function () {
  this.timeout(120_000);
  hospitals = await sharedHospitals();
  await hospitals.stAnne.register('faults_store', 'pw');
  ada = await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: 'faults_store', password: 'pw' });
});
after(() => ada.stop());

describe('With its data on a small disk of its own, Aceso', function () {
  this.timeout(120_000);
  let disk: string;
  let aceso: Aceso;
  let filler = 0;
  const mount = (...args: readonly string[]): void => void execFileSync('mount', [...args], { stdio: 'pipe' });
  const fill = (): void => {
    const file = openSync(join(disk, `filler-${(filler += 1)}`), 'w');
    try {
      for (;;) writeSync(file, Buffer.alloc(statfsSync(disk).bavail > 32 ? 64 * 1024 : 4096));
    } catch {
      // It is full.
    }
    closeSync(file);
  };

  before(async function () {
    const folder = temporaryFolder('disk');
    disk = join(folder, 'data');
    mkdirSync(disk);
    try {
      mount('-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', disk);
    } catch {
      // 2026-11-25: only root may mount a file system; there is no other way to a disk that is really full.
      this.skip();
    }
    aceso = await acesoIn({ folder });
    await tell(aceso, 'D-0', NPI);
    await sees(ada, 'D-0');
  });
  after(async () => {
    await aceso.stop();
    execFileSync('umount', [disk]);
    aceso.remove();
  });

  it('refuses with 503 while the disk is full, says so, keeps what it had taken, and goes on when there is room', async () => {
    fill();
    const refused = await until('a refusal', async () => {
      const answer = await pushOf(aceso, `D-full-${(filler += 1)}`);
      fill();
      return answer.status >= 300 ? answer : undefined;
    });
    expectLater(refused);
    const { ready, status, problems } = await unready(aceso);
    expect({ ready, status }).to.deep.equal({ ready: false, status: 503 });
    expect(problems.map(({ code }) => code)).to.include.oneOf(['disk-full', 'full']);
    expect(problems.map(({ message }) => message).join()).to.match(/space/u);
    for (const name of readdirSync(disk)) if (name.startsWith('filler')) rmSync(join(disk, name));
    await recovers(aceso, 'D-1');
  });

  it('doesn\'t start, and says why, while the disk can only be read; and starts when it can be written', async () => {
    await aceso.stop();
    mount('-o', 'remount,ro', disk);
    try {
      const started = await aceso.launch();
      await until('it to give up', () => started.ended());
      expect(aceso.log()).to.match(/can be written/u);
    } finally {
      mount('-o', 'remount,rw', disk);
    }
    await aceso.start();
    await recovers(aceso, 'D-2');
  });
});

describe('With its data in SQLite, Aceso', function () {
  this.timeout(120_000);
  let aceso: Aceso;
  before(async () => {
    aceso = await acesoIn({});
    await tell(aceso, 'S-0', NPI);
    await sees(ada, 'S-0');
  });
  after(async () => {
    await aceso.stop();
    aceso.remove();
  });

  it('refuses with 503 while another program holds the database, and goes on when it lets go', async () => {
    const other = new DatabaseSync(join(aceso.folder, 'data', 'aceso.db'));
    other.exec('BEGIN IMMEDIATE');
    try {
      expectLater(await pushOf(aceso, 'S-1'));
      expect((await unready(aceso)).store).to.equal('locked');
    } finally {
      other.exec('ROLLBACK');
      other.close();
    }
    await recovers(aceso, 'S-1');
  });

  it('lives through having no file handles left, and takes results again when there are some', async () => {
    await aceso.stop();
    const { pid } = await aceso.launch();
    await until('readiness', async () => (await readiness(aceso)).ready);
    const limit = (count: string): void => void execFileSync('prlimit', ['--pid', String(pid), `--nofile=${count}:`]);
    const open = readdirSync(`/proc/${pid}/fd`).length;
    const sockets: Socket[] = [];
    limit(String(open + 8));
    try {
      const { port } = new URL(aceso.baseUrl);
      for (let count = 0; count < 40; count += 1) sockets.push(connect(Number(port), '127.0.0.1').on('error', () => undefined));
      await until('the last handle to be taken', () => readdirSync(`/proc/${pid}/fd`).length >= open + 7);
    } finally {
      for (const socket of sockets) socket.destroy();
      limit('4096');
    }
    expect(aceso.ended()).to.equal(undefined);
    await recovers(aceso, 'S-2');
  });

  it('says that the database is damaged, refuses, and doesn\'t start on it', async () => {
    await aceso.stop();
    const path = join(aceso.folder, 'data', 'aceso.db');
    const file = openSync(path, 'r+');
    for (const page of [0, 1, 2, 3, 4, 5, 6, 7, 8]) writeSync(file, Buffer.alloc(4000, 0x5a), 0, 4000, page * 4096 + 100);
    closeSync(file);
    const started = await aceso.launch();
    await until('it to give up, or to say that it is not ready', async () => started.ended() !== undefined || (await readiness(aceso).then(({ ready }) => !ready, () => false)));
    expect(`${started.ended() ?? ''} ${aceso.log()}`).to.match(/damaged|malformed|restore/u);
    await aceso.kill();
    writeFileSync(path, 'not a database at all, and long enough to have a header of some kind: '.repeat(4));
    await aceso.launch();
    await until('it to give up', () => aceso.ended());
    expect(aceso.log().slice(-2000)).to.match(/restore/u);
  });
});

describe('With its data in PostgreSQL, Aceso', function () {
  this.timeout(120_000);
  let postgres: Postgres;
  let aceso: Aceso;
  before(async () => {
    postgres = await startPostgres();
    aceso = await acesoIn({ postgresUrl: await postgres.createDatabase('faults') });
    await tell(aceso, 'P-0', NPI);
    await sees(ada, 'P-0');
  });
  after(async () => {
    await aceso.stop();
    await postgres.stop();
    aceso.remove();
  });

  it('refuses with 503 while the server is gone, says so, and goes on when it is back: what was taken arrives once', async () => {
    const taken = await Promise.all(['P-1', 'P-2', 'P-3'].map((accession) => pushOf(aceso, accession)));
    await postgres.kill();
    expect(taken.map(({ status }) => status)).to.deep.equal([201, 201, 201]);
    expectLater(await pushOf(aceso, 'P-4'));
    const { ready, store, problems } = await unready(aceso);
    expect({ ready, store }).to.deep.equal({ ready: false, store: 'unreachable' });
    expect(problems.find(({ part }) => part === 'store')?.message).to.match(/see that it runs/u);
    expect((await fetch(`${aceso.operationsUrl}/metrics`)).status).to.equal(200);
    await postgres.start();
    await recovers(aceso, 'P-4');
    for (const accession of ['P-1', 'P-2', 'P-3']) await sees(ada, accession);
    const bodies = ada.messages.map(({ content }) => /[PSD]-\d+/u.exec(String(content['body']))?.[0]).filter((body) => body?.startsWith('P-'));
    expect([...bodies].sort()).to.deep.equal(['P-0', 'P-1', 'P-2', 'P-3', 'P-4']);
  });
});

describe('With a network to PostgreSQL that can go silent, Aceso', function () {
  this.timeout(120_000);
  let network: Proxy;
  let aceso: Aceso;
  before(async () => {
    const postgres = await sharedPostgres();
    network = await startProxy({ name: 'postgres', port: await freePort(), targets: [postgres.port], random: randomOf(1, 'postgres') });
    const url = new URL(await postgres.createDatabase('faults_silent'));
    url.port = String(network.port);
    aceso = await acesoIn({ postgresUrl: url.href });
    await tell(aceso, 'H-0', NPI);
    await sees(ada, 'H-0');
  });
  after(async () => {
    await network.set(undefined);
    await aceso.stop();
    await network.stop();
    aceso.remove();
  });

  it('refuses with 503 while nothing passes, says so, and goes on when it flows: what was taken arrives once', async () => {
    const taken = await Promise.all(['H-1', 'H-2', 'H-3'].map((accession) => pushOf(aceso, accession)));
    await network.set({ kind: 'partition', then: 'heal' });
    expect(taken.map(({ status }) => status)).to.deep.equal([201, 201, 201]);
    expectLater(await pushOf(aceso, 'H-4'));
    const { ready, store, problems } = await unready(aceso);
    expect({ ready }).to.deep.equal({ ready: false });
    expect(store).to.be.oneOf(['silent', 'unreachable']);
    expect(problems.find(({ part }) => part === 'store')?.message).to.match(/network|see that it runs/u);
    expect((await fetch(`${aceso.operationsUrl}/metrics`)).status).to.equal(200);
    await network.set(undefined);
    await recovers(aceso, 'H-4');
    for (const accession of ['H-1', 'H-2', 'H-3']) await sees(ada, accession);
    const bodies = ada.messages.map(({ content }) => /H-\d+/u.exec(String(content['body']))?.[0]).filter((body) => body !== undefined);
    expect([...bodies].sort()).to.deep.equal(['H-0', 'H-1', 'H-2', 'H-3', 'H-4']);
  });

  it('stops in time when it is told to while nothing passes', async () => {
    await network.set({ kind: 'partition', then: 'reset' });
    expectLater(await pushOf(aceso, 'H-5'));
    const began = performance.now();
    await aceso.stop();
    expect(performance.now() - began).to.be.below(11_000);
    expect(aceso.log()).to.match(/aceso\.stopped/u);
  });
});
