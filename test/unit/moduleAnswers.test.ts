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
  const answer = createModuleAnswers({
    store: { lookup: async () => new Map() }, source: { state: async () => fail('not-found', 'none'), event: async () => fail('not-found', 'none') }, metrics: { count: () => undefined, observe: () => undefined }, now: () => T0,
    guardian, courier, policyUser,
    inForce: () => ({ settings: { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example'], invitationPatienceMs: 1 }, templates: new Map(), policy: { judge } }),
  });
  const joins = async (user: UserId): Promise<string> => {
    const { verdict: { allowed, rules } } = await answer({
      about: 'event', roomId: as('!r:m'), bytes: 100, pdu: { type: 'm.room.member', sender: user, state_key: user, content: { membership: 'join' }, origin_server_ts: T0 },
      room: { version: '12', creator: guardian, template: { sender: guardian, content: { id: 'consult' } }, members: new Map([[user, { membership: 'invite', by: guardian }]]) },
    });
    return `${allowed ? 'yes' : 'no'} ${rules.join(' ')}`;
  };

  it('lets Aceso\'s own come in, who have no role: the courier and the policy server\'s user', async () => {
    expect([await joins(courier), await joins(policyUser)]).to.deep.equal(['yes invited-member', 'yes policy-server']);
  });

  it('asks the rules about everybody else, whoever invited them', async () => expect(await joins(stranger)).to.equal('no default-deny'));
});
