import { expect } from 'chai';
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { DatabaseSync } from 'node:sqlite';
import type { IDBRecord } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { answer, cleanUp, database, freshPath, openFile } from './support.ts';
import { WRITER_KEY, valueOf } from './writer.ts';

const KILLS = 15;
const CHILD = fileURLToPath(new URL('./writer.child.ts', import.meta.url));

/** What the writers reported, and what was then found to be there though its report did not come out. */
type Done = { transaction: number; readonly barriers: Set<number>; upgrade: number };

describe('a process that is killed (SIGKILL) while it writes', () => {
  afterEach(cleanUp);

  it(`loses nothing that it had reported, and leaves nothing half done (${KILLS} kills of one file)`, async function () {
    this.timeout(120_000);
    const path = freshPath();
    const done: Done = { transaction: 0, barriers: new Set(), upgrade: 0 };
    for (let kill = 0; kill < KILLS; kill++) {
      // Every third already while it upgrades.
      await (kill % 3 === 2 ? writeAndKill(path, 'open', kill % 5, done) : writeAndKill(path, 'upgrade', 20 + ((kill * 37) % 120), done));
      await check(path, done);
    }
    expect(done.upgrade).to.be.greaterThan(1);
    expect(done.barriers.size).to.be.greaterThan(KILLS);
    console.log(`      ${KILLS} kills; reported: ${done.transaction} transactions, ${done.barriers.size} barriers, ${done.upgrade} upgrades`);
  });

  it('holds the file alone: a second process is told so', async () => {
    const path = freshPath();
    const child = start(path);
    try {
      await saying(child, () => undefined, (line) => line === 'open');
      expect(() => openFile(path, { key: WRITER_KEY })).to.throw(/in use/);
    } finally {
      await killed(child);
    }
    await openFile(path, { key: WRITER_KEY }).close();
  });
});

async function writeAndKill(path: string, after: 'open' | 'upgrade', ms: number, done: Done): Promise<void> {
  const child = start(path);
  const note = (line: string): void => {
    const [what, n] = line.split(' ');
    if (what === 'transaction' || what === 'upgrade') done[what] = Number(n);
    if (what === 'barrier') done.barriers.add(Number(n));
  };
  const talking = saying(child, note, () => false);
  await saying(child, () => undefined, (line) => line.startsWith(after));
  await new Promise((resolve) => setTimeout(resolve, ms));
  await killed(child);
  await talking;
}

function start(path: string): ChildProcess {
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CHILD, path], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Resolves at the line that `enough` wants, or when the process has nothing more to say. */
function saying(child: ChildProcess, each: (line: string) => void, enough: (line: string) => boolean): Promise<void> {
  return new Promise((resolve) => {
    let rest = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        each(line);
        if (enough(line)) resolve();
      }
    });
    child.stdout?.once('close', resolve);
  });
}

async function killed(child: ChildProcess): Promise<void> {
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exit;
}

async function check(path: string, done: Done): Promise<void> {
  const { indexedDB, barrier, close } = openFile(path, { key: WRITER_KEY });
  const db = await database(indexedDB);
  const transaction = db.transaction(['left', 'right', 'counter']);
  const n = (await answer(transaction.objectStore('counter').get('n'))) as number;
  expect(n, 'transactions').to.be.within(done.transaction, done.transaction + 1);
  expect(await answer(transaction.objectStore('right').getAllKeys())).to.deep.equal(Array.from({ length: n }, (_, i) => i + 1));
  const kept = [n - 2, n - 1, n].filter((one) => one > 0);
  expect(await answer(transaction.objectStore('left').getAll())).to.deep.equal(kept.map((one) => ({ n: one, parity: one % 2, body: valueOf(one) })));
  const entries = (await answer(transaction.objectStore('left').index('parity').getAllRecords())) as IDBRecord[];
  expect(entries.map(({ primaryKey }) => primaryKey)).to.have.members(kept);
  expect(db.version, 'upgrades').to.be.within(done.upgrade, done.upgrade + 1);
  expect([...db.objectStoreNames].filter((name) => name.startsWith('version'))).to.have.length(db.version);
  const { rows, integrity } = await barrier(journal);
  expect(rows, 'barriers').to.include.members([...done.barriers]);
  expect(rows.length).to.be.most(done.barriers.size + 1);
  expect(Math.max(0, ...rows)).to.be.most(n);
  expect(integrity).to.equal('ok');
  done.transaction = n;
  done.upgrade = db.version;
  for (const row of rows) done.barriers.add(row);
  await close();
}

function journal(sql: DatabaseSync): { readonly rows: readonly number[]; readonly integrity: unknown } {
  const found = sql.prepare('SELECT n, body FROM journal').all();
  for (const { n, body } of found) expect(body).to.equal(valueOf(Number(n)));
  return { rows: found.map(({ n }) => Number(n)), integrity: sql.prepare('PRAGMA integrity_check').get()?.integrity_check };
}
