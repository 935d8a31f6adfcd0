import { expect } from 'chai';
import { createSessionAges, type SessionAges } from '../../src/adapters/crypto/sessionAges.ts';
import { as, type RoomId } from '../../src/domain/brand.ts';

const HOUR_MS = 3_600_000;
const room = as<RoomId>('!room:mercy.example');
const rotation = { periodMs: 24 * HOUR_MS, messages: 300 };

/** What the engine gives: version 3, the index, and what follows of a Megolm message, in unpadded base64. */
function event(id: string, index: number): object {
  const varint: number[] = [];
  for (let rest = index; ; rest = Math.floor(rest / 128)) {
    varint.push(rest >= 128 ? (rest % 128) + 128 : rest);
    if (rest < 128) break;
  }
  return { algorithm: 'm.megolm.v1.aes-sha2', session_id: id, ciphertext: Buffer.from([3, 0x08, ...varint, 0x12, 0x10, ...new Array<number>(60).fill(0xff)]).toString('base64').replace(/=+$/u, '') };
}

/** The engine was asked, gave so many requests, and encrypted. */
function message(ages: SessionAges, id: string, index: number, { requests = 0, now = 0 } = {}): void {
  ages.asked(room, now);
  if (requests > 0) ages.shared(room, requests);
  ages.encrypted(room, event(id, index));
}

describe('How long a session holds', () => {
  it('holds once it was seen to be made, for as many messages as the room says and no more', () => {
    const ages = createSessionAges();
    expect(ages.holds(room, rotation, 0)).to.equal(false);
    message(ages, 'a', 0, { requests: 1 });
    for (let index = 1; index < 300; index += 1) {
      expect(ages.holds(room, rotation, 1), `before index ${index}`).to.equal(true);
      ages.encrypted(room, event('a', index));
    }
    expect(ages.holds(room, rotation, 1)).to.equal(false);
  });

  it('holds till a minute before its period ends, and not at all when the clock went back behind its beginning', () => {
    const ages = createSessionAges();
    message(ages, 'a', 0, { requests: 1, now: HOUR_MS });
    expect([HOUR_MS - 1, HOUR_MS, 25 * HOUR_MS - 60_001, 25 * HOUR_MS - 60_000].map((now) => ages.holds(room, rotation, now))).to.deep.equal([false, true, true, false]);
  });

  it('counts from the first time that the engine was asked, when what it wanted sent could not be for long', () => {
    const ages = createSessionAges();
    ages.asked(room, 0);
    ages.shared(room, 1);
    message(ages, 'a', 0, { requests: 1, now: 23 * HOUR_MS });
    expect(ages.holds(room, rotation, 23.9 * HOUR_MS)).to.equal(true);
    expect(ages.holds(room, rotation, 24 * HOUR_MS)).to.equal(false);
  });

  it('does not hold when it may be older than what was seen: used before, or shared before', () => {
    const used = createSessionAges();
    message(used, 'a', 7, { requests: 1 });
    const shared = createSessionAges();
    message(shared, 'a', 0);
    const readable = createSessionAges();
    message(readable, 'a', 0, { requests: 1 });
    readable.encrypted(room, { session_id: 'a', ciphertext: 'AAAA' });
    expect([used, shared, readable].map((ages) => ages.holds(room, rotation, 1))).to.deep.equal([false, false, false]);
  });

  it('is told from the one before it', () => {
    const ages = createSessionAges();
    message(ages, 'a', 0, { requests: 1 });
    message(ages, 'b', 3);
    expect(ages.holds(room, rotation, 1)).to.equal(false);
    message(ages, 'c', 0, { requests: 1, now: HOUR_MS });
    expect(ages.holds(room, rotation, HOUR_MS)).to.equal(true);
    expect(ages.holds(room, { ...rotation, messages: 1 }, HOUR_MS)).to.equal(false);
  });
});
