import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openKeyFile } from '../../src/adapters/keys/keyfile.ts';
import { as, type SourceId, type SubjectId } from '../../src/domain/brand.ts';
import { Sealed } from '../../src/domain/sealed.ts';
import { checkKeys, listKeys, retireKey, rotateKeys } from '../../src/main/keys.ts';
import { backup } from '../../src/main/backup/write.ts';
import { restore } from '../../src/main/backup/restore.ts';
import type { Store } from '../../src/ports/store.ts';
import { temporaryFolder } from '../support/folders.ts';
import { hospitalFolder, type HospitalFolder } from '../support/hospitalFolder.ts';
import { received, report, T0 } from '../support/reports.ts';
import { STORE_KINDS } from '../support/stores.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const quiet = (): void => undefined;
const outcome = (run: Promise<unknown>): Promise<string> => run.then(() => 'done', (error: unknown) => (error as Error).message);

/** One result for each of many patients, so that there are many data keys. */
async function fill(store: Store, from: number, to: number): Promise<void> {
  for (let start = from; start < to; start += 100) {
    await store.receive(Array.from({ length: Math.min(100, to - start) }, (_, index) => {
      const n = start + index;
      const body = { ...received(report({ fillerNumber: `L-${n}` })), report: Sealed.of(as<SubjectId>(`subject-${n}`), report({ fillerNumber: `L-${n}` })), resource: Sealed.of(as<SubjectId>(`subject-${n}`), '{}') };
      return { source: as<SourceId>('lab'), key: `k${n}`, aggregate: { kind: 'report', id: `r${n}` } as const, at: T0, body };
    }));
  }
}

type Listed = { readonly keys: readonly { readonly id: string; readonly current: boolean; readonly wrapped: number }[]; readonly missing: readonly unknown[] };
const listed = async (mercy: HospitalFolder): Promise<Listed> => (await listKeys(mercy.config())).json as Listed;

for (const kind of STORE_KINDS) {
  describe(`Changing the key-encryption key on ${kind}`, function () {
    this.timeout(120_000);

    it('wraps every data key again, beside a running server that goes on reading and writing', async () => {
      const mercy = await hospitalFolder(kind);
      const { store, keys } = await mercy.open();
      await fill(store, 0, 300);
      const pseudonym = keys.pseudonym('patient', 'mrn|1');
      const derived = Buffer.from(keys.derive('courier')).toString('hex');
      const [first] = (await listed(mercy)).keys;
      await rotateKeys(mercy.config(), quiet);
      const after = await listed(mercy);
      expect(after.keys.map(({ current, wrapped }) => ({ current, wrapped }))).to.deep.equal([{ current: false, wrapped: 0 }, { current: true, wrapped: 300 }]);
      await until('the server to see the new key', () => keys.keyId === after.keys[1]?.id, 5000);
      await fill(store, 300, 310);
      const claims = await store.claimFacts('w', T0, 1000, 400);
      expect(claims.map(({ work: { body } }) => (body.type === 'result.received' ? body.report.reveal().fillerNumber : '')).sort()).to.have.length(310).and.to.include('L-309');
      expect((await listed(mercy)).keys.map(({ wrapped }) => wrapped), 'what is new is under the new key').to.deep.equal([0, 310]);
      expect(keys.pseudonym('patient', 'mrn|1'), 'names stay').to.equal(pseudonym);
      expect(Buffer.from(keys.derive('courier')).toString('hex'), 'the courier\'s store stays').to.equal(derived);
      expect((await checkKeys(mercy.config())).json).to.deep.equal({ ok: true, checked: 310 });
      await retireKey(mercy.config(), first?.id ?? '');
      expect((await checkKeys(mercy.config())).json).to.deep.equal({ ok: true, checked: 310 });
      expect(statSync(mercy.at('keys.json')).mode & 0o077).to.equal(0);
      await store.close();
    });

    it('killed in the midst goes on where it was, with the same new key', async () => {
      const mercy = await hospitalFolder(kind);
      const { store } = await mercy.open();
      await fill(store, 0, 900);
      const killed = await new Promise<boolean>((resolve) => {
        const child = execFile(process.execPath, [MAIN, '--config', mercy.at('aceso.yaml'), '--json', 'keys', 'rotate'], (error) => { clearInterval(watch); resolve(error?.signal === 'SIGKILL'); });
        // As soon as the new key is in the file: some rows, or none, are under it by then.
        const watch = setInterval(() => { if (openKeyFile(mercy.at('keys.json')).keyIds.length > 1) child.kill('SIGKILL'); }, 1);
      });
      expect(killed).to.equal(true);
      expect(await checkKeys(mercy.config()).then(({ json }) => json), 'in between both keys open').to.deep.equal({ ok: true, checked: 900 });
      const { json } = await rotateKeys(mercy.config(), quiet);
      expect(json).to.include({ resumed: true });
      const { keys } = await listed(mercy);
      expect(keys.map(({ wrapped }) => wrapped)).to.deep.equal([0, 900]);
      await store.close();
    });
  });
}

describe('The key file', function () {
  this.timeout(120_000);

  it('never loses a key that something is wrapped under, or that is in force', async () => {
    const mercy = await hospitalFolder('sqlite');
    const { store } = await mercy.open();
    await fill(store, 0, 3);
    const { keys: [first] } = await listed(mercy);
    expect(await outcome(retireKey(mercy.config(), first?.id ?? ''))).to.include('still wrapped');
    await rotateKeys(mercy.config(), quiet);
    expect(await outcome(retireKey(mercy.config(), (await listed(mercy)).keys[1]?.id ?? ''))).to.match(/still wrapped|in force/u);
    await store.close();
  });

  it('of another hospital is told apart', async () => {
    const mercy = await hospitalFolder('sqlite');
    const { store } = await mercy.open();
    await fill(store, 0, 3);
    await store.close();
    copyFileSync((await hospitalFolder('sqlite')).at('keys.json'), mercy.at('keys.json'));
    expect(await outcome(checkKeys(mercy.config()))).to.include('3 rows').and.to.include('Restore the key file');
    expect((await listKeys(mercy.config())).text).to.include('MISSING');
  });

  it('of the first format opens what it wrapped, and can be changed', async () => {
    const mercy = await hospitalFolder('sqlite');
    writeFileSync(mercy.at('keys.json'), JSON.stringify({ keyId: 'k1', keyEncryptionKey: Buffer.alloc(32, 1).toString('base64'), pseudonymKey: Buffer.alloc(32, 2).toString('base64') }), { mode: 0o600 });
    const { store, keys } = await mercy.open();
    await fill(store, 0, 3);
    const derived = keys.derive('courier');
    await rotateKeys(mercy.config(), quiet);
    expect((await checkKeys(mercy.config())).json).to.deep.equal({ ok: true, checked: 3 });
    expect(openKeyFile(mercy.at('keys.json')).derive('courier')).to.deep.equal(derived);
    expect(JSON.parse(readFileSync(mercy.at('keys.json'), 'utf8'))).to.include({ version: 2 });
    await store.close();
  });

  it('as it is after a change opens a backup from before', async () => {
    const mercy = await hospitalFolder('sqlite');
    const { store } = await mercy.open();
    await fill(store, 0, 3);
    await backup(mercy.config(), mercy.at('before.aceso-backup'), {}, quiet);
    await rotateKeys(mercy.config(), quiet);
    const into = temporaryFolder('restored');
    await restore(mercy.at('before.aceso-backup'), '', { into, keys: mercy.at('keys.json') }, quiet);
    await store.close();
  });
});
