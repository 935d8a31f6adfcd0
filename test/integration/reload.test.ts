import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { init } from '../../src/main/init.ts';
import { ROOT, sha256 } from '../support/aceso.ts';
import { potassiumReport } from '../support/fhir.ts';
import { removeFolder, temporaryFolder } from '../support/folders.ts';
import { freePort } from '../support/ports.ts';
import { startProcess, untilReady, type OwnedProcess } from '../support/processes.ts';
import { openTestDatabase } from '../support/stores.ts';
import { until } from '../support/until.ts';

const MAIN = join(ROOT, 'src', 'main.ts');

type Said = { readonly complete: boolean; readonly workers: readonly { readonly worker: string; readonly outcome: string; readonly changes: readonly { readonly section: string; readonly id?: string; readonly change: string; readonly takes: string }[]; readonly problems: readonly string[] }[] };
type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** One worker with a file of its own. Its homeserver is away: what is pushed waits, and that is enough here. */
class Place {
  readonly file: string;
  readonly log: string;
  running: OwnedProcess | undefined;
  settings: Readonly<Record<string, unknown>> = {};
  readonly folder: string;
  private readonly ports: { readonly http: number; readonly appservice: number; readonly operations: number };
  private readonly roles: readonly string[];

  private constructor(folder: string, name: string, ports: Place['ports'], roles: readonly string[]) {
    this.folder = folder;
    this.ports = ports;
    this.roles = roles;
    this.file = join(folder, `${name}.yaml`);
    this.log = join(folder, `${name}.log`);
  }

  static async make(folder: string, name: string, roles: readonly string[] = []): Promise<Place> {
    const [http, appservice, operations] = await Promise.all([freePort(), freePort(), freePort()]);
    return new Place(folder, name, { http, appservice, operations }, roles);
  }

  write(settings: Readonly<Record<string, unknown>>): void {
    this.settings = settings;
    const { http = {}, ...rest } = settings as { readonly http?: object };
    writeFileSync(this.file, stringify({
      organisation: { name: 'Mercy General Hospital' }, homeserver: { url: 'http://127.0.0.1:9', server_name: 'mercy.example' }, appservice: { url: `http://127.0.0.1:${this.ports.appservice}`, port: this.ports.appservice },
      http: { port: this.ports.http, ...http }, operations: { port: this.ports.operations }, ...rest,
    }));
  }

  change(settings: Readonly<Record<string, unknown>>): void { this.write({ ...this.settings, ...settings }); }

  async start(env: NodeJS.ProcessEnv = {}): Promise<void> {
    this.running = await startProcess(process.execPath, [MAIN, '--config', this.file, 'start', ...this.roles.flatMap((role) => ['--role', role])], { cwd: this.folder, logFile: this.log, env: { ...process.env, ...env } });
    await untilReady('Aceso', this.running, this.log, async () => (await fetch(`http://127.0.0.1:${this.ports.operations}/healthz`)).ok && (this.roles.length > 0 || (await this.push('nobody', 'start')) === 401));
  }

  /** Whether its log has it, after what was there at `from`. */
  said(text: string, from = 0): boolean { return this.text().slice(from).includes(text); }
  text(): string { return existsSync(this.log) ? readFileSync(this.log, 'utf8') : ''; }

  run(...args: readonly string[]): Promise<Ran> {
    return new Promise((resolve) => {
      execFile(process.execPath, [MAIN, '--config', this.file, ...args], { env: { ...process.env, ACESO_OPERATOR: 'tester' } }, (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }));
    });
  }

  async reload(...args: readonly string[]): Promise<Said & { readonly code: number }> {
    const { code, stdout, stderr } = await this.run('--json', 'config', 'reload', ...args);
    if (stdout === '') throw new Error(stderr);
    return { code, ...(JSON.parse(stdout) as Said) };
  }

  async push(token: string, accession: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.ports.http}/fhir/DiagnosticReport`, { method: 'POST', headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/fhir+json' }, body: JSON.stringify(potassiumReport({ accession })) });
    return response.status;
  }

  async problems(): Promise<readonly string[]> {
    const { problems } = await (await fetch(`http://127.0.0.1:${this.ports.operations}/readyz`)).json() as { readonly problems: readonly { readonly part: string; readonly code: string }[] };
    return problems.filter(({ part }) => part === 'config').map(({ code }) => code);
  }

  metrics(): Promise<string> { return fetch(`http://127.0.0.1:${this.ports.operations}/metrics`).then((response) => response.text()); }
}

const newFolder = (): string => {
  const folder = temporaryFolder('reload');
  init(folder, { organisation: 'Mercy', serverName: 'mercy.example', homeserverUrl: 'http://127.0.0.1:9', url: 'http://127.0.0.1:9100' });
  return folder;
};
const newToken = (): string => randomBytes(24).toString('base64url');
const source = (id: string, token: string, more: object = {}): object => ({ id, name: id, owner: 'Laboratory desk', token_sha256: sha256(token), ...more });
const changesOf = ({ workers }: Said): readonly string[] => (workers[0]?.changes ?? []).map(({ section, id, change, takes }) => `${section}${id === undefined ? '' : `/${id}`} ${change}: ${takes}`);

