import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeRecipient } from '../../src/adapters/archive/keys.ts';
import { openServerKeys } from '../../src/adapters/federation/keyFile.ts';
import { openSnapshot } from '../../src/adapters/store/snapshot.ts';
import { loadConfig } from '../../src/config/load.ts';
import { as, type SourceId } from '../../src/domain/brand.ts';
import { showKey } from '../../src/main/agreements/document.ts';
import { restore, type RestoreOptions } from '../../src/main/backup/restore.ts';
import { backup } from '../../src/main/backup/write.ts';
import { verify } from '../../src/main/backup/verify.ts';
import { locationOf, openStore } from '../../src/main/compose.ts';
import { temporaryFolder } from '../support/folders.ts';
import { hospitalFolder, type HospitalFolder } from '../support/hospitalFolder.ts';
import { received, report, T0 } from '../support/reports.ts';
import { openTestDatabase, STORE_KINDS } from '../support/stores.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const quiet = (): void => undefined;
const outcome = (run: Promise<unknown>): Promise<string> => run.then(() => 'done', (error: unknown) => (error as Error).message);

/** Some results, undecided, with a secret beside them. */
async function fill(mercy: HospitalFolder, count: number): Promise<void> {
  const { store } = await mercy.open();
  await store.receive(Array.from({ length: count }, (_, index) => ({
    source: as<SourceId>('lab'), key: `k${index}`, names: [`DiagnosticReport?identifier=s|${index}`], aggregate: { kind: 'report', id: `r${index}` } as const, at: T0, body: received(report({ fillerNumber: `L-${index}` })),
  })));
  const lease = await store.lease('courier/0', 'w', T0, 1000);
  if (!lease) throw new Error('no lease');
  await store.saveSecret(lease, 'cross-signing', Buffer.from('private keys'));
  await store.saveSeat(lease, { seat: 0, deviceId: 'OLD', storeId: 'here', bornAt: T0 });
  await store.close();
}

/** Every row of every table but those that belong to a machine, as text. */
async function contents(config: ReturnType<typeof loadConfig>): Promise<Record<string, readonly string[]>> {
  const snapshot = await openSnapshot(locationOf(config));
  const found: Record<string, string[]> = {};
  for (const table of snapshot.tables.filter(({ name }) => !['note', 'lease', 'worker', 'courier_seat'].includes(name))) {
    const rows: string[] = [];
    for await (const batch of snapshot.rows(table)) rows.push(...batch.map((cells) => JSON.stringify(Object.fromEntries(table.columns.map((column, index) => [column, cells[index] instanceof Uint8Array ? Buffer.from(cells[index]).toString('hex') : cells[index]] as const).sort()))));
    found[table.name] = rows.sort();
  }
  await snapshot.close();
  return found;
}

