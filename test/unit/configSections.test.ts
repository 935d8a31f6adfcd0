import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig, type LoadedConfig } from '../../src/config/load.ts';
import { changesBetween, isSafe, mixedPrints, mixtureOf, printInForce, printsOf, SECTIONS } from '../../src/config/sections.ts';
import { temporaryFolder } from '../support/folders.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);

describe('What a changed configuration file changes', () => {
  const folder = temporaryFolder('sections');
  const load = (changes: Readonly<Record<string, unknown>> = {}): LoadedConfig => parseConfig(join(folder, 'aceso.yaml'), JSON.stringify({
    organisation: { name: 'Mercy' }, homeserver: { url: 'http://127.0.0.1:8008', server_name: 'mercy.example' }, appservice: { url: 'http://127.0.0.1:9100' }, http: { public_url: 'https://aceso.mercy.example' },
    sources: [{ id: 'lab', name: 'Lab', owner: 'desk', token_sha256: A }], partners: [{ server_name: 'stanne.example', name: 'St. Anne' }],
    directory: { people: [{ id: 'dr-okafor', name: 'Ada', user_id: '@ada:stanne.example' }] }, ...changes,
  }));
  const said = (changes: Readonly<Record<string, unknown>>, from = load()): readonly string[] => changesBetween(printsOf(from), printsOf(load(changes))).map(({ section, id, change, takes }) => `${section}${id === undefined ? '' : `/${id}`} ${change}: ${takes}`);

  it('is nothing when only the order of keys, or what is the default anyway, is written otherwise', () => {
    expect(said({ sources: [{ token_sha256: A, max_bytes: 5 * 1024 * 1024, owner: 'desk', name: 'Lab', id: 'lab' }], log: { level: 'info' } })).to.deep.equal([]);
  });

  it('is told entry by entry: added, removed, changed', () => {
    expect(said({ sources: [{ id: 'ehr', name: 'EHR', owner: 'desk', token_sha256: B }] })).to.deep.equal(['sources/lab removed: reload', 'sources/ehr added: reload']);
    expect(said({ directory: { people: [{ id: 'dr-okafor', name: 'Dr. Ada', user_id: '@ada:stanne.example' }], teams: [{ id: 'icu', name: 'ICU', members: ['@ada:stanne.example'] }] }, partners: [] })).to.deep.equal(['partners/stanne.example removed: reload', 'directory/dr-okafor changed: reload', 'directory/icu added: reload']);
  });

  it('is told of the order of entries too: the first that fits a certificate counts', () => {
    const two = [{ id: 'lab', name: 'Lab', owner: 'desk', token_sha256: A }, { id: 'ehr', name: 'EHR', owner: 'desk', token_sha256: B }];
    expect(said({ sources: two.toReversed() }, load({ sources: two }))).to.deep.equal(['sources changed: reload']);
  });

  it('is told of files that are read with their section, and not of their names alone', () => {
    const smart = { sources: [{ id: 'lab', name: 'Lab', owner: 'desk', smart: { client_id: 'lab', jwks_file: 'lab.jwks' } }] };
    writeFileSync(join(folder, 'lab.jwks'), '{"keys":[]}');
    const before = printsOf(load(smart));
    writeFileSync(join(folder, 'lab.jwks'), '{"keys":[{}]}');
    writeFileSync(join(folder, 'registration.yaml'), 'as_token: another');
    expect(changesBetween(before, printsOf(load(smart))).map(({ section, id }) => id ?? section)).to.deep.equal(['appservice', 'lab']);
  });

  it('needs a restart for every section that is not named as safe, also one that comes with a later version', () => {
    expect(SECTIONS.filter((section) => !isSafe(section))).to.deep.equal(['organisation', 'data_dir', 'keys_file', 'store', 'homeserver', 'appservice', 'http', 'operations', 'courier', 'policy_server']);
    expect(said({ courier: { devices: 2 }, log: { level: 'warn' } })).to.deep.equal(['courier changed: restart', 'log changed: reload']);
  });

  it('is in force as far as it is safe, and the rest stays told until the restart', () => {
    const running = load();
    const file = load({ courier: { devices: 2 }, log: { level: 'warn' } });
    const mixture = mixtureOf(running, file);
    expect([mixture.log.level, mixture.courier.devices]).to.deep.equal(['warn', 1]);
    const mixed = mixedPrints(printsOf(running), printsOf(file));
    expect(changesBetween(mixed, printsOf(file)).map(({ section }) => section)).to.deep.equal(['courier']);
    expect(printInForce(mixed)).to.equal(printInForce(printsOf(file))).and.to.match(/^[0-9a-f]{64}$/u);
  });

  it('must fit what stays in force, not what the file says beside it', () => {
    const smart = { sources: [{ id: 'lab', name: 'Lab', owner: 'desk', smart: { client_id: 'lab', jwks_url: 'https://lab.example/jwks' } }] };
    expect(() => mixtureOf(load({ http: {} }), load(smart))).to.throw(/sources\[0\]\.smart: needs http\.public_url.*only after a restart/u);
    expect(() => mixtureOf(load(), load({ ...smart, http: { public_url: 'https://other.mercy.example' } }))).not.to.throw();
  });
});
