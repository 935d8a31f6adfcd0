import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { lockFolder } from '../../src/adapters/store/folderLock.ts';
import { migrate } from '../../src/adapters/store/database.ts';
import { restore } from '../../src/main/backup/restore.ts';
import { backup } from '../../src/main/backup/write.ts';
import { openHospital } from '../../src/main/compose.ts';
import { migrateDatabase } from '../../src/main/migrate.ts';
import { ROOT } from '../support/aceso.ts';
import { acesoProcess } from '../support/acesoProcess.ts';
import { temporaryFolder } from '../support/folders.ts';
import { hospitalFolder } from '../support/hospitalFolder.ts';
import { until } from '../support/until.ts';

const outcome = (run: Promise<unknown>): Promise<string> => run.then(() => 'done', (error: unknown) => (error as Error).message);

describe('One SQLite folder', function () {
  this.timeout(120_000);

  it('has one server: a second is refused, told which process has it, and takes over at once when that is killed', async () => {
    const mercy = await hospitalFolder('sqlite');
    const aceso = await acesoProcess(mercy);
    const isAtWork = (): Promise<unknown> => until('its store to be ready', async () => (await aceso.readyz())?.store === 'ready');
    const first = await aceso.start();
    await isAtWork();
    const second = await aceso.start();
    await until('the second to give up', () => second.ended());
    expect(second.ended()).to.equal('code 1');
    expect(aceso.log()).to.include(`another Aceso (process ${first.pid}) has ${mercy.at('data')}`).and.to.match(/Stop that one first/u);
    await isAtWork();
    const told = await new Promise<string>((resolve) => execFile(process.execPath, [join(ROOT, 'src', 'main.ts'), '--config', mercy.at('aceso.yaml'), 'people', 'enrol', 'ada', '--name', 'Ada', '--user-id', '@ada:mercy.example'], (_, stdout, stderr) => resolve(stdout + stderr)));
    expect(told, 'commands work beside it').to.include('Ada is enrolled');
    await first.kill();
    const third = await aceso.start();
    await isAtWork();
    await third.stop({ graceMs: 12_000 });
    expect(third.ended()).to.equal('code 0');
  });

  it('is neither migrated nor restored into beside one', async () => {
    const mercy = await hospitalFolder('sqlite');
    const old = openHospital(mercy.config());
    await migrate(old, '0001_loop');
    await old.db.destroy();
    const server = lockFolder(mercy.at('data'));
    expect(await outcome(migrateDatabase(mercy.config(), undefined))).to.include(`process ${process.pid}`);
    server.release();
    expect(await outcome(migrateDatabase(mercy.config(), undefined))).to.equal('done');

    const file = join(temporaryFolder('backup'), 'mercy.backup');
    await backup(mercy.config(), file, {}, () => undefined);
    const into = temporaryFolder('restored');
    const options = { into, keys: mercy.at('keys.json') };
    const other = lockFolder(join(into, 'data'));
    expect(await outcome(restore(file, join(into, 'aceso.yaml'), options, () => undefined))).to.include(`process ${process.pid}`);
    other.release();
    expect(await outcome(restore(file, join(into, 'aceso.yaml'), options, () => undefined))).to.equal('done');
  });
});
