import { expect } from 'chai';
import { createHomeserver } from '../../src/adapters/matrix/homeserver.ts';
import { as, type RoomId, type UserId } from '../../src/domain/brand.ts';
import type { GovernedRoom } from '../../src/domain/governed/governed.ts';
import type { Party } from '../../src/domain/people/party.ts';
import type { Judge } from '../../src/domain/policy/question.ts';
import type { PolicyIdentity } from '../../src/domain/rooms/protection.ts';
import type { Ours } from '../../src/domain/rooms/standard.ts';
import { planFor, type RoomTemplate } from '../../src/domain/rooms/template.ts';
import { close, loadRoom, repair } from '../../src/loop/repairing.ts';
import { createSweep, type SweepParts } from '../../src/loop/sweep.ts';
import { noFaults } from '../../src/ports/faults.ts';
import type { Homeserver } from '../../src/ports/homeserver.ts';
import type { IncomingFact } from '../../src/ports/store.ts';
import { temporaryFolder } from '../support/folders.ts';
import { organisations, T0 } from '../support/reports.ts';
import { createSlots } from '../support/slots.ts';
import { startStub, type Stub } from '../support/stub/stub.ts';

const ROOMS = 100;
const LOOKS = 30;
const template: RoomTemplate = { id: 'shift', roomVersion: '12', name: 'Shift', topic: 'Hand-over', federation: 'local', senders: 'members', history: 'joined', rotation: { periodMs: 3_600_000, messages: 100 } };
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

