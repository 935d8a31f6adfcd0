import { expect } from 'chai';
import { as } from '../../../src/domain/brand.ts';
import type { Entry, Register } from '../../../src/domain/agreements/register.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import { decideDelivery } from '../../../src/domain/delivery/decide.ts';
import type { DeliveryState } from '../../../src/domain/delivery/delivery.ts';
import type { FactBody } from '../../../src/domain/fact.ts';
import { decideRoom } from '../../../src/domain/rooms/decide.ts';
import type { RoomState } from '../../../src/domain/rooms/room.ts';
import { Sealed } from '../../../src/domain/sealed.ts';
import { entry, register } from '../../support/agreements.ts';
import { ada, allowAll, ben, organisations, SUBJECT, T0 } from '../../support/reports.ts';

const [partner] = ada.members;
if (partner === undefined) throw new Error('a person has a Matrix id');
const revoked: Entry = { ...entry(), revoked: { at: T0, by: 'eve', reason: 'breach' } };
const context = (known: Register | undefined): Context => ({
  now: T0, judge: allowAll, found: new Map(known ? [[known.server, { aggregate: { kind: 'agreement', id: known.server }, state: { ...known, rooms: [ada.id] } }]] : []),
  settings: { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example'], invitationPatienceMs: 1 },
});
const good = context(register(entry()));
const over = context(register(revoked));
const renewed = context(register(revoked, entry({ id: `ag_${'2'.repeat(32)}` })));

type Step = readonly [FactBody, Context];
const seen = ({ effects = [], raise = [] }: Decision<unknown>): readonly string[] => [...effects.map(({ id }) => id), ...raise.map(({ aggregate, body }) => `${body.type} ${aggregate.id}`)];

describe('A room whose agreement is over', () => {
  const wanted = (delivery: string): FactBody => ({ type: 'room.wanted', party: ada, delivery: as(delivery) });
  const changed: FactBody = { type: 'policy.changed', revision: 'agreement x' };
  const released = (delivery: string): FactBody => ({ type: 'room.released', delivery: as(delivery) });
  const member = (membership: 'join' | 'leave', sender = partner): FactBody => ({ type: 'room.member', roomId: as('!r:m'), userId: partner, membership, sender, eventId: as(`$${membership}`) });
  const inUse: readonly Step[] = [
    [wanted('d1'), good], [{ type: 'effect.done', effect: as('create:dr-okafor:1'), kind: 'room.create', result: { type: 'room.create', roomId: as('!r:m') } }, good],
    [member('join'), good], [wanted('d2'), good],
  ];
  function run(steps: readonly Step[]): Decision<RoomState | undefined> {
    let decision: Decision<RoomState | undefined> = { state: undefined, audit: [] };
    for (const [body, known] of steps) decision = decideRoom(decision.state, { id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body }, known);
    return decision;
  }
  const removal = `remove:dr-okafor:${partner}:1`;

  const CASES: readonly (readonly [given: string, steps: readonly Step[], then: readonly string[]])[] = [
    ['it is over: each delivery that it took is asked, and nobody goes yet', [[changed, over]], ['room.ending d1', 'room.ending d2']],
    ['one of them lets its people go: the other still keeps them', [[changed, over], [released('d1'), over]], []],
    ['both let them go: their memberships end', [[changed, over], [released('d1'), over], [released('d2'), over]], [removal]],
    ['it is asked again meanwhile: nothing is asked twice', [[changed, over], [changed, over]], []],
    ['one lets go twice', [[changed, over], [released('d1'), over], [released('d1'), over]], []],
    ['there is another agreement before they went: those that kept them are told, and they stay', [[changed, over], [released('d1'), over], [changed, renewed]], ['room.kept d2']],
    ['the last lets go after there was another: nobody is removed', [[changed, over], [released('d1'), over], [changed, renewed], [released('d2'), renewed]], []],
    ['they are gone, and it is asked again', [[changed, over], [released('d1'), over], [released('d2'), over], [member('leave', as('@guardian:mercy.example')), over], [changed, over]], []],
  ];
  for (const [given, steps, then] of CASES) it(`given ${given}`, () => expect(seen(run([...inUse, ...steps]))).to.deep.equal(then));

  it('says in the audit what the rules say of its people by then, with their revision', () => {
    const { audit } = run([...inUse, [changed, over]]);
    expect(audit.map(({ action }) => action)).to.deep.equal(['rules.allowed', 'room.refused', 'room.ending']);
    expect(audit[0]?.detail).to.include.keys('rules', 'revision').and.to.include({ user: partner });
  });

  it('invites them again under another agreement, and can remove them again', () => {
    const gone: readonly Step[] = [...inUse, [changed, over], [released('d1'), over], [released('d2'), over], [member('leave', as('@guardian:mercy.example')), over], [changed, renewed]];
    expect(seen(run(gone))).to.include(`invite:dr-okafor:${partner}:2`);
    expect(seen(run([...gone, [member('join'), renewed], [changed, over], [released('d1'), over], [released('d2'), over]]))).to.deep.equal([`remove:dr-okafor:${partner}:2`]);
  });
});

describe('A delivery whose agreement is over', () => {
  const requested = (critical: boolean): FactBody => ({ type: 'delivery.requested', report: as('r'), source: as('lab'), party: ada, rule: 'requester', news: 'first', critical, content: Sealed.of(SUBJECT, {}), acceptedAt: T0, owner: 'Laboratory desk' });
  const ready: FactBody = { type: 'room.ready', roomId: as('!r:m'), party: ada, members: { [partner]: 'joined' } };
  const sent: FactBody = { type: 'effect.done', effect: as('send:d1'), kind: 'room.send', result: { type: 'room.send', eventId: as('$e'), devices: 1, withheld: 0 } };
  const answer: FactBody = { type: 'reply.received', eventId: as('$a'), sender: partner, signedByOwner: true, content: Sealed.of(SUBJECT, {}) };
  const left: FactBody = { type: 'recipient.membership', userId: partner, membership: 'left' };
  const ending: FactBody = { type: 'room.ending', server: 'stanne.example' };
  const critical: readonly FactBody[] = [requested(true), ready, sent];
  function run(facts: readonly FactBody[]): Decision<DeliveryState | undefined> {
    let decision: Decision<DeliveryState | undefined> = { state: undefined, audit: [] };
    for (const body of facts) decision = decideDelivery(decision.state, { id: as('f'), aggregate: { kind: 'delivery', id: 'd1' }, at: T0, body }, good);
    return decision;
  }

  const CASES: readonly (readonly [given: string, facts: readonly FactBody[], then: readonly string[], held: string | undefined])[] = [
    ['it is routine: it lets them go', [requested(false), ready, sent, ending], ['room.released dr-okafor'], undefined],
    ['it is critical and answered: it lets them go', [...critical, answer, ending], ['room.released dr-okafor'], undefined],
    ['it is critical and not sent: nothing keeps them', [requested(true), ending], ['room.released dr-okafor'], undefined],
    ['it is critical, sent and not answered: it keeps them, and somebody has to call', [...critical, ending], [], 'agreement-ended'],
    ['it was seen meanwhile: that closes nothing', [...critical, ending, { type: 'receipt.seen', eventId: as('$e'), userId: partner, seenAt: T0 }], [], 'agreement-ended'],
    ['it is answered: it lets them go', [...critical, ending, answer], ['room.released dr-okafor'], undefined],
    ['it is closed by hand', [...critical, ending, { type: 'operator.close', by: 'eve' }], ['room.released dr-okafor'], undefined],
    ['it is given to somebody else: they get it, corrections go to them, and it lets the others go', [...critical, ending, { type: 'operator.assign', by: 'eve', party: ben }], ['delivery.requested d1.dr-ruiz', 'delivery.assigned r', 'room.released dr-okafor'], undefined],
    ['it is given to whom it was sent: that is no new owner', [...critical, ending, { type: 'operator.assign', by: 'eve', party: ada }], [], 'agreement-ended'],
    ['there is another agreement: nobody has to call', [...critical, ending, { type: 'room.kept' }], [], undefined],
    ['it is answered after there was another', [...critical, ending, { type: 'room.kept' }, answer], [], undefined],
    ['it was given to somebody else, and they left: that is no news to anybody', [...critical, ending, { type: 'operator.assign', by: 'eve', party: ben }, left], [], undefined],
    ['it was closed by hand before, and the next agreement ends', [...critical, ending, { type: 'operator.close', by: 'eve' }, ending], ['room.released dr-okafor'], undefined],
    ['it is routine and unseen, and they left: somebody has to call', [requested(false), ready, sent, ending, left], [], 'invitation-left'],
    ['it is held for want of an agreement, and they left: it stays held for that', [requested(true), { type: 'room.blocked', code: 'no-agreement', message: 'none', members: { [partner]: 'joined' } }, left], [], 'no-agreement'],
    ['it is closed twice', [...critical, ending, { type: 'operator.close', by: 'eve' }, { type: 'operator.close', by: 'eve' }], [], undefined],
  ];
  for (const [given, facts, then, held] of CASES) it(`given ${given}`, () => {
    const decision = run(facts);
    expect(seen(decision)).to.deep.equal(then);
    expect(decision.state?.held?.code).to.equal(held);
    if (held !== undefined) expect(decision.state?.held?.owner).to.equal('Laboratory desk');
  });
});
