import { expect } from 'chai';
import { createViews, type Views } from '../../../src/adapters/federation/views.ts';
import { as, type RoomId, type UserId } from '../../../src/domain/brand.ts';
import { fail, ok } from '../../../src/domain/outcome.ts';
import type { RoomEvent } from '../../../src/ports/homeserver.ts';
import type { RoomSource } from '../../../src/ports/policyServer.ts';

const room = as<RoomId>(`!${'r'.repeat(43)}`);
const guardian = as<UserId>('@aceso_guardian:mercy.example');
const event = (type: string, key: string, content: RoomEvent['content']): RoomEvent => ({ event_id: as(`$${type}${key}`), room_id: room, sender: guardian, type, state_key: key, origin_server_ts: 1, content });
const holding = (...members: readonly string[]): readonly RoomEvent[] => [event('m.room.create', '', { room_version: '12' }), event('org.aceso.template', '', { id: 'results' }), ...members.map((userId) => event('m.room.member', userId, { membership: 'join' }))];
const [ada, ben] = ['@ada:stanne.example', '@ben:stanne.example'] as const;
const away = fail('unavailable', 'away', { retry: true });

describe('What the policy server remembers of a room', () => {
  let clock: number;
  let reads: number;
  let answer: () => ReturnType<RoomSource['state']>;
  let views: Views;
  beforeEach(() => {
    [clock, reads] = [1_800_000_000_000, 0];
    answer = async () => ok(holding(ada, ben));
    views = createViews({ state: () => { reads += 1; return answer(); }, event: async () => fail('not-found', 'none') }, () => clock);
  });
  const members = async (): Promise<unknown> => {
    const looked = await views.room(room);
    return looked === undefined || looked === 'away' ? looked : [ada, ben].filter((userId) => looked.members.has(as<UserId>(userId)));
  };

  it('counts for a minute, then the homeserver is asked again before anybody is let pass: the push may have gone to another process', async () => {
    expect(await members()).to.deep.equal([ada, ben]);
    answer = async () => ok(holding(ada));
    clock += 60_000;
    expect([await members(), reads]).to.deep.equal([[ada, ben], 1]);
    clock += 1;
    expect([await members(), reads]).to.deep.equal([[ada], 2]);
  });

  it('is forgotten when the homeserver shows no such room any more', async () => {
    await members();
    answer = async () => fail('not-found', 'none');
    clock += 60_001;
    expect(await members()).to.equal(undefined);
    answer = async () => away;
    expect(await members()).to.equal('away');
  });

  it('counts for five minutes while the homeserver is away, and then nothing does', async () => {
    await members();
    answer = async () => away;
    clock += 300_000;
    expect(await members()).to.deep.equal([ada, ben]);
    clock += 1;
    expect(await members()).to.equal('away');
  });

  it('doesn\'t count when a change is pushed while an absent homeserver is asked', async () => {
    await members();
    clock += 60_001;
    answer = async () => { views.heard([event('m.room.member', ben, { membership: 'leave' })]); return away; };
    expect(await members()).to.equal('away');
  });

  it('is read once for all who wait for it', async () => {
    await members();
    clock += 60_001;
    await Promise.all([members(), members(), members()]);
    expect(reads).to.equal(2);
  });
});
