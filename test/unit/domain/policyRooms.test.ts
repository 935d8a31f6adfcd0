import { expect } from 'chai';
import { as, type BlobId, type RoomId, type UserId } from '../../../src/domain/brand.ts';
import type { ConsentTerms } from '../../../src/domain/consent/consent.ts';
import type { Context, Decision } from '../../../src/domain/decision.ts';
import { decideDelivery, lookupsOfDelivery } from '../../../src/domain/delivery/decide.ts';
import type { DeliveryState } from '../../../src/domain/delivery/delivery.ts';
import type { Fact, FactBody, Membership } from '../../../src/domain/fact.ts';
import { personName, type Party } from '../../../src/domain/people/party.ts';
import type { Judge, Question } from '../../../src/domain/policy/question.ts';
import { decideRoom, lookupsOfRoom } from '../../../src/domain/rooms/decide.ts';
import { keyHolders, type RoomState } from '../../../src/domain/rooms/room.ts';
import { Sealed } from '../../../src/domain/sealed.ts';
import { ada, ben, lab, organisations, SUBJECT, T0 } from '../../support/reports.ts';

const adaId = as<UserId>('@ada:stanne.example');
const benId = as<UserId>('@ben:mercy.example');
const billing: Party = { ...ada, standing: { roles: ['billing'] } };
const physician: Party = { ...ada, standing: { roles: ['physician'] } };

/** Refuses billing entry, and results of Part 2. */
const judge: Judge = ({ who, action, target }) => {
  const rules = who.roles.includes('billing') ? ['no-billing'] : action === 'read-result' && target.type === 'result' && target.labels.includes('part2') ? ['part2'] : ['may'];
  return { allowed: rules[0] === 'may', revision: 'r7', rules, message: rules[0] === 'may' ? '' : 'Ask somebody else.', warnings: [] };
};
const settings: Context['settings'] = { organisations, organisation: 'Mercy', recipientOrder: [], ownServer: 'mercy.example', courierSeats: 1, agreedServers: ['mercy.example', 'stanne.example'], invitationPatienceMs: 1 };
const contextWith = (directory: readonly Party[], by: Judge = judge): Context => ({
  now: T0, judge: by, settings,
  found: new Map(directory.flatMap((party) => [[`urn:aceso:party|${party.id}`, party], ...(party.kind === 'person' ? party.members.map((member) => [personName(member), party] as const) : [])] as const).map(([name, party]) => [name, { aggregate: { kind: 'party', id: party.id }, state: party }])),
});
type Step = readonly [FactBody, Context];
const fact = (kind: 'room' | 'delivery', body: FactBody): Fact => ({ id: as('f'), aggregate: { kind, id: 'x' }, at: T0, body });

function rooms(steps: readonly Step[]): Decision<RoomState | undefined> {
  let decision: Decision<RoomState | undefined> = { state: undefined, audit: [] };
  for (const [body, context] of steps) decision = decideRoom(decision.state, fact('room', body), context);
  return decision;
}
const seen = ({ effects = [], raise = [] }: Decision<unknown>): readonly string[] => [...effects.map(({ id }) => id), ...raise.map(({ body }) => ('code' in body ? `${body.type}:${body.code}` : body.type))];
const wanted = (party: Party, delivery = 'd1'): FactBody => ({ type: 'room.wanted', party, delivery: as(delivery) });
const created = (party: Party): FactBody => ({ type: 'effect.done', effect: as(`create:${party.id}:1`), kind: 'room.create', result: { type: 'room.create', roomId: as('!r:m') } });
const member = (userId: UserId): FactBody => ({ type: 'room.member', roomId: as('!r:m'), userId, membership: 'join', sender: userId, eventId: as(`$${userId}`) });
const changed = (party: Party): FactBody => ({ type: 'party.changed', party, by: 'configuration', room: 'on-demand' });