for (const from of STORE_KINDS) {
  describe(`A backup of a hospital on ${from}`, function () {
    this.timeout(120_000);
    let mercy: HospitalFolder;
    let file: string;
    before(async () => {
      mercy = await hospitalFolder(from);
      await fill(mercy, 230);
      mercy.edit((text) => `${text}policy_server: { server_name: policy.mercy.example }\n`);
      await showKey(mercy.config());
      openServerKeys(mercy.at('policy-server.json'));
      file = mercy.at('full.aceso-backup');
      await backup(mercy.config(), file, {}, quiet);
    });

    for (const to of STORE_KINDS) {
      it(`is restored into ${to} as it was: every row, and what is sealed opens`, async () => {
        const folder = temporaryFolder('restored');
        const options: RestoreOptions = { into: folder, keys: mercy.at('keys.json') };
        const urlFile = join(folder, 'url');
        if (to === 'postgres') writeFileSync(urlFile, await openTestDatabase());
        await restore(file, '', { ...options, ...(to === 'postgres' ? { postgresUrlFile: urlFile } : { sqlite: true }) }, quiet);
        const config = loadConfig(join(folder, 'aceso.yaml'));
        expect(locationOf(config).kind).to.equal(to);
        expect(await contents(config)).to.deep.equal(await contents(mercy.config()));
        const { store, notes } = await openStore(config, 'as-is');
        const claims = await store.claimFacts('w', T0, 1000, 3);
        expect(claims.map(({ work: { body } }) => (body.type === 'result.received' ? body.report.reveal().fillerNumber : ''))).to.deep.equal(['L-0', 'L-1', 'L-2']);
        expect(Buffer.from((await store.secret('cross-signing')) ?? []).toString()).to.equal('private keys');
        expect(await store.seat(0), 'its crypto store is not on this machine').to.include({ deviceId: 'OLD', storeId: '' });
        expect((await store.lease('courier/0', 'new', T0, 1000))?.generation, 'fences go on rising').to.equal(2);
        expect(await notes.read('catch-up')).to.include('restored');
        const [taken] = await store.receive([{ source: as<SourceId>('lab'), key: 'after', aggregate: { kind: 'report', id: 'r-after' }, at: T0, body: received(report()) }]);
        expect(taken?.created, 'rows are numbered on').to.equal(true);
        await store.close();
        for (const name of ['agreements-key.json', 'policy-server.json', 'module-token']) expect(statSync(join(folder, name)).mode & 0o077, name).to.equal(0);
        for (const name of ['registration.yaml', 'agreements-key.json', 'policy-server.json', 'module-token', join('templates', 'results.yaml')]) expect(readFileSync(join(folder, name), 'utf8')).to.equal(readFileSync(mercy.at(name), 'utf8'));
      });
    }

    it('shows nothing of its content: neither patients nor names nor table names', () => {
      const bytes = readFileSync(file).toString('latin1');
      for (const marker of ['Quintana', '00481516', 'inbox', 'as_token', 'Mercy']) expect(bytes, marker).not.to.include(marker);
    });

    it('is of one instant, however much is written meanwhile', async () => {
      const second = mercy.at('busy.aceso-backup');
      const { store } = await mercy.open();
      const until = { done: false };
      let written = 0;
      const busy = (async () => {
        while (!until.done) {
          await new Promise((resolve) => { setImmediate(resolve); });
          written += 1;
          const key = `busy-${written}`;
          await store.receive([1, 2].map((part) => ({ source: as<SourceId>('lab'), key: `${key}-${part}`, aggregate: { kind: 'report', id: `pair-${written}` } as const, at: T0, body: received(report()) })));
        }
      })();
      await backup(mercy.config(), second, {}, quiet);
      until.done = true;
      await busy;
      await store.close();
      const folder = temporaryFolder('restored');
      await restore(second, '', { into: folder, keys: mercy.at('keys.json'), sqlite: true }, quiet);
      const inbox = (await contents(loadConfig(join(folder, 'aceso.yaml'))))['inbox'] ?? [];
      const pairs = new Map<string, number>();
      for (const row of inbox) {
        const { aggregate } = JSON.parse(row) as { readonly aggregate: string };
        if (aggregate.startsWith('pair-')) pairs.set(aggregate, (pairs.get(aggregate) ?? 0) + 1);
      }
      expect(written).to.be.greaterThan(0);
      expect([...pairs.values()].every((count) => count === 2), 'of each transaction all or nothing').to.equal(true);
    });
  });
}

