import { expect } from 'chai';
import { as, type Millis, type SourceId, type SubjectId } from '../../../src/domain/brand.ts';
import type { Patient } from '../../../src/domain/care/care.ts';
import { decidePatient } from '../../../src/domain/care/patient.ts';
import { consentsFor, type Actor, type Consent, type ConsentSaid, type ConsentTerms, type Provision, type Reader } from '../../../src/domain/consent/consent.ts';
import { decideConsent, lookupsOfConsent } from '../../../src/domain/consent/decide.ts';
import { withScope } from '../../../src/domain/consent/scope.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import type { Fact, FactBody, FactOf } from '../../../src/domain/fact.ts';
import { identifierName } from '../../../src/domain/people/party.ts';
import { NPI } from '../../../src/domain/people/recipient.ts';
import { Sealed } from '../../../src/domain/sealed.ts';
import { ada, SUBJECT, T0 } from '../../support/reports.ts';

const EHR = as<SourceId>('ehr');
const later = (ms: number): Millis => as(T0 + ms);
const reader: Reader = { names: new Set(ada.identifiers.map(identifierName)), organisation: 'stanne.example', organisations: (source) => (source === EHR ? { 'Organization/1': 'stanne.example', 'Organization/2': 'mercy.example' } : {}) };
const her: Actor = { kind: 'person', identifiers: ada.identifiers };
const another: Actor = { kind: 'person', identifiers: [{ system: NPI, value: '1' }] };
const hospital = (name: string): Actor => ({ kind: 'organisation', names: [name] });
const permit = (change: Partial<Provision> = {}): Provision => ({ type: 'permit', actors: [her], purposes: ['TREAT'], exceptions: [], ...change });
const { actors: _actors, ...namingNobody } = permit();
const { purposes: _purposes, ...forNothing } = permit();
const deny = (change: Partial<Provision> = {}): Provision => ({ type: 'deny', exceptions: [], ...change });
const consent = (provision: Provision, change: Partial<ConsentTerms> = {}, source = EHR): Consent => ({ source, terms: Sealed.of(SUBJECT, { part2: true, provision, ...change }) });
const covers = (...consents: readonly Consent[]): readonly string[] => consentsFor(Object.fromEntries(consents.map((each, index) => [`c${index}`, each])), reader, T0).map((grant) => grant.consent);

