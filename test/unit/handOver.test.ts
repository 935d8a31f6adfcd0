import { expect } from 'chai';
import type { Handed, Register } from '../../src/domain/agreements/register.ts';
import { as, type RoomId } from '../../src/domain/brand.ts';
import { fail, ok } from '../../src/domain/outcome.ts';
import { handOverBy, takeBackBy, type Means } from '../../src/main/handOver.ts';
import type { StateEvent } from '../../src/ports/homeserver.ts';
import type { AuditNote, IncomingFact } from '../../src/ports/store.ts';
import { entry, keepers, register } from '../support/agreements.ts';
import { T0 } from '../support/reports.ts';

const [mercy, stanne, clinic] = [keepers('mercy.example'), keepers('stanne.example'), keepers('clinic.example')];
const roomId = as<RoomId>('!now:m');
const demands = (server: string) => ({ server, policy: 'p', kinds: {}, keepers: keepers(server) });
const agreedWith = (server: string): Register => ({ ...register({ ...entry({ from: '2020-01-01', until: '2199-12-31', rooms: [demands('mercy.example'), demands(server)] }), addedAt: as(1) }), server });
const room = { kind: 'governed', id: 'k' } as const;
const handed: Handed = { at: T0, by: 'eve', reason: 'outage', room, policyUser: mercy.policyServer.userId };
const member = (user: string): StateEvent => ({ type: 'm.room.member', stateKey: user, content: { membership: 'join' } });

