import { expect } from 'chai';
import fc from 'fast-check';
import { as, type Millis, type UserId } from '../../../src/domain/brand.ts';
import { agreedTermsOf, driftOf, sharesKind } from '../../../src/domain/agreements/demands.ts';
import { isShared } from '../../../src/domain/agreements/agreed.ts';
import type { RoomDemands } from '../../../src/domain/agreements/terms.ts';
import { admit, type AdmissionTerms, type Asked, type Pdu } from '../../../src/domain/policy/admit.ts';
import { inOrder, intersectionOf, objectionTo, seenBy, type Act, type RoomTerms } from '../../../src/domain/policy/roomTerms.ts';
import { ROOM_KINDS } from '../../../src/domain/policy/words.ts';
import { entry, register } from '../../support/agreements.ts';
import { encryptedContent } from '../../support/megolm.ts';
import { organisations, T0 } from '../../support/reports.ts';

const EMOJI = ['👍', '👍🏽', '👎', '✅', '❤', '❤️', '🚀'];
const ROLES = ['physician', 'nurse', 'billing', 'resident', 'partner-clinician'];
const some = (words: readonly string[]): fc.Arbitrary<string[]> => fc.uniqueArray(fc.constantFrom(...words));
const anyTerms: fc.Arbitrary<RoomTerms> = fc.dictionary(fc.constantFrom(...ROOM_KINDS), fc.record({ reactions: some(EMOJI), removals: fc.constantFrom('own', 'never'), senders: some(ROLES) }, { requiredKeys: ['reactions', 'removals'] }));
const by = fc.oneof(some(ROLES), fc.constant('not-asked' as const));
const anyAct: fc.Arbitrary<Act> = fc.oneof(fc.record({ type: fc.constant('message' as const), by }), fc.record({ type: fc.constant('reaction' as const), key: fc.constantFrom(...EMOJI), by }), fc.record({ type: fc.constant('removal' as const) }));
const anyKind = fc.constantFrom(...ROOM_KINDS, 'K 6.8');
const passes = (act: Act, kind: string, terms: RoomTerms): boolean => objectionTo(act, kind, terms) === undefined;

describe('What two hospitals ask of rooms that both share', () => {
  it('lets pass what both let pass, and nothing that one of them forbids', () => fc.assert(fc.property(anyTerms, anyTerms, (one, other) => {
    const both = intersectionOf(one, other);
    const acts = fc.sample(fc.tuple(anyAct, anyKind), 20);
    // Somebody with two roles passes with each of them alone too: the list of both holds the roles that are on both lists.
    for (const [act, kind] of acts) if (passes(act, kind, both)) expect(passes(act, kind, one) && passes(act, kind, other)).to.equal(true);
    for (const [act, kind] of acts) if ((!('by' in act) || act.by === 'not-asked' || act.by.length <= 1) && passes(act, kind, one) && passes(act, kind, other)) expect(passes(act, kind, both)).to.equal(true);
  })));

  it('is the same whoever is named first', () => fc.assert(fc.property(anyTerms, anyTerms, (one, other) => { expect(intersectionOf(one, other)).to.deep.equal(intersectionOf(other, one)); })));

  it('is the same with one of them twice', () => fc.assert(fc.property(anyTerms, anyTerms, (one, other) => {
    expect(intersectionOf(one, one)).to.deep.equal(inOrder(one));
    expect(intersectionOf(intersectionOf(one, other), other)).to.deep.equal(intersectionOf(one, other));
  })));

  it('is asked of the policy server by every agreement that counts in the room: it lets pass what none of them forbids, in whatever order', () => fc.assert(fc.property(anyTerms, fc.array(anyTerms, { maxLength: 3 }), anyAct.filter(({ type }) => type !== 'removal'), fc.constantFrom(...ROOM_KINDS), (own, agreed, act, kind) => {
    const answer = (terms: readonly RoomTerms[]): boolean => admit(pduOf(act), askedOf(act, kind), { ...terms_, own, agreed: terms.map((kinds) => ({ partner: 'stanne.example', whose: 'stanne.example', kinds })) }).allowed;
    const seen = seenBy('stanne.example', act, { server: 'stanne.example', own: 'mercy.example' });
    const expected = passes(act, kind, own) && agreed.every((each) => passes(seen, kind, each));
    expect([answer(agreed), answer([...agreed].reverse()), answer([...agreed, ...agreed])]).to.deep.equal([expected, expected, expected]);
  })));
});

