import { expect } from 'chai';
import { as, type EffectId, type EventId, type Millis, type RoomId, type UserId } from '../../src/domain/brand.ts';
import { ok } from '../../src/domain/outcome.ts';
import { askCatchUp, CATCH_UP, createCatchUp, type CatchUpParts } from '../../src/loop/catchUp.ts';
import type { DueEffect, Executors } from '../../src/ports/executor.ts';

describe('Catching up after a restore', () => {
  it('lets nothing go out between knowing that the rooms were read and knowing what was found there', async () => {
    const notes = new Map(Object.entries(askCatchUp(0, 'restored')));
    let count = 0;
    const counted = Promise.withResolvers<undefined>();
    let counting: Promise<undefined> = Promise.resolve(undefined);
    const sent: string[] = [];
    const parts = {
      notes: { read: async (name: string) => notes.get(name) },
      found: { count: async () => { await counting; return count; }, find: async (mark: string) => ({ mark, roomId: as<RoomId>('!r'), eventId: as<EventId>('$before'), sentAt: as<Millis>(0) }) },
      store: { lease: async () => undefined }, log: { info: () => undefined, warn: () => undefined, error: () => undefined }, now: () => as<Millis>(0), worker: 'w', courier: as<UserId>('@c:h'), ownUsers: [],
    } as unknown as CatchUpParts;
    const catchUp = await createCatchUp(parts);
    const executors = catchUp.around({ 'room.send': async (effect: DueEffect) => { sent.push(effect.id); return ok({ type: 'room.send', eventId: as<EventId>('$twice'), devices: 1, withheld: 0 }); } } as unknown as Executors, (id) => id);
    const send = (): Promise<unknown> => (executors['room.send'] as (effect: unknown) => Promise<unknown>)({ id: as<EffectId>('send:1') });

    // Another worker read the rooms, and found one: this one is about to see that.
    notes.set(CATCH_UP, JSON.stringify({ since: 0, because: 'receipts' }));
    count = 1;
    counting = counted.promise;
    const looking = catchUp.run();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await send()).to.deep.nested.include({ ok: false, 'error.code': 'catching-up' });
    counted.resolve(undefined);
    await looking;
    expect(await send()).to.deep.nested.include({ ok: true, 'value.eventId': '$before' });
    expect(sent).to.deep.equal([]);
  });
});