/** Mercy's room has people of both partners, whose policy servers stand by in it. */
describe('A hand-over by command', () => {
  let rooms: readonly object[];
  let registers: readonly Register[];
  let facts: IncomingFact[];
  let away: readonly string[];
  let audited: AuditNote[];
  let now: number;
  /** What Aceso does, where it runs. */
  let running: () => void;
  let states: Map<RoomId, readonly StateEvent[]>;
  const judges = (of: RoomId = roomId): unknown => states.get(of)?.find(({ type }) => type === 'm.room.policy')?.content['via'];
  const stateWith = (via: string): readonly StateEvent[] => [
    { type: 'm.room.policy', stateKey: '', content: { via } }, { type: 'm.room.server_acl', stateKey: '', content: { allow: [mercy, stanne, clinic].map(({ policyServer }) => policyServer.serverName) } },
    ...[mercy, stanne, clinic].flatMap(({ guardian, policyServer }) => [member(guardian), member(policyServer.userId)]),
  ];
  const means: Means = {
    store: {
      states: async (kind) => (kind === 'governed' ? rooms : []), undecidedOf: async () => facts,
      audit: async (notes) => { audited.push(...notes); },
      receive: async (received) => { facts.push(...received); return []; },
    },
    homeserver: {
      state: async (of) => ok(states.get(of) ?? []),
      setState: async (of, { type, stateKey, content }) => { states.set(of, [...(states.get(of) ?? []).filter((each) => each.type !== type), { type, stateKey, content }]); return ok(undefined); },
    },
    inspection: { reaches: async (server) => (away.includes(server) ? fail('unavailable', 'away', { retry: true }) : ok(undefined)) },
    own: mercy, registers: async () => registers,
    clock: { now: () => now, pause: async (ms) => { now += ms; running(); } },
  };
  const handOver = async (to: string, more: { readonly room?: string; readonly dryRun?: true } = {}): Promise<unknown> =>
    (await handOverBy(means, { ...(more.room === undefined ? { all: true } : {}), ...more, to, reason: 'outage', by: 'eve' })).json;

  const takeBack = async (named?: string): Promise<unknown> => (await takeBackBy(means, { ...(named === undefined ? { all: true } : { room: named }), reason: 'recovered', by: 'eve', dryRun: true })).json;

  beforeEach(() => {
    rooms = [{ key: 'k', template: 'consult', roomId, servers: ['stanne.example', 'clinic.example'] }];
    registers = [agreedWith('clinic.example'), agreedWith('stanne.example')];
    [facts, away, audited] = [[], [], []];
    [now, running] = [0, () => undefined];
    states = new Map([[roomId, stateWith('policy.mercy.example')]]);
  });

  const manyRooms = (count: number): readonly RoomId[] => {
    const ids = Array.from({ length: count }, (_, index) => as<RoomId>(`!r${index}:m`));
    rooms = ids.map((id) => ({ key: id.slice(1), template: 'consult', roomId: id, servers: ['stanne.example'] }));
    states = new Map(ids.map((id) => [id, stateWith('policy.mercy.example')]));
    return ids;
  };

  it('is written down for all rooms, waits once for Aceso, and then does what is left, where Aceso is down', async () => {
    const ids = manyRooms(40);
    expect((await handOver('stanne.example') as readonly { readonly outcome: string }[]).map(({ outcome }) => outcome)).to.deep.equal(ids.map(() => 'done'));
    expect(ids.map(judges)).to.deep.equal(ids.map(() => 'policy.stanne.example'));
    expect(facts.length).to.equal(40);
    expect(now, 'milliseconds waited').to.be.within(5000, 5400);
  });

  it('leaves it to Aceso for as long as Aceso gets on with it', async () => {
    const ids = manyRooms(4);
    const left = [...ids];
    running = () => { const next = now % 4000 === 0 ? left.shift() : undefined; if (next) states.set(next, stateWith('policy.stanne.example')); };
    await handOver('stanne.example');
    expect([left, now]).to.deep.equal([[], 16_000]);
  });

  it('is refused where the room is handed to another partner, with what to do first', async () => {
    const asked: IncomingFact = { source: 'operator', key: 'x', at: T0, aggregate: { kind: 'agreement', id: 'clinic.example' }, body: { type: 'operator.hand-over', by: 'eve', reason: 'outage', roomId, room, policyUser: mercy.policyServer.userId } };
    const inRegister = registers.map((each) => (each.server === 'clinic.example' ? { ...each, handed: { [roomId]: handed } } : each));
    for (const [known, undecided] of [[inRegister, []], [registers, [asked]]] as const) {
      [registers, facts] = [known, [...undecided]];
      expect(await handOver('stanne.example')).to.deep.equal([{ room: 'k', roomId, outcome: 'refused', why: `it is handed to clinic.example: first \`aceso policy-server take-back '${roomId}' --reason outage\`` }]);
      expect([facts.length, judges()], 'and nothing is done').to.deep.equal([undecided.length, 'policy.mercy.example']);
    }
  });

  it('that is refused is audited with who, why and which room, each of them where all are; a dry run isn\'t', async () => {
    const said = (): unknown => audited.splice(0).map(({ kind, aggregate, action, because, detail }) => [kind, aggregate, action, because.slice(0, 31), detail]);
    const line = (why: string, of = roomId): unknown => ['agreement', 'stanne.example', 'policy.not-handed-over', why, { partner: 'stanne.example', room: of, by: 'eve', reason: 'outage' }];
    states.set(roomId, stateWith('policy.mercy.example').filter(({ stateKey }) => stateKey !== stanne.guardian));
    await handOver('stanne.example', { dryRun: true });
    expect(said()).to.deep.equal([]);
    await handOver('stanne.example');
    expect(said()).to.deep.equal([line(`${stanne.guardian} is not in it (never invited)`.slice(0, 31))]);
    const ids = manyRooms(2);
    away = ['policy.stanne.example'];
    expect(await handOver('stanne.example').catch(String)).to.include('so nothing is handed to it');
    expect(said()).to.deep.equal(ids.map((id) => line('The homeserver doesn\'t reach po', id)));
    registers = [{ ...agreedWith('stanne.example'), agreements: [] }];
    expect(await handOver('stanne.example', { room: 'r0:m' }).catch(String)).to.include('No agreement in force');
    expect(said()).to.deep.equal([line('No agreement in force with stan', ids[0])]);
  });

  it('can be taken back in whatever room it was, by its key or its id: also where another took that room\'s place, and before it was decided', async () => {
    const former = as<RoomId>('!former:m');
    states.set(former, stateWith('policy.stanne.example'));
    const of = (id: RoomId): object => ({ room: 'k', roomId: id, outcome: 'would', why: 'policy.mercy.example would judge there' });
    registers = registers.map((each) => (each.server === 'stanne.example' ? { ...each, handed: { [former]: handed } } : each));
    for (const named of [undefined, former, 'k']) expect(await takeBack(named)).to.deep.equal([of(former)]);
    const asking = (type: 'operator.hand-over' | 'operator.take-back', of_: RoomId): IncomingFact => ({ source: 'operator', key: 'x', at: T0, aggregate: { kind: 'agreement', id: 'stanne.example' }, body: { type, by: 'eve', reason: 'outage', roomId: of_, room, policyUser: mercy.policyServer.userId } });
    facts = [asking('operator.hand-over', roomId)];
    expect(await takeBack('k')).to.deep.equal([of(former), of(roomId)]);
    facts = [...facts, asking('operator.take-back', former)];
    expect(await takeBack()).to.deep.equal([of(roomId)]);
    facts = [...facts, asking('operator.take-back', roomId)];
    expect(await takeBack().catch(String)).to.include('Nothing is handed over there');
  });

  it('isn\'t taken back while the own policy server is away, unless the partner\'s is away, too', async () => {
    registers = registers.map((each) => (each.server === 'stanne.example' ? { ...each, handed: { [roomId]: handed } } : each));
    away = ['policy.mercy.example'];
    expect(await takeBack().catch(String)).to.include('nobody could send');
    away = ['policy.mercy.example', 'policy.stanne.example'];
    expect(await takeBack()).to.have.nested.property('[0].outcome', 'would');
  });
});
