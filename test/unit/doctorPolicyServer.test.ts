import { expect } from 'chai';
import { as } from '../../src/domain/brand.ts';
import type { PolicyIdentity } from '../../src/domain/rooms/protection.ts';
import { roomsUnder } from '../../src/main/doctor/policyServer.ts';

const policy: PolicyIdentity = { serverName: as('policy.x'), userId: as('@policy:policy.x'), publicKey: 'own' };
type Content = Readonly<Record<string, unknown>>;
type Room = Parameters<typeof roomsUnder>[0][number];

const named = (via = 'policy.x', key = 'own'): Content => ({ via, public_keys: { ed25519: key } });
const room = (roomId: string, { federated = true, says = named(), member = 'join' }: { readonly federated?: boolean; readonly says?: Content; readonly member?: string } = {}): Room => ({
  roomId, federated, state: [
    { type: 'm.room.create', stateKey: '', content: federated ? {} : { 'm.federate': false } },
    { type: 'm.room.policy', stateKey: '', content: says },
    { type: 'm.room.member', stateKey: policy.userId, content: { membership: member } },
  ],
});

describe('What the doctor says of rooms under the policy server', () => {
  it('is fine where every room that leaves the hospital is, local ones aside', () => {
    expect(roomsUnder([room('!a'), room('!local', { federated: false, says: {} })], policy, new Map())).to.deep.equal({ found: [{ level: 'ok', what: 'rooms under the policy server', is: '1 of 1' }], under: '!a' });
  });

  for (const [what, other, why] of [
    ['name another server', room('!b', { says: named('policy.y') }), /1: another policy server is named/u],
    ['name it without its user', room('!b', { member: 'leave' }), /1: its user is not in the room/u],
    ['name it with another key', room('!b', { says: named('policy.x', 'older') }), /names another key/u],
    ['can\'t be read', { roomId: '!b', federated: true, state: [] }, /never put under it/u],
  ] as const) it(`doesn't count those that ${what}, since homeservers don't ask there`, () => {
    const { found: [found], under } = roomsUnder([other, room('!a')], policy, new Map());
    expect(found).to.include({ level: 'fail' });
    expect(found?.is).to.match(/^1 of 2 rooms that leave the hospital/u).and.to.match(why);
    expect(under, 'one that is under it is tried').to.equal('!a');
  });

  it('tells apart those that were handed to a partner\'s and name it: they are asked about there, and what to do is to take them back', () => {
    const handed = new Map([['!b', 'policy.y'], ['!c', 'policy.y'], ['!d', 'policy.y']]);
    const { found, under } = roomsUnder([room('!b', { says: named('policy.y') }), room('!c', { says: named('policy.z') }), room('!d', { says: {} }), room('!a')], policy, handed);
    expect(found.map(({ level, is }) => [level, is.slice(0, 42)])).to.deep.equal([['fail', '1 of 3 rooms that leave the hospital; 2: a'], ['warn', '1: policy.y judges there']]);
    expect(found[1]?.todo).to.include('take-back');
    expect(under, 'the own one is tried where it judges').to.equal('!a');
  });
});
