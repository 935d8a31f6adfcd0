import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { entryName, partyNames } from '../../src/domain/people/party.ts';
import { openStore } from '../../src/main/compose.ts';
import { ben, T0 } from '../support/reports.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };
const run = (cwd: string, ...args: readonly string[]): Promise<Ran> => runWith('', cwd, ...args);
const runWith = (input: string, cwd: string, ...args: readonly string[]): Promise<Ran> => new Promise((resolve) => {
  const child = execFile(process.execPath, [MAIN, ...args], { cwd, env: { ...process.env, ACESO_OPERATOR: 'tester' } }, (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }));
  child.stdin?.on('error', () => undefined).end(input); // one that reads nothing may have ended
});

describe('aceso policy', function () {
  this.timeout(120_000);
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aceso-policy-'));
    await run(folder, 'init', '.', '--organisation', 'Mercy General', '--server-name', 'mercy.example');
    await run(folder, 'policy', 'init', 'policy');
    writeFileSync(join(folder, 'aceso.yaml'), `${readFileSync(join(folder, 'aceso.yaml'), 'utf8')}policy_dir: policy\n`);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('init makes the default set, and a second time changes nothing', async () => {
    writeFileSync(join(folder, 'policy', 'training.cedar'), `// ours\n${readFileSync(join(folder, 'policy', 'training.cedar'), 'utf8')}`);
    expect((await run(folder, 'policy', 'init', 'policy')).stdout).to.include('nothing was changed');
    expect(readFileSync(join(folder, 'policy', 'training.cedar'), 'utf8')).to.match(/^\/\/ ours/u);
  });

  it('check says that it is fine, and of what is wrong where, with 1', async () => {
    expect(await run(folder, 'policy', 'check')).to.include({ code: 0 }).and.to.have.property('stdout').that.includes('configured is fine');
    writeFileSync(join(folder, 'policy', 'own.cedar'), '@id("typo") @cite("502(b)")\npermit (principal in Role::"biling", action, resource);\n');
    const { code, stdout } = await run(folder, '--json', 'policy', 'check');
    expect(code).to.equal(1);
    expect(JSON.parse(stdout)).to.deep.include({ ok: false, loads: false }).and.to.have.nested.property('problems[0].line', 2);
    expect(await run(folder, 'config', 'check'), 'it keeps the server from starting').to.include({ code: 1 }).and.to.have.property('stderr').that.includes('own.cedar:2 typo');
    rmSync(join(folder, 'policy', 'own.cedar'));
  });

  it('explain, diff, show, roles and simulate answer without a server that ever ran', async () => {
    expect((await run(folder, 'policy', 'explain', 'role:billing', 'join', 'consult')).stdout).to.include('NO: @any-billing:example may not join in a consult room.').and.include('minimum-necessary.cedar:');
    expect((await run(folder, 'policy', 'diff', 'built-in', 'configured')).stdout).to.include('No rule differs');
    expect((await run(folder, 'policy', 'show', 'built-in')).stdout).to.include('// ---- part2.cedar');
    expect((await run(folder, 'policy', 'roles')).stdout).to.include('partner-clinician');
    expect((await run(folder, 'policy', 'simulate', '--against', 'built-in')).stdout).to.include('0 of 0 people are affected');
    expect((await run(folder, 'policy', 'history')).stdout).to.include('No rules were loaded yet');
  });

  describe('explain --patient', () => {
    const PATIENT = 'urn:mercy:mrn|00481516';
    before(async () => {
      const { store, keys } = await openStore(loadConfig(join(folder, 'aceso.yaml')), 'migrate');
      const id = keys.pseudonym('patient', PATIENT);
      const known: readonly (readonly [kind: 'party' | 'patient', id: string, names: readonly string[], state: unknown])[] = [
        ['party', ben.id, [entryName(ben.id), ...partyNames(ben)], { ...ben, standing: { roles: ['physician'], trainedAt: T0 } }],
        ['patient', id, [id], { id, teams: { t: { source: 'ehr', active: true, carers: [{ identifiers: ben.identifiers }] } } }],
      ];
      for (const [kind, name, names, state] of known) {
        await store.receive([{ source: 'operator', key: name, aggregate: { kind, id: name }, at: T0, body: { type: 'timer.due', name: 'any' } }]);
        const [claim] = await store.claimFacts('w', T0, 1000, 1);
        if (!claim) throw new Error('nothing came in');
        await store.commit(claim, 0, { state, names, audit: [] });
      }
      await store.close();
    });
    const asked = (patient: string, ...more: readonly string[]): Promise<Ran> => runWith(patient, folder, 'policy', 'explain', ben.id, 'join', 'patient', '--patient', ...more);

    it('says by which source somebody has the patient in care, and that they may enter the room for it', async () => {
      const { code, stdout, stderr } = await asked(`${PATIENT}\n`);
      expect([code, stderr], stdout).to.deep.equal([0, '']);
      expect(stdout).to.match(/^YES: /u).and.to.include('clinicians-in-rooms-of-their-patients').and.to.match(/ehr/u);
      expect(stdout, 'the patient is not named').not.to.include('00481516');
    });
    it('says no of a patient who is in nobody\'s care', async () => expect((await asked('urn:mercy:mrn|1')).stdout).to.match(/^NO: /u));
    it('names neither the patient nor what was given when it is no name that results have', async () => {
      const { code, stderr } = await asked('Rosa Quintana');
      expect(code).to.equal(1);
      expect(stderr).to.include('system|value').and.not.to.include('Quintana');
    });
    it('takes no word for the care beside it, and no role in place of a person', async () => {
      for (const args of [[ben.id, 'join', 'patient', '--patient', '--given', 'in-care'], ['role:nurse', 'join', 'patient', '--patient']]) expect(await runWith(PATIENT, folder, 'policy', 'explain', ...args), args.join(' ')).to.include({ code: 1 }).and.to.have.property('stderr').that.includes('--patient asks what sources say of one person');
    });
  });

  const REFUSALS: readonly (readonly [args: readonly string[], says: string])[] = [
    [['explain', 'role:wizard', 'join', 'consult'], 'wizard is not a role'], [['explain', 'dr-nobody', 'join', 'consult'], 'dr-nobody is not in the directory'], [['diff', 'in-force'], 'No rules were loaded yet'],
    [['show', 'abc123'], 'neither a folder nor the beginning of a revision'],
  ];
  for (const [args, says] of REFUSALS) it(`policy ${args.join(' ')}: ${says}`, async () => expect(await run(folder, 'policy', ...args)).to.include({ code: 1 }).and.to.have.property('stderr').that.includes(says));

  it('every command has a help', async () => {
    for (const name of ['check', 'explain', 'diff', 'simulate', 'history', 'show', 'roles', 'init']) expect((await run(folder, 'policy', name, '--help')).stdout, name).to.include(`Usage: aceso policy ${name}`);
  });
});