describe('A Part 2 record may be disclosed to somebody for treatment (42 CFR 2.31, 2.33)', () => {
  const CASES: readonly (readonly [given: string, consents: readonly Consent[], then: boolean])[] = [
    ['by a consent that names them', [consent(permit())], true],
    ['not by one that names a post, by whoever had it when it was said', [consent(permit({ actors: [{ ...another, holder: ada.identifiers }] }))], false],
    ['not where another denies it to whoever had a post when it was said', [consent(permit()), consent(deny({ actors: [{ ...another, holder: ada.identifiers }] }))], false],
    ['by one that names their organisation', [consent(permit({ actors: [hospital('Organization/1')] }))], true],
    ['by a single one for treatment, payment and operations', [consent(permit({ purposes: ['TREAT', 'HPAYMT', 'HOPERAT'] }))], true],
    ['by one whose policy permits, where the provision says nothing', [consent({ actors: [her], purposes: ['TREAT'], exceptions: [] }, { base: 'permit' })], true],
    ['by the exception to one that denies everybody', [consent(deny({ exceptions: [permit()] }))], true],
    ['by an exception, where what it is an exception to says the purpose', [consent({ purposes: ['TREAT'], exceptions: [forNothing] }, { base: 'deny' })], true],
    ['by one about what is labelled Part 2', [consent(permit({ labels: ['part2', 'restricted'] }))], true],
    ['by one until later', [consent(permit({ from: T0, until: later(1) }))], true],
    ['not without any', [], false],
    ['not by one that isn\'t under Part 2', [consent(permit(), { part2: false })], false],
    ['not by one that names no recipient (2.31(a)(4))', [consent(namingNobody)], false],
    ['not by one that says no purpose (2.31(a)(5))', [consent(forNothing)], false],
    ['not by one that names another', [consent(permit({ actors: [another] }))], false],
    ['not by one that names another organisation, or one that nothing here is called', [consent(permit({ actors: [hospital('Organization/2')] })), consent(permit({ actors: [hospital('Organization/9')] }))], false],
    ['not by one whose organisation is another source\'s name', [consent(permit({ actors: [hospital('Organization/1')] }), {}, as<SourceId>('other'))], false],
    ['not by one of whom it isn\'t clear whom it names', [consent(permit({ actors: [{ kind: 'unclear' }] }))], false],
    ['not by one for payment', [consent(permit({ purposes: ['HPAYMT'] }))], false],
    ['not by one for a purpose that isn\'t known', [consent(permit({ purposes: ['ETREAT'] }))], false],
    ['not by one about other records', [consent(permit({ labels: ['restricted'] })), consent(permit({ labels: ['part2', 'other'] }))], false],
    ['not by one with a condition that can\'t be checked', [consent(permit({ unchecked: true }))], false],
    ['not by one that ends now', [consent(permit({ until: T0 }))], false],
    ['not by one that begins later', [consent(permit({ from: later(1) }))], false],
    ['not by the exception to one that is over', [consent({ until: T0, exceptions: [permit()] })], false],
    ['not where it denies them', [consent(permit({ exceptions: [deny({ actors: [her] })] }))], false],
    ['where it denies another', [consent(permit({ exceptions: [deny({ actors: [another] })] }))], true],
    ['not where it denies somebody whom nobody knows, who may be they', [consent(permit({ exceptions: [deny({ actors: [{ ...another, stranger: true }] })] }))], false],
    ['not where another denies it to everybody', [consent(permit()), consent(deny())], false],
    ['not where another one denies it that isn\'t under Part 2', [consent(permit()), consent(deny({ actors: [her] }), { part2: false })], false],
    ['where another that denies it is over', [consent(permit()), consent(deny({ until: T0 }))], true],
    ['where another denies it for payment', [consent(permit()), consent(deny({ purposes: ['HPAYMT'] }))], true],
    ['not where another denies it for what may be treatment', [consent(permit()), consent(deny({ purposes: ['ETREAT'] }))], false],
    ['not where another denies it on a condition that can\'t be checked', [consent(permit()), consent(deny({ unchecked: true }))], false],
    ['not where another denies it about other labels, which it may have too', [consent(permit()), consent(deny({ labels: ['other'] }))], false],
    ['where the patient\'s family is denied', [consent(permit()), consent(deny({ actors: [] }))], true],
    ['not where an exception doesn\'t say whether it permits or denies', [consent(permit({ exceptions: [{ actors: [her], exceptions: [] }] }))], false],
    ['where an exception that doesn\'t say so is about another', [consent(permit({ exceptions: [{ actors: [another], exceptions: [] }] }))], true],
    ['not by a provision that permits under a policy that denies everything', [consent(permit(), { base: 'deny' })], false],
    ['not where a policy denies everything', [consent(permit()), consent({ exceptions: [] }, { base: 'deny' })], false],
  ];
  for (const [given, consents, then] of CASES) it(given, () => expect(covers(...consents).length > 0).to.equal(then));

  it('with the statement of its scope, in both forms of the message, to its last day (2.32(b))', () => {
    const grants = consentsFor({ c: consent(permit({ purposes: ['TREAT', 'HPAYMT', 'HRESCH'], until: as<Millis>(Date.UTC(2027, 0, 1)) })), d: consent(permit({ actors: [hospital('Organization/1')] })) }, reader, T0);
    const [one, other] = ['Disclosed to you with the patient\'s written consent, which names you, for treatment, payment, until 2026-12-31.', 'Disclosed to you with the patient\'s written consent, which names your organisation, for treatment; it has no date of expiry.'];
    expect(withScope({ body: 'Text', formatted_body: '<p>Text</p>' }, [...grants, ...grants])).to.deep.equal({ body: `Text\n\n${one}\n${other}`, formatted_body: `<p>Text</p>\n<p>${one.replace('\'', '&#39;')}<br>\n${other.replace('\'', '&#39;')}</p>` });
    expect(withScope({ body: 'Text' }, grants.slice(0, 1))).to.deep.equal({ body: `Text\n\n${one}` });
    expect(withScope({ body: 'Text' }, [])).to.deep.equal({ body: 'Text' });
  });
});