const NOW = as<Millis>(1_800_000_000_000);
const user = (name: string): UserId => as<UserId>(name);
const ada = user('@ada:stanne.example');
const terms_: Omit<AdmissionTerms, 'own' | 'agreed'> = { guardian: user('@g:mercy.example'), courier: user('@c:mercy.example'), ownServer: 'mercy.example', policyUsers: [user('@p:policy.example')], keepers: [user('@g:mercy.example')], servers: ['mercy.example', 'stanne.example'] };
const pduOf = (act: Act): Pdu => ({ sender: ada, origin_server_ts: NOW, ...(act.type === 'reaction' ? { type: 'm.reaction', content: { 'm.relates_to': { rel_type: 'm.annotation', event_id: `$${'a'.repeat(43)}`, key: act.key } } } : { type: 'm.room.encrypted', content: encryptedContent() }) });
const askedOf = (act: Act, template: string, allow = ['mercy.example', 'stanne.example']): Asked => ({
  room: { version: '12', creator: terms_.guardian, template, current: new Set(), admitted: { allow, deny: [], literals: 'denied' }, members: new Map([[ada, { membership: 'join', by: ada }]]) },
  now: NOW, bytes: 100, fields: [], hash: 'right', signature: 'right', accepted: false,
  writer: 'by' in act && act.by !== 'not-asked' ? { roles: act.by, verdict: { allowed: true, revision: 'r', rules: ['x'], message: '', warnings: [] } } : 'not-asked',
});

