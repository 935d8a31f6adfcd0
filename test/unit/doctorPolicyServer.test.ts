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
    expect(roomsUnder([room('!a'), room('!local', { federated: false, says: {} })], policy)).to.deep.equal({ found: { level: 'ok', what: 'rooms under the policy server', is: '1 of 1' }, under: '!a' });
  });

  for (const [what, other, why] of [
    ['name another server', room('!b', { says: named('policy.y') }), /1: another policy server is named/u],
    ['name it without its user', room('!b', { member: 'leave' }), /1: its user is not in the room/u],
    ['name it with another key', room('!b', { says: named('policy.x', 'older') }), /names another key/u],
    ['can\'t be read', { roomId: '!b', federated: true, state: [] }, /never put under it/u],
  ] as const) it(`doesn't count those that ${what}, since homeservers don't ask there`, () => {
    const { found, under } = roomsUnder([other, room('!a')], policy);
    expect(found).to.include({ level: 'fail' });
    expect(found.is).to.match(/^1 of 2 rooms that leave the hospital/u).and.to.match(why);
    expect(under, 'one that is under it is tried').to.equal('!a');
  });
});
