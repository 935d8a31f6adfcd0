import { expect } from 'chai';
import { decideAgreement } from '../../src/domain/agreements/decide.ts';
import { handedTo, keepersEver } from '../../src/domain/agreements/demands.ts';
import type { Register } from '../../src/domain/agreements/register.ts';
import { as, type EffectId, type Millis, type RoomId } from '../../src/domain/brand.ts';
import type { Context, Decision } from '../../src/domain/decision.ts';
import type { Fact } from '../../src/domain/fact.ts';
import type { GovernedRoom } from '../../src/domain/governed/governed.ts';
import { fail, ok } from '../../src/domain/outcome.ts';
import { assess, planRepairs, type Finding, type Repair, type StateOfRoom } from '../../src/domain/rooms/assess.ts';
import type { RoomState } from '../../src/domain/rooms/room.ts';
import { standardFor, type Ours } from '../../src/domain/rooms/standard.ts';
import { planFor, type RoomPeople, type RoomTemplate } from '../../src/domain/rooms/template.ts';
import { createExecutors, type ExecutorParts } from '../../src/loop/executors.ts';
import { createIntake } from '../../src/loop/intake.ts';
import { nextWait } from '../../src/loop/patience.ts';
import { openIn, repair } from '../../src/loop/repairing.ts';
import { noFaults } from '../../src/ports/faults.ts';
import type { Homeserver, HomeserverFailure, RoomEvent } from '../../src/ports/homeserver.ts';
import type { IncomingFact, Store } from '../../src/ports/store.ts';
import { entry, keepers, register, standbyWith } from '../support/agreements.ts';
import { T0, allowAll, organisations } from '../support/reports.ts';

const [mercy, stanne] = [keepers('mercy.example'), keepers('stanne.example')];
const roomId = as<RoomId>('!talk:m');
const template: RoomTemplate = { id: 'consult', roomVersion: '12', name: 'Consult', topic: '', federation: 'agreed', senders: 'members', history: 'invited', rotation: { periodMs: 3_600_000, messages: 100 } };
const people: RoomPeople = { ownServer: 'mercy.example', guardian: mercy.guardian, partnerVersions: {}, policyServer: 'policy.mercy.example', standbys: [standbyWith(mercy, stanne)] };
const [ada, ben] = [as<GovernedRoom['people'][number]>('@ada:stanne.example'), as<GovernedRoom['people'][number]>('@ben:mercy.example')];
const room: GovernedRoom = { key: 'k', template: 'consult', phase: 'ready', roomId, servers: [as('stanne.example')], made: 'federated', people: [ada, ben], admitted: [ada, ben], refused: [], speakers: [], members: {}, invitations: {} };
const event = (type: string, content: StateOfRoom[number]['content'], stateKey = ''): StateOfRoom[number] => ({ type, stateKey, content });

