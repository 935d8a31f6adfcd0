import { expect } from 'chai';
import { as, type ServerName } from '../../src/domain/brand.ts';
import type { Effect } from '../../src/domain/effect.ts';
import { AT_ONCE, createSlots, type Slots } from '../../src/loop/slots.ts';

const effect = (id: number, destination?: string): Effect => ({ id: as(`e${id}`), lane: 'l', body: { type: 'room.invite', roomId: as('!r'), userId: as('@u:x') }, ...(destination === undefined ? {} : { destination: as<ServerName>(destination) }) });
const many = (count: number, destination?: string): readonly Effect[] => Array.from({ length: count }, (_, index) => effect(index, destination));

describe('The slots for effects', () => {
  let time: number;
  let slots: Slots;
  let begun: number;
  beforeEach(() => { time = 0; begun = 0; slots = createSlots(() => time); });

  const free = (): number => slots.claims()[0]?.limit ?? 0;
  /** Begins what the store would give of what waits for this server, without end; gives how many. */
  const fill = (destination: string | undefined): number => {
    const before = begun;
    for (let more = true; more;) {
      more = false;
      for (const { limit, destinations } of slots.claims()) {
        if ('only' in destinations ? destinations.only !== destination : destination !== undefined && destinations.except.includes(destination)) continue;
        for (let index = 0; index < limit; index += 1) slots.began(effect(begun += 1, destination));
        more ||= limit > 0;
      }
    }
    return begun - before;
  };

  it('are so many, and free again as effects end', () => {
    for (const each of many(AT_ONCE)) slots.began(each);
    expect(slots.claims()).to.deep.equal([]);
    slots.ended(effect(3));
    expect(slots.claims()).to.deep.equal([{ limit: 1, destinations: { except: [] } }]);
  });

  it('are all for one partner\'s server as long as nothing hangs', () => {
    expect(fill('a.example')).to.equal(AT_ONCE);
  });

  it('are not kept by a partner\'s server that hangs: after two seconds the others have theirs', () => {
    for (const each of many(AT_ONCE, 'hangs.example')) slots.began(each);
    expect(slots.claims()).to.deep.equal([]);
    time = 2001;
    expect(slots.claims()).to.deep.equal([{ limit: 13, destinations: { except: ['hangs.example'] } }]);
    expect(fill(undefined)).to.equal(AT_ONCE);
  });

  it('are kept by what hangs at our own homeserver: more would not help it', () => {
    for (const each of many(AT_ONCE)) slots.began(each);
    time = 60_000;
    expect(slots.claims()).to.deep.equal([]);
  });

  it('are given to a slow server one at a time, until it is quick again', () => {
    slots.began(effect(1, 'slow.example'));
    time = 3000;
    slots.ended(effect(1, 'slow.example'));
    const except = { limit: 16, destinations: { except: ['slow.example'] } };
    expect(slots.claims()).to.deep.equal([except, { limit: 1, destinations: { only: 'slow.example' } }]);
    slots.began(effect(2, 'slow.example'));
    expect(slots.claims()).to.deep.equal([{ ...except, limit: 15 }]);
    time = 3100;
    slots.ended(effect(2, 'slow.example'));
    expect(slots.claims()).to.deep.equal([{ limit: 16, destinations: { except: [] } }]);
  });

  it('are kept by few of many slow servers that are tried again', () => {
    for (let server = 0; server < 12; server += 1) slots.began(effect(server, `slow${server}.example`));
    time = 3000;
    for (let server = 0; server < 12; server += 1) slots.ended(effect(server, `slow${server}.example`));
    for (let server = 0; server < 12; server += 1) fill(`slow${server}.example`);
    expect([slots.inUse, free()]).to.deep.equal([4, 12]);
    time += 2001;
    for (let server = 0; server < 12; server += 1) fill(`slow${server}.example`);
    expect([slots.inUse, free()], 'those hang').to.deep.equal([8, 12]);
  });

  it('are not denied for ever to a server that nothing was sent to since', () => {
    slots.began(effect(1, 'slow.example'));
    time = 3000;
    slots.ended(effect(1, 'slow.example'));
    time = 64_000;
    expect(slots.claims()).to.deep.equal([{ limit: 16, destinations: { except: [] } }]);
  });

  it('are there for a server that is well while eight others hang, each with as much as it could get', () => {
    const begunFor: number[] = [];
    for (let server = 0; server < 8; server += 1) {
      begunFor.push(fill(`hangs${server}.example`));
      time += 2001;
    }
    expect(begunFor).to.deep.equal([16, 13, 11, 10, 8, 7, 6, 5]);
    expect(fill('well.example')).to.equal(5);
    expect(fill(undefined)).to.equal(AT_ONCE - 5);
  });

  it('have an end, however many servers hang, and are there for our own homeserver to the last', () => {
    for (let server = 0; server < 200; server += 1) {
      fill(`hangs${server}.example`);
      time += 2001;
      expect(slots.inUse).to.be.at.most(112);
    }
    expect(slots.claims()).to.deep.equal([{ limit: AT_ONCE, destinations: { only: undefined } }]);
    expect(fill('more.example')).to.equal(0);
    expect(fill(undefined)).to.equal(AT_ONCE);
    expect([slots.inUse, free()]).to.deep.equal([128, 0]);
  });
});
