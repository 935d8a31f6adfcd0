import { expect } from 'chai';
import { as } from '../../src/domain/brand.ts';
import type { Fact, FactOf } from '../../src/domain/fact.ts';
import { createIntake } from '../../src/loop/intake.ts';
import { noFaults } from '../../src/ports/faults.ts';
import type { Claim } from '../../src/ports/store.ts';
import { T0 } from '../support/reports.ts';
import { openTestStore, type OpenStore } from '../support/stores.ts';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const nested = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);

describe('What happens in a results room', () => {
  let open: OpenStore;
  const claim = async (): Promise<Claim<Fact>> => {
    const [first] = await open.store.claimFacts('w', T0, 1000, 1);
    if (!first) throw new Error('nothing came in');
    return first;
  };
  const intake = (): ReturnType<typeof createIntake> => createIntake({
    store: open.store, guardian: as('@guardian:x'), ownUsers: [as('@guardian:x')], now: () => T0, log: quiet, metrics: { count: () => undefined, observe: () => undefined }, faults: noFaults, nudge: () => undefined,
  });
  beforeEach(async () => {
    open = await openTestStore('sqlite', () => T0);
    await open.store.receive([{ source: 'operator', key: 'k', aggregate: { kind: 'room', id: 'ada' }, at: T0, body: { type: 'timer.due', name: 'any' } }]);
    await open.store.commit(await claim(), 0, { state: {}, names: ['!r'], audit: [] });
  });
  afterEach(() => open.store.close());

  it('is taken whatever else a sender put into an encrypted event; only what decrypting and relating need is kept', async () => {
    const megolm = { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: 'AwgA', session_id: 's', device_id: 'D' };
    const content = { ...megolm, 'm.relates_to': { rel_type: 'm.thread', event_id: '$root', 'm.in_reply_to': { event_id: '$e', more: nested(5000) } }, extra: nested(5000) };
    await intake()({ events: [{ event_id: as('$x'), room_id: as('!r'), sender: as('@a:x'), type: 'm.room.encrypted', origin_server_ts: 1, content }], ephemeral: [] });
    const { event } = (await claim()).work.body as FactOf<'room.encrypted'>;
    expect(event.content).to.deep.equal({ ...megolm, 'm.relates_to': { rel_type: 'm.thread', event_id: '$root', 'm.in_reply_to': { event_id: '$e' } } });
  });

  it('tells who replaces a room: the guardian, or another', async () => {
    const tombstone = (id: string, sender: string): Parameters<ReturnType<typeof intake>>[0]['events'][number] => ({ event_id: as(id), room_id: as('!r'), sender: as(sender), type: 'm.room.tombstone', state_key: '', origin_server_ts: 1, content: { replacement_room: '!new' } });
    await intake()({ events: [tombstone('$a', '@guardian:x'), tombstone('$b', '@a:x')], ephemeral: [] });
    const first = await claim();
    expect(first.work.body).to.deep.equal({ type: 'room.tombstone', roomId: '!r', eventId: '$a', sender: '@guardian:x', by: 'guardian', successor: '!new' });
    await open.store.commit(first, 1, { state: {}, audit: [] });
    expect((await claim()).work.body).to.include({ eventId: '$b', by: 'another' });
  });

  for (const [what, servers, told] of [['leaves the hospital', ['x', 'y'], ['unasked']], ['never leaves it', ['x'], []]] as const) it(`in clear in a room that ${what} is ${told.length > 0 ? 'an alarm: the policy server was not asked' : 'taken out, and no alarm'}`, async () => {
    const edges: unknown[] = [];
    await open.store.receive([{ source: 'operator', key: 'k2', aggregate: { kind: 'room', id: 'ada' }, at: T0, body: { type: 'timer.due', name: 'any' } }]);
    await open.store.commit(await claim(), 1, { state: { servers }, audit: [] });
    const take = createIntake({
      store: open.store, guardian: as('@guardian:x'), ownUsers: [as('@guardian:x')], now: () => T0, log: quiet, metrics: { count: (name, labels) => { if (name === 'policy_edges') edges.push(labels?.['edge']); }, observe: () => undefined }, faults: noFaults, nudge: () => undefined,
      policy: { serverName: as('policy.x'), userId: as('@policy:policy.x'), publicKey: 'k' },
    });
    await take({ events: [{ event_id: as('$x'), room_id: as('!r'), sender: as('@a:y'), type: 'm.room.message', origin_server_ts: 1, content: { body: 'K 6.8' } }], ephemeral: [] });
    expect(edges).to.deep.equal(told);
    expect((await claim()).work.body).to.include({ type: 'room.clear-text', sender: '@a:y' });
  });

  for (const [made, told] of [['federated', ['unasked']], ['local', []]] as const) it(`in clear in a room where people talk that was made ${made}, and has no partner now, ${told.length > 0 ? 'is an alarm' : 'is none'}`, async () => {
    const edges: unknown[] = [];
    await open.store.receive([{ source: 'operator', key: 'k3', aggregate: { kind: 'governed', id: 'k' }, at: T0, body: { type: 'timer.due', name: 'any' } }]);
    await open.store.commit(await claim(), 0, { state: { servers: [], made }, names: ['!talk'], audit: [] });
    const take = createIntake({
      store: open.store, guardian: as('@guardian:x'), ownUsers: [as('@guardian:x')], now: () => T0, log: quiet, metrics: { count: (name, labels) => { if (name === 'policy_edges') edges.push(labels?.['edge']); }, observe: () => undefined }, faults: noFaults, nudge: () => undefined,
      policy: { serverName: as('policy.x'), userId: as('@policy:policy.x'), publicKey: 'k' },
    });
    await take({ events: [{ event_id: as('$x'), room_id: as('!talk'), sender: as('@a:x'), type: 'm.room.message', origin_server_ts: 1, content: { body: 'K 6.8' } }], ephemeral: [] });
    expect(edges).to.deep.equal(told);
  });

  it('counts at once when it is of our own server\'s people; of another server\'s only once the homeserver shows it', async () => {
    const reaction = (id: string, sender: string): Parameters<ReturnType<typeof intake>>[0]['events'][number] => ({ event_id: as(id), room_id: as('!r'), sender: as(sender), type: 'm.reaction', origin_server_ts: 1, content: { 'm.relates_to': { event_id: '$result', key: 'x' } } });
    await intake()({ events: [reaction('$own', '@a:x'), reaction('$other', '@b:y')], ephemeral: [] });
    const own = await claim();
    expect(own.work.body).to.deep.equal({ type: 'room.reaction', eventId: '$own', sender: '@a:x', relatesTo: '$result' });
    await open.store.commit(own, 1, { state: {}, audit: [] });
    expect((await claim()).work.body).to.deep.equal({ type: 'room.claimed', roomId: '!r', eventId: '$other', sender: '@b:y', said: { type: 'room.reaction', eventId: '$other', sender: '@b:y', relatesTo: '$result' } });
  });

  it('of a room that is not ours is left alone', async () => {
    await intake()({ events: [{ event_id: as('$x'), room_id: as('!other'), sender: as('@a:x'), type: 'm.room.encrypted', origin_server_ts: 1, content: {} }], ephemeral: [] });
    expect((await open.store.counts(T0)).undecided).to.equal(0);
  });
});
