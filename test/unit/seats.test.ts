import { expect } from 'chai';
import { as, type Millis, type SourceId } from '../../src/domain/brand.ts';
import type { SeatDevices, SeatTerms } from '../../src/loop/seating.ts';
import { createSeats, type Seats } from '../../src/loop/seats.ts';
import type { Courier, CourierStatus } from '../../src/ports/courier.ts';
import { received, report } from '../support/reports.ts';
import { openTestStore, type OpenStore } from '../support/stores.ts';
import { until } from '../support/until.ts';

/** A machine: the stores that lie on its disk, by seat. */
type Machine = Map<number, { readonly storeId: string | undefined; generation: number }>;
type Worker = { readonly seats: Seats; readonly opened: string[]; readonly state: { value: CourierStatus['state'] } };

describe('The courier\'s seats', () => {
  let opened: OpenStore;
  let nowMs: number;
  let devices: number;
  const events: string[] = [];

  beforeEach(async () => {
    nowMs = 1_000_000;
    devices = 0;
    events.length = 0;
    opened = await openTestStore('sqlite', () => nowMs);
  });
  afterEach(() => opened.store.close());

  /** A worker with fake devices and a fake clock, on the real store. */
  const worker = (name: string, machine: Machine, change: Partial<SeatTerms> = {}, more: Partial<SeatDevices> = {}): Worker => {
    const opens: string[] = [];
    const state: Worker['state'] = { value: 'ready' };
    const seats = createSeats({
      store: opened.store, worker: name, clock: async () => as<Millis>(nowMs), steady: () => nowMs,
      terms: { seats: 2, takeoverMs: 30_000, manner: 'patient', ...change },
      log: { info: (code, fields) => events.push(`${name} ${code} ${String(fields?.['seat'])}`), warn: (code, fields) => events.push(`${name} ${code} ${String(fields?.['seat'])}`), error: (code, fields) => events.push(`${name} ${code} ${String(fields?.['seat'])}`) },
      metrics: { count: () => undefined }, taken: () => undefined,
      devices: {
        here: (seat) => machine.get(seat),
        first: (seat) => ({ deviceId: `FIRST${seat}`, storeId: machine.get(seat)?.storeId ?? `store ${seat}` }),
        invent: (seat) => ({ deviceId: `NEW${seat}N${devices += 1}`, storeId: `new store ${devices}` }),
        setAside: (seat) => { machine.delete(seat); events.push(`${name} set aside ${seat}`); },
        retire: async (deviceId) => { events.push(`${name} retired ${deviceId}`); },
        open: async ({ seat, deviceId, storeId, bornAt }, { generation }) => {
          machine.set(seat, { storeId, generation });
          opens.push(`${seat} ${deviceId} ${generation}${bornAt > 0 ? ' successor' : ''}`);
          return { deviceId, onKeys: () => undefined, status: () => ({ state: state.value, restarts: 0 }), stop: async () => void events.push(`${name} closed ${seat}`) } as unknown as Courier;
        },
        ...more,
      },
    });
    return { seats, opened: opens, state };
  };
  const settled = async ({ seats }: Worker, ...held: readonly number[]): Promise<void> => {
    await seats.tick();
    await until(`seats ${held.join(' ')} to be held`, () => JSON.stringify(seats.held()) === JSON.stringify(held), 2000, 5);
  };
  /** Time passes for these workers; the others are dead, or stopped. */
  const pass = async (ms: number, ...living: readonly Worker[]): Promise<void> => {
    for (let left = ms; left > 0; left -= 400) {
      nowMs += Math.min(400, left);
      for (const { seats } of living) await seats.tick();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  it('keeps its device while its store is there and can\'t be read, says so, and goes on with it afterwards; the other seats meanwhile', async () => {
    const disk: Machine = new Map();
    const before = worker('before', disk);
    await settled(before, 0);
    await before.seats.stop();
    let isReadable = false;
    const a = worker('a', disk, { manner: 'at-once', takeoverMs: 0 }, { here: (seat) => { if (seat === 0 && !isReadable) throw new Error('no file handles'); return disk.get(seat); } });
    await settled(a, 1);
    await pass(5000, a);
    expect(a.seats.held()).to.deep.equal([1]);
    expect(a.seats.status().problem).to.include('no file handles');
    isReadable = true;
    await pass(40_000, a);
    expect(a.seats.held()).to.deep.equal([0, 1]);
    expect(a.opened.filter((each) => each.startsWith('0 FIRST0')).length).to.equal(1);
    expect(events.filter((each) => each.includes('retired'))).to.deep.equal([]);
  });

  it('two workers that start together take one each, and keep it', async () => {
    const disk: Machine = new Map();
    const [a, b] = [worker('a', disk), worker('b', disk)];
    await settled(a, 0);
    await settled(b, 1);
    await pass(20_000, a, b);
    expect([a.seats.held(), b.seats.held()]).to.deep.equal([[0], [1]]);
    expect([...a.opened, ...b.opened]).to.deep.equal(['0 FIRST0 1', '1 FIRST1 1']);
    expect(a.seats.status()).to.deep.include({ state: 'ready', seats: [{ seat: 0, state: 'ready', holder: 'a', deviceId: 'FIRST0' }, { seat: 1, state: 'elsewhere', holder: 'b' }] });
  });

  it('one worker alone takes all of them, and new ones after it has left others time to come', async () => {
    const a = worker('a', new Map());
    await settled(a, 0);
    await pass(4000, a);
    expect(a.seats.held()).to.deep.equal([0]);
    await pass(1600, a);
    await settled(a, 0, 1);
  });

  it('a dead worker\'s seat is another\'s within 4 s where its store is: the same device, a higher generation', async () => {
    const disk: Machine = new Map();
    const [a, b] = [worker('a', disk), worker('b', disk)];
    await settled(a, 0);
    await settled(b, 1);
    await pass(4000, b);
    await settled(b, 0, 1);
    expect(b.opened).to.deep.equal(['1 FIRST1 1', '0 FIRST0 2']);
  });

  it('where its store isn\'t, it is left to the machine that has it for takeover_seconds; then a new device sits down, and the old one is ended first', async () => {
    const [a, b] = [worker('a', new Map()), worker('b', new Map())];
    await settled(a, 0);
    await settled(b, 1);
    await pass(32_000, b);
    expect(b.seats.held()).to.deep.equal([1]);
    expect(b.seats.status()).to.deep.nested.include({ state: 'starting', 'seats[0].state': 'free' });
    await pass(2000, b);
    await settled(b, 0, 1);
    expect(b.opened.at(-1)).to.equal('0 NEW0N1 2 successor');
    expect(events.indexOf('b retired FIRST0')).to.be.within(0, events.indexOf('b seat.taken 0'));
    expect(await opened.store.seat(0)).to.deep.include({ deviceId: 'NEW0N1', storeId: 'new store 1' });
  });

  it('the machine that comes back after that never uses its old store again', async () => {
    const lost: Machine = new Map();
    const a = worker('a', lost, { seats: 1 });
    await settled(a, 0);
    const b = worker('b', new Map(), { seats: 1 });
    await pass(34_000, b);
    await settled(b, 0);
    await b.seats.stop();
    const again = worker('again', lost, { seats: 1 });
    await pass(31_000, again);
    await settled(again, 0);
    expect(events).to.include('again set aside 0');
    expect(again.opened).to.deep.equal(['0 NEW0N2 3 successor']);
  });

  it('a worker that was stopped too long says at once that it holds nothing, and closes its device', async () => {
    const disk: Machine = new Map();
    const [a, b] = [worker('a', disk, { seats: 1 }), worker('b', disk, { seats: 1 })];
    await settled(a, 0);
    await pass(3600, b);
    await settled(b, 0);
    expect(a.seats.held()).to.deep.equal([]);
    expect(a.seats.at(0)).to.equal(undefined);
    await a.seats.tick();
    expect(events).to.include.members(['a seat.lost 0', 'a closed 0']);
    await a.seats.tick();
    expect(a.seats.status()).to.deep.nested.include({ state: 'ready', 'seats[0].holder': 'b' });
  });

  it('while the database is away it sends nothing more when the lease would be over, and goes on with the same device when it is back', async () => {
    const a = worker('a', new Map(), { seats: 1 });
    await settled(a, 0);
    nowMs += 3500; // no renewal came through
    expect(a.seats.held()).to.deep.equal([]);
    await settled(a, 0);
    expect(a.opened).to.have.length(1);
  });

  it('a device that says it is fenced is given up, and its seat taken anew', async () => {
    const a = worker('a', new Map(), { seats: 1 });
    await settled(a, 0);
    a.state.value = 'lost';
    await a.seats.tick();
    expect(a.seats.held()).to.deep.equal([]);
    expect(events).to.include('a seat.lost 0');
    a.state.value = 'ready';
    await pass(4000, a);
    await settled(a, 0);
    expect(a.opened).to.have.length(2);
  });

  it('a device that the homeserver removed is followed by a new one at once, under the same lease; its store is never used again, and the audit says so', async () => {
    const disk: Machine = new Map();
    const [a, b] = [worker('a', disk), worker('b', disk)];
    await settled(a, 0);
    await settled(b, 1);
    a.state.value = 'removed';
    expect(a.seats.held(), 'nothing more is given to it').to.deep.equal([]);
    await a.seats.tick();
    a.state.value = 'ready';
    expect(a.seats.status().seats[0]).to.deep.include({ state: 'opening', problem: 'the homeserver has removed the courier\'s device FIRST0: another one takes its place' });
    await b.seats.tick();
    await settled(a, 0);
    expect(a.opened).to.deep.equal(['0 FIRST0 1', '0 NEW0N1 1 successor']);
    expect(b.opened).to.deep.equal(['1 FIRST1 1']);
    expect(events.filter((each) => !each.includes('seat.taken'))).to.deep.equal(['a seat.device-removed 0', 'a closed 0', 'a retired FIRST0', 'a seat.device-retired 0', 'a set aside 0']);
    const audit = await opened.database.db.selectFrom('audit').selectAll().execute();
    expect(audit.map(({ kind, aggregate, action, because, detail }) => ({ kind, aggregate, action, because, detail: JSON.parse(detail) as unknown }))).to.deep.equal([
      { kind: 'courier', aggregate: '0', action: 'device.followed', because: 'the homeserver had removed the device before it', detail: { device: 'NEW0N1', former: 'FIRST0' } },
    ]);
  });

  it('whoever goes on removing devices doesn\'t make it take more than one a minute', async () => {
    const a = worker('a', new Map(), { seats: 1 });
    await settled(a, 0);
    a.state.value = 'removed';
    await a.seats.tick();
    await until('the second device', () => a.opened.length === 2, 2000, 5);
    await pass(59_000, a);
    expect(a.opened).to.have.length(2);
    expect(a.seats.status()).to.deep.include({ state: 'removed' });
    await pass(2000, a);
    await until('the third device', () => a.opened.length === 3, 2000, 5);
  });

  it('a device that was removed while the homeserver is away is followed when that answers', async () => {
    let isAway = true;
    const a = worker('a', new Map(), { seats: 1 }, { retire: async () => { if (isAway) throw new Error('unreachable'); } });
    await settled(a, 0);
    a.state.value = 'removed';
    await a.seats.tick();
    await until('the failure', () => a.seats.status().problem?.includes('unreachable'), 2000, 5);
    expect(a.opened).to.deep.equal(['0 FIRST0 1']);
    isAway = false;
    await pass(2000, a);
    await until('the device after it', () => a.opened.some((each) => each.includes('NEW0')), 2000, 5);
    expect(a.opened.at(-1)).to.match(/^0 NEW0N\d \d+ successor$/u);
  });

  /** Something that only the device on this seat may do; gives what ends it. */
  const waitsFor = async (seat: number): Promise<() => Promise<boolean>> => {
    const { store } = opened;
    const fact = { source: as<SourceId>('lab'), key: `waits for ${seat}`, aggregate: { kind: 'report' as const, id: 'r' }, at: as<Millis>(nowMs), body: received(report()) };
    await store.receive([fact]);
    for (const claim of await store.claimFacts('w', as(nowMs), 1000, 1)) await store.commit(claim, 0, { state: {}, audit: [], effects: [{ id: as('e'), lane: 'l', seat, body: { type: 'courier.accept', userId: as('@u:x') } }] });
    return async () => {
      const [claim] = await store.claimEffects('w', as(nowMs), 1000, 1, [seat]);
      return claim !== undefined && store.settle(claim, claim.aggregate, { state: 'done', fact: { type: 'timer.due', name: 'x' } }, as(nowMs));
    };
  };
  const alone: Partial<SeatTerms> = { manner: 'at-once', takeoverMs: 0 };

  it('with fewer than before, those that are none any more are kept for what waits for their devices; then they leave, and people who look are told', async () => {
    const disk: Machine = new Map();
    const before = worker('before', disk, { ...alone, seats: 3 });
    await settled(before, 0, 1, 2);
    await before.seats.stop();
    const finish = await waitsFor(2);
    events.length = 0;
    const a = worker('a', disk, { ...alone, seats: 1 });
    await a.seats.tick();
    await settled(a, 0, 2);
    expect(a.opened).to.deep.equal(['0 FIRST0 2', '2 FIRST2 2']);
    expect(events, 'nothing waited for it').to.include.members(['a retired FIRST1', 'a set aside 1', 'a seat.retired 1']);
    await pass(20_000, a);
    expect(a.seats.status().seats).to.deep.equal([
      { seat: 0, state: 'ready', holder: 'a', deviceId: 'FIRST0' }, { seat: 2, state: 'ready', holder: 'a', deviceId: 'FIRST2', leaving: { waiting: 1 } },
    ]);
    expect(await finish()).to.equal(true);
    await pass(6000, a);
    await until('the seat to leave', () => a.seats.status().seats.length === 1, 2000, 5);
    expect(events.indexOf('a closed 2')).to.be.within(0, events.indexOf('a retired FIRST2'));
    expect(events).to.include.members(['a set aside 2', 'a seat.retired 2']);
    expect(await opened.store.seatsFrom(0)).to.deep.equal([{ seat: 0, waiting: 0 }]);
    const audit = await opened.database.db.selectFrom('audit').select(['action', 'aggregate']).where('kind', '=', 'courier').execute();
    expect(audit).to.deep.equal([{ action: 'seat.retired', aggregate: '1' }, { action: 'seat.retired', aggregate: '2' }]);
    await a.seats.stop();
    const more = worker('more', disk, { ...alone, seats: 2 });
    await settled(more, 0, 1);
    expect(more.opened.at(-1), 'a seat that comes back has another device').to.match(/^1 FIRST1 \d+$/u);
  });

  it('a seat that is to leave stays when something came for its device while it was closed', async () => {
    const disk: Machine = new Map();
    const before = worker('before', disk, { ...alone, seats: 2 });
    await settled(before, 0, 1);
    await before.seats.stop();
    const finish = await waitsFor(1);
    let cameLate: Promise<unknown> | undefined;
    const a = worker('a', disk, { ...alone, seats: 1 }, {
      open: async ({ seat, deviceId }) => ({ deviceId, onKeys: () => undefined, status: () => ({ state: 'ready', restarts: 0 }), stop: async () => { if (seat === 1) await (cameLate ??= opened.database.db.updateTable('outbox').set({ state: 'waiting' }).execute()); } }) as unknown as Courier,
    });
    await a.seats.tick();
    await settled(a, 0, 1);
    await finish();
    await pass(6000, a);
    await until('the seat to be closed', () => cameLate, 2000, 5);
    await settled(a, 0, 1);
    expect(events.filter((each) => each.includes('retired'))).to.deep.equal([]);
  });

  it('a stopped one leaves its seats free at once', async () => {
    const disk: Machine = new Map();
    const [a, b] = [worker('a', disk, { seats: 1 }), worker('b', disk, { seats: 1 })];
    await settled(a, 0);
    await a.seats.stop();
    await settled(b, 0);
  });

  it('the only worker there is takes them at once, though the one before it died with them', async () => {
    const disk: Machine = new Map();
    const a = worker('a', disk, alone);
    await settled(a, 0, 1);
    const b = worker('b', disk, alone);
    await settled(b, 0, 1);
    expect(b.opened).to.deep.equal(['0 FIRST0 2', '1 FIRST1 2']);
  });

  it('keeps an installation\'s device of before seats, and counts on from its store\'s generation', async () => {
    const a = worker('a', new Map([[0, { storeId: undefined, generation: 0 }]]), { seats: 1 });
    await settled(a, 0);
    expect(a.opened).to.deep.equal(['0 FIRST0 1']);
    await a.seats.stop();
    const b = worker('b', new Map([[0, { storeId: 'store 0', generation: 40 }]]), { seats: 1 });
    await settled(b, 0);
    expect(b.opened).to.deep.equal(['0 FIRST0 40']);
  });

  it('says why a seat can\'t be opened, leaves it to others, and tries again', async () => {
    let broken = true;
    const disk: Machine = new Map();
    const a: Worker = worker('a', disk, { seats: 1 }, {
      open: async ({ deviceId }) => {
        if (broken) throw new Error('the key is not the one this file was made with');
        return { deviceId, onKeys: () => undefined, status: () => ({ state: 'ready', restarts: 0 }), stop: async () => undefined } as unknown as Courier;
      },
    });
    await a.seats.tick();
    await until('the problem', () => a.seats.status().problem, 2000, 5);
    expect(a.seats.status()).to.deep.include({ state: 'starting', problem: 'the courier on seat 0 can\'t be opened: the key is not the one this file was made with' });
    broken = false;
    disk.set(0, { storeId: 'store 0', generation: 1 });
    await pass(2000, a);
    await settled(a, 0);
  });
});
