import { expect } from 'chai';
import { createSyncPace } from '../../src/adapters/crypto/syncPace.ts';

describe('The pace of syncs', () => {
  it('asks at once until it is answered, then waits at the homeserver for news, longer and longer', () => {
    const pace = createSyncPace();
    for (const _ of [1, 2]) expect(pace.next()).to.deep.equal({ restMs: 0, pollMs: 0 });
    pace.answered();
    for (const pollMs of [1000, 2000, 4000, 8000, 10_000, 10_000]) expect(pace.next()).to.deep.equal({ restMs: 0, pollMs });
  });
  it('asks twice a second while a stream of messages goes out, and waits again when it ends', () => {
    const pace = createSyncPace();
    pace.answered();
    for (let round = 0; round < 3; round += 1) {
      for (let message = 0; message < 5; message += 1) pace.sent();
      expect(pace.next()).to.deep.equal({ restMs: 500, pollMs: 0 });
    }
    expect(pace.next()).to.deep.equal({ restMs: 0, pollMs: 1000 });
  });
  it('never leaves a long poll at the homeserver when a message went out a moment ago, because each event wakes it', () => {
    const pace = createSyncPace();
    pace.answered();
    for (let round = 0; round < 6; round += 1) pace.next();
    pace.sent();
    expect(pace.next()).to.deep.equal({ restMs: 0, pollMs: 1000 });
    expect(pace.next()).to.deep.equal({ restMs: 0, pollMs: 1000 });
    expect(pace.next()).to.deep.equal({ restMs: 0, pollMs: 2000 });
  });
});