describe('Who may be in a results room, by the policy', () => {
  it('nobody of the party: no room is made, and the delivery is held with the reason and the rule', () => {
    const decision = rooms([[wanted(ada), contextWith([billing])]]);
    expect(seen(decision)).to.deep.equal(['room.blocked:policy']);
    expect(decision.raise?.[0]?.body).to.deep.include({ message: '@ada:stanne.example: Ask somebody else. [no-billing]' });
    expect(decision.audit).to.deep.equal([{ action: 'rules.refused', because: 'Ask somebody else.', detail: { user: adaId, asked: 'join', rules: 'no-billing', revision: 'r7', party: 'dr-okafor' } }]);
  });

  it('their role changes: the room is made, and what waited proceeds by itself', () => {
    const before: Step = [wanted(ada), contextWith([billing])];
    expect(seen(rooms([before, [changed(physician), contextWith([physician])]]))).to.deep.equal(['create:dr-okafor:1']);
    expect(seen(rooms([before, [changed(physician), contextWith([physician])], [created(ada), contextWith([])], [member(adaId), contextWith([])]]))).to.include('room.ready');
  });

  it('whoever has left is taken out of their room at once, and what is for them is held; back again, they are invited again', () => {
    const [there, left]: readonly [Party, Party] = [physician, { ...ada, standing: { roles: ['physician'], left: true } }];
    const noRoleNothing: Judge = (question) => (question.who.roles.length === 0 ? { ...judge(question), allowed: false, rules: [], message: 'No rule permits this.' } : judge(question));
    const gone: readonly Step[] = [[wanted(ada), contextWith([there])], [created(ada), contextWith([])], [member(adaId), contextWith([])], [changed(left), contextWith([left], noRoleNothing)]];
    expect(seen(rooms(gone))).to.deep.equal([`remove:dr-okafor:${adaId}:1`, 'room.blocked:policy']);
    expect(rooms([...gone, [{ type: 'effect.done', effect: as(`remove:dr-okafor:${adaId}:1`), kind: 'member.remove', result: { type: 'member.remove', userId: adaId } }, contextWith([])]]).audit[0]).to.include({ action: 'member.removed', because: 'they have left' });
    const out: FactBody = { type: 'room.member', roomId: as('!r:m'), userId: adaId, membership: 'leave', sender: as('@guardian:mercy.example'), eventId: as('$out') };
    expect(seen(rooms([...gone, [out, contextWith([])], [changed(there), contextWith([there])]]))).to.include(`invite:dr-okafor:${adaId}:2`);
  });

  it('other rules are in force: everybody is asked about again', () => {
    const lenient = contextWith([billing], (question) => ({ ...judge(question), allowed: true }));
    expect(seen(rooms([[wanted(ada), contextWith([billing])], [{ type: 'policy.changed', revision: 'r8' }, lenient]]))).to.deep.equal(['create:dr-okafor:1']);
  });

  it('they were in it, and may not be any more: no keys, nothing new for them; and again when they may', () => {
    const inside: readonly Step[] = [[wanted(ada), contextWith([physician])], [created(ada), contextWith([])], [member(adaId), contextWith([])]];
    const barred = rooms([...inside, [changed(billing), contextWith([billing])]]);
    expect(barred.state && keyHolders(barred.state)).to.deep.equal([]);
    expect(seen(rooms([...inside, [changed(billing), contextWith([billing])], [wanted(billing, 'd2'), contextWith([billing])]]))).to.include('room.blocked:policy');
    const back = rooms([...inside, [changed(billing), contextWith([billing])], [changed(physician), contextWith([physician])]]);
    expect(back.state && keyHolders(back.state)).to.deep.equal([adaId]);
    expect(seen(back)).to.include('room.ready');
  });

  it('one of a team: the others are invited, told, and get the keys, and the one gets none', () => {
    const directory = contextWith([lab, { ...ben, standing: { roles: ['billing'] } }, ada]);
    const decision = rooms([[wanted(lab), directory]]);
    expect(decision.state?.barred).to.deep.equal([benId]);
    const told = rooms([[wanted(lab), directory], [created(lab), directory], [member(adaId), directory], [member(benId), directory]]);
    const ready = rooms([[wanted(lab), directory], [created(lab), directory], [member(adaId), directory]]);
    expect(seen(ready)).to.include('room.ready');
    expect(ready.raise?.find(({ body }) => body.type === 'room.ready')?.body).to.have.nested.property('party.members').that.deep.equals([adaId]);
    expect(told.state && keyHolders(told.state)).to.deep.equal([adaId]);
    expect(seen(rooms([[wanted(lab), directory], [created(lab), directory]]))).to.deep.equal([`invite:icu-team:${adaId}:1`]);
  });

  it('each member of a team is looked up, and asked about by their own entry', () => {
    const names = lookupsOfRoom(fact('room', wanted(lab)), undefined).map(({ name }) => name);
    expect(names).to.deep.equal(['urn:aceso:party|icu-team', personName(adaId), personName(benId), 'mercy.example', 'stanne.example']);
    expect(lookupsOfRoom(fact('room', { type: 'policy.changed', revision: 'r' }), { party: lab } as RoomState).map(({ name }) => name)).to.deep.equal(names);
    expect(lookupsOfRoom(fact('room', changed(lab)), undefined).map(({ name }) => name)).to.deep.equal(names.slice(1));
  });

  it('the directory names members of a team who were not looked up: it is asked again, with them', () => {
    const grown: Party = { ...lab, members: [...lab.members, as('@cy:mercy.example')] };
    const decision = rooms([[wanted(lab), contextWith([grown])]]);
    expect(seen(decision)).to.deep.equal(['room.wanted']);
    expect(decision.raise?.[0]?.body).to.deep.equal({ ...wanted(lab), party: grown });
    expect(seen(rooms([[wanted(grown), contextWith([grown])]]))).to.deep.equal(['create:icu-team:1']);
  });

  it('whoever has no role of their own is a recipient, of the organisation of their server', () => {
    const asked: Question[] = [];
    rooms([[wanted(lab), contextWith([lab], (question) => { asked.push(question); return judge(question); })]]);
    expect(asked.map(({ who }) => [who.userId, who.roles, who.organisation.id])).to.deep.equal([[adaId, ['recipient'], 'stanne.example'], [benId, ['recipient'], 'mercy.example']]);
  });
});

