import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, configJsonSchema, loadConfig, loadTemplate } from '../../src/config/load.ts';
import { ROOM_KINDS } from '../../src/domain/policy/words.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const EXAMPLE = readFileSync(join(ROOT, 'config', 'aceso.example.yaml'), 'utf8');

const BAD: readonly (readonly [given: string, change: (text: string) => string, says: RegExp])[] = [
  ['a misspelt key', (text) => text.replace('max_bytes:', 'max_byte:'), /sources\[0\]: Unrecognized key: "max_byte"/u],
  ['a key twice', (text) => `${text}\nlog: { level: warn }\n`, /Map keys must be unique/u],
  ['no organisation', (text) => text.replace(/organisation:\n.*\n/u, ''), /organisation:/u],
  ['a token instead of its hash', (text) => text.replace(/- sha256: .*/u, '- sha256: secret'), /sources\[0\]\.tokens\[0\]\.sha256: the SHA-256 of its bearer token.*aceso source token/u],
  ['the same token twice', (text) => text.replace(/- sha256: 6030.*/u, '- sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'), /sources token: 9f86.* is there twice/u],
  ['an end of a token that is no instant', (text) => text.replace('2027-01-31T00:00:00Z', 'soon'), /sources\[0\]\.tokens\[0\]\.not_after: an instant/u],
  ['a source that can\'t prove itself', (text) => text.replace(/    tokens:[\s\S]*?(?=    resource_types)/u, ''), /sources\[0\]: has no way to prove itself/u],
  ['keys over plain HTTP', (text) => text.replace('jwks_url: "https://lis', 'jwks_url: "http://lis'), /sources\[0\]\.smart\.jwks_url: an https:\/\/ address/u],
  ['keys from two places', (text) => text.replace('smart: { client_id', 'smart: { jwks_file: x, client_id'), /sources\[0\]\.smart: give jwks_url or jwks_file/u],
  ['a SMART client, and no address of its own', (text) => text.replace(/ *public_url: .*/u, ''), /sources\[0\]\.smart: needs http\.public_url/u],
  ['an issuer that isn\'t named', (text) => text.replace('issued: [{ issuer: "https://sso', 'issued: [{ issuer: "https://sos'), /sources\[0\]\.issued\[0\]\.issuer: is not among/u],
  ['a certificate beside tokens, and no certificate', (text) => text.replace(/    certificates:[\s\S]*?certificate: enough/u, '    certificate: beside-tokens'), /sources\[0\]\.certificate: beside-tokens needs/u],
  ['certificates that nothing shows', (text) => text.replace(/ *client_ca:.*/u, '').replace(/ *certificate_header:.*/u, ''), /sources\[0\]\.certificates: nothing shows Aceso a client certificate/u],
  ['everybody as a trusted proxy', (text) => text.replace('10.1.0.0/16', '0.0.0.0/0'), /trusted_proxies\.addresses: a network of \/0 is everybody/u],
  ['a proxy that is no address', (text) => text.replace('10.1.0.0/16', '10.1.0.0/99'), /trusted_proxies\.addresses\[1\]: an address or a network/u],
  ['TLS at the homeserver\'s door, and an http address', (text) => text.replace('  port: 9100 ', '  tls: { certificate: a, key: b }\n  port: 9100 '), /appservice\.url: begins with http/u],
  ['a certificate known by nothing', (text) => text.replace('name: DNS:lis', 'nome: DNS:lis'), /sources\[0\]\.certificates\[1\]: one of sha256/u],
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

  it('shows no value of the file in an error', () => expect(() => load(EXAMPLE.replace(/- sha256: .*/u, '- sha256: s3cr3t'))).to.throw(/^(?![\s\S]*s3cr3t)/u));
});

describe('The templates', () => {
  for (const kind of ROOM_KINDS) it(`of ${kind} rooms is valid, and states its room version`, () => expect(loadTemplate(join(ROOT, 'config', 'templates', `${kind}.yaml`))).to.include({ id: kind, room_version: '12' }));
});
