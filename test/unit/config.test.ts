import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, configJsonSchema, loadConfig, loadTemplate } from '../../src/config/load.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const EXAMPLE = readFileSync(join(ROOT, 'config', 'aceso.example.yaml'), 'utf8');

const BAD: readonly (readonly [given: string, change: (text: string) => string, says: RegExp])[] = [
  ['a misspelt key', (text) => text.replace('max_bytes', 'max_byte'), /sources\[0\]: Unrecognized key: "max_byte"/u],
  ['a key twice', (text) => `${text}\nlog: { level: warn }\n`, /Map keys must be unique/u],
  ['no organisation', (text) => text.replace(/organisation:\n.*\n/u, ''), /organisation:/u],
  ['a token instead of its hash', (text) => text.replace(/token_sha256: .*/u, 'token_sha256: secret'), /sources\[0\]\.token_sha256: the SHA-256 of its bearer token.*aceso source token/u],
  ['two people under one name', (text) => text.replace('id: icu-team', 'id: dr-okafor'), /directory: dr-okafor is there twice/u],
  ['an NPI with nine digits', (text) => text.replace('"1234567893"', '"123456789"'), /directory\.people\[0\]\.npi: ten digits/u],
  ['a Matrix id without a server', (text) => text.replace('user_id: "@ada:stanne.example"', 'user_id: ada'), /directory\.people\[0\]\.user_id: a Matrix user id/u],
  ['no YAML', () => 'a: [', /flow|sequence|bracket|,/iu],
];

describe('The configuration', () => {
  let folder: string;
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'aceso-config-')); });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const load = (text: string): unknown => { const path = join(folder, 'aceso.yaml'); writeFileSync(path, text); return loadConfig(path); };

  it('of the example holds every setting and is valid', () => {
    load(EXAMPLE);
    const keys = (configJsonSchema() as { readonly properties: Record<string, unknown> }).properties;
    for (const key of Object.keys(keys)) expect(EXAMPLE, key).to.match(new RegExp(`^${key}:`, 'mu'));
  });

  it('says where a pool is not in the directory', () => expect(() => load(EXAMPLE.replace('pool: icu-team', 'pool: nobody'))).to.throw(ConfigError, /sources\[0\]\.pool: nobody/u));

  for (const [given, change, says] of BAD) it(`with ${given} is refused, and says where`, () => expect(() => load(change(EXAMPLE))).to.throw(ConfigError, says));

  it('that isn\'t there says how to get one', () => expect(() => loadConfig(join(folder, 'none.yaml'))).to.throw(/aceso init/u));

  it('shows no value of the file in an error', () => expect(() => load(EXAMPLE.replace(/token_sha256: .*/u, 'token_sha256: s3cr3t'))).to.throw(/^(?![\s\S]*s3cr3t)/u));
});

describe('The templates', () => {
  it('of the repository are valid, and state their room version', () => expect(loadTemplate(join(ROOT, 'config', 'templates', 'results.yaml')).room_version).to.equal('12'));
});