describe('What a source says of a Consent', () => {
  const OTHER = as<SubjectId>('subject-2');
  const fact = (body: FactBody): Fact => ({ id: as('f'), aggregate: { kind: 'consent', id: 'consent-1' }, at: T0, body });
  const said = (change: Partial<FactOf<'consent.said'>> = {}): FactBody => ({ type: 'consent.said', source: EHR, patients: [SUBJECT], terms: consent(permit()).terms, ...change });
  const ended: FactOf<'consent.said'> = { type: 'consent.said', source: EHR, patients: [SUBJECT] };
  const nobody: Context['found'] = new Map();
  const run = (bodies: readonly FactBody[], found = nobody): Decision<ConsentSaid | undefined> => bodies.reduce<Decision<ConsentSaid | undefined>>((before, body) => decideConsent(before.state, fact(body), { found }), { state: undefined, audit: [] });
  const told = ({ raise = [] }: Decision<unknown>): readonly unknown[] => raise.map(({ aggregate, body }) => [aggregate.kind, aggregate.id, 'said' in body ? 'has' : 'has not']);

  it('is told to every name of its patient, and audited by pseudonym, without what it says', () => {
    const decision = run([said({ patients: [SUBJECT, OTHER] })]);
    expect(told(decision)).to.deep.equal([['patient', SUBJECT, 'has'], ['patient', OTHER, 'has']]);
    expect(decision.audit).to.deep.equal([{ action: 'consent.changed', because: 'by ehr', detail: { source: 'ehr', consent: 'consent-1', patients: 2 } }]);
    expect(JSON.stringify([decision.state, decision.raise])).not.to.match(/permit|TREAT|1234567893/u);
  });
  it('ends when it was taken back', () => expect([told(run([said(), ended])), run([said(), ended]).audit[0]?.action]).to.deep.equal([[['patient', SUBJECT, 'has not']], 'consent.ended']));
  it('is taken from whom it is about no more', () => expect(told(run([said(), { type: 'consent.said', source: EHR, patients: [] }]))).to.deep.equal([['patient', SUBJECT, 'has not']]));
  it('said again changes nothing', () => expect([told(run([said(), said()])), run([said(), said()]).audit]).to.deep.equal([[], []]));
  it('by an older version that comes late changes nothing, and is audited', () => {
    const decision = run([{ ...ended, writtenAt: T0 }, said({ writtenAt: as(T0 - 1) })]);
    expect([decision.state?.terms, told(decision), decision.audit[0]?.action]).to.deep.equal([undefined, [], 'consent.older']);
    expect(run([said({ writtenAt: T0 }), ended, said({ writtenAt: as(T0 - 1) })]).audit[0]?.action, 'with one in between that doesn\'t say when').to.equal('consent.older');
  });
  it('marks whom it names and the directory doesn\'t know, by identifier or by post; said again once they are known, it is another', () => {
    const post: Actor = { kind: 'person', identifiers: [{ system: 'urn:aceso:source:ehr:fhir', value: 'PractitionerRole/9' }] };
    const body = said({ terms: consent(permit({ exceptions: [deny({ actors: [her, post] })] })).terms });
    const actors = (found: Context['found']): readonly (Actor | undefined)[] => run([body], found).state?.terms?.reveal().provision.exceptions[0]?.actors ?? [];
    const known: Context['found'] = new Map([[identifierName(ada.identifiers[0] ?? { system: '', value: '' }), { aggregate: { kind: 'party', id: ada.id }, state: ada }], ['ehr PractitionerRole/9', { aggregate: { kind: 'staff', id: 's' }, state: { party: ada.id } }]]);
    expect([actors(nobody), actors(known)]).to.deep.equal([[{ ...her, stranger: true }, { ...post, stranger: true }], [her, post]]);
    expect(lookupsOfConsent(fact(body)).map(({ kind, name }) => `${kind} ${name}`)).to.include.members([`party ${NPI}|1234567893`, 'party urn:aceso:source:ehr:fhir|PractitionerRole/9', 'staff ehr PractitionerRole/9']);
    expect(told(decideConsent(run([body]).state, fact(body), { found: known }))).to.deep.equal([['patient', SUBJECT, 'has']]);
  });
});