describe('A changed configuration file, while Aceso runs', function () {
  this.timeout(120_000);
  const [lab, ehr] = [newToken(), newToken()];
  let place: Place;

  before(async () => {
    place = await Place.make(newFolder(), 'aceso');
    place.write({ sources: [source('lab', lab, { requests_per_minute: 2 })], log: { level: 'error' } });
    await place.start();
  });
  after(async () => {
    await place.running?.stop({ graceMs: 12_000 });
    removeFolder(place.folder);
  });

  it('is shown before it counts: what would change, and nothing that is secret', async () => {
    place.change({ sources: [source('lab', lab, { requests_per_minute: 1 }), source('ehr', ehr)], log: { level: 'info' }, directory: { people: [{ id: 'dr-okafor', name: 'Dr. Ada Okafor', user_id: '@ada:stanne.example', npi: '1234567893' }] } });
    const tried = await place.reload('--dry-run');
    expect([tried.code, tried.workers.map(({ outcome }) => outcome), changesOf(tried)]).to.deep.equal([0, ['would-take'], ['sources/lab changed: reload', 'sources/ehr added: reload', 'directory/dr-okafor added: reload', 'log changed: reload']]);
    const { stdout } = await place.run('config', 'reload', '--dry-run');
    expect(stdout).to.match(/sources\/ehr +added +at a reload/u).and.to.include('Unchanged: organisation,').and.not.to.include(sha256(ehr).slice(0, 8));
    expect(await place.push(ehr, 'D1')).to.equal(401);
    expect(place.text(), 'at the level of before').not.to.include('config.reloaded');
  });

  it('is taken over: a new source sends, people are known, the log says more, and a lowered limit counts on', async () => {
    expect([await place.push(lab, 'T1'), await place.push(lab, 'T2')]).to.deep.equal([201, 201]);
    const taken = await place.reload();
    expect([taken.code, taken.complete, taken.workers.map(({ outcome }) => outcome)]).to.deep.equal([0, true, ['taken']]);
    expect(await place.push(lab, 'T3'), 'two of one a minute were used').to.equal(429);
    expect(await place.push(ehr, 'T4')).to.equal(201);
    expect(place.text()).to.include('"event":"config.reloaded"').and.to.include('"event":"bridge.request"');
    await until('the directory to know her', async () => (await place.run('people', 'list')).stdout.includes('dr-okafor'));
    expect(await place.metrics()).to.include('aceso_config_reloads_total{outcome="taken"} 1');
    const again = await place.reload();
    expect([again.code, changesOf(again)], 'a second time').to.deep.equal([0, []]);
  });

  it('that takes a source out has its tokens refused from then on, and a person stays in the directory', async () => {
    place.change({ sources: [source('lab', lab)], directory: {} });
    const { code, stdout } = await place.run('config', 'reload');
    expect(code, stdout).to.equal(0);
    expect(stdout).to.match(/sources\/ehr +removed +now/u).and.to.match(/directory\/dr-okafor +removed +no: who is in the directory stays there/u);
    expect(await place.push(ehr, 'R1')).to.equal(401);
    expect((await place.run('people', 'list')).stdout).to.include('dr-okafor');
  });

  it('that is broken changes nothing, and is told in /readyz, log, metrics and audit until a whole one is taken over', async () => {
    const sound = place.settings;
    writeFileSync(place.file, `${readFileSync(place.file, 'utf8')}surprise: true\n`);
    const asked = await place.run('config', 'reload');
    expect([asked.code, asked.stderr]).to.satisfy(([code, text]: [number, string]) => code === 1 && text.includes('surprise') && text.includes('go on with what they have'));
    const from = place.text().length;
    process.kill(await pidOf(place), 'SIGHUP');
    await until('it to be refused', () => place.said('"event":"config.not-reloaded"', from));
    expect(place.said('"event":"tls.reloaded"', from), 'certificates are read again all the same').to.equal(true);
    expect(await until('its health to say so', async () => ((await place.problems()).length > 0 ? place.problems() : undefined))).to.deep.equal(['not-loaded']);
    expect(await place.metrics()).to.include('aceso_problem{part="config",code="not-loaded"} 1');
    expect(await place.push(lab, 'B1')).to.equal(201);
    place.write({ ...sound, sources: [source('lab', lab), source('smart', newToken(), { smart: { client_id: 'x', jwks_file: 'nowhere.json' } })], http: { public_url: 'https://aceso.mercy.example' } });
    const mixed = await place.reload();
    expect([mixed.code, mixed.workers[0]?.outcome], 'fits the file, not what stays in force').to.deep.equal([1, 'refused']);
    expect(mixed.workers[0]?.problems.join()).to.include('sources[1].smart: needs http.public_url').and.to.include('only after a restart');
    place.write(sound);
    expect((await place.reload()).code).to.equal(0);
    await until('its health to be well', async () => (await place.problems()).length === 0);
    const database = new DatabaseSync(join(place.folder, 'data', 'aceso.db'), { readOnly: true });
    const rows = database.prepare('select action, because, detail from audit where kind = ? order by seq').all('config').map((row) => `${String(row['action'])} ${String(row['because'])} ${String(row['detail'])}`);
    database.close();
    const taken = ['config.reloading by tester', 'config.reloaded by tester'];
    expect(rows.map((row) => row.split(' {')[0])).to.deep.equal([...taken, ...taken, ...taken, 'config.refused by signal', 'config.refused by tester', ...taken]);
    expect(rows[0]).to.match(/"sections":"sources directory log","needsRestart":"","inForce":"[0-9a-f]{64}"/u);
  });

  it('that needs a restart for some of it is taken over for the rest, and names what waits', async () => {
    place.change({ courier: { keep_days: 40 }, sources: [source('lab', lab), source('ehr', ehr)] });
    const { code, stdout } = await place.run('config', 'reload');
    expect(code).to.equal(1);
    expect(stdout).to.include('took it, but NEEDS A RESTART for courier').and.to.match(/courier +changed +NEEDS A RESTART/u);
    expect(await place.push(ehr, 'N1')).to.equal(201);
    expect(await until('its health to say so', async () => ((await place.problems()).length > 0 ? place.problems() : undefined))).to.deep.equal(['needs-restart']);
  });

  it('counts as it is when the worker is killed in the midst of taking it over', async () => {
    await place.running?.stop({ graceMs: 12_000 });
    const from = place.text().length;
    await place.start({ ACESO_TEST_KILL_AT: 'config.brought:2' });
    await until('it to answer what was asked of the one before', () => place.said('"event":"config.reloaded"', from));
    place.change({ sources: [source('lab', lab)] });
    const asking = place.reload('--wait', '60');
    await until('it to be killed', () => place.running?.ended() === 'SIGKILL');
    await place.start();
    expect(await place.push(ehr, 'K1')).to.equal(401);
    expect((await asking).workers.some(({ outcome }) => outcome === 'taken'), 'and the next one answers in its place').to.equal(true);
  });

  it('is for the next start when nobody runs who could take it, and says so', async () => {
    await place.running?.stop({ graceMs: 12_000 });
    expect(await place.run('config', 'reload')).to.include({ code: 1 }).and.to.have.property('stdout').that.includes('No worker runs');
  });
});

