import { expect } from 'chai';
import type { PartnerTrial } from '../../src/adapters/federation/tryPartner.ts';
import type { Conduct } from '../../src/domain/agreements/conduct.ts';
import { as, type EventId, type Millis, type RoomId, type ServerName, type UserId } from '../../src/domain/brand.ts';
import { fail, ok } from '../../src/domain/outcome.ts';
import { checkServer, type Checked, type CheckOptions } from '../../src/main/partners/check.ts';
import type { Tools } from '../../src/main/partners/tools.ts';
import type { RoomEvent } from '../../src/ports/homeserver.ts';

const ROOM = as<RoomId>('!probe');
const ACCOUNT = '@aceso-probe:stanne.example';
const SENT = as<EventId>('$sent');
const POLICY = { serverName: as<ServerName>('policy.example'), userId: as<UserId>('@policy:policy.example'), publicKey: 'k', join: async () => ok(undefined) };

/** How a partner's homeserver may be. */
type Partner = { readonly away?: true; readonly keys?: 'wrong'; readonly joins?: 'never'; readonly asks?: 'never'; readonly redacts?: 'never'; readonly devices?: number; readonly usable?: number; readonly sends?: 'unasked' | 'unseen'; readonly keeps?: 'nothing' };

function toolsOf(partner: Partner, change: Partial<Tools> = {}): Tools {
  let marker: unknown;
  let isRedacted = false;
  let asked = false;
  const event = (type: string, content: RoomEvent['content'], key = ''): RoomEvent => ({ event_id: as(`$${type}`), room_id: ROOM, sender: as('@guardian:mercy.example'), type, state_key: key, origin_server_ts: 1, content });
  const state = (): readonly RoomEvent[] => [event('m.room.create', { room_version: '12' }), event('org.aceso.template', { id: 'probe' }), event('m.room.power_levels', { users: {}, state_default: 100, kick: 100, ban: 100 }), event('m.room.member', { membership: 'join' }, POLICY.userId),
    event('m.room.policy', { via: POLICY.serverName, public_keys: { ed25519: 'k' } }), ...(partner.joins === 'never' ? [] : [event('m.room.member', { membership: 'join' }, ACCOUNT)]), ...(marker === undefined ? [] : [event('org.aceso.probed', { marker })])];
  const trial: PartnerTrial = {
    version: async () => (partner.away ? fail('unavailable', 'can\'t be asked') : ok('Synapse 1.163.2')),
    keys: async () => (partner.keys ? fail('refused', 'its keys are not signed by themselves') : ok('good' as const)),
    devices: async () => ok({ all: partner.devices ?? 1, usable: partner.usable ?? 1 }),
    sendUnsigned: async () => { asked = partner.asks !== 'never'; return ok(SENT); },
    event: async (id) => ok(partner.keeps ? undefined : id === SENT ? { content: {} } : { content: isRedacted && partner.redacts !== 'never' ? {} : { marker } }),
    close: () => undefined,
  };
  const conduct = (): Conduct => ({
    ...(asked ? { 'asks-about-received': { honoured: 'yes', at: as<Millis>(1), source: 'check', event: SENT } } : {}),
    ...(partner.sends === 'unseen' ? {} : { 'asks-before-sending': { honoured: partner.sends ? 'no' : 'yes', at: as<Millis>(1), source: 'traffic' } }),
  });
  return {
    partner: 'stanne.example', roomVersion: '12', aliasLocalpart: 'aceso_probe_x', policyName: POLICY.serverName, trial, policy: POLICY, isAgreed: true, reachesPolicy: async () => undefined, now: () => as(2), close: async () => undefined,
    store: { load: async () => ({ version: 1, state: { server: 'stanne.example', agreements: [], rooms: [], conduct: conduct() } }) },
    source: { state: async () => ok(state()), event: async () => fail('not-found', 'none') },
    homeserver: {
      serverName: as('mercy.example'), guardian: as('@guardian:mercy.example'), courier: as('@courier:mercy.example'),
      createRoom: async () => ok(ROOM), invite: async () => ok(undefined), remove: async () => ok(undefined), joinAsCourier: async () => ok(undefined), joinAsGuardian: async () => ok(undefined), ping: async () => ok({ versions: [] }),
      shows: async () => ok(true), membership: async () => ok(undefined),
      redact: async () => { isRedacted = true; return ok(undefined); },
      setState: async (_, { content }) => { ({ marker } = content); return ok(undefined); },
      state: async () => ok(state().map(({ type, state_key: stateKey = '', content, sender }) => ({ type, stateKey, content, sender }))),
    },
    ...change,
  };
}

