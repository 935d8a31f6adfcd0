import { expect } from 'chai';
import { as, type RoomId, type SubjectId, type UserId } from '../../../src/domain/brand.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import type { FactBody } from '../../../src/domain/fact.ts';
import { decideGoverned, lookupsOfGoverned } from '../../../src/domain/governed/decide.ts';
import type { GovernedRoom } from '../../../src/domain/governed/governed.ts';
import { personName, type Party } from '../../../src/domain/people/party.ts';
import type { Judge } from '../../../src/domain/policy/question.ts';
import type { RoomKind } from '../../../src/domain/policy/words.ts';
import { planFor, type RoomTemplate, type RoomTemplates } from '../../../src/domain/rooms/template.ts';
import { organisations, T0 } from '../../support/reports.ts';

const [ada, ben, cleo, far] = [as<UserId>('@ada:stanne.example'), as<UserId>('@ben:mercy.example'), as<UserId>('@cleo:mercy.example'), as<UserId>('@x:far.example')];
const roomId = as<RoomId>('!talk:m');
const template = (id: RoomKind, change: Partial<RoomTemplate> = {}): readonly [RoomKind, RoomTemplate] => [id, { id, roomVersion: '12', name: id, topic: '', federation: 'agreed', senders: 'members', history: 'invited', rotation: { periodMs: 1, messages: 1 }, ...change }];
const templates: RoomTemplates = new Map([template('consult'), template('shift', { federation: 'local' }), template('broadcast', { federation: 'local', senders: 'permitted' })]);
/** Clinicians may; the clerk of billing may not; nurses may not announce. */
const judge: Judge = ({ who: { roles }, action }) => {
  const allowed = roles.includes('physician') || (roles.includes('nurse') && action === 'join');
  return { allowed, revision: 'r7', rules: [allowed ? 'clinicians' : 'default-deny'], message: allowed ? '' : 'Ask somebody else.', warnings: [] };
};
const person = (userId: UserId, role: string): Party => ({ id: as(userId.slice(1, 4)), kind: 'person', name: userId, members: [userId], identifiers: [], standing: { roles: [role] } });
const contextWith = (...directory: readonly Party[]): Context => ({
  now: T0, judge, settings: { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example', 'stanne.example'], invitationPatienceMs: 1, templates },
  found: new Map(directory.map((party) => [personName(party.members[0] ?? ben), { aggregate: { kind: 'party', id: party.id }, state: party }])),
});
const everybody = contextWith(person(ada, 'physician'), person(ben, 'physician'), person(cleo, 'nurse'));
type Step = FactBody | readonly [FactBody, Context];
const run = (...steps: readonly Step[]): Decision<GovernedRoom | undefined> => steps.reduce<Decision<GovernedRoom | undefined>>((before, step, index) => {
  const [body, context] = 'type' in step ? [step, everybody] : step;
  return decideGoverned(before.state, { id: as(`f${index}`), aggregate: { kind: 'governed', id: 'k' }, at: T0, body }, context);
}, { state: undefined, audit: [] });
const open = (kind: RoomKind, ...members: readonly UserId[]): FactBody => ({ type: 'operator.open', by: 'it', template: kind, members });
const made: FactBody = { type: 'effect.done', effect: as('open:k'), kind: 'room.open', result: { type: 'room.open', roomId } };
const member = (userId: UserId, membership: 'join' | 'invite' | 'leave', sender = userId): FactBody => ({ type: 'room.member', roomId, userId, membership, sender, eventId: as(`$${userId}${membership}`) });
const changed: FactBody = { type: 'room.changed', roomId, what: 'm.room.topic', by: ben };
const doneBy = ({ effects = [] }: Decision<unknown>): readonly string[] => effects.map(({ id }) => id);

describe('A room in which people talk', () => {
  it('is made once, and its people invited when it is there', () => {
    const first = run(open('consult', ada, ben));
    expect(first.effects?.map(({ id, body }) => [id, body])).to.deep.equal([['open:k', { type: 'room.open', template: 'consult', servers: ['stanne.example'], speakers: [] }]]);
    const ready = run(open('consult', ada, ben), made);
    expect(doneBy(ready), 'who may write can have changed meanwhile: it is looked at').to.deep.equal(['look:f1', `ask:k:${ada}:1`, `ask:k:${ben}:1`]);
    expect(ready.names).to.deep.equal([roomId]);
  });

  it('that can\'t be put under the policy server rings the same alarm as a results room', () => {
    const { audit } = run(open('consult', ada, ben), made, { type: 'effect.failed', effect: as('protect:f2'), kind: 'room.protect', code: 'forbidden', message: 'refused', final: true });
    expect(audit.map(({ action }) => action)).to.deep.equal(['policy.not-in-force']);
  });

  it('asked for again, nothing is done again, but whoever left is invited again', () => {
    const both = [open('consult', ada, ben), made, member(ada, 'join'), member(ben, 'join')] as const;
    expect(doneBy(run(...both, open('consult', ada, ben)))).to.deep.equal([]);
    expect(doneBy(run(...both, member(ben, 'leave'), open('consult', ben)))).to.deep.equal([`ask:k:${ben}:2`]);
  });

  it('lets in nobody whom the policy refuses, whom the directory doesn\'t know, or whose server has no agreement, and says so', () => {
    const { state, effects } = run([open('consult', ada, ben, cleo, far), contextWith(person(ada, 'physician'), person(ben, 'billing'))]);
    expect(effects?.length).to.equal(1);
    expect(state?.admitted).to.deep.equal([ada]);
    expect(state?.refused.map(({ userId, rules }) => [userId, ...rules])).to.deep.equal([[ben, 'default-deny'], [cleo, 'default-deny'], [far, 'no-agreement']]);
  });

  it('is not made for nobody', () => {
    const { state, effects } = run([open('consult', ben), contextWith()]);
    expect([effects, state?.blocked?.code]).to.deep.equal([undefined, 'policy']);
  });

  it('about a patient lets in whoever has them in care by a care team, and lets them go when that ends', () => {
    const patient = as<SubjectId>('subject-1');
    const inCare: Judge = ({ circumstances }) => ({ allowed: circumstances.inCare, revision: 'r7', rules: ['in-care'], message: 'Not in their care.', warnings: [] });
    const directory = contextWith({ ...person(ben, 'physician'), identifiers: [{ system: 's', value: '1' }] }, person(cleo, 'nurse'));
    const caring = (active: boolean): Context => ({ ...directory, judge: inCare, found: new Map([...directory.found, [patient, { aggregate: { kind: 'patient', id: patient }, state: { id: patient, teams: { t: { source: 'ehr', active, carers: [{ identifiers: [{ system: 's', value: '1' }] }] } } } }]]) });
    const about = { ...open('patient', ben, cleo), patient } as FactBody;
    const first = run([about, caring(true)]);
    expect([first.state?.admitted, first.state?.refused.map(({ userId }) => userId)]).to.deep.equal([[ben], [cleo]]);
    expect(first.audit[0]?.detail).to.include({ patient });
    expect(lookupsOfGoverned({ id: as('f'), aggregate: { kind: 'governed', id: 'k' }, at: T0, body: { type: 'policy.changed', revision: 'r' } }, first.state)).to.deep.include({ kind: 'patient', name: patient });
    const over = run([about, caring(true)], [made, caring(true)], [member(ben, 'join'), caring(true)], [{ type: 'policy.changed', revision: 'sweep' }, caring(false)]);
    expect([over.state?.admitted, doneBy(over)]).to.deep.equal([[], ['look:f3']]);
    expect(run([about, { ...caring(true), found: directory.found }]).state?.blocked?.code, 'nothing is known of the patient').to.equal('policy');
  });

  it('stays about the patient for whom it was made', () => {
    const about = (patient?: string): FactBody => ({ ...open('care-team', ben), ...(patient === undefined ? {} : { patient }) } as FactBody);
    const other = run(about('subject-1'), made, about('subject-2'));
    expect([other.state?.patient, other.audit[0]?.action]).to.deep.equal(['subject-1', 'room.refused']);
    expect(run(about('subject-1'), made, about()).state?.patient).to.equal('subject-1');
    expect(run(about(), made, about('subject-1')).audit[0]?.action, 'and nobody is let in by another question later').to.equal('room.refused');
  });

  it('of patients needs somebody\'s word for the care, and a room about no patient needs none', () => {
    const asked: (readonly [string, boolean])[] = [];
    const noting: Context = { ...everybody, judge: (question) => { asked.push([question.target.type === 'room' ? question.target.kind : '', question.circumstances.inCare]); return judge(question); } };
    for (const body of [open('patient', ben), { ...open('patient', ben), inCare: 'attested' } as FactBody, open('care-team', ben)]) run([body, noting]);
    expect(asked).to.deep.equal([['patient', false], ['patient', true], ['care-team', true]]);
  });

  it('of a local kind takes nobody of another hospital', () => {
    const { state, effects } = run(open('shift', ada, ben));
    expect(state?.refused.map(({ rules }) => rules)).to.deep.equal([['local-room']]);
    expect(effects?.[0]?.body).to.include({ type: 'room.open' }).and.deep.include({ servers: [] });
  });

  it('that was made for the hospital alone stays so', () => {
    const { state, effects = [] } = run(open('consult', ben), made, open('consult', ada));
    expect(state?.refused.map(({ rules }) => rules)).to.deep.equal([['made-local']]);
    expect(effects.map(({ body }) => body.type)).to.not.include('room.invite');
  });

  it('that was made for several hospitals keeps its access list when the last partner has gone, and takes them back', () => {
    const gone = run(open('consult', ada, ben), made, member(ada, 'join'), [{ type: 'policy.changed', revision: 'r8' }, contextWith(person(ada, 'billing'), person(ben, 'physician'))]);
    expect([gone.state?.servers, gone.state?.made]).to.deep.equal([[], 'federated']);
    const plan = planFor(templates.get('consult') ?? expect.fail(), gone.state ?? expect.fail(), { ownServer: 'mercy.example', guardian: ben, partnerVersions: {} });
    expect(plan.initialState.find(({ type }) => type === 'm.room.server_acl')?.content['allow']).to.deep.equal(['mercy.example']);
    const back = run(open('consult', ada, ben), made, member(ada, 'join'), [{ type: 'policy.changed', revision: 'r8' }, contextWith(person(ada, 'billing'), person(ben, 'physician'))], { type: 'policy.changed', revision: 'r9' });
    expect([back.state?.servers, back.state?.refused, doneBy(back).at(0)]).to.deep.equal([['stanne.example'], [], 'look:f4']);
  });

  it('for announcements is written in by those who may send', () => expect(run(open('broadcast', ben, cleo)).state).to.deep.include({ admitted: [ben, cleo], speakers: [ben] }));

  it('whose member\'s role changes is looked at, and no longer counts them', () => {
    const billing = contextWith(person(ada, 'physician'), person(ben, 'billing'));
    const { state, effects, audit } = run(open('consult', ada, ben), made, member(ben, 'join'), [{ type: 'policy.changed', revision: 'r8' }, billing]);
    expect(effects?.map(({ body }) => body)).to.deep.equal([{ type: 'room.repair', roomId, room: { kind: 'governed', id: 'k' } }]);
    expect([state?.admitted, Object.keys(state?.members ?? {})]).to.deep.equal([[ada], [ada]]);
    expect(audit.map(({ detail }) => detail?.['rules'])).to.include('default-deny');
  });

  it('into which somebody else came is looked at at once', () => {
    expect(run(open('consult', ada, ben), made, member(cleo, 'join')).effects?.map(({ body }) => body.type)).to.deep.equal(['room.repair']);
    expect(doneBy(run(open('consult', ada, ben), made, member(cleo, 'leave')))).to.deep.equal([]);
  });

  it('that changes several times in a row is looked at once', () => {
    const first = run(open('consult', ada), made, changed);
    expect(first.timers).to.deep.equal([{ name: 'look', dueAt: T0 + 500 }]);
    expect(run(open('consult', ada), made, changed, changed).timers).to.equal(undefined);
    const looking = run(open('consult', ada), made, changed, { type: 'timer.due', name: 'look' });
    expect([looking.effects?.map(({ body }) => body.type), looking.state?.lookAt]).to.deep.equal([['room.repair'], undefined]);
  });

  it('in which somebody took power is put back under the policy server, looked at, and who it was is told when that is done', () => {
    const taken = run(open('consult', ada), made, { type: 'room.unprotected', roomId, edge: 'power-levels', by: ben });
    expect([taken.effects?.map(({ body }) => body.type), taken.timers?.map(({ name }) => name), taken.state?.changedBy]).to.deep.equal([['room.protect'], ['look'], { 'm.room.power_levels': ben }]);
    const byGuardian = run(open('consult', ada), made, { type: 'room.unprotected', roomId, edge: 'power-levels', by: ben, actor: 'guardian' });
    expect([byGuardian.timers?.length, byGuardian.state?.changedBy]).to.deep.equal([1, undefined]);
  });

  it('tells the audit what was found, by its rule, and what was put back', () => {
    const { audit, state } = run(open('consult', ada), made, { type: 'effect.done', effect: as('look:f'), kind: 'room.repair', result: { type: 'room.repair', roomId, findings: [{ rule: 'topic', type: 'm.room.topic' }, { rule: 'state-unknown', type: 'other' }], repaired: ['topic'] } });
    expect(audit.map(({ action, detail }) => [action, detail?.['rule']])).to.deep.equal([['room.repaired', 'topic'], ['room.drift', 'state-unknown']]);
    expect(state?.looked?.findings.length).to.equal(2);
  });

  it('asks the directory about all of its people', () => {
    expect(lookupsOfGoverned({ id: as('f'), aggregate: { kind: 'governed', id: 'k' }, at: T0, body: open('consult', ada) }, run(open('consult', ben)).state).map(({ kind, name }) => `${kind} ${name}`)).to.deep.equal([`party ${personName(ben)}`, `party ${personName(ada)}`, 'agreement mercy.example', 'agreement stanne.example']);
  });
});
