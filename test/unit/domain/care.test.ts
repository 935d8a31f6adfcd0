import { expect } from 'chai';
import { as, type Millis, type SourceId, type SubjectId } from '../../../src/domain/brand.ts';
import { caredForBy, type Care, type CareTeam, type Patient } from '../../../src/domain/care/care.ts';
import { decideCare } from '../../../src/domain/care/decide.ts';
import { decidePatient } from '../../../src/domain/care/patient.ts';
import type { Decision } from '../../../src/domain/decision.ts';
import type { FactBody, FactOf } from '../../../src/domain/fact.ts';
import type { Party } from '../../../src/domain/people/party.ts';
import { NPI } from '../../../src/domain/people/recipient.ts';
import { ben, lab, SUBJECT, T0 } from '../../support/reports.ts';

const EHR = as<SourceId>('ehr');
const OTHER = as<SubjectId>('subject-2');
const later = (ms: number): Millis => as(T0 + ms);
const carer = { identifiers: [{ system: NPI, value: '1902301225' }] };
const team = (change: Partial<Care> = {}): Care => ({ source: EHR, active: true, carers: [carer], ...change });
const patient = (...teams: readonly Care[]): Patient => ({ id: SUBJECT, teams: Object.fromEntries(teams.map((each, index) => [`t${index}`, each])) });

describe('Whoever has a patient in care', () => {
  const cases: readonly (readonly [string, Patient | undefined, Party | undefined, boolean])[] = [
    ['is in an active team of that patient, by an identifier', patient(team()), ben, true],
    ['is not whoever is in none', patient(team({ carers: [{ identifiers: [{ system: NPI, value: '1' }] }] })), ben, false],
    ['is nobody, when no source says anything of the patient', undefined, ben, false],
    ['is not somebody whom the directory doesn\'t know', patient(team()), undefined, false],
    ['is a person, not a team of the directory', patient(team({ carers: [{ identifiers: [{ system: NPI, value: '7' }] }] })), { ...lab, identifiers: [{ system: NPI, value: '7' }] }, false],
    ['is not in a team that isn\'t active', patient(team({ active: false })), ben, false],
    ['is in a team whose period has not ended', patient(team({ from: T0, until: later(1) })), ben, true],
    ['is not in one whose period ends now', patient(team({ until: T0 })), ben, false],
    ['is not in one that has not begun', patient(team({ from: later(1) })), ben, false],
    ['is no longer, once their own time in it is over', patient(team({ carers: [{ ...carer, until: T0 }] })), ben, false],
    ['is not yet, before it begins', patient(team({ carers: [{ ...carer, from: later(1) }] })), ben, false],
    ['is by another team, when one is over', patient(team({ until: T0 }), team()), ben, true],
    ['is not somebody who has left', patient(team()), { ...ben, standing: { roles: ['physician'], left: true } }, false],
  ];
  for (const [words, known, party, expected] of cases) it(words, () => expect(caredForBy(known, party, T0)).to.deep.equal(expected ? [EHR] : []));

  it('is whoever holds the post that a team names, in the source that says so, and nobody who held it before', () => {
    const named = patient(team({ carers: [{ identifiers: [{ system: 'urn:aceso:source:ehr:fhir', value: 'PractitionerRole/9' }] }] }));
    const holding = (source: string, ...posts: readonly string[]): Party => ({ ...ben, fed: { entry: { source: as(source), active: true, identifiers: [], posts } } });
    expect([holding('ehr', 'PractitionerRole/9'), holding('ehr'), holding('other', 'PractitionerRole/9')].map((party) => caredForBy(named, party, T0).length)).to.deep.equal([1, 0, 0]);
  });
});

