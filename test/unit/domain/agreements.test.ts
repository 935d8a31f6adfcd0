import { expect } from 'chai';
import { as, type Millis } from '../../../src/domain/brand.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import type { FactBody, FactOf } from '../../../src/domain/fact.ts';
import { decideAgreement } from '../../../src/domain/agreements/decide.ts';
import { endingSoon, statusOf, type Register } from '../../../src/domain/agreements/register.ts';
import { claimsOf } from '../../../src/domain/agreements/terms.ts';
import { entry, register, terms } from '../../support/agreements.ts';
import { T0, allowAll, organisations } from '../../support/reports.ts';

const context: Context = { now: T0, judge: allowAll, found: new Map(), settings: { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: [], invitationPatienceMs: 1 } };
const ID = terms().id;
const added: FactOf<'agreement.added'> = { type: 'agreement.added', terms: terms(), signatures: { partner: 'p', own: 'o' }, key: 'k1', pin: 'confirmed', rooms: [as('dr-okafor')], by: 'eve' };
const renewal: FactOf<'agreement.added'> = { ...added, pin: 'known', rooms: [], terms: terms({ id: `ag_${'2'.repeat(32)}`, from: '2027-12-01', until: '2029-12-31' }) };
const revoked: FactBody = { type: 'agreement.revoked', agreement: ID, by: 'eve', reason: 'breach' };
const timer = (name: string): FactBody => ({ type: 'timer.due', name: `${name}:${ID}` });
const at = (day: string): Millis => as<Millis>(Date.parse(day));

function run(facts: readonly FactBody[], when = T0, partner = 'stanne.example'): Decision<Register | undefined> {
  let decision: Decision<Register | undefined> = { state: undefined, audit: [] };
  for (const [index, body] of facts.entries()) decision = decideAgreement(decision.state, { id: as(`f${index}`), aggregate: { kind: 'agreement', id: partner }, at: when, body }, context);
  return decision;
}

const CASES: readonly (readonly [given: string, facts: readonly FactBody[], audit: readonly string[], roomsAsked: number])[] = [
  ['it is added: it counts, its key is pinned, the rooms are asked again', [added], ['agreement.key-pinned', 'agreement.added'], 1],
  ['it is added twice: once', [added, added], ['agreement.refused'], 0],
  ['it is between others', [{ ...added, terms: terms({ parties: [{ server: 'clinic.example', name: 'Clinic' }, { server: 'stanne.example', name: 'St. Anne' }] }) }], ['agreement.refused'], 0],
  ['it is with another partner', [{ ...added, terms: terms({ parties: [{ server: 'clinic.example', name: 'Clinic' }, { server: 'mercy.example', name: 'Mercy' }] }) }], ['agreement.refused'], 0],
  ['it comes with a key that nobody confirmed', [{ ...added, pin: 'known' }], ['agreement.refused'], 0],
  ['a renewal comes with another key than the one that is pinned', [added, { ...renewal, key: 'k2' }], ['agreement.refused'], 0],
  ['a renewal comes with the pinned key', [added, renewal], ['agreement.added'], 1],
  ['it is revoked: the rooms are asked again', [added, revoked], ['agreement.revoked'], 1],
  ['it is revoked twice: once', [added, revoked, revoked], ['agreement.unchanged'], 0],
  ['its end comes: the rooms are asked again', [added, timer('ends')], ['agreement.expired'], 1],
  ['its end comes after it was revoked', [added, revoked, timer('ends')], [], 0],
  ['its first day comes: the rooms are asked again', [added, timer('begins')], ['agreement.in-force'], 1],
  ['it is 30 days before its end: notice is given', [added, timer('notice-30')], ['agreement.expiring'], 0],
  ['another room relies on it: it is asked too', [added, { type: 'agreement.used', party: as('icu-team') }, revoked], ['agreement.revoked'], 2],
];

describe('An agreement', () => {
  for (const [given, facts, audit, rooms] of CASES) it(`given ${given}`, () => {
    const decision = run(facts);
    expect(decision.audit.map(({ action }) => action)).to.deep.equal(audit);
    expect((decision.raise ?? []).filter(({ aggregate, body }) => aggregate.kind === 'room' && body.type === 'policy.changed')).to.have.length(rooms);
  });

  it('has timers for its notices and its end, and for its begin when that is to come', () => {
    const names = (change: Parameters<typeof terms>[0]): readonly string[] => (run([{ ...added, terms: terms(change) }]).timers ?? []).map(({ name, dueAt }) => `${name.split(':')[0] ?? ''} ${new Date(dueAt).toISOString().slice(0, 10)}`);
    expect(names({})).to.deep.equal(['notice-30 2027-12-02', 'notice-7 2027-12-25', 'ends 2028-01-01']);
    expect(names({ from: '2026-12-01' })).to.include('begins 2026-12-01');
  });

  it('that is revoked has no timer any more', () => expect(run([added, revoked]).clearTimers).to.include.members([`ends:${ID}`, `notice-7:${ID}`]));

  for (const [day, status] of [['2025-12-31T23:59:59Z', 'offered'], ['2026-01-01', 'in-force'], ['2027-12-01T23:59:59Z', 'in-force'], ['2027-12-02', 'expiring'], ['2027-12-31T23:59:59Z', 'expiring'], ['2028-01-01', 'expired']] as const) {
    it(`on ${day} is ${status}`, () => expect(statusOf(entry(), at(day))).to.equal(status));
  }

  it('needs somebody to renew it when it ends soon and no other of its kind goes on', () => {
    const soon = at('2027-12-20');
    const next = entry({ id: `ag_${'2'.repeat(32)}`, from: '2027-12-20', until: '2029-12-31' });
    expect(endingSoon(register(entry()), soon)).to.have.length(1);
    expect(endingSoon(register(entry(), next), soon)).to.have.length(0);
    expect(endingSoon(register(entry(), { ...next, terms: { ...next.terms, kind: 'baa' } }), soon)).to.have.length(1);
  });

  it('has the same bytes to sign whatever the order of its parties', () => {
    const [one, other] = terms().parties;
    expect(claimsOf(terms({ parties: [other, one] }))).to.equal(claimsOf(terms()));
    expect(claimsOf(terms({ until: '2028-12-31' }))).not.to.equal(claimsOf(terms()));
  });
});
