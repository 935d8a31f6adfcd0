import { expect } from 'chai';
import { as, type UserId } from '../../src/domain/brand.ts';
import { fail } from '../../src/domain/outcome.ts';
import type { Judge } from '../../src/domain/policy/question.ts';
import { createModuleAnswers } from '../../src/main/synapseModule.ts';
import { organisations, T0 } from '../support/reports.ts';

const [guardian, courier, policyUser, stranger] = [as<UserId>('@g:mercy.example'), as<UserId>('@c:mercy.example'), as<UserId>('@policy:policy.mercy.example'), as<UserId>('@eve:mercy.example')];
/** The directory knows nobody here. */
const judge: Judge = () => ({ allowed: false, revision: 'r', rules: ['default-deny'], message: 'No.', warnings: [] });

describe('What Aceso says to the module of a join', () => {
  const parts: Parameters<typeof createModuleAnswers>[0] = {
    store: { lookup: async () => new Map() }, source: { state: async () => fail('not-found', 'none'), event: async () => fail('not-found', 'none') }, metrics: { count: () => undefined, observe: () => undefined }, now: () => T0,
    guardian, courier, policyUser,
    inForce: () => ({ settings: { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example'], invitationPatienceMs: 1 }, templates: new Map(), policy: { judge } }),
  };
  const answer = createModuleAnswers(parts);
  const join = (user: UserId, { roomId = '!r:m', kind = 'consult' } = {}): Parameters<typeof answer>[0] => ({
    about: 'event', roomId: as(roomId), bytes: 100, pdu: { type: 'm.room.member', sender: user, state_key: user, content: { membership: 'join' }, origin_server_ts: T0 },
    room: { version: '12', creator: guardian, template: { sender: guardian, content: { id: kind } }, members: new Map([[user, { membership: 'invite', by: guardian }]]) },
  });
  const joins = async (user: UserId): Promise<string> => {
    const { verdict: { allowed, rules } } = await answer(join(user));
    return `${allowed ? 'yes' : 'no'} ${rules.join(' ')}`;
  };

  it('lets Aceso\'s own come in, who have no role: the courier and the policy server\'s user', async () => {
    expect([await joins(courier), await joins(policyUser)]).to.deep.equal(['yes invited-member', 'yes policy-server']);
  });

  it('asks the rules about everybody else, whoever invited them', async () => expect(await joins(stranger)).to.equal('no default-deny'));

  it('takes a patient for being in the care of nobody whom no care team names: their room is not entered', async () => {
    const asked: unknown[] = [];
    const rooms = new Map([['!patient:m', { aggregate: { kind: 'governed' as const, id: 'k' }, state: { template: 'patient', patient: 'p' } }], ['!attested:m', { aggregate: { kind: 'governed' as const, id: 'l' }, state: { template: 'patient', inCare: 'attested' } }]]);
    const answers = createModuleAnswers({ ...parts, store: { lookup: async (names) => new Map([...rooms].filter(([roomId]) => names.some(({ name }) => name === roomId))) }, inForce: () => ({ ...parts.inForce(), policy: { judge: (question) => { asked.push(question.circumstances.inCare); return judge(question); } } }) });
    for (const roomId of ['!patient:m', '!attested:m', '!unknown:m']) await answers(join(stranger, { roomId, kind: 'patient' }));
    await answers(join(stranger));
    expect(asked).to.deep.equal([false, true, false, true]);
  });
});