describe('The sweep over rooms, on the stub homeserver', function () {
  this.timeout(60_000);
  let stub: Stub;
  let homeserver: Homeserver;
  let ours: Ours;
  let rooms: GovernedRoom[];
  let cursor: string | undefined;
  let told: IncomingFact[];
  let barred: ReadonlySet<string>;
  let isMine: boolean;
  let counted: string[];
  const judge: Judge = ({ who: { userId } }) => ({ allowed: !barred.has(userId), revision: 'r', rules: ['rule'], message: '', warnings: [] });
  const memberOf = (index: number): UserId => as(`@member${index}:mercy.example`);
  const entry = (index: number): Party => ({ id: as(`m${index}`), kind: 'person', name: 'M', members: [memberOf(index)], identifiers: [], standing: { roles: ['nurse'] } });

  const parts = (): SweepParts => ({
    homeserver, log: quiet, now: () => T0, worker: 'w', nudge: () => undefined, vouched: async (found) => found, judge, ours: () => ours, looks: LOOKS, metrics: { count: (name, labels) => { counted.push(`${name} ${labels?.['edge'] ?? ''}`); } },
    settings: () => ({ organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example'], invitationPatienceMs: 1, templates: ours.templates }),
    notes: { read: async () => cursor, write: async (_, value) => { cursor = value; } },
    store: {
      states: async (kind) => (kind === 'governed' ? rooms : kind === 'party' ? rooms.map((_, index) => entry(index)) : []),
      lookup: async () => new Map(),
      load: async ({ id }) => { const state = rooms.find(({ key }) => key === id); return state && { state, version: 1 }; },
      receive: async (facts) => { told.push(...facts); return []; },
      lease: async (name, worker) => (isMine ? { name, worker, generation: 1 } : undefined),
    },
  });
  const keysTold = (): readonly string[] => told.map(({ aggregate }) => aggregate.id).sort();
  const setTopic = (roomId: RoomId | undefined): Promise<unknown> => homeserver.setState(roomId ?? as(''), { type: 'm.room.topic', stateKey: '', content: { topic: 'Another' } });

  before(async () => {
    const [slot] = await createSlots(temporaryFolder('sweep'), 'mercy.example', 1);
    if (!slot) throw new Error('no slot');
    stub = await startStub({ serverName: 'mercy.example', appservices: [slot] });
    homeserver = createHomeserver({ url: stub.baseUrl, serverName: 'mercy.example', asToken: slot.asToken, guardianLocalpart: `${slot.prefix}guardian`, courierLocalpart: `${slot.prefix}courier`, names: { guardian: 'G', courier: 'C' } });
    const people = { ownServer: 'mercy.example', guardian: homeserver.guardian, partnerVersions: {} };
    ours = { templates: new Map([['shift', template]]), people, courier: homeserver.courier, aliasPrefix: slot.prefix };
    rooms = [];
    for (let index = 0; index < ROOMS; index += 1) {
      const created = await homeserver.createRoom({ ...planFor(template, { servers: [], speakers: [] }, people), aliasLocalpart: `${slot.prefix}shift_${index}` });
      if (!created.ok) throw new Error(created.error.message);
      const user = memberOf(index);
      rooms.push({ key: `k${String(index).padStart(4, '0')}`, template: 'shift', phase: 'ready', roomId: created.value, servers: [], people: [user], admitted: [user], refused: [], speakers: [], members: {}, invitations: {} });
    }
  });
  after(async () => {
    expect(stub.complaints).to.deep.equal([]);
    await stub.stop();
  });
  beforeEach(() => { told = []; counted = []; barred = new Set(); cursor = undefined; isMine = true; });

  it('tells nothing of rooms that are as they must be, and goes on where it was', async () => {
    const sweep = createSweep(parts());
    for (let round = 0; round < 2; round += 1) expect(await sweep()).to.equal(0);
    expect([told.length, cursor]).to.deep.equal([0, 'governed/k0059']);
    await createSweep(parts())();
    expect(cursor).to.equal('governed/k0089');
  });

  it('finds in one round whose role changed, in whichever room', async () => {
    barred = new Set([memberOf(3), memberOf(ROOMS - 1)]);
    await createSweep(parts())();
    expect([keysTold(), told.map(({ body }) => body.type)]).to.deep.equal([['k0003', 'k0099'], ['policy.changed', 'policy.changed']]);
  });

  it('finds what no event told once each room was read, and a look puts it back', async () => {
    const room = rooms[77];
    await setTopic(room?.roomId);
    const sweep = createSweep(parts());
    for (let round = 0; round * LOOKS < ROOMS; round += 1) await sweep();
    expect([keysTold(), told[0]?.body]).to.deep.equal([['k0077'], { type: 'room.changed', roomId: room?.roomId, what: 'sweep', by: 'aceso' }]);
    const look = (): ReturnType<typeof repair> => repair(homeserver, room?.roomId ?? as(''), () => loadRoom({ load: async () => ({ state: room, version: 1 }) }, { kind: 'governed', id: 'k0077' }), ours);
    expect(await look()).to.deep.equal({ ok: true, value: { findings: [{ rule: 'topic', type: 'm.room.topic' }], repaired: ['topic'] } });
    expect(await look()).to.deep.equal({ ok: true, value: { findings: [], repaired: [] } });
  });

  it('finds a room that was replaced and isn\'t closed, or that somebody came into, in its turn; closed, it leaves no trace', async () => {
    const [first, second] = [rooms[1]?.roomId, rooms[2]?.roomId];
    const all = rooms;
    const entered = as<UserId>(stub.person('@entered:stanne.example'));
    const known: GovernedRoom = { key: 'replaced', template: 'shift', phase: 'ready', former: [first ?? as('')], servers: [], people: [], admitted: [], refused: [], speakers: [], members: {}, invitations: {}, ...(second === undefined ? {} : { roomId: second }) };
    const found = async (): Promise<readonly unknown[]> => {
      told = [];
      await createSweep(parts())();
      return told.map(({ key, body }) => [key, body]);
    };
    const fact = [`sweep:former:${Math.floor(T0 / 600_000)}:${first}`, { type: 'room.changed', roomId: first, what: 'sweep', by: 'aceso' }];
    rooms = [known];
    try {
      expect(await found(), 'it is open').to.deep.equal([fact]);
      const closed = await close(homeserver, first ?? as(''), second ?? as(''), async () => ({ kind: 'governed', state: known }), ours, noFaults);
      expect(closed.ok).to.equal(true);
      expect(await found(), 'closed').to.deep.equal([]);
      await homeserver.invite(first ?? as(''), entered);
      expect(await found(), 'somebody is in it').to.deep.equal([fact]);
    } finally {
      rooms = all;
    }
  });

  it('finds that homeservers ask the policy server no more, though no event told it, and tells it once while it is being put back', async () => {
    const policy: PolicyIdentity = { serverName: as('policy.mercy.example'), userId: as('@policy:policy.mercy.example'), publicKey: 'key' };
    const people = { ownServer: 'mercy.example', guardian: homeserver.guardian, partnerVersions: {} };
    const shared: RoomTemplate = { ...template, id: 'consult', federation: 'agreed' };
    const created = await homeserver.createRoom({ ...planFor(shared, { servers: ['stanne.example'], speakers: [] }, people), aliasLocalpart: 'aceso_consult_edge' });
    if (!created.ok) throw new Error(created.error.message);
    const roomId = created.value;
    const [all, own] = [rooms, ours];
    rooms = [{ key: 'edge', template: 'consult', phase: 'ready', made: 'federated', roomId, servers: [as('stanne.example')], people: [], admitted: [], refused: [], speakers: [], members: {}, invitations: {} }];
    ours = { ...ours, templates: new Map([['consult', shared]]) };
    const edges = async (): Promise<readonly unknown[]> => {
      told = [];
      await createSweep({ ...parts(), policy })();
      return told.filter(({ body }) => body.type === 'room.unprotected').map(({ key, body }) => [key, body]);
    };
    const edge = (name: string): unknown => [[`sweep:${name}:${Math.floor(T0 / 600_000)}:${roomId}`, { type: 'room.unprotected', roomId, edge: name, by: policy.userId }]];
    try {
      expect(await edges(), 'not under it yet: no alarm').to.deep.equal(edge('start'));
      expect(counted).to.deep.equal([]);
      await homeserver.setState(roomId, { type: 'm.room.policy', stateKey: '', content: { via: policy.serverName, public_keys: { ed25519: 'key' } } });
      expect(await edges(), 'its user isn\'t there').to.deep.equal(edge('member'));
      await homeserver.setState(roomId, { type: 'm.room.policy', stateKey: '', content: {} });
      expect(await edges()).to.deep.equal(edge('policy'));
      expect(await edges(), 'the same key: it is taken once').to.deep.equal(edge('policy'));
      expect(counted).to.deep.equal(['policy_edges member', 'policy_edges policy', 'policy_edges policy']);
    } finally {
      [rooms, ours] = [all, own];
    }
  });

  it('takes no room that can leave the hospital for a local one of the same name, nor the other way round: it is set aside', async () => {
    const people = { ownServer: 'mercy.example', guardian: homeserver.guardian, partnerVersions: {} };
    const create = (servers: readonly string[]): ReturnType<Homeserver['createRoom']> => homeserver.createRoom({ ...planFor({ ...template, id: 'consult', federation: 'agreed' }, { servers, speakers: [] }, people), aliasLocalpart: 'aceso_consult_again' });
    const made = await create(['stanne.example']);
    expect([made.ok, await create(['stanne.example'])], 'asked for again, it is the same room').to.deep.equal([true, made]);
    for (const servers of [[], ['stanne.example']]) {
      expect(await create(servers)).to.deep.include({ ok: false });
      expect(await create(servers)).to.deep.include({ ok: true });
    }
  });

  it('is done by one worker at a time', async () => {
    isMine = false;
    barred = new Set([memberOf(3)]);
    expect([await createSweep(parts())(), told.length]).to.deep.equal([0, 0]);
  });

  it('takes a homeserver that is away for no drift', async () => {
    await stub.stop();
    expect(await createSweep(parts())()).to.equal(0);
    await stub.start();
  });
});
