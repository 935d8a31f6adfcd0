import { expect } from 'chai';
import { as, type FactId, type Millis, type UserId } from '../../../src/domain/brand.ts';
import { decide, lookupsFor } from '../../../src/domain/decide.ts';
import type { FeedTerms, FoundAggregate, Settings } from '../../../src/domain/decision.ts';
import type { Aggregate, FactBody } from '../../../src/domain/fact.ts';
import type { Party } from '../../../src/domain/people/party.ts';
import { NPI } from '../../../src/domain/people/recipient.ts';
import { partyIdOf } from '../../../src/domain/people/decideStaff.ts';
import { ownSystem, staffId, type Kept, type PostSaid, type Staff, type StaffSaid } from '../../../src/domain/people/staff.ts';
import { whoIs } from '../../../src/domain/policy/standing.ts';
import { T0, ada, allowAll, ben, organisations } from '../../support/reports.ts';

const EHR = as<StaffSaid['source']>('ehr');
const NUCC = 'http://nucc.org/provider-taxonomy';
const terms: FeedTerms = { roles: { [`${NUCC}|207R00000X`]: ['physician'], [`${NUCC}|246Q00000X`]: ['billing'] }, organisations: { 'Organization/1': 'mercy.example' }, departments: { 'Organization/icu': 'ICU' } };
const DAY = 86_400_000;

/** The directory and what sources say, decided fact by fact as the loop does. */
function directory(...parties: readonly Party[]) {
  const states = new Map<string, unknown>();
  const held: { back?: (readonly [Aggregate, FactBody])[] | undefined } = {};
  const names = new Map<string, Aggregate>();
  const audit: string[] = [];
  const timers = new Map<string, Millis>();
  let now = T0;
  let feeds = new Map([[EHR, terms]]);
  const keyOf = ({ kind, id }: Aggregate): string => `${kind}:${id}`;
  const take = (aggregate: Aggregate, body: FactBody): readonly string[] => {
    if (held.back !== undefined && aggregate.kind === 'party') { held.back.push([aggregate, body]); return []; }
    if (aggregate.kind === 'room') return [`${keyOf(aggregate)} ${body.type}`];
    const settings: Settings = { organisations, feeds, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: [], invitationPatienceMs: 1 };
    const fact = { id: as<FactId>('f'), aggregate, at: now, body };
    const found = new Map(lookupsFor(fact, states.get(keyOf(aggregate))).flatMap(({ kind, name }): readonly [string, FoundAggregate][] => {
      const owner = names.get(`${kind} ${name}`);
      return owner ? [[name, { aggregate: owner, state: states.get(keyOf(owner)) }]] : [];
    }));
    const decision = decide(states.get(keyOf(aggregate)), fact, { now, judge: allowAll, found, settings });
    states.set(keyOf(aggregate), decision.state);
    if (decision.names) {
      for (const [name, owner] of names) if (keyOf(owner) === keyOf(aggregate)) names.delete(name);
      for (const name of decision.names) {
        expect(names.has(`${aggregate.kind} ${name}`), `${name} is taken`).to.equal(false);
        names.set(`${aggregate.kind} ${name}`, aggregate);
      }
    }
    for (const name of decision.clearTimers ?? []) timers.delete(`${keyOf(aggregate)} ${name}`);
    for (const { name, dueAt } of decision.timers ?? []) timers.set(`${keyOf(aggregate)} ${name}`, dueAt);
    audit.push(...decision.audit.map(({ action }) => action));
    return (decision.raise ?? []).flatMap((raised) => [`${keyOf(raised.aggregate)} ${raised.body.type}`, ...take(raised.aggregate, raised.body)]);
  };
  const enrol = (party: Party, waiting?: readonly string[]): readonly string[] => take({ kind: 'party', id: party.id }, { type: 'party.changed', party, by: 'it', room: 'on-demand', ...(waiting ? { waiting } : {}) });
  for (const party of parties) enrol(party);
  audit.length = 0;
  return {
    audit, enrol, timers,
    /** What both say is decided before the directory hears of either. */
    atOnce: (say: () => void): void => {
      const back: (readonly [Aggregate, FactBody])[] = [];
      held.back = back;
      say();
      held.back = undefined;
      for (const [aggregate, body] of back) take(aggregate, body);
    },
    say: (said: StaffSaid): readonly string[] => take({ kind: 'staff', id: staffId(said) }, { type: 'staff.said', ...said }),
    person: (subject: string, more: Partial<Extract<StaffSaid, { person: unknown }>['person']> = {}): StaffSaid => ({ source: EHR, subject, person: { identifiers: [{ system: NPI, value: '1902301225' }], active: true, ...more } }),
    post: (subject: string, code: string, more: Partial<PostSaid> = {}, post = 'PractitionerRole/9'): StaffSaid => ({ source: EHR, subject, post, said: { identifiers: [], codes: [`${NUCC}|${code}`], organisation: [], active: true, ...more } }),
    party: (id = 'dr-ruiz'): Party | undefined => states.get(`party:${id}`) as Party | undefined,
    staff: (subject: string): Staff | undefined => states.get(`staff:ehr ${subject}`) as Staff | undefined,
    mean: (next: FeedTerms): void => { feeds = new Map([[EHR, next]]); },
    ask: (subject: string): readonly string[] => take({ kind: 'staff', id: `ehr ${subject}` }, { type: 'staff.asked', by: 'it' }),
    forget: (subject: string): readonly string[] => take({ kind: 'staff', id: `ehr ${subject}` }, { type: 'staff.forgotten', by: 'it' }),
    later: (ms: number, subject: string, name: string): readonly string[] => { now = as<Millis>(now + ms); return take({ kind: 'staff', id: `ehr ${subject}` }, { type: 'timer.due', name }); },
  };
}