describe('A delivery that the rules keep back', () => {
  const run = (...bodies: readonly (readonly [Millis, FactBody])[]): Decision<Patient | undefined> => bodies.reduce<Decision<Patient | undefined>>((before, [now, body], index) => decidePatient(before.state, { id: as(`f${index}`), aggregate: { kind: 'patient', id: SUBJECT }, at: now, body }, { now }), { state: undefined, audit: [] });
  const waits = (version: number, delivery = 'd1'): FactBody => ({ type: 'patient.waits', delivery: as(delivery), version });
  const told = ({ raise = [] }: Decision<unknown>): readonly unknown[] => raise.map(({ aggregate, body }) => `${aggregate.id} ${body.type}`);
  const given = (provision = permit()): FactBody => ({ type: 'patient.consent', consent: 'c1', said: consent(provision) });

  it('is told once when what is known of its patient changes: a consent, or whose care they are in', () => {
    expect(told(run([T0, waits(0)]))).to.deep.equal([]);
    expect(told(run([T0, waits(0)], [T0, waits(0, 'd2')], [T0, waits(0)], [T0, given()]))).to.deep.equal(['d1 patient.changed', 'd2 patient.changed']);
    expect(told(run([T0, waits(0)], [T0, { type: 'patient.care', team: 't' }]))).to.deep.equal(['d1 patient.changed']);
    expect(told(run([T0, waits(0)], [T0, given()], [T0, given()]))).to.deep.equal([]);
  });
  it('waits no more once it has left', () => {
    const settled: FactBody = { type: 'patient.settled', delivery: as('d1') };
    expect(run([T0, waits(0)], [T0, waits(0, 'd2')], [T0, settled]).state?.waiting).to.deep.equal(['d2']);
    expect([run([T0, settled]).state, run([T0, given()], [T0, settled]).state?.consents]).to.deep.equal([undefined, run([T0, given()]).state?.consents]);
  });
  it('is told at once when it asked before the change, and said so after it; and waits when it asked after', () => {
    expect(told(run([T0, given()], [T0, waits(0)]))).to.deep.equal(['d1 patient.changed']);
    expect(told(run([T0, given()], [T0, waits(1)]))).to.deep.equal([]);
    expect(told(run([T0, given()], [T0, waits(1)], [T0, { type: 'patient.consent', consent: 'c1' }]))).to.deep.equal(['d1 patient.changed']);
  });
  it('is told when a consent begins, or a denial ends, by the clock', () => {
    const decision = run([T0, given(permit({ from: later(5), until: later(9), exceptions: [deny({ until: later(7) })] }))]);
    expect(decision.timers).to.deep.equal([{ name: 'turn', dueAt: later(5) }]);
    const begun = decidePatient({ ...(decision.state ?? { id: SUBJECT, teams: {} }), waiting: [as('d1')] }, { id: as('f'), aggregate: { kind: 'patient', id: SUBJECT }, at: later(5), body: { type: 'timer.due', name: 'turn' } }, { now: later(5) });
    expect([told(begun), begun.timers]).to.deep.equal([['d1 patient.changed'], [{ name: 'turn', dueAt: later(7) }]]);
    const carers = [{ identifiers: [], from: later(4), until: later(8), holder: { identifiers: [], until: later(6) } }];
    const caring = (now: number): unknown => run([T0, { type: 'patient.care', team: 't', care: { source: EHR, active: true, until: later(9), carers } }], [later(now), { type: 'timer.due', name: 'turn' }]).timers?.[0]?.dueAt;
    expect([0, 4, 6, 8].map(caring), 'or as somebody\'s care does').to.deep.equal([later(4), later(6), later(8), later(9)]);
    expect(run([T0, given(permit({ until: later(9) }))], [later(9), { type: 'timer.due', name: 'turn' }]).clearTimers).to.deep.equal(['turn']);
  });
});
