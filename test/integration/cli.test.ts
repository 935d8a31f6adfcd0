import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts');

type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

const run = (cwd: string, ...args: readonly string[]): Promise<Ran> => new Promise((resolve) => {
  execFile(process.execPath, [MAIN, ...args], { cwd, env: { ...process.env, ACESO_OPERATOR: 'tester' } }, (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }));
});

const INIT = ['init', '.', '--organisation', 'Mercy General', '--server-name', 'mercy.example'] as const;

describe('The command line', function () {
  this.timeout(120_000);
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'aceso-cli-'));
    await run(folder, ...INIT);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string): string => readFileSync(join(folder, name), 'utf8');

  it('init makes what is needed, secrets readable by their owner alone', () => {
    for (const name of ['aceso.yaml', 'keys.json', 'registration.yaml', 'module-token', 'homeserver-aceso.yaml']) expect(statSync(join(folder, name)).mode & 0o077, name).to.equal(0);
    expect(file('homeserver-aceso.yaml')).to.include('module: aceso_module.AcesoModule').and.to.include(join(folder, 'module-token')).and.not.to.include(file('module-token').trim());
    expect(file('registration.yaml')).to.include('io.element.msc4190: true').and.to.include('receive_ephemeral: true');
  });

  it('init a second time changes nothing, and says so', async () => {
    const before = ['aceso.yaml', 'keys.json', 'registration.yaml'].map(file);
    const { code, stdout } = await run(folder, ...INIT);
    expect(code).to.equal(0);
    expect(stdout).to.include('nothing was changed');
    expect(['aceso.yaml', 'keys.json', 'registration.yaml'].map(file)).to.deep.equal(before);
  });

  it('config check is content with what init made', async () => expect((await run(folder, 'config', 'check')).stdout).to.include('is fine'));

  it('every command has a help', async () => {
    const commands = [[], ['init'], ['start'], ['status'], ['people'], ['people', 'enrol'], ['people', 'list'], ['held'], ['held', 'list'], ['held', 'show'], ['held', 'retry'], ['held', 'assign'], ['deliveries'], ['deliveries', 'list'], ['deliveries', 'show'], ['config', 'check'], ['config', 'reload'], ['config', 'schema'], ['registration'], ['source', 'token'], ['source', 'jwks'], ['source', 'certificate'], ['source', 'check'], ['backup'], ['backup', 'verify'], ['backup', 'recipient'], ['restore'], ['keys'], ['keys', 'list'], ['keys', 'check'], ['keys', 'rotate'], ['keys', 'retire'], ['migrate'], ['catch-up'], ['doctor'], ['rooms'], ['rooms', 'list'], ['rooms', 'show'], ['rooms', 'create'], ['rooms', 'check'], ['rooms', 'repair'], ['agreements'], ['agreements', 'add'], ['agreements', 'draft'], ['agreements', 'key'], ['agreements', 'revoke'], ['agreements', 'show'], ['agreements', 'sign'], ['agreements', 'verify']];
    for (const outcome of await Promise.all(commands.map((command) => run(folder, ...command, '--help')))) expect(outcome).to.include({ code: 0 }).and.to.have.property('stdout').that.includes('Usage: aceso');
  });

  it('an empty hospital has nothing to show, and says so', async () => {
    for (const [command, says] of [[['deliveries'], 'No deliveries yet.'], [['held'], 'Nothing is held.'], [['people', 'list'], 'Nobody is in the directory'], [['status'], 'not running here']] as const) {
      expect((await run(folder, ...command)).stdout, command.join(' ')).to.include(says);
    }
    expect(JSON.parse((await run(folder, '--json', 'status')).stdout)).to.deep.include({ held: 0, undecided: 0 });
  });

  it('people enrol puts somebody into the directory, for the running server to decide', async () => {
    const { code, stdout } = await run(folder, 'people', 'enrol', 'dr-okafor', '--name', 'Dr. Ada Okafor', '--user-id', '@ada:stanne.example', '--npi', '1234567893');
    expect(code).to.equal(0);
    expect(stdout).to.include('is enrolled');
    expect(JSON.parse((await run(folder, '--json', 'status')).stdout)).to.include({ undecided: 1 });
  });

  it('people enrol --csv shows with --dry-run what it would do, and names the line that is wrong', async () => {
    writeFileSync(join(folder, 'people.csv'), 'id,name,user_id,npi\ndr-a,"Alba, Dr. Ana",@a:mercy.example,\ndr-b,Dr. B,@b:mercy.example,1902301225\n');
    expect((await run(folder, 'people', 'enrol', '--csv', 'people.csv', '--dry-run')).stdout).to.include('Would enrol 2 people');
    writeFileSync(join(folder, 'people.csv'), 'id,name,user_id,npi\ndr-a,Dr. A,@a:mercy.example,\ndr-b,Dr. B,b,\n');
    expect(await run(folder, 'people', 'enrol', '--csv', 'people.csv')).to.include({ code: 1 }).and.to.have.property('stderr').that.includes('people.csv:3');
  });

  const REFUSALS: readonly (readonly [args: readonly string[], code: number, says: string])[] = [
    [['deliveries', 'show', 'nope'], 1, 'There is no delivery nope'],
    [['held', 'assign', 'nope', 'dr-okafor'], 1, 'There is no delivery nope'],
    [['people', 'enrol', 'dr-new'], 1, 'give --user-id and --name'],
    [['people', 'enrol', 'dr-new', '--user-id', 'ada'], 1, 'not a Matrix user id'],
    [['people', 'enrol', 'dr-new', '--user-id', '@a:x', '--identifier', 'nobar'], 1, 'system|value'],
    [['people', 'enrol'], 1, 'short name'],
    [['source', 'check', 'nope'], 1, 'There is no source nope'],
    [['source', 'token', '--until', 'soon'], 1, 'is no date'],
    [['source', 'certificate', 'keys.json'], 1, 'no certificate'],
    [['source', 'jwks', 'none.pem'], 1, "can't be read"],
    [['--config', 'none.yaml', 'status'], 1, 'aceso init'],
    [['frobnicate'], 2, 'unknown command'],
    [['init'], 2, '--organisation'],
  ];
  for (const [args, code, says] of REFUSALS) it(`\`aceso ${args.join(' ')}\` ends with ${code} and says what to do`, async () => {
    const outcome = await run(folder, ...args);
    expect(outcome.code, outcome.stderr).to.equal(code);
    expect(outcome.stderr).to.include(says).and.not.to.include('    at ');
  });

  it('source token gives a token and the hash that the configuration keeps', async () => {
    const { token, token_sha256: hash } = JSON.parse((await run(folder, '--json', 'source', 'token')).stdout) as { readonly token: string; readonly token_sha256: string };
    expect(token).to.match(/^[\w-]{43}$/u);
    expect(hash).to.match(/^[0-9a-f]{64}$/u);
  });

  it('start with a role on SQLite says why not, and what to do; an unknown role is a wrong call', async () => {
    const refused = await run(folder, 'start', '--role', 'sender');
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.include('needs PostgreSQL').and.to.include('store.postgres_url_file').and.to.include('without --role');
    expect((await run(folder, 'start', '--role', 'postman')).code).to.equal(2);
  });

  it('start without its key file says what to do, and exits with 1', async () => {
    rmSync(join(folder, 'keys.json'));
    expect(await run(folder, 'start')).to.include({ code: 1 }).and.to.have.property('stderr').that.includes('restore it from the backup');
  });
});