describe('Who may read a result, by the policy', () => {
  const requested: FactBody = { type: 'delivery.requested', report: as('r1'), source: as('lab'), news: 'first', critical: true, acceptedAt: T0, owner: 'Laboratory desk', content: Sealed.of(SUBJECT, {}), party: ada, labels: Sealed.of(SUBJECT, ['part2']) };
  const ready: FactBody = { type: 'room.ready', roomId: as<RoomId>('!r:m'), party: ada, members: { [adaId]: 'joined' } };
  const deliver = (steps: readonly Step[]): Decision<DeliveryState | undefined> => {
    let decision: Decision<DeliveryState | undefined> = { state: undefined, audit: [] };
    for (const [body, context] of steps) decision = decideDelivery(decision.state, fact('delivery', body), context);
    return decision;
  };
  const strict = contextWith([]);
  const consented = contextWith([], (question) => ({ ...judge(question), allowed: true, rules: ['consented'], revision: 'r8', warnings: ['training-overdue'] }));

  it('a label without consent: held with its reason and rule, and nothing is sent', () => {
    const { state, effects, audit } = deliver([[requested, strict], [ready, strict]]);
    expect(state?.held).to.deep.include({ code: 'policy', reason: '@ada:stanne.example: Ask somebody else. [part2]', owner: 'Laboratory desk' });
    expect(effects ?? []).to.deep.equal([]);
    expect(audit.at(-1)).to.deep.equal({ action: 'rules.refused', because: 'Ask somebody else.', detail: { user: adaId, asked: 'read-result', rules: 'part2', revision: 'r7', delivery: 'x' } });
  });

  it('the rules allow it later: it is sent, the hold ends, and the audit names the rules, the revision and what they warned of', () => {
    const { state, effects = [], audit } = deliver([[requested, strict], [ready, strict], [{ type: 'operator.retry', by: 'policy r8' }, consented], [ready, consented]]);
    expect(state).to.include({ phase: 'sending' }).and.not.have.property('held');
    expect(effects.map(({ body }) => body.type)).to.deep.equal(['room.send']);
    expect(audit.at(-1)).to.deep.equal({ action: 'rules.allowed', because: 'allowed by consented', detail: { user: adaId, asked: 'read-result', rules: 'consented', revision: 'r8', warnings: 'training-overdue', delivery: 'x' } });
  });

  it('the patient is in the care of whom the result names; of a pool, in theirs whom a care team names', () => {
    const inCare = (rule: string, patients: Context['found'] = new Map()): readonly unknown[] => {
      const asked: unknown[] = [];
      const known = contextWith([ada], (question) => { asked.push([question.circumstances.responsible, question.circumstances.inCare]); return judge(question); });
      const context = { ...known, found: new Map([...known.found, ...patients]) };
      deliver([[{ ...requested, rule }, context], [ready, context]]);
      return asked[0] as readonly unknown[];
    };
    const team: Context['found'] = new Map([[SUBJECT, { aggregate: { kind: 'patient', id: SUBJECT }, state: { id: SUBJECT, teams: { t: { source: 'ehr', active: true, carers: [{ identifiers: ada.identifiers }] } } } }]]);
    expect([inCare('requester'), inCare('pool'), inCare('pool', team), inCare('assigned by it')]).to.deep.equal([[true, true], [true, false], [true, true], [true, false]]);
    const { state } = deliver([[requested, strict]]);
    expect(lookupsOfDelivery(fact('delivery', ready), state)).to.deep.include({ kind: 'patient', name: SUBJECT });
  });

  it('it is kept back, waits for what may change of its patient, and asks again when it does; sent by a consent, with its scope and its pseudonym in the audit', () => {
    const [patient, terms] = [{ kind: 'patient', id: SUBJECT }, { part2: true, provision: { type: 'permit', actors: [{ kind: 'person', identifiers: ada.identifiers }], purposes: ['TREAT'], exceptions: [] } }] as const;
    const byConsent: Judge = (question) => (question.circumstances.consent ? { ...judge(question), allowed: true, rules: ['consented'] } : judge(question));
    const before = { ...contextWith([ada], byConsent) };
    const after: Context = { ...before, found: new Map([...before.found, [SUBJECT, { aggregate: patient, state: { id: SUBJECT, teams: {}, version: 3, consents: { c9: { source: 'ehr', terms: Sealed.of(SUBJECT, terms) } } } }]]) };
    const written: FactBody = { ...requested, content: Sealed.of(SUBJECT, { body: 'Text' }) };
    const kept = deliver([[written, before], [ready, before]]);
    expect(kept.raise).to.deep.equal([{ aggregate: patient, body: { type: 'patient.waits', delivery: 'x', version: 0 } }]);
    const again = deliver([[written, before], [ready, before], [{ type: 'patient.changed' }, before]]);
    expect(seen(again)).to.deep.equal(['room.wanted']);
    expect(deliver([[written, before], [ready, before], [ready, { ...after, judge }]]).raise).to.deep.equal([{ aggregate: patient, body: { type: 'patient.waits', delivery: 'x', version: 3 } }]);
    const sent = deliver([[written, before], [ready, before], [{ type: 'patient.changed' }, before], [ready, after]]);
    expect(sent.audit.at(-1)).to.deep.equal({ action: 'rules.allowed', because: 'allowed by consented', detail: { user: adaId, asked: 'read-result', rules: 'consented', revision: 'r7', delivery: 'x', consent: 'c9' } });
    const [send] = sent.effects ?? [];
    expect(send?.body.type === 'room.send' && send.body.content.reveal()['body']).to.equal('Text\n\nDisclosed to you with the patient\'s written consent, which names you, for treatment; it has no date of expiry.');
    expect(sent.raise, 'until it has left, it is told of changes too').to.deep.equal([{ aggregate: patient, body: { type: 'patient.waits', delivery: 'x', version: 3 } }]);
    expect(send?.body).to.have.property('byConsent', 'x');
    const takenBack: readonly Step[] = [[written, after], [ready, after], [{ type: 'patient.changed' }, before]];
    expect(seen(deliver(takenBack)), 'on its way, it is asked again').to.deep.equal(['room.wanted']);
    expect(deliver([...takenBack, [ready, before]]).state?.held?.code).to.equal('policy');
    const stopped: FactBody = { type: 'effect.failed', effect: as('send:x'), kind: 'room.send', code: 'policy', message: 'the rules keep it back by now', final: true };
    expect(seen(deliver([...takenBack, [ready, before], [stopped, before]])), 'stopped, it waits').to.deep.equal([]);
    expect(seen(deliver([...takenBack, [ready, before], [{ type: 'patient.changed' }, after], [ready, after], [stopped, after]])), 'given again while it was being stopped, it asks again').to.deep.equal(['room.wanted']);
    const gone: FactBody = { type: 'effect.done', effect: as('send:x'), kind: 'room.send', result: { type: 'room.send', eventId: as('$e'), devices: 1, withheld: 0 } };
    expect(deliver([...takenBack.slice(0, 2), [gone, after], [{ type: 'patient.changed' }, before]]).raise ?? [], 'what has left is not').to.deep.equal([]);
    const failed = (code: string): FactBody => ({ type: 'effect.failed', effect: as('send:x'), kind: 'room.send', code, message: 'not now', final: false });
    for (const meanwhile of [failed('server-away'), failed('no-member'), { type: 'room.blocked', code: 'room-unprotected', message: 'not now', members: {} }, { type: 'recipient.membership', userId: adaId, membership: 'left' }] satisfies readonly FactBody[]) {
      expect(deliver([...takenBack, [ready, before], [meanwhile, before]]).state?.keptBack, `whatever becomes of the attempt in hand, and of its hold (${meanwhile.type})`).to.equal(true);
    }
    expect(deliver(takenBack).state?.keptBack, 'from the change on').to.equal(true);
    expect(deliver([...takenBack, [ready, before], [failed('server-away'), before]]).state?.held?.reason, 'its hold says the rules\' reason').to.equal('@ada:stanne.example: Ask somebody else. [part2]');
    expect(deliver([...takenBack, [ready, before], [failed('server-away'), before], [{ type: 'patient.changed' }, after], [ready, after]]).state, 'until they let it go').not.to.have.any.keys('keptBack', 'held');
    const { keptBack: _back, ...stored } = deliver([...takenBack, [ready, before]]).state ?? {};
    expect(decideDelivery(stored as DeliveryState, fact('delivery', { type: 'room.blocked', code: 'room-unprotected', message: 'not now', members: {} }), before).state?.keptBack, 'as it was stored before').to.equal(true);
    expect(deliver([...takenBack.slice(0, 2), [gone, after]]).raise, 'it waits no more').to.deep.equal([{ aggregate: patient, body: { type: 'patient.settled', delivery: 'x' } }]);
    const { labels: _, ...plain } = written as FactBody & { readonly labels?: unknown };
    expect(deliver([[plain, after], [ready, after]]).audit.at(-1)?.detail, 'consent is asked of what is labelled alone').not.to.have.property('consent');
  });

  it('its files go by the same consent as its message: once it is taken back, none leaves, whether it was here, comes later or is tried again', () => {
    const terms: ConsentTerms = { part2: true, provision: { type: 'permit', actors: [{ kind: 'person', identifiers: ada.identifiers }], purposes: ['TREAT'], exceptions: [] } };
    const byConsent: Judge = (question) => (question.circumstances.consent ? { ...judge(question), allowed: true, rules: ['consented'] } : judge(question));
    const before = contextWith([ada], byConsent);
    const after: Context = { ...before, found: new Map([...before.found, [SUBJECT, { aggregate: { kind: 'patient', id: SUBJECT }, state: { id: SUBJECT, teams: {}, version: 3, consents: { c9: { source: 'ehr', terms: Sealed.of(SUBJECT, terms) } } } }]]) };
    const files = [{ name: 'attachment-1', blob: as<BlobId>('b1'), content: Sealed.of(SUBJECT, {}) }];
    const sent: FactBody = { type: 'effect.done', effect: as('send:x'), kind: 'room.send', result: { type: 'room.send', eventId: as('$e'), devices: 1, withheld: 0 } };
    const stopped: FactBody = { type: 'effect.failed', effect: as('send:x:attachment-1'), kind: 'room.send', code: 'policy', message: 'the rules keep it back by now', final: true };
    const gone: readonly Step[] = [[{ ...requested, files, content: Sealed.of(SUBJECT, { body: 'Text' }) }, after], [ready, after], [sent, after]];
    const [file] = deliver(gone).effects ?? [];
    expect(deliver(gone).raise ?? [], 'its file is still to be told').to.deep.equal([]);
    expect(file?.body).to.include({ type: 'room.send', blob: 'b1', byConsent: 'x' });
    const asked = deliver([...gone, [{ type: 'patient.changed' }, before]]);
    expect([seen(asked), asked.state?.keptBack]).to.deep.equal([['room.wanted'], true]);
    const kept = deliver([...gone, [{ type: 'patient.changed' }, before], [ready, before]]);
    expect([kept.effects ?? [], kept.state?.held?.code, kept.state?.keptBack, kept.raise?.map(({ body }) => body.type)]).to.deep.equal([[], 'attachment-policy', true, ['patient.waits']]);
    const halted = deliver([...gone, [{ type: 'patient.changed' }, before], [stopped, before]]);
    expect([seen(halted), halted.state?.held?.code], 'nobody is told that it can\'t be sent: it may follow').to.deep.equal([[], 'attachment-policy']);
    const again = deliver([...gone, [{ type: 'patient.changed' }, before], [ready, before], [stopped, before], [{ type: 'patient.changed' }, after], [ready, after]]);
    expect([again.effects?.map(({ id }) => id), again.state?.keptBack]).to.deep.equal([['send:x:attachment-1'], undefined]);
    const tooLarge: FactBody = { type: 'effect.failed', effect: as('send:x:attachment-1'), kind: 'room.send', code: 'too-large', message: 'no', final: true };
    const [notice] = deliver([...gone, [tooLarge, after]]).effects ?? [];
    expect(notice?.body, 'that there is none tells nothing of it').to.include({ type: 'room.send' }).and.not.have.property('byConsent');
    expect(seen(deliver([...gone, [stopped, after]])), 'given again while it was being stopped, it asks again').to.deep.equal(['room.wanted']);
  });

  it('kept back by the rules it stays held with their reason, whoever is invited, leaves or declines meanwhile', () => {
    const heard = (...memberships: readonly Membership[]): readonly Step[] => memberships.map((membership): Step => [{ type: 'recipient.membership', userId: adaId, membership }, strict]);
    for (const memberships of [['invited'], ['left', 'invited'], ['declined', 'invited', 'joined']] as const) {
      const { state, raise } = deliver([[requested, strict], [ready, strict], ...heard(...memberships)]);
      expect([state?.held?.code, state?.held?.reason, raise], memberships.join()).to.deep.equal(['policy', '@ada:stanne.example: Ask somebody else. [part2]', undefined]);
    }
  });

  it('one of a team who is in the room may not: nothing is sent, for everybody there would read it', () => {
    const { labels: _, ...plain } = requested as FactBody & { readonly labels?: unknown };
    const team: FactBody = { type: 'room.ready', roomId: as<RoomId>('!r:m'), party: lab, members: { [adaId]: 'joined', [benId]: 'joined' } };
    const directory = contextWith([{ ...ben, standing: { roles: ['billing'] } }]);
    expect(deliver([[{ ...plain, party: lab } as FactBody, strict], [team, directory]]).state?.held?.code).to.equal('policy');
    expect(deliver([[{ ...plain, party: lab } as FactBody, strict], [team, contextWith([ben])]]).state?.phase).to.equal('sending');
    expect(lookupsOfDelivery(fact('delivery', team), undefined).map(({ name }) => name)).to.deep.equal([personName(adaId), personName(benId), 'mercy.example', 'stanne.example']);
  });
});
