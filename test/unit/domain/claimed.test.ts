import { expect } from 'chai';
import { as } from '../../../src/domain/brand.ts';
import { decide, lookupsFor } from '../../../src/domain/decide.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import type { Claimed, FactBody } from '../../../src/domain/fact.ts';
import type { RoomState } from '../../../src/domain/rooms/room.ts';
import { T0, ada, allowAll, organisations } from '../../support/reports.ts';

const user = ada.members[0] ?? as('@nobody:x');
const context: Context = {
  now: T0, judge: allowAll, found: new Map([['$result', { aggregate: { kind: 'delivery', id: 'd1' }, state: {} }]]),
  settings: { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: [], invitationPatienceMs: 1 },
};
const room: RoomState = { party: ada, phase: 'ready', roomId: as('!r'), generation: 1, servers: [], former: [], members: { [user]: 'joined' }, invitations: {}, waiting: [], open: [] };
const said: Claimed = { type: 'room.reaction', eventId: as('$x'), sender: user, relatesTo: as('$result') };
const reply: Claimed = { type: 'room.encrypted', roomId: as('!r'), event: { event_id: as('$x'), sender: user, origin_server_ts: T0, type: 'm.room.encrypted', content: {} } };
const fact = (body: FactBody): Parameters<typeof decide>[1] => ({ id: as('f'), aggregate: { kind: 'room', id: ada.id }, at: T0, body });
const decided = (body: FactBody, state: RoomState = room): Decision<unknown> => decide(state, fact(body), context);
const claimedAs = (what: Claimed): FactBody => ({ type: 'room.claimed', roomId: as('!r'), eventId: as('$x'), sender: user, said: what });
const confirmed = (shown: 'yes' | 'no' | 'overtaken' | 'unknown', what: Claimed = said, again: { readonly again?: true } = {}): FactBody => ({ type: 'effect.done', effect: as('confirm:$x'), kind: 'event.confirm', result: { type: 'event.confirm', eventId: as('$x'), sender: user, said: what, shown, ...again } });
const changes = ({ effects = [], raise = [], audit }: Decision<unknown>): readonly string[] => [...[...effects, ...raise].map(({ body }) => body.type), ...audit.map(({ action }) => action)];

describe('What somebody of another server did in a room', () => {
  it('changes nothing but that the homeserver is asked, in the order of who did it', () => {
    for (const what of [said, reply]) {
      const decision = decided(claimedAs(what));
      expect(changes(decision)).to.deep.equal(['event.confirm']);
      expect(decision.effects?.[0]?.lane).to.equal(`confirm:${ada.id}:${user}`);
      expect(decision.state).to.equal(room);
    }
  });
  it('counts as what it is once the homeserver shows it', () => {
    expect(changes(decided(confirmed('yes')))).to.deep.equal(['reaction.received']);
    expect(changes(decided(confirmed('yes', reply)))).to.deep.equal(['event.decrypt', 'reply.arrived']);
    expect(lookupsFor(fact(confirmed('yes')), room)).to.deep.equal([{ kind: 'delivery', name: '$result' }]);
  });
  it('changes nothing when it is shown to nobody, and the audit says whose it was', () => {
    const decision = decided(confirmed('no'));
    expect(changes(decision)).to.deep.equal(['event.not-shown']);
    expect(decision.audit[0]?.detail).to.deep.equal({ event: '$x', sender: user, said: 'room.reaction' });
    expect(decision.state).to.equal(room);
  });
  it('changes nothing when the guardian is out of the room and can\'t ask, and the audit says so', () => {
    const decision = decided(confirmed('unknown'));
    expect(changes(decision)).to.deep.equal(['event.not-asked']);
    expect(decision.state).to.equal(room);
  });
  it('is no membership when it is another by now, or while it can\'t be asked', () => {
    expect(changes(decided(confirmed('overtaken')))).to.deep.equal(['member.overtaken']);
    expect(changes(decided({ type: 'effect.failed', effect: as('confirm:$x'), kind: 'event.confirm', code: 'unavailable', message: 'away', final: false }))).to.deep.equal(['event.unconfirmed']);
  });
});

describe('A membership that is confirmed', () => {
  const join: Claimed = { type: 'room.member', roomId: as('!r'), userId: user, membership: 'join', sender: user, eventId: as('$x') };
  const membersAfter = (decision: Decision<unknown>): unknown => (decision.state as RoomState).members[user];
  it('counts for whoever was invited', () => {
    expect(membersAfter(decided(confirmed('yes', join), { ...room, members: { [user]: 'invited' } }))).to.equal('joined');
  });
  it('is asked about once more, in its order, when the guardian took them out meanwhile', () => {
    const out = { ...room, members: { [user]: 'left' as const } };
    const doubted = decided(confirmed('yes', join), out);
    expect(membersAfter(doubted)).to.equal('left');
    expect(doubted.effects).to.deep.equal([{ id: 'confirm:$x:again', lane: `confirm:${ada.id}:${user}`, body: { type: 'event.confirm', roomId: '!r', eventId: '$x', sender: user, said: join, again: true } }]);
    expect(changes(decided(confirmed('overtaken', join, { again: true }), out))).to.deep.equal(['member.overtaken']);
    expect(membersAfter(decided(confirmed('yes', join, { again: true }), out)), 'they came back').to.equal('joined');
  });
});

describe('A receipt', () => {
  const receipt: FactBody = { type: 'room.receipt', userId: user, eventId: as('$result'), seenAt: T0 };
  it('of somebody who is in the room counts', () => {
    expect(changes(decided(receipt))).to.deep.equal(['receipt.seen']);
  });
  for (const is of ['left', 'declined'] as const) it(`of somebody who ${is} doesn't`, () => {
    expect(changes(decided(receipt, { ...room, members: { [user]: is } }))).to.deep.equal(['receipt.not-counted']);
  });
});