describe('Whoever has a post in a care team, by what came along with the team', () => {
  const POST = 'PractitionerRole/9';
  const named = (holder: object = {}): Patient => patient(team({ carers: [{ identifiers: [{ system: 'urn:aceso:source:ehr:fhir', value: POST }], post: POST, holder: { ...carer, ...holder } }] }));
  const fed = (word: object, source = 'ehr'): Party => ({ ...ben, fed: { entry: { source: as(source), active: true, identifiers: [], ...word } } });
  for (const [words, known, party, expected] of [
    ['has the patient in care', named(), ben, true],
    ['until the role\'s own period is over', named({ until: T0 }), ben, false],
    ['not before it begins', named({ from: later(1) }), ben, false],
    ['until the source says that they don\'t hold it', named(), fed({ lost: [POST] }), false],
    ['whatever another source says of a post of that name', named(), fed({ lost: [POST] }, 'other'), true],
    ['and whatever is said of other posts', named(), fed({ posts: ['PractitionerRole/1'], lost: ['PractitionerRole/2'] }), true],
  ] as const) it(words, () => expect(caredForBy(known, party, T0).length > 0).to.equal(expected));
});

describe('What a source says of a care team', () => {
  const said = (change: Partial<FactOf<'care.said'>> = {}): FactBody => ({ type: 'care.said', care: team(), patients: [SUBJECT], ...change });
  const run = (...bodies: readonly FactBody[]): Decision<CareTeam | undefined> => bodies.reduce<Decision<CareTeam | undefined>>((before, body, index) => decideCare(before.state, { id: as(`f${index}`), aggregate: { kind: 'care', id: 'team-1' }, at: T0, body }), { state: undefined, audit: [] });
  const told = ({ raise = [] }: Decision<unknown>): readonly unknown[] => raise.map(({ aggregate, body }) => [aggregate.id, 'care' in body ? 'has' : 'has not']);

  it('is told to every name of its patient, and audited without any of them', () => {
    const decision = run(said({ patients: [SUBJECT, OTHER] }));
    expect(told(decision)).to.deep.equal([[SUBJECT, 'has'], [OTHER, 'has']]);
    expect(decision.audit).to.deep.equal([{ action: 'care.changed', because: 'by ehr', detail: { source: 'ehr', team: 'team-1', people: 1, patients: 2 } }]);
  });
  it('is taken from whom it is about no more', () => expect(told(run(said(), said({ patients: [OTHER] })))).to.deep.equal([[SUBJECT, 'has not'], [OTHER, 'has']]));
  it('ends when it is not active any more', () => expect(told(run(said(), said({ care: team({ active: false }) })))).to.deep.equal([[SUBJECT, 'has not']]));
  it('said again changes nothing', () => expect([told(run(said(), said())), run(said(), said()).audit]).to.deep.equal([[], []]));
  it('by an older version that comes late changes nothing, and is audited', () => {
    const decision = run(said({ writtenAt: T0, care: team({ active: false }) }), said({ writtenAt: as(T0 - 1) }));
    expect([decision.state?.care.active, told(decision), decision.audit[0]?.action]).to.deep.equal([false, [], 'care.older']);
  });
});

describe('A patient, by pseudonym', () => {
  const run = (...bodies: readonly (readonly [Millis, FactBody])[]): Decision<Patient | undefined> => bodies.reduce<Decision<Patient | undefined>>((before, [now, body], index) => decidePatient(before.state, { id: as(`f${index}`), aggregate: { kind: 'patient', id: SUBJECT }, at: now, body }, { now }), { state: undefined, audit: [] });
  const told = (id: string, care?: Care): FactBody => ({ type: 'patient.care', team: id, ...(care === undefined ? {} : { care }) });

  it('has the teams of all sources, each by itself, and is found by the pseudonym', () => {
    const { state, names } = run([T0, told('a', team())], [T0, told('b', team({ source: as('other') }))], [T0, told('a')]);
    expect([Object.keys(state?.teams ?? {}), names]).to.deep.equal([['b'], [SUBJECT]]);
  });
  it('keeps no team whose time is over when another is told', () => expect(Object.keys(run([T0, told('a', team({ until: later(5) }))], [later(5), told('b', team())]).state?.teams ?? {})).to.deep.equal(['b']));
});
