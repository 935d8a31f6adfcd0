import { expect } from 'chai';
import { as } from '../../../src/domain/brand.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import type { Fact } from '../../../src/domain/fact.ts';
import { decideParty, lookupsOfParty } from '../../../src/domain/people/decide.ts';
import { partyNames, type Party } from '../../../src/domain/people/party.ts';
import { T0, ada, allowAll, ben, organisations } from '../../support/reports.ts';

const changed = (party: Party, room: 'now' | 'on-demand'): Fact => ({ id: as('f'), aggregate: { kind: 'party', id: party.id }, at: T0, body: { type: 'party.changed', party, by: 'it', room } });
const context = (found: Context['found'] = new Map()): Context => ({ now: T0, judge: allowAll, found, settings: { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: [], invitationPatienceMs: 1 } });
const raised = ({ raise = [] }: Decision<unknown>): readonly string[] => raise.map(({ aggregate, body }) => `${aggregate.kind}:${aggregate.id} ${body.type}`);

describe('A party of the directory', () => {
  it('is found by all its names', () => expect(decideParty(undefined, changed(ada, 'on-demand'), context()).names).to.deep.equal(partyNames(ada)));

  it('gets its results room at once when it is enrolled, on demand when the configuration names it', () => {
    expect(raised(decideParty(undefined, changed(ada, 'now'), context()))).to.deep.equal(['room:dr-okafor room.wanted']);
    expect(raised(decideParty(undefined, changed(ada, 'on-demand'), context()))).to.deep.equal([]);
  });

  it('tells its room of a change, so that nothing more goes to who it was', () => {
    expect(raised(decideParty(ada, changed({ ...ada, members: [as('@ada:mercy.example')] }, 'on-demand'), context()))).to.deep.equal(['room:dr-okafor party.changed']);
  });

  it('never takes a name that is another\'s: their results would go to the wrong person', () => {
    const thief = { ...ben, identifiers: ada.identifiers };
    const [lookup] = lookupsOfParty(changed(thief, 'now'), ben).filter(({ name }) => partyNames(ada).includes(name));
    const decision = decideParty(ben, changed(thief, 'now'), context(new Map([[lookup?.name ?? '', { aggregate: { kind: 'party', id: ada.id }, state: ada }]])));
    expect([decision.state, decision.names, raised(decision), decision.audit[0]?.action]).to.deep.equal([ben, undefined, [], 'party.refused']);
  });
});