describe('A room in which a partner\'s policy server is to stand by', () => {
  let state: StateOfRoom;
  let invitations: (user: string) => 'taken' | 'away';
  let refused: string | undefined;
  let set_: readonly string[];
  const homeserver = { state: async () => ok(state), setState: async (_: RoomId, set: StateOfRoom[number]) => {
    if (set.content['membership'] === 'invite' && invitations(set.stateKey) === 'away') return fail('unavailable', 'their server is away', { retry: true });
    if (set.type === refused) return fail('forbidden', 'refused');
    set_ = [...set_, `${set.type}${set.stateKey}`];
    state = [...state.filter(({ type, stateKey }) => type !== set.type || stateKey !== set.stateKey), set];
    return ok(undefined);
  } } as unknown as Homeserver;
  const look = (with_: RoomPeople = people, servers = room.servers): ReturnType<typeof repair> => {
    const ours: Ours = { templates: new Map([['consult', template]]), people: with_, courier: mercy.courier, policyUser: mercy.policyServer.userId, policy: mercy.policyServer, aliasPrefix: 'aceso_' };
    return repair(homeserver, roomId, async () => ({ kind: 'governed', state: { ...room, servers } }), ours);
  };
  const membership = (user: string): unknown => state.find(({ type, stateKey }) => type === 'm.room.member' && stateKey === user)?.content['membership'];
  const allowed = (): unknown => state.find(({ type }) => type === 'm.room.server_acl')?.content['allow'];
  const moved = (user: string, to: string): void => { state = [...state.filter(({ stateKey }) => stateKey !== user), event('m.room.member', { membership: to }, user)]; };

  beforeEach(() => {
    const plan = planFor(template, { servers: room.servers, speakers: [] }, { ...people, standbys: [] });
    state = [event('m.room.create', { room_version: '12' }), event('m.room.power_levels', plan.powerLevels), ...plan.initialState, event('m.room.name', { name: 'Consult' }), event('m.room.topic', { topic: '' }), ...[mercy.guardian, mercy.policyServer.userId, ada, ben].map((user) => event('m.room.member', { membership: 'join' }, user))];
    invitations = () => 'taken';
    [refused, set_] = [undefined, []];
  });

  describe('and judges', () => {
    const keepers_ = [stanne.guardian, stanne.policyServer.userId];
    const named = (): unknown => state.find(({ type }) => type === 'm.room.policy')?.content['via'];
    /** Nobody of the partner's is let in any more. */
    const leave = (): ReturnType<typeof repair> => look({ ...people, keepers: keepers_ }, []);
    beforeEach(async () => {
      await look();
      for (const user of keepers_) moved(user, 'join');
      state = [...state, event('m.room.policy', { via: stanne.policyServer.serverName, public_keys: { ed25519: stanne.policyServer.publicKey } })];
      set_ = [];
    });

    it('names the own one again before that is taken out, so that nothing passes unasked', async () => {
      expect((await leave()).ok).to.equal(true);
      expect(set_).to.deep.equal(['m.room.policy', 'm.room.server_acl', ...keepers_.map((user) => `m.room.member${user}`)]);
      expect(state.find(({ type }) => type === 'm.room.policy')?.content).to.deep.equal({ via: mercy.policyServer.serverName, public_keys: { ed25519: mercy.policyServer.publicKey } });
      expect(await leave()).to.deep.equal(ok({ findings: [], repaired: [] }));
    });

    it('keeps it as long as the own one can\'t be named, or isn\'t in the room to judge', async () => {
      refused = 'm.room.policy';
      expect((await leave()).ok).to.equal(false);
      expect([set_, membership(stanne.policyServer.userId)]).to.deep.equal([[], 'join']);
      refused = undefined;
      moved(mercy.policyServer.userId, 'leave');
      expect((await leave()).ok).to.equal(true);
      expect([named(), membership(stanne.policyServer.userId)]).to.deep.equal([stanne.policyServer.serverName, 'join']);
      moved(mercy.policyServer.userId, 'join');
      await leave();
      expect([named(), membership(stanne.policyServer.userId)]).to.deep.equal([mercy.policyServer.serverName, 'leave']);
    });
  });

  it('admits its server, and invites first the partner\'s guardian and then its policy server; then it is as it must be', async () => {
    expect(await look()).to.deep.include(ok({ findings: [{ rule: 'admitted-servers', type: 'm.room.server_acl' }, { rule: 'standby', type: 'm.room.member', user: stanne.guardian }, { rule: 'standby', type: 'm.room.member', user: stanne.policyServer.userId }], repaired: ['admitted-servers', 'standby', 'standby'] }));
    expect(allowed()).to.deep.equal(['mercy.example', 'policy.mercy.example', 'policy.stanne.example', 'stanne.example']);
    for (const to of ['invite', 'join']) {
      for (const user of [stanne.guardian, stanne.policyServer.userId]) if (to === 'join') moved(user, to);
      expect(await look(), to).to.deep.equal(ok({ findings: [], repaired: [] }));
    }
  });

  it('calls back which of the two has left', async () => {
    await look();
    moved(stanne.policyServer.userId, 'leave');
    await look();
    expect([membership(stanne.guardian), membership(stanne.policyServer.userId)]).to.deep.equal(['invite', 'invite']);
  });

  it('is put back in all else while the partner is away, and says that it doesn\'t stand by', async () => {
    invitations = () => 'away';
    state = [...state.filter(({ type }) => type !== 'm.room.name'), event('m.room.name', { name: 'Another' })];
    expect(await look()).to.deep.nested.include({ ok: true, 'value.repaired': ['admitted-servers', 'name'] });
    expect((await look()).ok).to.equal(true);
    expect(membership(stanne.guardian)).to.equal(undefined);
  });

  it('has none of them where its people are of other servers, where there is no policy server, and once the agreement says it no more: then they are taken out', async () => {
    await look();
    for (const with_ of [{ ...people, standbys: [] }, { ...people, standbys: [standbyWith(mercy, keepers('clinic.example'))] }]) {
      moved(stanne.guardian, 'join');
      await look(with_);
      expect([membership(stanne.guardian), allowed()], JSON.stringify(with_.standbys)).to.deep.equal(['leave', ['mercy.example', 'policy.mercy.example', 'stanne.example']]);
    }
    moved(stanne.guardian, 'join');
    const ours: Ours = { templates: new Map([['consult', template]]), people: { ...people, standbys: [], keepers: [stanne.guardian] }, courier: mercy.courier, policyUser: mercy.policyServer.userId, aliasPrefix: 'aceso_' };
    expect(openIn({ kind: 'governed', state: room }, state, as('!next:m'), ours), 'nor is a room that was replaced').to.deep.include({ rule: 'standby', type: 'm.room.member', stateKey: stanne.guardian, content: { membership: 'leave' } });
    const { policyServer: _, ...without } = people;
    await look(without);
    expect([membership(stanne.guardian), allowed()]).to.deep.equal(['leave', ['mercy.example', 'stanne.example']]);
  });
});

