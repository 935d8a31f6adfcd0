import { expect } from 'chai';
import { as, type RoomId, type UserId } from '../../src/domain/brand.ts';
import type { GovernedRoom } from '../../src/domain/governed/governed.ts';
import { fail, ok } from '../../src/domain/outcome.ts';
import type { StateOfRoom } from '../../src/domain/rooms/assess.ts';
import type { Ours } from '../../src/domain/rooms/standard.ts';
import { planFor, type RoomTemplate } from '../../src/domain/rooms/template.ts';
import { close, findingsIn, repair } from '../../src/loop/repairing.ts';
import { protectRooms } from '../../src/main/policyServer.ts';
import { noFaults } from '../../src/ports/faults.ts';
import type { Homeserver } from '../../src/ports/homeserver.ts';
import type { PolicyServer } from '../../src/ports/policyServer.ts';
import type { IncomingFact, Store } from '../../src/ports/store.ts';
import { T0 } from '../support/reports.ts';

const [ada, ben, guardian] = [as<UserId>('@ada:stanne.example'), as<UserId>('@ben:mercy.example'), as<UserId>('@aceso_guardian:mercy.example')];
const roomId = as<RoomId>('!talk:m');
const agreed: RoomTemplate = { id: 'consult', roomVersion: '12', name: 'Consult', topic: '', federation: 'agreed', senders: 'members', history: 'invited', rotation: { periodMs: 3_600_000, messages: 100 } };
const people = { ownServer: 'mercy.example', guardian, partnerVersions: {} };
const oursWith = (template: RoomTemplate): Ours => ({ templates: new Map([['consult', template]]), people, courier: as('@aceso_courier:mercy.example'), aliasPrefix: 'aceso_' });
/** Its partner's Ada was refused. */
const refused: GovernedRoom = { key: 'k', template: 'consult', phase: 'ready', roomId, servers: [], made: 'local', people: [ada, ben], admitted: [ben], refused: [{ userId: ada, rules: ['local-room'], message: '' }], speakers: [], members: {}, invitations: {} };
const event = (type: string, content: StateOfRoom[number]['content'], stateKey = ''): StateOfRoom[number] => ({ type, stateKey, content });
/** As it was made for both hospitals, both in it. */
function federated(): StateOfRoom {
  const plan = planFor(agreed, { servers: ['stanne.example'], speakers: [] }, people);
  return [event('m.room.create', { room_version: '12' }), event('m.room.power_levels', plan.powerLevels), ...plan.initialState, event('m.room.name', { name: 'Consult' }), event('m.room.topic', { topic: '' }), ...[guardian, ada, ben].map((user) => event('m.room.member', { membership: 'join' }, user))];
}

describe('A room between hospitals that is put back', () => {
  let state: StateOfRoom;
  /** Refused by the homeserver for good. */
  let unwanted: (event: StateOfRoom[number]) => boolean;
  const homeserver = { state: async () => ok(state), setState: async (_: RoomId, set: StateOfRoom[number]) => {
    // As Synapse does: an access list that doesn't let its own server in.
    if (unwanted(set) || (set.type === 'm.room.server_acl' && !(set.content['allow'] as readonly string[] | undefined)?.includes('mercy.example'))) return fail('invalid', 'refused');
    state = [...state.filter(({ type, stateKey }) => type !== set.type || stateKey !== set.stateKey), set];
    return ok(undefined);
  } } as unknown as Homeserver;
  const look = (template: RoomTemplate): ReturnType<typeof repair> => repair(homeserver, roomId, async () => ({ kind: 'governed', state: refused }), oursWith(template));
  const contentOf = (type: string, key = ''): StateOfRoom[number]['content'] | undefined => state.find((each) => each.type === type && each.stateKey === key)?.content;
  beforeEach(() => { state = federated(); unwanted = () => false; });

  for (const [what, template] of [['its template has become local', { ...agreed, federation: 'local' }], ['it is taken for a local one', agreed]] as const) it(`lets nobody of the partner stay where ${what}`, async () => {
    expect((await look(template)).ok).to.equal(true);
    expect([contentOf('m.room.member', ada), contentOf('m.room.server_acl')?.['allow']]).to.deep.equal([{ membership: 'leave' }, ['mercy.example']]);
    expect(findingsIn({ kind: 'governed', state: refused }, state, oursWith(template)).map(({ rule }) => rule), 'what only a person can mend is still told').to.deep.equal(template.federation === 'local' ? ['federation'] : []);
  });

  it('has whoever may not be in it taken out though another setting is refused for good, which is told', async () => {
    state = [...state.filter(({ type }) => type !== 'm.room.name'), event('m.room.name', { name: 'Another' })];
    unwanted = ({ type }) => type === 'm.room.name';
    expect(await look(agreed)).to.deep.include({ ok: false });
    expect(contentOf('m.room.member', ada)).to.deep.equal({ membership: 'leave' });
  });

  it('is closed, once it was replaced, and whoever is not let in is taken out of it, though a setting is refused', async () => {
    unwanted = ({ type }) => type === 'm.room.tombstone';
    const closed = (): ReturnType<typeof close> => close(homeserver, roomId, as('!next:m'), async () => ({ kind: 'governed', state: { ...refused, roomId: as('!next:m'), former: [roomId] } }), oursWith(agreed), noFaults);
    expect((await closed()).ok).to.equal(false);
    expect([contentOf('m.room.member', ada), contentOf('m.room.member', ben), contentOf('m.room.power_levels')?.['events']]).to.deep.include.members([{ membership: 'leave' }, { membership: 'join' }]);
    unwanted = () => false;
    expect([await closed(), await closed()]).to.deep.equal([ok(1), ok(0)]);
  });

  it('is put under a new key of the policy server though its last partner has gone; one that never leaves the hospital is not', async () => {
    const rooms: readonly GovernedRoom[] = [{ ...refused, made: 'federated', former: [as('!before:m')] }, { ...refused, key: 'local', roomId: as('!local:m') }];
    let told: readonly IncomingFact[] = [];
    const store = { states: async (kind: string) => (kind === 'governed' ? rooms : []), receive: async (facts: readonly IncomingFact[]) => { told = facts; return []; } } as unknown as Store;
    await protectRooms(store, { serverName: 'policy.mercy.example', publicKey: 'key', userId: '@policy:policy.mercy.example' } as unknown as PolicyServer, T0);
    expect(told.map(({ body }) => 'roomId' in body && body.roomId), 'and so are its former rooms: the guardian keeps them closed').to.deep.equal([roomId, '!before:m']);
  });
});
