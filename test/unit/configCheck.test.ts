import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { checkConfig } from '../../src/main/check.ts';

describe('aceso config check', () => {
  let folder: string;
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'aceso-check-')); });
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
    expect(warnings.map((each) => each.split(': it is')[0])).to.deep.equal(['typo: no result can reach stane.example', 'team: no result can reach clinic.example']);
  });
});