describe('A results room that a partner\'s policy server stood by in', () => {
  const results: RoomTemplate = { ...template, id: 'results', name: 'Results' };
  const keepers_ = [stanne.guardian, stanne.policyServer.userId];
  /** It was made for both hospitals. */
  const team = (...members: RoomState['party']['members']): RoomState => ({ party: { id: as('icu'), kind: 'team', name: 'ICU', members, identifiers: [] }, phase: 'ready', roomId, generation: 1, servers: [as('mercy.example'), as('stanne.example')], former: [], members: {}, invitations: {}, waiting: [], open: [] });
  const allowing = (...servers: readonly string[]): StateOfRoom[number] => event('m.room.server_acl', { allow: servers, deny: [], allow_ip_literals: false });
  const both = planFor(results, { servers: ['stanne.example'], speakers: [] }, people);
  const made: StateOfRoom = [event('m.room.create', { room_version: '12' }), event('m.room.power_levels', both.powerLevels), ...both.initialState, event('m.room.name', { name: 'Results' }), event('m.room.topic', { topic: '' }), ...[mercy.guardian, mercy.courier, mercy.policyServer.userId, ben, ...keepers_].map((user) => event('m.room.member', { membership: 'join' }, user))];
  const look = (room_: RoomState, state: StateOfRoom, with_: RoomPeople): { readonly findings: readonly Finding[]; readonly repairs: readonly Repair[] } => {
    const standard = standardFor({ kind: 'room', state: room_ }, state, { templates: new Map([['results', results]]), people: { ...with_, keepers: keepers_ }, courier: mercy.courier, policyUser: mercy.policyServer.userId, aliasPrefix: 'aceso_' });
    const findings = assess(state, standard);
    return { findings, repairs: planRepairs(findings, standard) };
  };
  const out = keepers_.map((user): Repair => ({ rule: 'standby', type: 'm.room.member', stateKey: user, content: { membership: 'leave' } }));

  it('keeps it there for as long as somebody of that partner is of its party', () => expect(look(team(ada, ben), made, people).findings).to.deep.equal([]));

  it('has it, and the partner\'s guardian, taken out once nobody is, though the room admits that partner still, and invites neither again', () => {
    const { repairs } = look(team(ben), made, people);
    expect(repairs.map(({ type }) => type)).to.deep.equal(['m.room.server_acl', 'm.room.member', 'm.room.member']);
    expect(repairs[0]?.content['allow']).to.deep.equal(['mercy.example', 'policy.mercy.example', 'stanne.example']);
    expect(repairs.slice(1)).to.deep.equal(out);
    const after = [...made.filter(({ type, stateKey }) => type !== 'm.room.server_acl' && !keepers_.some((user) => user === stateKey)), allowing('mercy.example', 'policy.mercy.example', 'stanne.example')];
    expect(look(team(ben), after, people).findings).to.deep.equal([]);
  });

  it('has both taken out when the agreement is over, and tells of any other stranger only, as ever', () => {
    const { findings, repairs } = look(team(ada, ben), [...made, event('m.room.member', { membership: 'join' }, '@eve:stanne.example')], { ...people, standbys: [] });
    expect(repairs.filter(({ type }) => type === 'm.room.member')).to.deep.equal(out);
    expect(findings.filter(({ rule }) => rule === 'member')).to.deep.equal([{ rule: 'member', type: 'm.room.member', user: '@eve:stanne.example' }]);
  });
});

