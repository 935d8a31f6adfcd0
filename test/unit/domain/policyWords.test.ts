import { expect } from 'chai';
import { as, type Millis, type UserId } from '../../../src/domain/brand.ts';
import { inForce } from '../../../src/domain/policy/agreement.ts';
import { labelsOf } from '../../../src/domain/policy/labels.ts';
import { stranger, whoIs } from '../../../src/domain/policy/standing.ts';
import { organisations } from '../../support/reports.ts';

const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const labelled = (...security: readonly unknown[]): string => JSON.stringify({ resourceType: 'DiagnosticReport', meta: { security } });

describe('Security labels of a resource', () => {
  const CASES: readonly (readonly [given: string, resource: string, labels: readonly string[]])[] = [
    ['Part 2', labelled({ system: ACT, code: '42CFRPart2' }), ['part2']],
    ['Part 2, without its system: it protects all the same', labelled({ code: '42cfrpart2' }), ['part2']],
    ...['ETH', 'ETHUD', 'OPIOIDUD', 'SUD', ' eth '].map((code) => [`substance use, by ${code}`, labelled({ system: ACT, code }), ['part2']] as const),
    ['restricted and very restricted', labelled({ system: CONFIDENTIALITY, code: 'R' }, { system: CONFIDENTIALITY, code: 'V' }), ['restricted']],
    ['both', labelled({ system: CONFIDENTIALITY, code: 'R' }, { system: ACT, code: '42CFRPart2' }), ['part2', 'restricted']],
    ['normal confidentiality', labelled({ system: CONFIDENTIALITY, code: 'N' }), []],
    ...['http://terminology.hl7.org/CodeSystem/v3-', 'http://hl7.org/fhir/v3/', 'https://hl7.org/fhir/v3/', ' http://hl7.org/fhir/v3/'].map((base) => [`both, under ${base}`, labelled({ system: `${base}ActCode`, code: '42CFRPart2' }, { system: `${base}Confidentiality`, code: 'V' }), ['part2', 'restricted']] as const),
    ['both, under their OIDs', labelled({ system: 'urn:oid:2.16.840.1.113883.5.4', code: '42CFRPart2' }, { system: 'urn:oid:2.16.840.1.113883.5.25', code: 'R' }), ['part2', 'restricted']],
    ['both, under a system of the hospital\'s own', labelled({ system: 'urn:local', code: '42CFRPart2' }, { system: 'urn:local', code: 'R' }), ['part2', 'restricted']],
    ['both, under a system that is none', labelled({ system: 7, code: '42CFRPart2' }, { system: null, code: 'R' }), ['part2', 'restricted']],
    ['both, written otherwise', labelled({ code: ' 42 CFR Part 2' }, { code: 'r ' }), ['part2', 'restricted']],
    ['other codes that begin so', labelled({ code: 'RESCOMPT' }, { code: 'VIP' }, { code: '42CFR' }, { code: 'ETHNIC' }, { code: 'PSY' }), []],
    ['nonsense', labelled(null, 7, {}), []],
    ['none', JSON.stringify({ resourceType: 'Observation' }), []],
    ['the word somewhere else', JSON.stringify({ text: '"security"', security: [{ code: 'R' }] }), []],
  ];
  for (const [given, resource, labels] of CASES) it(given, () => expect(labelsOf(resource)).to.deep.equal(labels));
});

describe('Whom a rule sees', () => {
  const ada = as<UserId>('@ada:stanne.example');
  it('in somebody of the directory with a standing: what it says, and unknown devices when it doesn\'t', () => {
    expect(whoIs(ada, { roles: ['partner-clinician'], department: 'ICU', mfa: true }, organisations)).to.deep.include({ roles: ['partner-clinician'], department: 'ICU', mfa: true, posture: 'unknown' });
  });
  it('in somebody of a partner with an account here: their own organisation, with its agreements', () => {
    expect(whoIs(as('@guest:mercy.example'), { roles: ['partner-clinician'], organisation: 'stanne.example' }, organisations).organisation).to.include({ id: 'stanne.example', own: false });
  });
  it('in somebody of an organisation that nobody named: one without an agreement, also on the own server', () => {
    expect(whoIs(as('@guest:mercy.example'), { roles: ['physician'], organisation: 'elsewhere' }, organisations).organisation).to.deep.equal({ id: 'elsewhere', own: false, servers: [], agreements: [] });
    expect(whoIs(as('@x:elsewhere.example'), undefined, organisations).organisation.agreements).to.deep.equal([]);
  });
  it('in somebody whom the directory doesn\'t know: no role at all', () => expect(stranger(ada, organisations).roles).to.deep.equal([]));
});

describe('Agreements', () => {
  it('are in force from their first instant to the one before their last', () => {
    const agreements = [{ kind: 'treatment', from: as<Millis>(10), until: as<Millis>(20) }, { kind: 'baa' }] as const;
    expect([9, 10, 19, 20].map((at) => inForce({ agreements }, as<Millis>(at)))).to.deep.equal([['baa'], ['baa', 'treatment'], ['baa', 'treatment'], ['baa']]);
  });
});
