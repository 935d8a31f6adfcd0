import { expect } from 'chai';
import { as, type RoomId, type UserId } from '../../src/domain/brand.ts';
import { fail, ok, type Outcome } from '../../src/domain/outcome.ts';
import { planRoom, type RoomTemplate } from '../../src/domain/rooms/template.ts';
import { follow } from '../../src/loop/following.ts';
import type { Homeserver, HomeserverFailure } from '../../src/ports/homeserver.ts';
import type { PolicyServer } from '../../src/ports/policyServer.ts';
import { ada } from '../support/reports.ts';

const guardian = as<UserId>('@aceso_guardian:mercy.example');
const courier = as<UserId>('@aceso_courier:mercy.example');
const from = as<RoomId>('!old:mercy.example');
const to = as<RoomId>('!new:mercy.example');
const template: RoomTemplate = { id: 'results', roomVersion: '12', name: 'Clinical results', topic: '', federation: 'agreed', senders: 'members', history: 'invited', rotation: { periodMs: 604_800_000, messages: 100 } };
const people = { ownServer: 'mercy.example', guardian, partnerVersions: {} };

describe('A successor of a results room', () => {
  let calls: string[];
  let refused: Outcome<void, HomeserverFailure>;
  let rooms: Map<RoomId, { readonly type: string; readonly stateKey: string; readonly sender: UserId; readonly content: Readonly<Record<string, unknown>> }[]>;
  const put = (roomId: RoomId, type: string, stateKey: string, content: Readonly<Record<string, unknown>>): Outcome<void, HomeserverFailure> => {
    const room = rooms.get(roomId) ?? [];
    rooms.set(roomId, [...room.filter((each) => each.type !== type || each.stateKey !== stateKey), { type, stateKey, sender: guardian, content }]);
    return ok(undefined);
  };
  const homeserver = {
    guardian, courier,
    state: async (roomId: RoomId) => ok(rooms.get(roomId) ?? []),
    invite: async (roomId: RoomId, userId: UserId) => { calls.push(`invite ${userId}`); return put(roomId, 'm.room.member', userId, { membership: 'invite' }); },
    joinAsGuardian: async () => { calls.push('guardian joins'); return ok(undefined); },
    joinAsCourier: async () => { calls.push('courier joins'); return ok(undefined); },
    setState: async (roomId: RoomId, { type, stateKey, content }: { readonly type: string; readonly stateKey: string; readonly content: Readonly<Record<string, unknown>> }) => { calls.push(type); return type === 'm.room.policy' && !refused.ok ? refused : put(roomId, type, stateKey, content); },
  } as unknown as Homeserver;
  const policy: PolicyServer = { serverName: as('policy.mercy.example:8448'), userId: as('@policy:policy.mercy.example:8448'), publicKey: 'key', join: async (roomId) => { calls.push('policy joins'); return put(roomId, 'm.room.member', policy.userId, { membership: 'join' }); } };
  const followed = (): ReturnType<typeof follow> => follow(homeserver, policy, template, people, { type: 'room.follow', party: ada, from, to });

  beforeEach(() => {
    calls = [];
    refused = ok(undefined);
    rooms = new Map();
    const plan = planRoom(template, ada, people);
    for (const room of [from, to]) {
      put(room, 'm.room.create', '', { room_version: '12', predecessor: { room_id: from } });
      put(room, 'm.room.power_levels', '', plan.powerLevels);
      for (const { type, content } of plan.initialState) put(room, type, '', content);
    }
  });

  it('is under the policy server before it is followed, and so before anybody is invited there', async () => {
    expect(await followed()).to.deep.equal(ok({ type: 'room.follow', roomId: to }));
    expect(calls).to.deep.equal([`invite ${courier}`, 'courier joins', 'm.room.server_acl', `invite ${policy.userId}`, 'policy joins', 'm.room.policy']);
  });

  it('is not followed while it can\'t be put under it; done again, it goes on from what is there', async () => {
    refused = fail('unavailable', 'away', { retry: true });
    expect(await followed()).to.deep.equal(refused);
    refused = ok(undefined);
    calls = [];
    expect((await followed()).ok).to.equal(true);
    expect(calls).to.deep.equal([`invite ${courier}`, 'courier joins', 'm.room.policy']);
  });
});
