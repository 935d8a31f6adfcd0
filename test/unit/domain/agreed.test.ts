import { expect } from 'chai';
import { as, type Millis } from '../../../src/domain/brand.ts';
import { isAgreed, lookupsOfAgreements, organisationsNow } from '../../../src/domain/agreements/agreed.ts';
import type { Entry, Register } from '../../../src/domain/agreements/register.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import { decideDelivery, lookupsOfDelivery } from '../../../src/domain/delivery/decide.ts';
import type { DeliveryState } from '../../../src/domain/delivery/delivery.ts';
import type { FactBody } from '../../../src/domain/fact.ts';
import { inForce } from '../../../src/domain/policy/agreement.ts';
import { decideRoom, lookupsOfRoom } from '../../../src/domain/rooms/decide.ts';
import type { RoomState } from '../../../src/domain/rooms/room.ts';
import { Sealed } from '../../../src/domain/sealed.ts';
import { entry, register } from '../../support/agreements.ts';
import { ada, allowAll, organisations, SUBJECT, T0 } from '../../support/reports.ts';

const revoked: Entry = { ...entry(), revoked: { at: T0, by: 'eve', reason: 'breach' } };
const over = entry({ until: '2026-11-23' });
const toCome = entry({ from: '2026-12-01' });
const partner = ada.members[0];

const context = (known: Register | undefined, configured = true, now: Millis = T0): Context => ({
  now, judge: allowAll, found: new Map(known ? [[known.server, { aggregate: { kind: 'agreement', id: known.server }, state: known }]] : []),
  settings: { organisations: configured ? organisations : organisations.slice(0, 1), organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: configured ? ['mercy.example', 'stanne.example'] : ['mercy.example'], invitationPatienceMs: 1 },
});

const CASES: readonly (readonly [given: string, known: Register | undefined, configured: boolean, agreed: boolean])[] = [
  ['nothing is signed, and the configuration names the partner', undefined, true, true],
  ['nothing is signed, and it doesn\'t, or signed agreements are required', undefined, false, false],
  ['an agreement is in force', register(entry()), false, true],
  ['it was revoked', register(revoked), false, false],
  ['it was revoked, and the configuration still names the partner', register(revoked), true, false],
  ['it is over', register(over), true, false],
  ['it hasn\'t begun', register(toCome), false, false],
  ['it is over, and another goes on', register(over, entry({ id: `ag_${'2'.repeat(32)}`, from: '2026-11-01' })), false, true],
  ['none of its signatures is good', register(), true, false],
];

describe('A partner\'s server', () => {
  for (const [given, known, configured, agreed] of CASES) it(`given ${given}, is ${agreed ? '' : 'not '}agreed`, () => {
    expect(isAgreed('stanne.example', context(known, configured))).to.equal(agreed);
    const organisation = organisationsNow(context(known, configured)).find(({ servers }) => servers.includes('stanne.example'));
    expect(organisation ? inForce(organisation, T0) : [], 'as rules see it').to.deep.equal(agreed ? ['treatment'] : []);
  });

  it('is agreed to the last instant of its last day', () => {
    const known = register(entry());
    expect([as<Millis>(Date.parse('2028-01-01') - 1), as<Millis>(Date.parse('2028-01-01'))].map((now) => isAgreed('stanne.example', context(known, false, now)))).to.deep.equal([true, false]);
  });

  it('is never asked for oneself', () => expect(isAgreed('mercy.example', context(undefined, false))).to.equal(true));
});