describe('A backup', function () {
  this.timeout(120_000);
  let mercy: HospitalFolder;
  let file: string;
  before(async () => {
    mercy = await hospitalFolder('sqlite');
    await fill(mercy, 3);
    file = mercy.at('b.aceso-backup');
    await backup(mercy.config(), file, {}, quiet);
  });
  const restored = (options: RestoreOptions, from = file): Promise<string> => outcome(restore(from, '', options, quiet));

  it('is found changed or cut short, wherever it was', async () => {
    const whole = readFileSync(file);
    const head = whole.indexOf(10, whole.indexOf(10) + 1);
    for (const at of [head - 20, head + 40, Math.floor((head + whole.length) / 2), whole.length - 1]) {
      const bad = Buffer.from(whole);
      bad[at] = (bad[at] ?? 0) ^ 1;
      writeFileSync(mercy.at('bad'), bad);
      expect(await outcome(verify(mercy.at('bad'), mercy.at('keys.json'), {}, quiet)), `byte ${at}`).to.match(/changed|another one|not a backup|Unexpected/u);
    }
    copyFileSync(file, mercy.at('short'));
    truncateSync(mercy.at('short'), whole.length - 100);
    expect(await outcome(verify(mercy.at('short'), mercy.at('keys.json'), {}, quiet))).to.match(/changed or cut short|another one/u);
  });

  it('opens with its own keys only, and says what it needs', async () => {
    const other = await hospitalFolder('sqlite');
    expect(await outcome(verify(file, other.at('keys.json'), {}, quiet))).to.include('another one');
    expect(await outcome(verify(file, '/nowhere/keys.json', {}, quiet))).to.include('keys.json');
  });

  it('opens with a passphrase, or a recipient\'s key, and holds the keys when asked', async () => {
    const passphraseFile = mercy.at('passphrase');
    writeFileSync(passphraseFile, 'correct horse battery staple\n');
    makeRecipient(mercy.at('vault.pem'));
    const sealedBoth = [['with-passphrase', { passphraseFile }, { passphraseFile }], ['for-recipient', { recipient: mercy.at('vault.pem.pub') }, { identity: mercy.at('vault.pem') }]] as const;
    for (const [name, seal, open] of sealedBoth) {
      const { text } = await backup(mercy.config(), mercy.at(name), { ...seal, withKeys: true }, quiet);
      expect(text).to.include('WARNING');
      expect(await outcome(verify(mercy.at(name), 'none', {}, quiet)), name).to.match(/passphrase|private key/u);
      const folder = temporaryFolder('restored');
      expect(await restored({ ...open, into: folder }, mercy.at(name)), name).to.equal('done');
      expect(readFileSync(join(folder, 'keys.json'), 'utf8')).to.equal(readFileSync(mercy.at('keys.json'), 'utf8'));
    }
    expect(await outcome(backup(mercy.config(), mercy.at('x'), { withKeys: true }, quiet))).to.include('--recipient or --passphrase-file');
    writeFileSync(passphraseFile, 'short');
    expect(await outcome(backup(mercy.config(), mercy.at('x'), { passphraseFile }, quiet))).to.include('shorter');
    expect(existsSync(mercy.at('x'))).to.equal(false);
  });

  it('is never written over another file, and leaves nothing half-made', async () => {
    expect(await outcome(backup(mercy.config(), file, {}, quiet))).to.include('is there already');
    chmodSync(mercy.folder, 0o700);
    expect(readdirSync(mercy.folder).filter((name) => name.endsWith('.part'))).to.deep.equal([]);
  });

  it('is not restored over anything: another configuration, data, or a database with rows', async () => {
    expect(await restored({ into: mercy.folder })).to.include('not empty').and.to.include('--into');
    const other = await hospitalFolder('sqlite');
    expect(await restored({ into: other.folder, keys: mercy.at('keys.json') })).to.match(/is there already|not empty/u);
    const urlFile = other.at('url');
    const taken = await hospitalFolder('postgres');
    await fill(taken, 1);
    copyFileSync(taken.at('postgres-url'), urlFile);
    expect(await restored({ into: temporaryFolder('restored'), keys: mercy.at('keys.json'), postgresUrlFile: urlFile })).to.include('not empty');
  });

  it('tells with --dry-run what is in it, and writes nothing', async () => {
    const folder = temporaryFolder('restored');
    const { json, text } = await restore(file, '', { into: folder, keys: mercy.at('keys.json'), dryRun: true }, quiet);
    expect(json).to.have.nested.property('rows.inbox', 3);
    expect(text).to.include('3 inbox').and.to.include('registration.yaml').and.to.include('Nothing was written');
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  for (const [what, change] of [['data', (at: string) => `data_dir: ${at}/data\n`], ['templates', () => 'templates_dir: ../elsewhere\n'], ['keys', (at: string) => `keys_file: ${at}/cron\n`]] as const) {
    it(`that names a place outside of the target for its ${what} writes nothing there, nor anything`, async () => {
      const hostile = await hospitalFolder('sqlite');
      const [outside, folder] = [temporaryFolder('outside'), temporaryFolder('restored')];
      copyFileSync(hostile.at('keys.json'), join(outside, 'cron'));
      cpSync(hostile.at('templates'), join(hostile.folder, '..', 'elsewhere'), { recursive: true });
      hostile.edit((text) => `${text}${change(outside)}`);
      await (await openStore(hostile.config(), 'migrate')).store.close();
      await backup(hostile.config(), hostile.at('hostile'), {}, quiet);
      rmSync(join(hostile.folder, '..', 'elsewhere'), { recursive: true });
      if (what === 'data') rmSync(join(outside, 'data'), { recursive: true });
      if (what === 'keys') rmSync(join(outside, 'cron'));
      expect(await restored({ into: folder, keys: hostile.at('keys.json') }, hostile.at('hostile'))).to.include('would write outside of').and.to.include('--allow');
      expect([existsSync(join(outside, 'data')), existsSync(join(outside, 'cron')), existsSync(join(folder, '..', 'elsewhere')), readdirSync(folder)]).to.deep.equal([false, false, false, []].map((each, index) => (index === 1 && what !== 'keys' ? true : each)));
    });
  }

  it('writes through no link, of a folder or of a file, even one that leads to nothing yet', async () => {
    for (const name of ['templates', 'registration.yaml', 'data']) {
      const [folder, outside] = [temporaryFolder('restored'), temporaryFolder('outside')];
      symlinkSync(name === 'registration.yaml' ? join(outside, 'new') : outside, join(folder, name));
      expect(await restored({ into: folder, keys: mercy.at('keys.json') }), name).to.include('would write outside of');
      expect(readdirSync(outside), name).to.deep.equal([]);
      if (name === 'data') expect(await restored({ into: folder, keys: mercy.at('keys.json'), allow: [outside] }), name).to.equal('done');
    }
  });

  it('restored a second time says so, and changes nothing', async () => {
    const options = { into: temporaryFolder('restored'), keys: mercy.at('keys.json') };
    await restore(file, '', options, quiet);
    expect((await restore(file, '', options, quiet)).json).to.include({ already: true });
  });

  it('whose restoring is killed at any instant is restored by running it again', async () => {
    const big = await hospitalFolder('sqlite');
    await fill(big, 2000);
    const from = big.at('big.aceso-backup');
    await backup(big.config(), from, {}, quiet);
    const folder = temporaryFolder('restored');
    const args = [MAIN, '--json', 'restore', from, '--into', folder, '--keys', big.at('keys.json')];
    for (const instant of ['aceso.yaml', join('data', 'aceso.db.restoring'), join('data', 'aceso.db.restoring-wal')]) {
      await new Promise<void>((resolve) => {
        const child = execFile(process.execPath, args, () => { clearInterval(watch); resolve(); });
        const watch = setInterval(() => { if (existsSync(join(folder, instant))) child.kill('SIGKILL'); }, 1);
      });
      expect(existsSync(join(folder, 'data', 'aceso.db')), `killed at ${instant}: no database that isn't whole`).to.equal(false);
    }
    await restore(from, '', { into: folder, keys: big.at('keys.json') }, quiet);
    expect(await contents(loadConfig(join(folder, 'aceso.yaml')))).to.deep.equal(await contents(big.config()));
  });
});