const PHYSICIAN = '207R00000X';
const BILLING = '246Q00000X';
const handed: Party = { ...ben, standing: { roles: ['nurse'], trainedAt: T0, department: 'Ward 3' } };

describe('What a source says of its staff', () => {
  it('gives the roles that the configuration has for its codes, in the place of those by hand; what it doesn\'t say stays the hand\'s', () => {
    const { say, person, post, party } = directory(handed);
    expect(say(person('Practitioner/1'))).to.deep.equal(['party:dr-ruiz party.fed']);
    expect(party()?.standing?.roles, 'it has said nothing of roles yet').to.deep.equal(['nurse']);
    expect(say(post('Practitioner/1', PHYSICIAN))).to.deep.equal(['party:dr-ruiz party.fed', 'room:dr-ruiz party.changed', 'room:dr-ruiz party.changed']);
    expect(party()).to.deep.include({ members: ben.members, standing: { roles: ['physician'], trainedAt: T0, department: 'Ward 3' }, hand: handed.standing });
  });

  it('changes nothing when it is said again', () => {
    const { say, person, post, party, audit } = directory(handed);
    say(person('Practitioner/1'));
    say(post('Practitioner/1', PHYSICIAN));
    const [before] = [party(), audit.splice(0)];
    expect([say(person('Practitioner/1')), say(post('Practitioner/1', PHYSICIAN)), party(), audit]).to.deep.equal([[], [], before, []]);
  });

  it('counts again when it says what it said before the last time, and not when that comes late', () => {
    const { say, post, person, party, audit } = directory(handed);
    say(person('Practitioner/1'));
    const at = (ms: number): { readonly writtenAt: Millis } => ({ writtenAt: as<Millis>(T0 + ms) });
    const roles = (code: string, ms: number): readonly string[] | undefined => { say(post('Practitioner/1', code, at(ms))); return party()?.standing?.roles; };
    expect([roles(PHYSICIAN, 1), roles(BILLING, 2), roles(PHYSICIAN, 3), roles(BILLING, 2)]).to.deep.equal([['physician'], ['billing'], ['physician'], ['physician']]);
    expect(audit).to.include('staff.older');
  });

  it('gives no role for a code that the configuration doesn\'t have, and says which it was', () => {
    const { say, post, person, party, staff } = directory(handed);
    say(person('Practitioner/1'));
    say(post('Practitioner/1', '999'));
    expect([party()?.standing?.roles, staff('Practitioner/1')?.told?.unknown]).to.deep.equal([[], [`${NUCC}|999`]]);
  });

  it('adds up several posts, each for as long as it is held', () => {
    const { say, post, person, party, later, timers } = directory(handed);
    say(person('Practitioner/1'));
    say(post('Practitioner/1', PHYSICIAN));
    say(post('Practitioner/1', BILLING, { from: as<Millis>(T0 + DAY), until: as<Millis>(T0 + 2 * DAY) }, 'PractitionerRole/10'));
    expect([party()?.standing?.roles, [...timers.values()]]).to.deep.equal([['physician'], [T0 + DAY]]);
    later(DAY, 'Practitioner/1', 'turn');
    expect([party()?.standing?.roles, [...timers.values()]]).to.deep.equal([['billing', 'physician'], [T0 + 2 * DAY]]);
    later(DAY, 'Practitioner/1', 'turn');
    expect([party()?.standing?.roles, [...timers.values()]]).to.deep.equal([['physician'], []]);
    say(post('Practitioner/1', PHYSICIAN, { active: false }));
    expect(party()?.standing?.roles, 'the hand\'s role doesn\'t come back').to.deep.equal([]);
    expect(Object.values(party()?.fed ?? {})[0]?.lost, 'a care team that brought it along has them no more').to.deep.equal(['PractitionerRole/10', 'PractitionerRole/9']);
  });

  it('takes every role from whoever is active no more, that of a recipient too', () => {
    const { say, person, post, party } = directory(handed);
    say(post('Practitioner/1', PHYSICIAN, { identifiers: [{ system: NPI, value: '1902301225' }] }));
    say(person('Practitioner/1', { active: false }));
    const { standing } = party() ?? {};
    expect([standing?.left, whoIs(as('@ben:mercy.example'), standing, organisations).roles]).to.deep.equal([true, []]);
    say(person('Practitioner/1'));
    expect(whoIs(as('@ben:mercy.example'), party()?.standing, organisations).roles).to.deep.equal(['physician']);
  });

  it('gives organisation and department by the configuration; one that it doesn\'t have is an organisation without an agreement', () => {
    const { say, post, person, party } = directory(handed);
    say(person('Practitioner/1'));
    say(post('Practitioner/1', PHYSICIAN, { organisation: ['Organization/1'], department: 'Cardiology' }));
    expect(party()?.standing).to.include({ organisation: 'mercy.example', department: 'Cardiology' });
    say(post('Practitioner/1', PHYSICIAN, { organisation: ['Organization/icu'] }));
    expect([party()?.standing?.organisation, party()?.standing?.department]).to.deep.equal([undefined, 'ICU']);
    say(post('Practitioner/1', PHYSICIAN, { organisation: ['Organization/77', 'urn:x|77'] }));
    expect(whoIs(as('@ben:mercy.example'), party()?.standing, organisations).organisation).to.deep.equal({ id: 'Organization/77', own: false, servers: [], agreements: [] });
  });

  it('is kept when the directory doesn\'t know whom it is about, and counts once they are enrolled', () => {
    const { say, post, person, party, staff, enrol, audit, timers } = directory();
    say(post('Practitioner/1', PHYSICIAN));
    say(person('Practitioner/1'));
    expect([party(), staff('Practitioner/1')?.why, audit, timers.size]).to.deep.equal([undefined, 'nobody in the directory has their identifiers: enrol them, or give the source their Matrix id', ['staff.unmatched'], 1]);
    enrol(handed, ['ehr Practitioner/1']);
    expect(party()?.standing?.roles).to.deep.equal(['physician']);
    enrol({ ...handed, name: 'Dr. B. Ruiz' });
    expect([party()?.name, party()?.standing?.roles, party()?.hand?.roles]).to.deep.equal(['Dr. B. Ruiz', ['physician'], ['nurse']]);
  });

  it('enters somebody new with the Matrix id that the source has of them on the hospital\'s own server, and never elsewhere', () => {
    const { say, person, party, staff } = directory(handed);
    const identifiers = [{ system: NPI, value: '1111111112' }];
    const CO = partyIdOf({ source: EHR, subject: 'Practitioner/Co-2' });
    expect(CO).to.match(/^ehr\.co-2-[0-9a-f]{8}$/u);
    say(person('Practitioner/Co-2', { userId: as('@cole:stanne.example'), name: 'Cole RN', identifiers }));
    expect([party(CO), staff('Practitioner/Co-2')?.why]).to.deep.equal([undefined, 'their Matrix id is not on the hospital\'s own server: a source gives nobody an account elsewhere']);
    say(person('Practitioner/Co-2', { userId: as('@cole:mercy.example'), name: 'Cole RN', identifiers }));
    expect(party(CO)).to.deep.include({ kind: 'person', name: 'Cole RN', members: ['@cole:mercy.example'] });
    expect(party(CO)?.fed?.['ehr Practitioner/Co-2']?.identifiers).to.deep.equal([{ system: ownSystem(EHR), value: 'Practitioner/Co-2' }, ...identifiers]);
  });

  it('never makes one person of two, nor gives somebody another\'s Matrix id or number', () => {
    const { say, person, party, staff } = directory(handed, ada);
    say(person('Practitioner/1', { identifiers: [...ada.identifiers, ...ben.identifiers] }));
    expect([staff('Practitioner/1')?.party, staff('Practitioner/1')?.why]).to.deep.equal([undefined, 'its identifiers belong to different people: dr-okafor, dr-ruiz']);
    say(person('Practitioner/2', { userId: as('@eve:mercy.example') }));
    expect([staff('Practitioner/2')?.party, staff('Practitioner/2')?.why]).to.deep.equal([undefined, 'dr-ruiz has another Matrix id']);
    say(person('Practitioner/3'));
    say(person('Practitioner/3', { identifiers: ada.identifiers, active: false }));
    expect([staff('Practitioner/3')?.party, staff('Practitioner/3')?.why, party('dr-okafor')?.fed, party()?.standing?.left]).to.deep.equal(['dr-ruiz', 'its identifiers lead to dr-okafor too', undefined, true]);
    say(person('Practitioner/3', { userId: as('@ben.ruiz:mercy.example') }));
    expect([staff('Practitioner/3')?.why, party()?.members, party()?.standing?.left]).to.deep.equal(['the directory has another Matrix id of them: enrol them with the new one if it is theirs', ben.members, undefined]);
  });

  const kept = (token: string): { readonly kept: Kept } => ({ kept: { token, base: 'none', attributes: {} } });
  const BEN = { userId: ben.members[0] as UserId, identifiers: [] };

  it('never makes one person of two users of a source that keeps its users here, whatever leads to the same Matrix id', () => {
    const { say, person, post, party, staff } = directory(handed);
    say(person('User/1', { ...BEN, ...kept('one') }));
    say(post('User/1', PHYSICIAN));
    say(person('User/2', { ...BEN, identifiers: [{ system: NPI, value: '1111111112' }], active: false, ...kept('two') }));
    say(post('User/2', BILLING, {}, 'Group/2'));
    expect([staff('User/2')?.party, staff('User/2')?.why]).to.deep.equal([undefined, 'dr-ruiz is another user of this source: give one of the two another Matrix id or number there, or take the other back (aceso people forget) and enrol them again']);
    expect([Object.keys(party('dr-ruiz')?.fed ?? {}), party('dr-ruiz')?.standing]).to.deep.equal([['ehr User/1'], { ...handed.standing, roles: ['physician'] }]);
  });

  it('never makes one person of two such users who come at one time either', () => {
    const { say, person, party, staff, atOnce } = directory(handed);
    atOnce(() => {
      say(person('User/1', { ...BEN, ...kept('one') }));
      say(person('User/2', { ...BEN, active: false, ...kept('two') }));
    });
    expect([staff('User/1')?.party, staff('User/2')?.party, party('dr-ruiz')?.standing?.left, Object.keys(party('dr-ruiz')?.fed ?? {})]).to.deep.equal(['dr-ruiz', undefined, undefined, ['ehr User/1']]);
  });

  it('links whoever comes second with the same new Matrix id to the person that the first made, and hears that they left', () => {
    const { say, person, party, staff, atOnce, audit } = directory();
    atOnce(() => {
      say(person('Practitioner/1', { ...BEN, name: 'Ben' }));
      say(person('Practitioner/2', { ...BEN, name: 'Ben' }));
    });
    const one = partyIdOf({ source: EHR, subject: 'Practitioner/1' });
    expect([staff('Practitioner/1')?.party, staff('Practitioner/2')?.party, audit]).to.deep.equal([one, one, ['party.added', 'party.refused', 'party.changed']]);
    say(person('Practitioner/2', { ...BEN, active: false }));
    expect(party(one)?.standing?.left).to.equal(true);
  });

  it('remembers no link that the directory refused: what is said next is not taken for somebody else', () => {
    const subjects = ['http://a/staff|12', 'http://b/staff|12', 'Practitioner/Co', 'Practitioner/co', `Practitioner/${'x'.repeat(60)}1`, `Practitioner/${'x'.repeat(60)}2`];
    expect(new Set(subjects.map((subject) => partyIdOf({ source: EHR, subject }))).size).to.equal(6);
    const { say, person, post, party, staff, enrol } = directory();
    const [first = '', second = ''] = subjects;
    const taken = partyIdOf({ source: EHR, subject: second });
    enrol({ ...ada, id: taken });
    say(person(second, { userId: as('@ben:mercy.example'), identifiers: [{ system: NPI, value: '1111111112' }] }));
    say(post(second, PHYSICIAN));
    expect([staff(second)?.party, staff(second)?.told, staff(second)?.why, party(taken)]).to.deep.equal([undefined, undefined, 'the name is somebody else\'s', { ...ada, id: taken }]);
    expect(staff(first)).to.equal(undefined);
  });

  it('gives no word to a person with whom it shares neither identifier nor Matrix id by the time it is decided', () => {
    const { say, person, party, staff, atOnce, enrol } = directory(handed);
    atOnce(() => {
      enrol({ ...handed, identifiers: [] });
      say(person('Practitioner/1', { active: false }));
    });
    expect([party()?.standing?.left, staff('Practitioner/1')?.party, staff('Practitioner/1')?.why]).to.deep.equal([undefined, undefined, 'nobody in the directory has their identifiers: enrol them, or give the source their Matrix id']);
  });

  it('gives a post back to nobody by a version that was written before it was somebody else\'s', () => {
    const cole: Party = { id: as('rn-cole'), kind: 'person', name: 'Cole RN', members: [as('@cole:mercy.example')], identifiers: [{ system: NPI, value: '1111111112' }] };
    const { say, person, post, party, audit } = directory(handed, cole);
    say(person('Practitioner/1'));
    say(person('Practitioner/2', { identifiers: cole.identifiers }));
    say(post('Practitioner/2', PHYSICIAN, { writtenAt: as<Millis>(T0 + 2) }));
    say(post('Practitioner/1', PHYSICIAN, { writtenAt: as<Millis>(T0 + 1) }));
    expect([party()?.standing?.roles, party('rn-cole')?.standing?.roles, audit.at(-1)]).to.deep.equal([['nurse'], ['physician'], 'staff.older']);
  });

  it('takes a post from whoever had it when it is somebody else\'s by now: nobody keeps the role', () => {
    const cole: Party = { id: as('rn-cole'), kind: 'person', name: 'Cole RN', members: [as('@cole:mercy.example')], identifiers: [{ system: NPI, value: '1111111112' }] };
    const { say, person, post, party } = directory(handed, cole);
    say(person('Practitioner/1'));
    say(person('Practitioner/2', { identifiers: cole.identifiers }));
    say(post('Practitioner/1', PHYSICIAN));
    say(post('Practitioner/2', PHYSICIAN));
    const lost = (id?: string): readonly (readonly string[] | undefined)[] => Object.values(party(id)?.fed ?? {}).map((each) => each.lost);
    expect([party()?.standing?.roles, party('rn-cole')?.standing?.roles]).to.deep.equal([[], ['physician']]);
    expect([lost(), lost('rn-cole')], 'whose it was in a care team, too').to.deep.equal([[['PractitionerRole/9']], [undefined]]);
    say(post('Practitioner/1', PHYSICIAN));
    expect([party()?.standing?.roles, party('rn-cole')?.standing?.roles]).to.deep.equal([['physician'], []]);
    expect([lost(), lost('rn-cole')]).to.deep.equal([[undefined], [['PractitionerRole/9']]]);
  });

  it('counts no more once somebody took it back, and again when the source says something new', () => {
    const { say, person, post, party, forget, staff, timers } = directory(handed);
    say(person('Practitioner/1', { active: false }));
    say(post('Practitioner/1', PHYSICIAN, { until: as<Millis>(T0 + DAY) }));
    expect(forget('Practitioner/1')).to.deep.equal(['party:dr-ruiz party.unfed', 'room:dr-ruiz party.changed', 'room:dr-ruiz party.changed']);
    expect([party(), staff('Practitioner/1')?.why, timers.size]).to.deep.equal([handed, 'taken back by it', 0]);
    say(person('Practitioner/1'));
    say(post('Practitioner/1', PHYSICIAN));
    expect([party()?.standing?.roles, staff('Practitioner/1')?.why]).to.deep.equal([['physician'], undefined]);
  });

  it('means what the configuration says by now, and goes on counting as it did when the source may say nothing more', () => {
    const { say, person, post, party, mean, ask, staff } = directory(handed);
    say(person('Practitioner/1'));
    say(post('Practitioner/1', PHYSICIAN));
    mean({ roles: { [`${NUCC}|${PHYSICIAN}`]: ['pharmacist'] } });
    ask('Practitioner/1');
    expect(party()?.standing?.roles).to.deep.equal(['pharmacist']);
    mean(undefined as unknown as FeedTerms);
    ask('Practitioner/1');
    expect([party()?.standing?.roles, staff('Practitioner/1')?.why]).to.deep.equal([['pharmacist'], 'the source may not change the directory any more']);
  });
});
