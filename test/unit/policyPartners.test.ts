import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { asTheyShouldBe, GRID_AT, OWN, PARTNER } from '../../src/adapters/policy/grid.ts';
import { loadPolicy } from '../../src/adapters/policy/load.ts';
import { readPolicyFolder } from '../../src/adapters/policy/files.ts';
import { COUNTS_MS, type Conduct } from '../../src/domain/agreements/conduct.ts';
import { as } from '../../src/domain/brand.ts';
import type { Organisation } from '../../src/domain/policy/agreement.ts';
import { NO_CIRCUMSTANCES } from '../../src/domain/policy/question.ts';
import { BUILT_IN } from '../../src/main/policy/folder.ts';

const [, example = ''] = /```cedar\n([^`]*partners-ask-the-policy-server[^`]*)```/u.exec(readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'agreements.md'), 'utf8')) ?? [];
const asks = (honoured: 'yes' | 'no', ms = 0): Conduct => ({ 'asks-before-sending': { honoured, at: as(GRID_AT - ms), source: 'check' }, 'asks-about-received': { honoured: 'yes', at: as(GRID_AT), source: 'traffic' } });

describe('The rule of docs/agreements.md about partners\' homeservers', () => {
  const { policy, problems } = loadPolicy({ ...readPolicyFolder(BUILT_IN), 'partners.cedar': example });
  const join_ = (organisation: Organisation): string => {
    const verdict = policy?.judge({ who: asTheyShouldBe(organisation.own ? 'physician' : 'partner-clinician', organisation), action: 'join', target: { type: 'room', kind: 'results' }, circumstances: { ...NO_CIRCUMSTANCES, responsible: true, inCare: true }, at: GRID_AT });
    return verdict?.allowed ? 'yes' : `no: ${verdict?.rules.join(' ') ?? ''}`;
  };

  it('loads beside the default set', () => expect(problems.filter(({ severity }) => severity === 'error')).to.deep.equal([]));

  for (const [given, organisation, then] of [
    ['our own', OWN, 'yes'],
    ['a partner\'s whose homeserver asks', { ...PARTNER, conduct: asks('yes') }, 'yes'],
    ['a partner\'s whose homeserver was seen not to', { ...PARTNER, conduct: asks('no') }, 'no: partners-ask-the-policy-server'],
    ['a partner\'s of whose homeserver nothing is known', PARTNER, 'no: partners-ask-the-policy-server'],
    ['a partner\'s whose homeserver asked too long ago', { ...PARTNER, conduct: asks('yes', COUNTS_MS) }, 'no: partners-ask-the-policy-server'],
  ] as const) it(`lets in ${given}: ${then}`, () => expect(join_(organisation)).to.equal(then));

  it('asks nothing of a schema from before there was such a word', () => {
    const files = readPolicyFolder(BUILT_IN);
    const before = (files['aceso.cedarschema'] ?? '').replaceAll(/^ +honours_.*$/gmu, '');
    const old = loadPolicy({ ...files, 'aceso.cedarschema': before });
    expect(before).not.to.include('honours_');
    expect(old.problems.filter(({ severity }) => severity === 'error')).to.deep.equal([]);
    expect(old.policy?.judge({ who: asTheyShouldBe('partner-clinician', { ...PARTNER, conduct: asks('yes') }), action: 'join', target: { type: 'room', kind: 'results' }, circumstances: { ...NO_CIRCUMSTANCES, responsible: true, inCare: true }, at: GRID_AT }).allowed).to.equal(true);
  });
});