describe('A trial of a partner\'s homeserver', () => {
  const told: string[] = [];
  const options: CheckOptions = { account: ACCOUNT, waitMs: 0, arrivesMs: 0, tell: (text) => void told.push(text) };
  const run = (partner: Partner, change: Partial<Tools> = {}, more: Partial<CheckOptions> = {}): Promise<Checked> => checkServer(toolsOf(partner, change), { ...options, ...more });
  const levels = ({ findings }: Checked): readonly string[] => findings.filter(({ level }) => level !== 'ok').map(({ level, what }) => `${level} ${what}`);
  const shown = (checked: Checked): readonly string[] => checked.shown.map(({ trait, honoured }) => `${trait} ${honoured}`);
  beforeEach(() => void told.splice(0));

  const ALL = ['asks-about-received yes', 'applies-redactions yes', 'serves-keys yes'];
  const CASES: readonly (readonly [string, Partner, readonly string[], readonly string[]])[] = [
    ['that does all', {}, [], ALL],
    ['that takes what nobody signed, unasked', { asks: 'never' }, ['fail asks about what it gets'], ['asks-about-received no', ...ALL.slice(1)]],
    ['that nothing gets to', { asks: 'never', keeps: 'nothing' }, ['warn asks about what it gets', 'warn applies redactions'], ['serves-keys yes']],
    ['that gives out what was redacted', { redacts: 'never' }, ['fail applies redactions'], ['asks-about-received yes', 'applies-redactions no', 'serves-keys yes']],
    ['that gives no keys', { usable: 0 }, ['fail gives device keys'], [...ALL.slice(0, 2), 'serves-keys no']],
    ['where nobody logged in to the account', { devices: 0 }, ['warn gives device keys'], ALL.slice(0, 2)],
    ['whose people send unasked', { sends: 'unasked' }, ['fail asks before it sends'], ALL],
    ['where nobody wrote yet', { sends: 'unseen' }, ['warn asks before it sends'], ALL],
    ['where the invitation isn\'t accepted', { joins: 'never' }, ['warn probe room'], []],
    ['that is away', { away: true }, ['fail homeserver'], []],
    ['whose keys are another\'s', { keys: 'wrong' }, ['fail its keys'], []],
  ];
  for (const [given, partner, findings, facts] of CASES) it(`given one ${given}`, async () => {
    const checked = await run(partner);
    expect(levels(checked)).to.deep.equal(findings);
    expect(shown(checked)).to.deep.equal(facts);
    for (const { level, todo } of checked.findings) if (level !== 'ok') expect(todo).to.not.equal('');
  });

  it('says what it waits for people to do', async () => {
    await run({ joins: 'never' });
    await run({ sends: 'unseen' });
    expect(told.join(' ')).to.match(/accept the invitation.*write a word/u);
  });

  for (const [given, change, more, finding] of [
    ['there is no policy server', { policy: undefined }, {}, 'warn policy server'],
    ['no agreement is in force', { isAgreed: false }, {}, 'warn agreement'],
    ['Aceso isn\'t running', { reachesPolicy: async () => 'not reached' }, {}, 'fail policy server'],
    ['no account is named', {}, { account: undefined }, 'warn probe account'],
  ] as const) it(`ends, given ${given}, with what is to be done`, async () => expect(levels(await run({}, change, more))).to.deep.equal([finding]));

  it('takes no account of another server', async () => expect(await run({}, {}, { account: '@x:elsewhere.example' }).catch((error: unknown) => (error as Error).message)).to.include('--as @name:stanne.example'));
});