function room(steps: readonly (readonly [FactBody, Context])[]): Decision<RoomState | undefined> {
  let decision: Decision<RoomState | undefined> = { state: undefined, audit: [] };
  for (const [body, known] of steps) decision = decideRoom(decision.state, { id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body }, known);
  return decision;
}
const seen = ({ effects = [], raise = [] }: Decision<unknown>): readonly string[] => [...effects.map(({ body }) => body.type), ...raise.map(({ body }) => ('code' in body ? `${body.type}:${body.code}` : body.type))];
const wantedBy = (delivery: string): FactBody => ({ type: 'room.wanted', party: ada, delivery: as(delivery) });
const wanted = wantedBy('d1');
const changed: FactBody = { type: 'policy.changed', revision: 'agreement x' };
if (partner === undefined) throw new Error('a person has a Matrix id');
const open: readonly (readonly [FactBody, Context])[] = [
  [wanted, context(register(entry()))],
  [{ type: 'effect.done', effect: as('create:dr-okafor:1'), kind: 'room.create', result: { type: 'room.create', roomId: as('!r:m') } }, context(undefined)],
  [{ type: 'room.member', roomId: as('!r:m'), userId: partner, membership: 'join', sender: partner, eventId: as('$j') }, context(undefined)],
];

describe('A results room of a partner', () => {
  it('looks up what is agreed with its people\'s servers', () => {
    expect(lookupsOfRoom({ id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body: wanted }, undefined)).to.deep.include({ kind: 'agreement', name: 'stanne.example' });
    expect(lookupsOfAgreements(ada, ada)).to.deep.equal([{ kind: 'agreement', name: 'stanne.example' }]);
  });

  it('is made under an agreement, which is told that it is relied on, once', () => {
    const known = register(entry());
    expect(seen(room([[wanted, context(known)]]))).to.deep.equal(['room.create', 'agreement.used']);
    expect(seen(room([[wanted, context({ ...known, rooms: [ada.id] })]]))).to.deep.equal(['room.create']);
  });

  it('is not made without one: what needs it is held, and goes on when there is one', () => {
    const closed = room([[wanted, context(register(revoked))]]);
    expect(seen(closed)).to.deep.equal(['agreement.used', 'room.blocked:no-agreement']);
    expect(closed.state?.waiting).to.deep.equal(['d1']);
    expect(seen(room([[wanted, context(register(revoked))], [changed, context(register(revoked, entry()))]]))).to.include('room.create');
  });

  it('takes nothing new once it ended, and is ready again under another', () => {
    const ended = [...open, [changed, context(register(revoked))], [wantedBy('d2'), context(register(revoked))]] as const;
    expect(seen(room(ended))).to.include('room.blocked:no-agreement');
    const again = room([...ended, [changed, context(register(revoked, entry()))]]);
    expect(seen(again)).to.include('room.ready');
    expect(again.wake).to.include('send:dr-okafor');
  });
});

describe('A delivery to a partner', () => {
  const requested: FactBody = { type: 'delivery.requested', report: as('r'), source: as('lab'), party: ada, rule: 'requester', news: 'first', critical: true, content: Sealed.of(SUBJECT, {}), acceptedAt: T0, owner: 'Laboratory desk' };
  const ready: FactBody = { type: 'room.ready', roomId: as('!r:m'), party: ada, members: { [partner]: 'joined' } };
  function delivery(steps: readonly (readonly [FactBody, Context])[]): Decision<DeliveryState | undefined> {
    let decision: Decision<DeliveryState | undefined> = { state: undefined, audit: [] };
    for (const [body, known] of steps) decision = decideDelivery(decision.state, { id: as('f'), aggregate: { kind: 'delivery', id: 'd1' }, at: T0, body }, known);
    return decision;
  }

  it('asks what is agreed when its room is ready', () => expect(lookupsOfDelivery({ id: as('f'), aggregate: { kind: 'delivery', id: 'd1' }, at: T0, body: ready }, undefined)).to.deep.include({ kind: 'agreement', name: 'stanne.example' }));

  it('goes out under an agreement', () => expect(seen(delivery([[requested, context(undefined)], [ready, context(register(entry()))]]))).to.deep.equal(['room.send']));

  it('is held, owned and asked for again when the agreement ended meanwhile', () => {
    const decision = delivery([[requested, context(undefined)], [ready, context(register(revoked))]]);
    expect(seen(decision)).to.deep.equal(['room.wanted']);
    expect(decision.state?.held).to.include({ code: 'no-agreement', owner: 'Laboratory desk' });
  });
});
