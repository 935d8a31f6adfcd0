import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { removeFolder, temporaryFolder } from '../support/folders.ts';
import { freePort, portFor } from '../support/ports.ts';
import { until } from '../support/until.ts';

const DEMO = join(import.meta.dirname, '..', 'demo', 'demo.ts');
const PORTS = ['mercy-client', 'mercy-federation', 'st-anne-client', 'st-anne-federation', 'aceso-appservice', 'aceso-fhir', 'aceso-policy', 'aceso-operations'] as const;

type Demo = { readonly child: ChildProcess; readonly folder: string; readonly ports: readonly number[]; output(): string; errors(): string; readonly ended: Promise<number | null> };

describe('npm run demo', function () {
  this.timeout(120_000);
  const folders: string[] = [];

  after(() => folders.forEach(removeFolder));

  async function demo(...args: readonly string[]): Promise<Demo> {
    const folder = temporaryFolder('demo-test');
    folders.push(folder);
    const ports = await Promise.all(PORTS.map(() => freePort()));
    const wishes = PORTS.map((name, index) => `${name}=${ports[index] ?? 0}`).join(',');
    const child = spawn(process.execPath, [DEMO, ...args], { env: { ...process.env, TMPDIR: folder, ACESO_DEMO_PORTS: wishes }, stdio: ['ignore', 'pipe', 'pipe'] });
    const texts = { output: '', errors: '' };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (texts.output += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (texts.errors += chunk));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    return { child, folder, ports, ended, output: () => texts.output, errors: () => texts.errors };
  }

  const lastLine = (text: string): Record<string, unknown> => JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;

  async function expectNothingLeft({ folder, ports }: Demo): Promise<void> {
    expect(readdirSync(folder), 'temporary folders').to.deep.equal([]);
    expect(running(folder), 'processes').to.deep.equal([]);
    for (const port of ports) await portFor('nobody any more', port);
  }

  it('shows the message decrypted at the other hospital, and ends with its figures, exit 0 and nothing left', async () => {
    const run = await demo();
    expect(await run.ended, run.output() + run.errors()).to.equal(0);
    const { delivered, decrypted, msToEvent, msToDevice } = lastLine(run.output());
    expect({ delivered, decrypted }).to.deep.equal({ delivered: 2, decrypted: 2 });
    expect(msToEvent).to.be.a('number').greaterThan(0);
    expect(msToDevice).to.be.a('number').greaterThan(0).lessThan(30_000);
    for (const part of ['aceso init', 'encrypted: yes', 'CRITICAL RESULT', 'Rosa Quintana', '403 M_FORBIDDEN', 'CORRECTED RESULT', 'reply, from a device its owner signed']) expect(run.output()).to.include(part);
    expect(run.output()).not.to.match(/✘|\u001b\[/u);
    await expectNothingLeft(run);
  });

  it('takes everything back on Ctrl-C', async () => {
    const run = await demo();
    await until('both hospitals to be up', () => run.output().includes('both are up'), 60_000);
    if (process.platform === 'linux') expect(running(run.folder), 'demo and two Synapses').to.have.length.of.at.least(3);
    run.child.kill('SIGINT');
    run.child.kill('SIGINT'); // npm passes on what the terminal sends too
    expect(await run.ended, run.errors()).to.equal(130);
    expect(lastLine(run.output())['failed']).to.deep.equal(['interrupted (SIGINT)']);
    await expectNothingLeft(run);
  });

  it('says what failed, with exit 1, and keeps the logs', async function () {
    if (process.platform !== 'linux') this.skip();
    const run = await demo('--json');
    const stAnne = await until('St. Anne to run', () => running(run.folder).find((pid) => commandOf(pid).includes('st-anne/homeserver.yaml')), 60_000, 10);
    process.kill(Number(stAnne), 'SIGKILL');
    expect(await run.ended).to.equal(1);
    expect(run.output().trimEnd().split('\n')).to.have.length(1);
    expect(String(lastLine(run.output())['failed'])).to.match(/St\. Anne|fetch failed/u);
    const [kept = ''] = readdirSync(run.folder);
    expect(run.errors()).to.include(join(run.folder, kept));
    expect(readdirSync(join(run.folder, kept, 'hospitals', 'st-anne'))).to.include('synapse.log');
    expect(running(run.folder), 'processes').to.deep.equal([]);
  });

  it('names the port that is taken, and what to do', async () => {
    const taken = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
    const run = await demo('--ports', `aceso-fhir=${port}`);
    expect(await run.ended).to.equal(1);
    taken.close();
    expect(run.errors()).to.include(`port ${port} on 127.0.0.1 is wanted for Aceso's FHIR endpoint`).and.to.include('--ports aceso-fhir=').and.to.include('--ports free');
    await expectNothingLeft(run);
  });

  it('explains itself, and a wrong call', async () => {
    const [help, wrong] = await Promise.all([demo('--help'), demo('--ports', 'mercy=1')]);
    expect(await help.ended).to.equal(0);
    expect(help.output()).to.include('--stay').and.to.include('mercy-client=17008');
    expect(await wrong.ended).to.equal(2);
    expect(wrong.errors()).to.include('There is no port mercy');
  });
});

/** Programs that inherited this temporary folder from the demo. Where there is no /proc, the ports alone must tell. */
function running(folder: string): readonly string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').filter((name) => /^\d+$/u.test(name) && fileOf(name, 'environ').includes(`TMPDIR=${folder}\0`));
}

const commandOf = (pid: string): string => fileOf(pid, 'cmdline');

function fileOf(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return ''; // it ended in the meantime
  }
}
