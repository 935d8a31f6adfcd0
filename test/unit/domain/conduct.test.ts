import { expect } from 'chai';
import { decideAgreement } from '../../../src/domain/agreements/decide.ts';
import { isAgreed, organisationsNow } from '../../../src/domain/agreements/agreed.ts';
import { COUNTS_MS, honoursOf, sightOf, type AskedToSign, type Conduct } from '../../../src/domain/agreements/conduct.ts';
import type { Register } from '../../../src/domain/agreements/register.ts';
import { as, type Millis } from '../../../src/domain/brand.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import type { FactBody, FactOf } from '../../../src/domain/fact.ts';
import { viewOf } from '../../../src/domain/policy/roomView.ts';
import { allowAll, organisations, T0 } from '../../support/reports.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
const later = (ms: number): Millis => as<Millis>(T0 + ms);

describe('What a question to sign shows of a partner\'s homeserver', () => {
  const room = (guardedMinutes: number | undefined, joinedMinutes = -10): AskedToSign['room'] => ({ members: new Map([['@ada:stanne.example', { membership: 'join', by: as('@ada:stanne.example'), at: later(joinedMinutes * MINUTE) }]]), ...(guardedMinutes === undefined ? {} : { guardedSince: later(guardedMinutes * MINUTE) }) });
  const asked: AskedToSign = { origin: 'stanne.example', sender: as('@ada:stanne.example'), type: 'm.room.encrypted', sentAt: T0, room: room(-10), rule: 'encrypted' };
  const CASES: readonly (readonly [string, Partial<AskedToSign>, string | undefined])[] = [
    ['it asks about its own people\'s message: it asks before it sends', {}, 'stanne.example asks-before-sending yes traffic'],
    ['it asks about clear text of theirs, and is refused: it asks', { type: 'm.room.message', rule: 'clear-text' }, 'stanne.example asks-before-sending yes traffic'],
    ['it asks about another\'s event: it asks about what it gets', { sender: as('@bob:mercy.example') }, 'stanne.example asks-about-received yes traffic'],
    ['it asks about an event that is there to be asked about: it was tried', { sender: as('@policy:policy.example'), type: 'org.aceso.probe', rule: 'probe' }, 'stanne.example asks-about-received yes check'],
    ['our homeserver must ask about their message: it came unasked', { origin: 'mercy.example' }, 'stanne.example asks-before-sending no traffic'],
    ['our homeserver must ask about clear text of theirs', { origin: 'mercy.example', type: 'm.room.message', rule: 'clear-text' }, 'stanne.example asks-before-sending no traffic'],
    ['our homeserver asks about their membership, as it always does: nothing', { origin: 'mercy.example', type: 'm.room.member', rule: 'invited-member' }, undefined],
    ['our homeserver asks about the empty event by which Synapse joins loose ends: nothing', { origin: 'mercy.example', type: 'org.matrix.dummy_event', rule: 'dummy' }, undefined],
    ['our homeserver asks about our own people\'s message: nothing', { origin: 'mercy.example', sender: as('@bob:mercy.example') }, undefined],
    ['it was sent before they can have heard of the policy server: nothing', { origin: 'mercy.example', room: room(-0.5) }, undefined],
    ['it was sent when their server may have joined half only: nothing', { origin: 'mercy.example', room: room(-10, -4) }, undefined],
    ['nobody of theirs is known to be in the room: nothing', { origin: 'mercy.example', room: { ...room(-10), members: new Map() } }, undefined],
    ['the room isn\'t under the policy server: nothing', { origin: 'mercy.example', room: room(undefined) }, undefined],
    ['it is history: nothing', { origin: 'mercy.example', sentAt: later(-6 * MINUTE) }, undefined],
    ['somebody else may have made it up: nothing', { origin: 'mercy.example', rule: 'bad-signature' }, undefined],
    ['it could not be judged: nothing', { rule: 'too-slow' }, undefined],
  ];
  for (const [given, change, shown] of CASES) it(`given ${given}`, () => {
    const sight = sightOf({ ...asked, ...change }, 'mercy.example', T0);
    expect(sight && `${sight.server} ${sight.trait} ${sight.honoured} ${sight.source}`).to.equal(shown);
  });

  it('goes by since when the room names a policy server that is a member', () => {
    const event = (type: string, content: object, at: number, key = ''): never => ({ event_id: `$${type}${key}`, room_id: '!r', sender: '@aceso_guardian:mercy.example', type, state_key: key, origin_server_ts: at, content } as never);
    const state = [event('m.room.create', {}, 1), event('m.room.policy', { via: 'policy.example' }, 20), event('m.room.member', { membership: 'join' }, 10, '@policy:policy.example')];
    expect(viewOf(state)?.guardedSince).to.equal(20);
    expect(viewOf(state.slice(0, 2))?.guardedSince, 'nobody of it is there').to.equal(undefined);
    expect(viewOf([...state.slice(0, 2), event('m.room.member', { membership: 'join' }, 30, '@policy:policy.example')])?.guardedSince, 'it came back').to.equal(30);
  });
});

