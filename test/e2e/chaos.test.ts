import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { removeFolder, temporaryFolder } from '../support/folders.ts';

const CHAOS = join(import.meta.dirname, '..', 'chaos', 'chaos.ts');

type Run = { readonly code: number; readonly figures: Readonly<Record<string, unknown>>; readonly said: string; readonly left: readonly string[] };

/** The short form of what `npm run chaos` does for many minutes: it keeps the tool working, and finds what is grossly wrong. */
describe('npm run chaos', function () {
  this.timeout(300_000);
  const zeros = { lost: 0, duplicated: 0, undecryptable: 0, indexReuse: 0 };
  const folders: string[] = [];

  after(() => folders.forEach(removeFolder));

  function chaos(...args: readonly string[]): Promise<Run> {
    const folder = temporaryFolder('chaos-test');
    folders.push(folder);
    return new Promise((resolve) => {
      execFile(process.execPath, [CHAOS, ...args], { env: { ...process.env, TMPDIR: folder }, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        const last = stdout.trimEnd().split('\n').at(-1) ?? '';
        resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, said: stderr, figures: last.startsWith('{') ? (JSON.parse(last) as Record<string, unknown>) : {}, left: existsSync(folder) ? readdirSync(folder) : [] });
      });
    });
  }

  it('kills Aceso and both homeservers while results flow: each accepted one is read once', async () => {
    const { code, figures, said, left } = await chaos('--kills', '4', '--seed', '3', '--every', '2.5', '--late', '2');
    expect(figures, said).to.include({ ...zeros, kills: 4, seed: 3, store: 'sqlite' });
    expect(figures['delivered']).to.equal(figures['accepted']).and.to.be.greaterThan(15);
    expect(code, said).to.equal(0);
    expect(left, 'temporary folders').to.deep.equal([]);
  });

  it('spoils the network between every pair of programs: each accepted result is read once', async () => {
    const { code, figures, said } = await chaos('--network', '--seconds', '12', '--seed', '5', '--late', '2');
    expect(figures, said).to.include({ ...zeros, kills: 0, seed: 5 });
    expect(figures['faults']).to.be.greaterThan(10);
    expect(figures['delivered']).to.equal(figures['accepted']).and.to.be.greaterThan(15);
    expect(code, said).to.equal(0);
  });

  it('ends with 1, says what is wrong and keeps what leads to it, when something is wrong', async () => {
    const { code, figures, said, left } = await chaos('--kills', '0', '--seed', '4', '--late', '0', '--control', 'duplicated');
    expect(figures, said).to.include({ ...zeros, duplicated: 1 });
    expect(code).to.equal(1);
    expect(said).to.match(/duplicated: CHAOS-\d{6} several events tell one result/u);
    expect(readdirSync(join(folders.at(-1) ?? '', left[0] ?? ''))).to.include.members(['findings.json', 'accepted.json', 'timeline.txt', 'deliveries.json', 'aceso', 'mercy', 'st-anne']);
  });

  it('explains itself, and a wrong call', async () => {
    const [help, wrong] = await Promise.all([chaos('--help'), chaos('--workers', '2')]);
    expect(help.code).to.equal(0);
    expect(wrong.code).to.equal(2);
    expect(wrong.said).to.include('several workers need --store postgres');
  });
});
