import { expect } from 'chai';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, loadConfig } from '../../src/config/load.ts';
import { openServerKeys } from '../../src/adapters/federation/keyFile.ts';
import { showKey } from '../../src/main/agreements/document.ts';
import { checkConfig } from '../../src/main/check.ts';

describe('aceso config check', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'aceso-check-'));
    cpSync(join(import.meta.dirname, '..', '..', 'config', 'templates'), join(folder, 'templates'), { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('says whom no result can reach, and nobody else', async () => {
    const file = join(folder, 'aceso.yaml');
    writeFileSync(file, JSON.stringify({
      organisation: { name: 'Mercy' }, homeserver: { url: 'http://127.0.0.1:8008', server_name: 'mercy.example' }, appservice: { url: 'http://127.0.0.1:9100' },
      partners: [{ server_name: 'stanne.example:8448', name: 'St. Anne' }],
      directory: {
        people: [{ id: 'own', name: 'Own', user_id: '@own:mercy.example' }, { id: 'partner', name: 'Partner', user_id: '@a:stanne.example:8448' }, { id: 'typo', name: 'Typo', user_id: '@b:stane.example' }],
        teams: [{ id: 'team', name: 'Team', members: ['@own:mercy.example', '@c:clinic.example'] }],
      },
    }));
    const { warnings } = (await checkConfig(loadConfig(file))).json as { readonly warnings: readonly string[] };
    expect(warnings.filter((each) => each.includes('no result can reach')).map((each) => each.split(': it is')[0])).to.deep.equal(['typo: no result can reach stane.example', 'team: no result can reach clinic.example']);
  });

  it('says which of the keys that others know the hospital by is of no use, and why', async () => {
    const file = join(folder, 'aceso.yaml');
    const check = (): Promise<unknown> => checkConfig(loadConfig(file)).then(({ json }) => (json as { readonly warnings: readonly string[] }).warnings.join(' '), (error: unknown) => (error as Error).message);
    const of = { organisation: { name: 'Mercy' }, homeserver: { url: 'http://127.0.0.1:8008', server_name: 'mercy.example' }, policy_server: { server_name: 'policy.mercy.example' }, agreements: { required: true } };
    const write = (appservice: object = {}): void => writeFileSync(file, JSON.stringify({ ...of, appservice: { url: 'http://127.0.0.1:9100', ...appservice } }));
    write();
    expect(await check(), 'the policy server\'s are made at the first start').to.include('aceso agreements key').and.not.to.include('policy_server');
    await showKey(loadConfig(file));
    openServerKeys(join(folder, 'policy-server.json'));
    expect(await check()).to.equal('');
    chmodSync(join(folder, 'agreements-key.json'), 0o644);
    writeFileSync(join(folder, 'policy-server.json'), '{}');
    write({ module_token_file: 'module-token' });
    expect(await check()).to.include('agreements.key_file: others on this machine can read').and.include('policy_server.keys_file').and.include('appservice.module_token_file').and.include('chmod 600');
  });

  it('says which template is wrong, and where', async () => {
    const file = join(folder, 'aceso.yaml');
    writeFileSync(file, JSON.stringify({ organisation: { name: 'Mercy' }, homeserver: { url: 'http://127.0.0.1:8008', server_name: 'mercy.example' }, appservice: { url: 'http://127.0.0.1:9100' } }));
    for (const [name, text, says] of [['consult', 'id: shift', /consult\.yaml|id: is shift/u], ['on-call', 'id: on-cal', /id:/u]] as const) {
      const template = join(folder, 'templates', `${name}.yaml`);
      const right = readFileSync(template, 'utf8');
      writeFileSync(template, right.replace(/^id: .*$/mu, text));
      const refused: unknown = await checkConfig(loadConfig(file)).catch((error: unknown) => error);
      expect(refused).to.be.instanceOf(ConfigError).with.property('message').match(says);
      writeFileSync(template, right);
    }
    expect((await checkConfig(loadConfig(file))).text).to.include('is fine');
  });

  it('says who has no role and what that means, and which roles and organisations permit nothing', async () => {
    const file = join(folder, 'aceso.yaml');
    const person = (id: string, more: object): object => ({ id, name: id, user_id: `@${id}:mercy.example`, ...more });
    writeFileSync(file, JSON.stringify({
      organisation: { name: 'Mercy' }, homeserver: { url: 'http://127.0.0.1:8008', server_name: 'mercy.example' }, appservice: { url: 'http://127.0.0.1:9100' }, partners: [{ server_name: 'stanne.example', name: 'St. Anne', organisation: 'stanne' }],
      directory: { people: [person('ok', { roles: ['physician'] }), person('bare', {}), person('typo', { roles: ['physican'] }), person('guest', { roles: ['partner-clinician'], organisation: 'stanne' }), person('lost', { roles: ['nurse'], organisation: 'st-ann' })] },
    }));
    const { warnings } = (await checkConfig(loadConfig(file))).json as { readonly warnings: readonly string[] };
    expect(warnings.map((each) => each.split('.')[0])).to.deep.equal([
      'typo: the rules don\'t know the role physican, so it permits nothing', 'lost: st-ann is the organisation of no partner, so it has no agreement, and nothing is permitted',
      'bare: no roles, so they count as recipients: their own results, and nothing else',
    ]);
  });

  it('refuses rules that can\'t be loaded, and says where', async () => {
    const file = join(folder, 'aceso.yaml');
    mkdirSync(join(folder, 'rules'));
    writeFileSync(join(folder, 'rules', 'own.cedar'), '');
    writeFileSync(file, JSON.stringify({ organisation: { name: 'Mercy' }, homeserver: { url: 'http://127.0.0.1:8008', server_name: 'mercy.example' }, appservice: { url: 'http://127.0.0.1:9100' }, policy_dir: 'rules' }));
    expect(await checkConfig(loadConfig(file)).then(() => 'fine', (error: unknown) => (error as Error).message)).to.include('policy_dir: the folder: has no schema');
  });

  it('says what files are to be fetched with, when it isn\'t there, and where they may be fetched from', async () => {
    const file = join(folder, 'aceso.yaml');
    const write = (source: object): void => writeFileSync(file, JSON.stringify({
      organisation: { name: 'Mercy' }, homeserver: { url: 'http://127.0.0.1:8008', server_name: 'mercy.example' }, appservice: { url: 'http://127.0.0.1:9100' },
      sources: [{ id: 'lab', name: 'Laboratory', token_sha256: 'a'.repeat(64), owner: 'Desk', ...source }],
    }));
    write({ fhir_base: 'https://lis.mercy.example/r4', attachments: { fetch: { token_file: 'lis-token' } } });
    expect(((await checkConfig(loadConfig(file))).json as { readonly warnings: readonly string[] }).warnings.join()).to.match(/attachments\.fetch\.token_file: .*lis-token is not there/u);
    for (const [source, problem] of [
      [{ attachments: { fetch: {} } }, /fetch: needs fhir_base/u], [{ fhir_base: 'http://lis.mercy.example/r4', attachments: { fetch: {} } }, /fhir_base: .*https/u],
      [{ fhir_base: 'https://lis.mercy.example/r4', attachments: { fetch: { token_file: 'a', smart: { token_url: 'https://lis.mercy.example/token', client_id: 'aceso', key_file: 'b' } } } }, /not both/u],
      [{ fhir_base: 'https://lis.mercy.example/r4', attachments: { fetch: { smart: { token_url: 'http://lis.mercy.example/token', client_id: 'aceso', key_file: 'b' } } } }, /token_url: an https/u],
    ] as const) {
      write(source);
      expect(() => loadConfig(file)).to.throw(problem);
    }
  });

  it('says what of a policy server can\'t work: its certificate, the authority of the homeserver\'s, and a name that is a homeserver\'s', async () => {
    const file = join(folder, 'aceso.yaml');
    const write = (policy: object): void => writeFileSync(file, JSON.stringify({ organisation: { name: 'Mercy' }, homeserver: { url: 'http://127.0.0.1:8008', server_name: 'mercy.example' }, appservice: { url: 'http://127.0.0.1:9100' }, partners: [{ server_name: 'stanne.example', name: 'St. Anne' }], policy_server: policy }));
    write({ server_name: 'policy.mercy.example', tls: { certificate: 'none.pem', key: 'none.key' }, federation_ca: 'ca.pem' });
    writeFileSync(join(folder, 'ca.pem'), 'no certificate');
    const problems = await checkConfig(loadConfig(file)).then(() => [], (error: unknown) => (error as ConfigError).problems);
    for (const says of [/policy_server\.tls\.certificate: .*none\.pem can't be read/u, /policy_server\.federation_ca: .*ca\.pem can't be used \(not PEM\)/u, /federation_ca: means nothing, for http/u]) expect(problems.some((each) => says.test(each)), `${String(says)} in ${problems.join('; ')}`).to.equal(true);
    for (const name of ['mercy.example', 'stanne.example']) {
      write({ server_name: name });
      expect(() => loadConfig(file)).to.throw(`${name} is a homeserver. A policy server needs a name of its own`);
    }
  });
});
