import { expect } from 'chai';
import { copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createNotes } from '../../src/adapters/store/notes.ts';
import { loadConfig } from '../../src/config/load.ts';
import { printsOf } from '../../src/config/sections.ts';
import { as, type Millis } from '../../src/domain/brand.ts';
import { DirectoryConflict } from '../../src/main/directory.ts';
import { inForceOf } from '../../src/main/reload/inForce.ts';
import { BUILT_IN, policyOf } from '../../src/main/policy/folder.ts';
import { createReload, type Reload, type ReloadParts } from '../../src/main/reload/reload.ts';
import { ANSWERS, ASKED, type ReloadAnswer } from '../../src/main/reload/words.ts';
import { noFaults } from '../../src/ports/faults.ts';
import type { Notes } from '../../src/ports/notes.ts';
import { openTestStore, type OpenStore } from '../support/stores.ts';

const policy = policyOf(BUILT_IN);

describe('A reload of the configuration in a worker', () => {
  let open: OpenStore;
  let notes: Notes;
  let file: string;
  let doors: string[];
  let levels: string[];
  const write = (level: string, more: object = {}): void => writeFileSync(file, JSON.stringify({ ...more,
    organisation: { name: 'Mercy' }, homeserver: { url: 'http://127.0.0.1:8008', server_name: 'mercy.example' }, appservice: { url: 'http://127.0.0.1:9100' }, log: { level },
  }));
  const reloadWith = (parts: Partial<ReloadParts> = {}): Reload => {
    const config = loadConfig(file);
    const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined, setLevel: (level: string) => { levels.push(level); } };
    return createReload({
      started: { ...inForceOf(config, printsOf(config)), policy }, store: open.store, notes, log: quiet, metrics: { count: () => undefined, observe: () => undefined }, now: () => as<Millis>(1_000_000), faults: noFaults, worker: 'w1',
      prepareDoor: ({ log }) => () => { doors.push(log.level); }, checkDirectory: async () => undefined, bringDirectory: async () => undefined, bringPolicy: async () => undefined, ...parts,
    });
  };
  const ask = (id: string, mode: string, at = 1_000_000): Promise<void> => notes.write(ASKED, JSON.stringify({ id, by: 'tester', at, mode }));
  const answer = async (): Promise<ReloadAnswer | undefined> => {
    const text = await notes.read(`${ANSWERS}w1`);
    return text === undefined ? undefined : (JSON.parse(text) as ReloadAnswer);
  };

  beforeEach(async () => {
    open = await openTestStore('sqlite');
    notes = createNotes(open.database.db);
    file = join(open.folder, 'aceso.yaml');
    mkdirSync(join(open.folder, 'templates'));
    copyFileSync(join(import.meta.dirname, '..', '..', 'config', 'templates', 'results.yaml'), join(open.folder, 'templates', 'results.yaml'));
    write('info');
    [doors, levels] = [[], []];
  });
  afterEach(() => open.store.close());

  it('is taken over once for each request, and answered; a dry run is answered and changes nothing', async () => {
    const reload = reloadWith();
    write('warn');
    await ask('first', 'try');
    await reload.look();
    expect([(await answer())?.outcome, reload.inForce().config.log.level, doors]).to.deep.equal(['would-take', 'info', []]);
    await ask('second', 'take');
    await reload.look();
    await reload.look();
    expect([(await answer())?.outcome, (await answer())?.request, reload.inForce().config.log.level, doors, levels]).to.deep.equal(['taken', 'second', 'warn', ['warn'], ['warn']]);
    await reload.leave();
    expect(await answer()).to.equal(undefined);
  });

  it('is not done when somebody of the file would take a name of the directory, and says who', async () => {
    const reload = reloadWith({ checkDirectory: async () => { throw new DirectoryConflict('NPI 1 already belongs to dr-okafor.'); } });
    write('warn');
    await ask('first', 'take');
    await reload.look();
    expect(await answer()).to.deep.include({ outcome: 'refused', problems: ['NPI 1 already belongs to dr-okafor.'] });
    expect([reload.inForce().config.log.level, doors, levels, reload.problem()?.code]).to.deep.equal(['info', [], [], 'not-loaded']);
  });

  it('that can\'t be audited is not done, and what was in force stays so; the next one that can is', async () => {
    let isAway = true;
    const brought: string[] = [];
    const reload = reloadWith({ bringDirectory: async ({ log }) => brought.push(log.level), store: { audit: async (rows) => (isAway ? Promise.reject(new Error('secret of the driver')) : open.store.audit(rows)) } });
    write('warn');
    await ask('first', 'take');
    await reload.look();
    expect([(await answer())?.outcome, reload.inForce().config.log.level, brought, doors, levels]).to.deep.equal(['refused', 'info', [], [], []]);
    expect((await answer())?.problems.join()).to.include('ask again').and.not.to.include('secret');
    isAway = false;
    await reload.take('signal');
    expect([reload.inForce().config.log.level, brought, doors, reload.problem()]).to.deep.equal(['warn', ['warn'], ['warn'], undefined]);
  });

  it('that the database cuts short says so, leaves in force what was, and is finished by itself before anything else', async () => {
    let away = 3;
    const reload = reloadWith({ bringPolicy: async () => { away -= 1; if (away > 0) throw new Error('secret of the driver'); } });
    const audited = async (): Promise<readonly string[]> => (await open.database.db.selectFrom('audit').select('action').orderBy('seq').execute()).map(({ action }) => action);
    write('warn');
    await ask('first', 'take');
    await reload.look();
    expect([(await answer())?.outcome, reload.inForce().config.log.level, doors, levels, reload.problem()?.code]).to.deep.equal(['partly', 'info', [], [], 'partly-loaded']);
    expect((await answer())?.problems.join()).to.include('tried again').and.not.to.include('secret');
    write('debug');
    await reload.look();
    expect([(await answer())?.outcome, await audited()]).to.deep.equal(['partly', ['config.reloading']]);
    await reload.look();
    expect([(await answer())?.outcome, reload.inForce().config.log.level, doors, levels, reload.problem()], 'what was asked for, whatever the file says by now').to.deep.equal(['taken', 'warn', ['warn'], ['warn'], undefined]);
    expect(await audited()).to.deep.equal(['config.reloading', 'config.reloaded']);
  });

  it('that can\'t be finished is tried twenty times, stays an alarm, and gives way to the next that can', async () => {
    let tries = 0;
    let isAway = true;
    const reload = reloadWith({ bringDirectory: async () => { tries += 1; if (isAway) throw new Error('away'); } });
    write('warn');
    await ask('first', 'take');
    for (let times = 0; times < 30; times += 1) await reload.look();
    expect([tries, reload.inForce().config.log.level, reload.problem()?.code]).to.deep.equal([20, 'info', 'partly-loaded']);
    isAway = false;
    write('debug');
    await ask('second', 'take');
    await reload.look();
    expect([(await answer())?.outcome, reload.inForce().config.log.level, doors, reload.problem()]).to.deep.equal(['taken', 'debug', ['debug'], undefined]);
  });

  it('is not done for a request of long ago that a new worker finds; it has read the file since', async () => {
    await ask('old', 'take', 1_000_000 - 600_000);
    const reload = reloadWith();
    await reload.look();
    expect(await answer()).to.equal(undefined);
    await ask('new', 'take', 1_000_000 - 600_000);
    await reload.look();
    expect((await answer())?.request, 'what comes after is new, whatever the clocks say').to.equal('new');
  });

  it('takes the hospital\'s own rules, refuses those that can\'t be loaded and keeps the ones in force', async () => {
    const brought: string[] = [];
    const reload = reloadWith({ bringPolicy: async (next) => void brought.push(next.policy.revision) });
    const folder = join(open.folder, 'policy');
    cpSync(BUILT_IN, folder, { recursive: true });
    writeFileSync(join(folder, 'own.cedar'), '@id("chaplains-nowhere") @cite("502(b)") @message("Ask the nurse.")\nforbid (principal, action == Action::"join", resource) when { principal has department && principal.department == "Chaplaincy" };');
    write('info', { policy_dir: 'policy' });
    await reload.take('tester');
    const { revision, rules } = reload.inForce().policy;
    expect(rules.map(({ id }) => id)).to.include('chaplains-nowhere');
    expect(brought).to.deep.equal([revision]);
    writeFileSync(join(folder, 'own.cedar'), 'forbid (principal action, resource);');
    await reload.take('tester');
    expect(reload.inForce().policy.revision).to.equal(revision);
    expect(reload.problem()).to.include({ part: 'config', code: 'not-loaded' });
    await ask('r1', 'try');
    await reload.look();
    expect((await answer())?.problems.join()).to.include('own.cedar:1');
    rmSync(join(folder, 'own.cedar'));
    await reload.take('tester');
    expect(reload.inForce().policy.revision).to.equal(policy.revision);
    expect(reload.problem()).to.equal(undefined);
  });
});
