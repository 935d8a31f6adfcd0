import { expect } from 'chai';
import { as, type DeliveryId, type EventId, type RoomId } from '../../src/domain/brand.ts';
import { ok } from '../../src/domain/outcome.ts';
import type { RoomState } from '../../src/domain/rooms/room.ts';
import { Sealed } from '../../src/domain/sealed.ts';
import { createExecutors, type ExecutorParts } from '../../src/loop/executors.ts';
import type { Courier } from '../../src/ports/courier.ts';
import { noFaults } from '../../src/ports/faults.ts';
import type { DueEffect } from '../../src/ports/executor.ts';
import { ada, SUBJECT, T0 } from '../support/reports.ts';

const roomId = as<RoomId>('!r:m');
const user = ada.members[0] ?? as('@nobody:x');
const room = (change: Partial<RoomState> = {}): RoomState => ({ party: ada, phase: 'ready', roomId, generation: 1, servers: [], former: [], members: { [user]: 'joined' }, invitations: {}, waiting: [], open: [], ...change });
const send: DueEffect<'room.send'> = { id: as('send:d1'), lane: 'send:dr-okafor', seat: 2, createdAt: T0, body: { type: 'room.send', roomId, party: ada.id, recipients: [user], content: Sealed.of(SUBJECT, {}) } };
const told: DueEffect<'courier.member'> = { id: as('member:$1'), lane: 'member', seat: 2, createdAt: T0, body: { type: 'courier.member', roomId, userId: user, membership: 'join' } };

describe('An invitation that waited', () => {
  for (const [to, invited] of [['!first:m', []], ['!second:m', [user]]] as const) it(`to ${invited.length > 0 ? 'the room that is there is made' : 'a room that was replaced meanwhile is not made'}`, async () => {
    const asked: string[] = [];
    const executors = createExecutors({
      homeserver: { invite: async (_: RoomId, userId: string) => { asked.push(userId); return ok(undefined); } }, strangerAmong: async () => undefined, faults: noFaults,
      store: { lookup: async () => new Map([[to, { aggregate: { kind: 'governed', id: 'k' }, state: { roomId: '!second:m', former: ['!first:m'] } }]]) },
    } as unknown as ExecutorParts);
    const outcome = await executors['room.invite']({ id: as('ask:k'), lane: 'ask', createdAt: T0, body: { type: 'room.invite', roomId: as(to), userId: user } });
    expect([outcome.ok, asked]).to.deep.equal([invited.length > 0, invited]);
  });
});

describe('An effect that needs a device', () => {
  let calls: string[];
  let state: 'ready' | 'stopped' | 'lost';
  const executors = (held: number, room_ = room()): ReturnType<typeof createExecutors> => {
    const courier = {
      memberChanged: async (_: RoomId, userId: string, membership: string) => { calls.push(`${userId} ${membership}`); },
      send: async () => { calls.push('send'); return ok({ eventId: as<EventId>('$e'), devices: 1, withheld: 0 }); },
      status: () => ({ state, restarts: 0 }),
    } as unknown as Courier;
    return createExecutors({ couriers: { at: (seat: number) => (seat === held ? courier : undefined) }, store: { load: async () => ({ state: room_, version: 1 }) }, keys: { pseudonym: (kind: string, text: string) => `${kind} of ${text}` }, faults: noFaults, strangerAmong: async () => undefined, template: () => ({ rotation: { periodMs: 1, messages: 1 } }) } as unknown as ExecutorParts);
  };
  beforeEach(() => { calls = []; state = 'ready'; });

  it('is done by the device of its seat', async () => {
    expect((await executors(2)['room.send'](send)).ok).to.equal(true);
    expect(calls).to.deep.equal(['send']);
  });

  it('waits for whoever holds its seat, when this worker doesn\'t', async () => {
    for (const outcome of [await executors(1)['room.send'](send), await executors(1)['courier.member'](told)]) expect(!outcome.ok && [outcome.error.code, outcome.error.retry]).to.deep.equal(['no-courier', true]);
    expect(calls).to.deep.equal([]);
  });

  it('tells the device what it has not heard of the members before anything is encrypted, whichever turn came first', async () => {
    const untold = [{ effect: as<DueEffect['id']>('member:$1'), userId: user, membership: 'join' as const }];
    await executors(2, room({ untold }))['room.send'](send);
    expect(calls).to.deep.equal([`${user} join`, 'send']);
  });

  it('sends nothing into a room that is not under the policy server, where it must be', async () => {
    const outcome = await executors(2, room({ unprotected: { message: 'not under it', final: true } }))['room.send'](send);
    expect(outcome).to.deep.equal({ ok: false, error: { code: 'room-unprotected', message: 'not under it', retry: true } });
    expect(calls).to.deep.equal([]);
  });

  it('sends nothing that a consent let pass once the rules keep its delivery back, and makes way for what comes after it', async () => {
    const byConsent = { ...send, body: { ...send.body, byConsent: as<DeliveryId>('d1') } };
    const outcome = await executors(2, { ...room(), ...{ held: { code: 'policy' } } })['room.send'](byConsent);
    expect(outcome.ok || [outcome.error.code, outcome.error.retry]).to.deep.equal(['policy', false]);
    expect((await executors(2, { ...room(), ...{ keptBack: true, held: { code: 'server-away' } } })['room.send'](byConsent)).ok, 'whatever else it is held for').to.equal(false);
    expect(calls).to.deep.equal([]);
    expect((await executors(2, { ...room(), ...{ held: { code: 'waiting' } } })['room.send'](byConsent)).ok).to.equal(true);
  });

  it('looks for that when the device has heard of the members: what is taken back until then doesn\'t go', async () => {
    const untold = [{ effect: as<DueEffect['id']>('member:$1'), userId: user, membership: 'join' as const }];
    const told = { ...room({ untold }), get held() { return calls.length > 0 ? { code: 'policy' } : undefined; } };
    const outcome = await executors(2, told)['room.send']({ ...send, body: { ...send.body, byConsent: as<DeliveryId>('d1') } });
    expect([outcome.ok || outcome.error.code, calls]).to.deep.equal(['policy', [`${user} join`]]);
  });

  it('is not taken for told when the device was stopped meanwhile', async () => {
    for (state of ['stopped', 'lost'] as const) {
      const outcome = await executors(2)['courier.member'](told);
      expect(!outcome.ok && outcome.error.code).to.equal('no-courier');
    }
  });
});