/** `launch.py` is not in between: it becomes the program. */
const pidOf = async ({ running }: Place): Promise<number> => until('its process', () => running?.pid);

describe('A changed configuration file of several workers on PostgreSQL', function () {
  this.timeout(120_000);
  const [lab, ehr] = [newToken(), newToken()];
  let places: readonly [Place, Place];

  before(async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'postgres-url'), await openTestDatabase(), { mode: 0o600 });
    places = [await Place.make(folder, 'door', ['ingress']), await Place.make(folder, 'decider', ['decider', 'janitor'])];
    for (const place of places) {
      place.write({ store: { postgres_url_file: 'postgres-url' }, sources: [source('lab', lab)] });
      await place.start();
    }
  });
  after(async () => {
    for (const place of places) await place.running?.stop({ graceMs: 12_000 });
    removeFolder(places[0].folder);
  });

  it('is taken over by each, from its own file', async () => {
    for (const place of places) place.change({ sources: [source('lab', lab), source('ehr', ehr)], partners: [{ server_name: 'stanne.example', name: 'St. Anne' }] });
    const taken = await places[1].reload();
    expect([taken.code, taken.workers.map(({ outcome }) => outcome), taken.workers.map(({ changes }) => changes.length)]).to.deep.equal([0, ['taken', 'taken'], [2, 2]]);
    expect(await places[0].push(ehr, 'P1')).to.equal(201);
  });

  it('is not done as long as one refuses it, and says which and why', async () => {
    for (const place of places) place.change({ sources: [source('lab', lab)] });
    writeFileSync(places[0].file, `${readFileSync(places[0].file, 'utf8')}surprise: true\n`);
    const { code, stdout } = await places[1].run('config', 'reload');
    expect(code).to.equal(1);
    expect(stdout).to.match(/ingress +[0-9a-f]{12} +REFUSED/u).and.to.match(/decider, janitor +[0-9a-f]{12} +took it/u).and.to.include('surprise').and.to.include('NOT THE SAME');
    expect(await places[0].push(ehr, 'P2'), 'the door goes by what it had').to.equal(201);
    places[0].write(places[0].settings);
    expect((await places[0].reload()).code, 'when it is mended').to.equal(0);
  });

  it('is not done as long as one has another file', async () => {
    places[0].change({ partners: [] });
    const { code, stdout } = await places[1].run('config', 'reload');
    expect(code).to.equal(1);
    expect(stdout).to.include('NOT THE SAME');
  });
});