describe('The terms of an agreement', () => {
  const demands = (server: string, kinds: RoomTerms = { results: { reactions: ['👍'], removals: 'own', senders: ['physician'] } }, policy = 'a'.repeat(64)): RoomDemands => ({ server, policy, kinds });
  const agreed = entry({ rooms: [demands('mercy.example'), demands('stanne.example')] });
  const message: Act = { type: 'message', by: ['nurse'] };

  it('count only where that partner is let in, and the refusal says whose they are', () => {
    const terms: AdmissionTerms = { ...terms_, own: { results: { reactions: [], removals: 'own' } }, agreed: agreedTermsOf(register(entry({ rooms: [demands('stanne.example')] })), T0) };
    const bob = user('@bob:mercy.example');
    const asked = (allow?: string[]): Asked => { const { room, ...rest } = askedOf(message, 'results', allow); return { ...rest, room: { ...room, members: new Map([[bob, { membership: 'join', by: bob }]]) } } as Asked; };
    const refused = admit({ ...pduOf(message), sender: bob }, asked(), terms);
    expect(refused).to.include({ allowed: false, by: 'stanne.example' });
    expect(refused.message).to.include('By the rules of stanne.example');
    expect(admit({ ...pduOf(message), sender: bob }, asked(['mercy.example']), terms)).to.include({ allowed: true });
  });

  it('let pass what was accepted before they were agreed', () =>
    expect(admit(pduOf(message), { ...askedOf(message, 'results'), accepted: true, writer: 'not-asked' }, { ...terms_, own: { results: { reactions: [], removals: 'own' } }, agreed: agreedTermsOf(register(entry({ rooms: [demands('stanne.example', {})] })), T0) })).to.include({ allowed: true }));

  it('ask of our people what their hospital asks of a partner\'s, and leave its own people to it', () => {
    const kinds: RoomTerms = { consult: { reactions: [], removals: 'own', senders: ['physician'] } };
    const answer = (sender: UserId, roles: readonly string[], asks = kinds): boolean => {
      const said: Act = { type: 'message', by: roles };
      const asked = askedOf(said, 'consult');
      const room = { ...asked.room, members: new Map([[sender, { membership: 'join' as const, by: sender }]]) };
      return admit({ ...pduOf(said), sender }, { ...asked, room } as Asked, { ...terms_, own: { consult: { reactions: [], removals: 'own' } }, agreed: [{ partner: 'stanne.example', whose: 'stanne.example', kinds: asks }] }).allowed;
    };
    const meg = user('@meg:mercy.example');
    expect([answer(meg, ['physician']), answer(ada, ['partner-clinician'])]).to.deep.equal([false, true]);
    const letsPartners: RoomTerms = { consult: { reactions: [], removals: 'own', senders: ['physician', 'partner-clinician'] } };
    expect([answer(meg, ['physician'], letsPartners), answer(meg, [], letsPartners)]).to.deep.equal([true, false]);
  });

  it('and the own rules of today don\'t reach what was accepted before them', () => {
    const own: RoomTerms = { results: { reactions: [], removals: 'never' } };
    const reacted: Act = { type: 'reaction', key: '👍', by: 'not-asked' };
    expect([true, false].map((accepted) => admit(pduOf(reacted), { ...askedOf(reacted, 'results'), accepted }, { ...terms_, own, agreed: [] }).allowed)).to.deep.equal([true, false]);
  });

  it('are those of both sides, of every agreement in force', () => {
    const renewal = entry({ id: `ag_${'2'.repeat(32)}`, rooms: [demands('mercy.example', {}), demands('stanne.example', {})] });
    expect(agreedTermsOf(register(agreed, renewal), T0).map(({ whose, kinds }) => [whose, Object.keys(kinds)])).to.deep.equal([['mercy.example', ['results']], ['stanne.example', ['results']], ['mercy.example', []], ['stanne.example', []]]);
  });

  it('go on after the end of the last one, while its people are led out, and not before an agreement begins', () => {
    const over = entry({ until: '2026-11-23', rooms: [demands('stanne.example')] });
    const before = entry({ id: `ag_${'3'.repeat(32)}`, until: '2026-10-01', rooms: [demands('stanne.example', {})] });
    const toCome = entry({ id: `ag_${'2'.repeat(32)}`, from: '2026-12-01', rooms: [demands('stanne.example', {})] });
    expect(agreedTermsOf(register(before, over, toCome), T0).map(({ kinds }) => Object.keys(kinds))).to.deep.equal([['results']]);
  });

  it('ask nothing where they are from before there were any', () => expect(agreedTermsOf(register(entry()), T0)).to.deep.equal([]));

  it('say which kinds of rooms the partner shares: its people are invited to no other', () => {
    const known = register(agreed);
    expect([sharesKind(known, 'results', T0), sharesKind(known, 'consult', T0)]).to.deep.equal([true, false]);
    const context = { now: T0, found: new Map([['stanne.example', { aggregate: { kind: 'agreement', id: 'stanne.example' } as const, state: known }]]), settings: { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: [], invitationPatienceMs: 1 } };
    expect([isShared('stanne.example', 'consult', context), isShared('mercy.example', 'consult', context)]).to.deep.equal([false, true]);
  });

  for (const [given, own, differs] of [
    ['its rules are those of the agreement', demands('mercy.example'), []],
    ['its rules have another revision, and ask the same', demands('mercy.example', undefined, 'b'.repeat(64)), ['rules']],
    ['its rules ask something else', demands('mercy.example', {}), ['rooms']],
  ] as const) it(`are ${differs.length === 0 ? 'what' : 'seen not to be what'} the hospital asks today when ${given}`, () => expect(driftOf(register(agreed), own, T0).map((each) => each.differs)).to.deep.equal(differs));
});
