import { expect } from 'chai';
import { readPolicyFolder } from '../../src/adapters/policy/files.ts';
import { as, type Millis } from '../../src/domain/brand.ts';
import type { Party } from '../../src/domain/people/party.ts';
import { explain, questionFrom, whoNamed } from '../../src/main/policy/explain.ts';
import { BUILT_IN, policyOf } from '../../src/main/policy/folder.ts';
import { simulate } from '../../src/main/policy/simulate.ts';
import { loaded } from '../../src/main/policy/source.ts';
import { bringParties } from '../../src/main/directory.ts';
import { decideDue, type DecideParts } from '../../src/loop/decide.ts';
import { noFaults } from '../../src/ports/faults.ts';
import { ada, allowAll, ben, lab, organisations, T0 } from '../support/reports.ts';
import { until } from '../support/until.ts';
import { openTestStore, type OpenStore } from '../support/stores.ts';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const settings = { organisations, organisation: 'Mercy', recipientOrder: ['requester'], agreedServers: ['mercy.example', 'stanne.example'], invitationPatienceMs: 60_000, ownServer: 'mercy.example', courierSeats: 1 };

describe('What other rules would change for the people of today', function () {
  this.timeout(60_000);
  const policy = policyOf(BUILT_IN);
  const physician: Party = { ...ben, standing: { roles: ['physician'], mfa: true } };
  let open: OpenStore;

  before(async () => {
    open = await openTestStore('sqlite', () => T0);
    await bringParties(open.store, [ada, physician, lab], 'it', 'now');
    const parts = { store: open.store, settings: () => settings, judge: allowAll, vouched: async (found: Parameters<DecideParts['vouched']>[0]) => found, now: () => as<Millis>(Date.now() + 1000), log: quiet, metrics: { count: () => undefined, observe: () => undefined }, faults: noFaults, worker: 'w', hands: { facts: new Set<never>(), effects: new Set<never>() } };
    await until('everything to be decided', async () => {
      await decideDue(parts, () => undefined);
      return (await open.store.counts(T0)).undecided === 0;
    });
  });
  after(() => open.store.close());

  it('names each person, and the results rooms that somebody would be kept out of', async () => {
    const files = readPolicyFolder(BUILT_IN);
    const stricter = loaded('stricter', { ...files, 'own.cedar': '@id("recipients-wait") @cite("308(a)(4)") @message("Have your role entered.")\nforbid (principal in Role::"recipient", action == Action::"join", resource);' });
    const { json, text } = await simulate(open.store, policy, stricter, organisations, T0);
    expect(json).to.deep.include({ people: 2, affected: 1 });
    expect(json).to.have.property('changes').that.deep.equals([{ person: ada.name, userId: ada.members[0], action: 'join', kind: 'results', before: true, after: false, because: ['recipients-wait'] }]);
    expect(json).to.have.property('rooms').that.deep.equals([ada, lab].map(({ name }) => ({ room: name, userId: ada.members[0], change: 'kept out', because: ['recipients-wait'] })));
    expect(text).to.include('1 of 2 people are affected');
  });

  it('asks of each person when a rule names one', async () => {
    const files = readPolicyFolder(BUILT_IN);
    const named = loaded('named', { ...files, 'own.cedar': '@id("not-ben") @cite("308(a)(3)") @message("Left.")\nforbid (principal == Person::"@ben:mercy.example", action == Action::"join", resource in RoomKind::"results");' });
    expect((await simulate(open.store, policy, named, organisations, T0)).json).to.have.property('rooms').that.deep.equals([ben, lab].map(({ name }) => ({ room: name, userId: ben.members[0], change: 'kept out', because: ['not-ben'] })));
  });

  it('is nothing for the same rules', async () => expect((await simulate(open.store, policy, policy, organisations, T0)).text).to.include('Nothing changes for anybody').and.include('No results room changes'));

  describe('and why, for one of them', () => {
    const given = { given: ['responsible', 'in-care'] };
    it('by short name: the verdict, what is known, the rule and its citation', async () => {
      const { text, json } = explain(policy, questionFrom(await whoNamed(open.store, 'dr-ruiz', organisations), 'read-result', 'results', { ...given, critical: true }, T0));
      expect(text).to.include('YES: @ben:mercy.example may read-result in a results room, critical.').and.include('roles         physician').and.include('second factor yes').and.include('permits by clinicians-read-their-results (308(a)(4), 42 CFR 493.1291), roles.cedar:').and.include('warns by training-overdue');
      expect(json).to.have.nested.property('verdict.allowed', true);
    });

    it('by Matrix id: a member of a team is a recipient, and whom nobody knows has no role', async () => {
      const join = async (name: string): Promise<string> => explain(policy, questionFrom(await whoNamed(open.store, name, organisations), 'join', 'results', given, T0)).text;
      expect(await join('@ada:stanne.example')).to.include('YES').and.include('roles         recipient').and.include('agreements in force: treatment');
      expect(await join('@eve:mercy.example')).to.include('NO').and.include('none: the directory doesn\'t know them').and.include('default-deny');
    });

    it('with what sources say of the patient: in whose care they are, which consents cover them, or that none does', async () => {
      const question = questionFrom(await whoNamed(open.store, 'dr-ruiz', organisations), 'read-result', 'results', { given: ['responsible'], label: ['part2'] }, T0);
      const says = (grants: Parameters<typeof explain>[2] & object): string => explain(policy, question, grants).text;
      const scope = { to: 'person', purposes: ['TREAT'] } as const;
      expect(says({ careBy: [as('ehr')], consents: { known: 2, grants: [{ consent: 'c1', scope: { ...scope, until: T0 } }, { consent: 'c2', scope }] } })).to.include('yes, by a care team or encounter of ehr').and.match(/consent\s+yes, by c1 \(until 2026-11-24 13:15.*\), c2 \(without an end\)/u);
      expect(says({ careBy: [], consents: { known: 2, grants: [] } })).to.match(/consent\s+no: none of the 2 that sources sent/u);
      expect(says({ careBy: [], consents: { known: 0, grants: [] } })).to.match(/consent\s+no: no source sent one/u);
    });

    const WRONG: readonly (readonly [args: Parameters<typeof questionFrom>[1 | 2][], options: object, says: string])[] = [
      [['jion', 'results'], given, 'There are create, join'], [['join', 'result'], given, 'There are rooms (results'], [['join', 'audit'], given, 'audit is nothing to join'],
      [['join', 'results'], { given: ['consent', 'consnet'] }, 'consnet is no circumstance'], [['read-result', 'results'], { ...given, label: ['part3'] }, 'There are part2, restricted'],
    ];
    for (const [[action = '', what = ''], options, says] of WRONG) it(`says what there is: ${says}`, async () => {
      const who = await whoNamed(open.store, 'dr-ruiz', organisations);
      expect(() => questionFrom(who, action, what, options as never, T0)).to.throw(says);
    });

    it('says whom to name when it is a team, or nobody', async () => {
      const outcome = (name: string): Promise<string> => whoNamed(open.store, name, organisations).then(() => 'found', (error: unknown) => (error as Error).message);
      expect(await outcome('icu-team')).to.include('is a team');
      expect(await outcome('dr-nobody')).to.include('is not in the directory');
    });
  });
});