describe('A policy server that stands by for a partner\'s', () => {
  const context: Context = { now: T0, judge: allowAll, found: new Map(), settings: { organisations, organisation: 'St. Anne', recipientOrder: [], ownServer: 'stanne.example', courierSeats: 1, agreedServers: [], invitationPatienceMs: 1 } };
  const demands = (server: string, named: object) => ({ server, policy: 'p', kinds: {}, ...named });
  const agreed = (named: boolean): Register => ({ ...register(entry({ rooms: [demands('mercy.example', named ? { keepers: mercy } : {}), demands('stanne.example', named ? { keepers: stanne } : {})] })), server: 'mercy.example' });
  const invited = (state: Register | undefined): Decision<Register | undefined> => decideAgreement(state, { id: as('f'), aggregate: { kind: 'agreement', id: 'mercy.example' }, at: T0, body: { type: 'standby.invited', roomId } }, context);

  it('goes into the room that it was invited to, as an agreement in force says, and into none else', () => {
    expect(invited(agreed(true)).effects).to.deep.equal([{ id: 'standby:f', lane: `standby:${roomId}`, body: { type: 'room.standBy', roomId, partner: 'mercy.example' } }]);
    for (const state of [undefined, agreed(false)]) {
      expect(invited(state).effects ?? []).to.deep.equal([]);
      expect(invited(state).audit.map(({ action }) => action)).to.deep.equal(['standby.refused']);
    }
  });

  it('is known for a keeper of that partner\'s when the agreement is over, too', () => {
    const over: Register = { ...agreed(true), agreements: agreed(true).agreements.map((each) => ({ ...each, revoked: { at: T0, by: 'eve', reason: 'breach' } })) };
    expect(keepersEver(over)).to.deep.equal([mercy.guardian, mercy.policyServer.userId]);
    expect(keepersEver(agreed(false))).to.deep.equal([]);
  });

  it('follows so many invitations of a partner at a time, and others as those end', () => {
    const told = (state: Register | undefined, body: Fact['body'], id = 'f'): Decision<Register | undefined> => decideAgreement(state, { id: as(id), aggregate: { kind: 'agreement', id: 'mercy.example' }, at: T0, body }, context);
    const actions = ({ audit }: Decision<Register | undefined>): readonly string[] => audit.map(({ action }) => action);
    let state: Register | undefined = agreed(true);
    for (let count = 0; count < 200; count += 1) ({ state } = told(state, { type: 'standby.invited', roomId: as(`!room${count}`) }, `f${count}`));
    const more = { type: 'standby.invited', roomId: as<RoomId>('!more') } as const;
    expect(actions(told(state, more))).to.deep.equal(['standby.refused']);
    const failed = { type: 'effect.failed', effect: as<EffectId>('standby:f7'), kind: 'room.standBy', code: 'not-let-in', message: 'why' } as const;
    expect(actions(told(told(state, { ...failed, final: false }).state, more)), 'one that is tried again').to.deep.equal(['standby.refused']);
    const ends: readonly Fact['body'][] = [{ ...failed, final: true }, { type: 'effect.done', effect: as('standby:f8'), kind: 'room.standBy', result: { type: 'room.standBy', roomId } }];
    for (const body of ends) expect(actions(told(told(state, body).state, more)), body.type).to.deep.equal(['standby.invited']);
  });

  it('goes nowhere once no agreement says so any more, and tells that it isn\'t let in, so that this ends', async () => {
    const asked: string[] = [];
    const answers = async (standsBy: boolean, joins: ReturnType<typeof fail<HomeserverFailure>> | ReturnType<typeof ok<void>>): Promise<unknown> => {
      const executors = createExecutors({
        homeserver: { joinAsGuardian: async () => { asked.push('guardian'); return ok(undefined); } }, standsBy: async (partner: string) => standsBy && partner === 'mercy.example',
        policyServer: { join: async () => { asked.push('policy server'); return joins; } },
      } as unknown as ExecutorParts);
      const outcome = await executors['room.standBy']({ id: as('standby:f'), lane: 'standby', createdAt: T0, body: { type: 'room.standBy', roomId, partner: as('mercy.example') } });
      return outcome.ok || [outcome.error.code, outcome.error.retry];
    };
    expect(await answers(false, ok(undefined))).to.deep.equal(['no-agreement', false]);
    expect(asked).to.deep.equal([]);
    expect(await answers(true, ok(undefined))).to.equal(true);
    expect(asked).to.deep.equal(['guardian', 'policy server']);
    for (const code of ['forbidden', 'not-found'] as const) expect(await answers(true, fail(code, 'why', { retry: true }))).to.deep.equal(['not-let-in', true]);
    expect(await answers(true, fail('unavailable', 'why', { retry: true }))).to.deep.equal(['unavailable', true]);
    const day = as<Millis>(86_400_000);
    expect([nextWait('not-let-in', 9, T0, as(T0 + day - 1)), nextWait('not-let-in', 9, T0, as(T0 + day))]).to.deep.equal([60_000, undefined]);
  });

  describe('to which a room is handed', () => {
    const ours = (named: boolean): Register => ({ ...agreed(named), server: 'stanne.example' });
    const handing = (state: Register | undefined, type: 'operator.hand-over' | 'operator.take-back', reason: 'outage' | 'recovered'): Decision<Register | undefined> =>
      decideAgreement(state, { id: as('f'), aggregate: { kind: 'agreement', id: 'stanne.example' }, at: T0, body: { type, by: 'eve', reason, roomId, room: { kind: 'governed', id: 'k' }, policyUser: mercy.policyServer.userId } }, { ...context, settings: { ...context.settings, ownServer: 'mercy.example' } });
    const told = [{ aggregate: { kind: 'governed', id: 'k' }, body: { type: 'room.unprotected', roomId, edge: 'start', by: mercy.policyServer.userId } }];

    it('is written down with who, why and when, and the room is put under it', () => {
      const { state, raise, audit } = handing(ours(true), 'operator.hand-over', 'outage');
      expect(state?.handed).to.deep.equal({ [roomId]: { at: T0, by: 'eve', reason: 'outage', room: { kind: 'governed', id: 'k' }, policyUser: mercy.policyServer.userId } });
      expect([raise, audit]).to.deep.equal([told, [{ action: 'policy.handed-over', because: 'outage', detail: { partner: 'stanne.example', room: roomId, by: 'eve', to: 'policy.stanne.example' } }]]);
      expect(state && handedTo(state, roomId, T0)).to.deep.equal(stanne.policyServer);
      expect(state && handedTo(state, as('!other'), T0)).to.equal(undefined);
      const back = handing(state, 'operator.take-back', 'recovered');
      expect([back.state?.handed, back.raise, back.audit.map(({ action }) => action)]).to.deep.equal([{}, told, ['policy.taken-back']]);
    });

    it('is refused where no agreement in force names it, and comes back when that ends', () => {
      for (const state of [undefined, ours(false)]) expect(handing(state, 'operator.hand-over', 'outage').audit.map(({ action }) => action)).to.deep.equal(['policy.not-handed-over']);
      const { state } = handing(ours(true), 'operator.hand-over', 'outage');
      expect(state && handedTo(state, roomId, as(Date.parse('2099-01-01')))).to.equal(undefined);
      const id = ours(true).agreements[0]?.terms.id ?? '';
      for (const body of [{ type: 'agreement.revoked', agreement: id, by: 'eve', reason: 'breach' }, { type: 'timer.due', name: `ends:${id}` }] as const) {
        const over = decideAgreement(state, { id: as('g'), aggregate: { kind: 'agreement', id: 'stanne.example' }, at: body.type === 'timer.due' ? as(Date.parse('2028-01-01')) : T0, body }, context);
        expect([over.state?.handed, over.raise, over.audit.map(({ action }) => action).at(-1)], body.type).to.deep.equal([undefined, told, 'policy.taken-back']);
      }
    });
  });

  it('hears of it when the partner\'s guardian invites the hospital\'s, and of nobody else\'s invitation', async () => {
    const received: IncomingFact[] = [];
    const store = { lookup: async () => new Map(), receive: async (facts: readonly IncomingFact[]) => { received.push(...facts); return []; } } as unknown as Store;
    const take = createIntake({ store, guardian: stanne.guardian, ownUsers: [stanne.guardian, stanne.courier], policy: stanne.policyServer, standbys: () => [standbyWith(stanne, mercy)], now: () => T0, log: { info: () => undefined, warn: () => undefined, error: () => undefined }, metrics: { count: () => undefined, observe: () => undefined }, faults: noFaults, nudge: () => undefined });
    const invitation = (id: string, user: string, sender: string, what = 'invite'): RoomEvent => ({ event_id: as(id), room_id: roomId, sender: as(sender), type: 'm.room.member', state_key: user, origin_server_ts: 1, content: { membership: what } });
    await take({ events: [invitation('$a', stanne.guardian, mercy.guardian), invitation('$b', stanne.guardian, '@eve:mercy.example'), invitation('$c', stanne.courier, mercy.guardian), invitation('$d', stanne.guardian, mercy.guardian, 'leave'), { ...invitation('$e', stanne.guardian, mercy.guardian), room_id: as<RoomId>('!Mr Quintana: K 6.8') }], ephemeral: [] });
    expect(received).to.deep.equal([{ source: 'matrix', key: 'standby:$a', aggregate: { kind: 'agreement', id: 'mercy.example' }, at: T0, body: { type: 'standby.invited', roomId } }]);
  });
});