describe('What was seen of a partner\'s homeserver', () => {
  const context: Context = { now: T0, judge: allowAll, found: new Map(), settings: { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['stanne.example'], invitationPatienceMs: 1 } };
  const seen = (change: Partial<FactOf<'partner.seen'>> = {}): FactBody => ({ type: 'partner.seen', trait: 'asks-before-sending', honoured: 'yes', source: 'traffic', rooms: [as('dr-okafor')], ...change });
  function run(...facts: readonly (readonly [FactBody, number?])[]): Decision<Register | undefined> {
    let decision: Decision<Register | undefined> = { state: undefined, audit: [] };
    for (const [index, [body, ms = 0]] of facts.entries()) decision = decideAgreement(decision.state, { id: as(`f${index}`), aggregate: { kind: 'agreement', id: 'stanne.example' }, at: later(ms), body }, context);
    return decision;
  }
  const told = ({ audit, raise = [] }: Decision<Register | undefined>): readonly unknown[] => [audit.map(({ action, detail }) => `${action} ${String(detail?.['honoured'] ?? '')}`.trim()), raise.length];

  for (const [given, decision, audit, rooms] of [
    ['it is seen for the first time: the rooms are asked again', run([seen()]), ['partner.seen yes'], 1],
    ['it is seen again: nothing is new', run([seen()], [seen(), DAY]), [], 0],
    ['it is tried again: that is told', run([seen()], [seen({ source: 'check', by: 'eve' }), DAY]), ['partner.seen yes'], 0],
    ['it stops: the rooms are asked again', run([seen()], [seen({ honoured: 'no' }), DAY]), ['partner.seen no'], 1],
    ['it asks again soon after it didn\'t: that doesn\'t count yet', run([seen({ honoured: 'no' })], [seen(), DAY - 1]), [], 0],
    ['it asks again a day after it didn\'t', run([seen({ honoured: 'no' })], [seen(), DAY]), ['partner.seen yes'], 1],
    ['somebody tried it soon after it didn\'t', run([seen({ honoured: 'no' })], [seen({ source: 'check' }), 1]), ['partner.seen yes'], 1],
    ['it was seen too long ago: the rooms are asked again', run([seen()], [{ type: 'timer.due', name: 'old:asks-before-sending' }, COUNTS_MS]), ['partner.unknown'], 1],
  ] as const) it(`given ${given}`, () => expect(told(decision)).to.deep.equal([audit, rooms]));

  it('has a timer for when it is too old, put off each time it is seen', () => {
    expect(run([seen()]).timers).to.deep.equal([{ name: 'old:asks-before-sending', dueAt: later(COUNTS_MS) }]);
    expect(run([seen()], [seen(), DAY]).timers).to.deep.equal([{ name: 'old:asks-before-sending', dueAt: later(DAY + COUNTS_MS) }]);
  });

  it('doesn\'t make a partner of the configuration one without an agreement', () => {
    const found = new Map([['stanne.example', { aggregate: { kind: 'agreement', id: 'stanne.example' } as const, state: run([seen()]).state }]]);
    expect(isAgreed('stanne.example', { ...context, found })).to.equal(true);
    const theirs = organisationsNow({ ...context, found }).find(({ id }) => id === 'stanne.example');
    expect(theirs?.agreements.map(({ kind }) => kind)).to.deep.equal(['treatment']);
    expect(theirs?.conduct?.['asks-before-sending']?.honoured).to.equal('yes');
  });

  it('is kept when an agreement comes', () => {
    const { state } = run([seen()], [{ type: 'agreement.added', terms: { id: 'ag_1', kind: 'treatment', parties: [{ server: 'mercy.example', name: 'M' }, { server: 'stanne.example', name: 'S' }], scope: ['results'], from: '2026-01-01', until: '2199-12-31', policy: 'a' }, signatures: { partner: 'p', own: 'o' }, key: 'k1', pin: 'confirmed', rooms: [], by: 'eve' }]);
    expect(state).to.have.nested.property('conduct.asks-before-sending.honoured', 'yes');
    expect(state?.rooms).to.deep.equal(['dr-okafor']);
  });

  const at = (honoured: 'yes' | 'no', ms = 0): Conduct[keyof Conduct] => ({ honoured, at: later(ms), source: 'check' });
  for (const [given, conduct, honours] of [
    ['nothing is known', {}, {}],
    ['it asks both ways', { 'asks-before-sending': at('yes'), 'asks-about-received': at('yes') }, { policyServer: true }],
    ['it is known of one way only', { 'asks-before-sending': at('yes') }, {}],
    ['it doesn\'t one way', { 'asks-before-sending': at('no'), 'asks-about-received': at('yes') }, { policyServer: false }],
    ['it gives keys and takes out', { 'serves-keys': at('yes'), 'applies-redactions': at('no') }, { encryption: true, redaction: false }],
    ['it was seen too long ago', { 'serves-keys': at('yes', -COUNTS_MS) }, {}],
  ] as const) it(`tells rules, given ${given}`, () => expect(honoursOf(conduct as Conduct, T0)).to.deep.equal(honours));
});
