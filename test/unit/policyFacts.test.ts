import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { inForce } from '../../src/domain/policy/agreement.ts';
import { as, type Millis } from '../../src/domain/brand.ts';
import { organisationsOf, partiesOf } from '../../src/main/compose.ts';
import { temporaryFolder } from '../support/folders.ts';

const read = (more: object): ReturnType<typeof loadConfig> => {
  const file = join(temporaryFolder('facts'), 'aceso.yaml');
  writeFileSync(file, JSON.stringify({ organisation: { name: 'Mercy' }, homeserver: { url: 'http://127.0.0.1:8008', server_name: 'mercy.example' }, appservice: { url: 'http://127.0.0.1:9100' }, ...more }));
  return loadConfig(file);
};
const at = (text: string): Millis => as<Millis>(Date.parse(text));

describe('What the configuration says that rules look at', () => {
  it('is of a person their roles and standing; who has none stays as the directory had them before there were roles', () => {
    const person = { id: 'a', name: 'A', user_id: '@a:mercy.example' };
    const [known, bare] = partiesOf(read({ directory: { people: [{ ...person, roles: ['nurse'], organisation: 'stanne', department: 'ICU', trained_at: '2026-03-01', mfa: false, device_posture: 'good' }, { ...person, id: 'b', user_id: '@b:mercy.example' }] } }));
    expect(known?.standing).to.deep.equal({ roles: ['nurse'], organisation: 'stanne', department: 'ICU', trainedAt: at('2026-03-01'), mfa: false, posture: 'good' });
    expect(bare).to.deep.equal({ id: 'b', kind: 'person', name: 'A', members: ['@b:mercy.example'], identifiers: [] });
  });

  it('is of a partner its agreements, in force through their last day; one of which nothing is said is one for treatment', () => {
    const [own, stanne, harbor] = organisationsOf(read({ partners: [{ server_name: 'stanne.example', name: 'St. Anne', organisation: 'stanne', agreements: [{ kind: 'baa', from: '2026-01-01', until: '2026-12-31' }] }, { server_name: 'harbor.example', name: 'Harbor' }] }));
    expect(own).to.deep.equal({ id: 'mercy.example', own: true, servers: ['mercy.example'], agreements: [] });
    expect(stanne).to.include({ id: 'stanne', own: false });
    const kinds = (text: string): readonly string[] => (stanne ? inForce(stanne, at(text)) : []);
    expect([kinds('2025-12-31T23:59:59Z'), kinds('2026-01-01T00:00:00Z'), kinds('2026-12-31T23:59:59Z'), kinds('2027-01-01T00:00:00Z')]).to.deep.equal([[], ['baa'], ['baa'], []]);
    expect(harbor && inForce(harbor, at('2036-01-01'))).to.deep.equal(['treatment']);
  });

  it('is refused where it isn\'t a day, a kind or a role', () => {
    expect(() => read({ partners: [{ server_name: 'x.example', name: 'X', agreements: [{ kind: 'bba' }] }] })).to.throw('partners[0].agreements[0].kind');
    expect(() => read({ directory: { people: [{ id: 'a', name: 'A', user_id: '@a:mercy.example', trained_at: 'yesterday' }] } })).to.throw('trained_at: a day');
    expect(() => read({ directory: { people: [{ id: 'a', name: 'A', user_id: '@a:mercy.example', roles: ['Head Nurse'] }] } })).to.throw('aceso policy roles');
  });
});
