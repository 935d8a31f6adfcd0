import { expect } from 'chai';
import { as, type ServerName } from '../../src/domain/brand.ts';
import type { Effect } from '../../src/domain/effect.ts';
import { AT_ONCE, createSlots, type Slots } from '../../src/loop/slots.ts';

const effect = (id: number, destination?: string): Effect => ({ id: as(`e${id}`), lane: 'l', body: { type: 'room.invite', roomId: as('!r'), userId: as('@u:x') }, ...(destination === undefined ? {} : { destination: as<ServerName>(destination) }) });
const many = (count: number, destination?: string): readonly Effect[] => Array.from({ length: count }, (_, index) => effect(index, destination));

describe('The slots for effects', () => {
  let time: number;
  let slots: Slots;
  beforeEach(() => { time = 0; slots = createSlots(() => time); });

  it('are so many, and free again as effects end', () => {
    for (const each of many(AT_ONCE)) slots.began(each);
    expect(slots.free()).to.equal(0);
    slots.ended(effect(3));
    expect(slots.free()).to.equal(1);
  });

  it('are not kept by a partner\'s server that hangs: after two seconds the others have theirs', () => {
    for (const each of many(AT_ONCE, 'hangs.example')) slots.began(each);
    expect([slots.free(), slots.slow()]).to.deep.equal([0, []]);
    time = 2001;
    expect([slots.free(), slots.slow(), slots.idle()]).to.deep.equal([AT_ONCE, ['hangs.example'], []]);
  });

  it('are kept by what hangs at our own homeserver: more would not help it', () => {
    for (const each of many(AT_ONCE)) slots.began(each);
    time = 60_000;
    expect([slots.free(), slots.slow()]).to.deep.equal([0, []]);
  });

  it('are given to a slow server one at a time, until it is quick again', () => {
    slots.began(effect(1, 'slow.example'));
    time = 3000;
    slots.ended(effect(1, 'slow.example'));
    expect([slots.slow(), slots.idle()]).to.deep.equal([['slow.example'], ['slow.example']]);
    slots.began(effect(2, 'slow.example'));
    expect(slots.idle()).to.deep.equal([]);
    time = 3100;
    slots.ended(effect(2, 'slow.example'));
    expect([slots.slow(), slots.idle()]).to.deep.equal([[], []]);
  });

  it('are not denied for ever to a server that nothing was sent to since', () => {
    slots.began(effect(1, 'slow.example'));
    time = 3000;
    slots.ended(effect(1, 'slow.example'));
    time = 64_000;
    expect(slots.slow()).to.deep.equal([]);
  });

  it('have an end, however many servers hang', () => {
    for (let server = 0; server < 20; server += 1) {
      for (let index = 0; index < slots.free(); index += 1) slots.began(effect(server * 100 + index, `s${server}`));
      time += 2001;
    }
    expect(slots.inUse).to.be.at.most(128 + AT_ONCE);
    for (let index = 0; slots.free() > 0; index += 1) slots.began(effect(9000 + index, 'more.example'));
    expect([slots.inUse, slots.free()]).to.deep.equal([128, 0]);
  });
});
