import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPolicyFolder } from '../../src/adapters/policy/files.ts';
import { asTheyShouldBe, GRID_AT, OWN, PARTNER } from '../../src/adapters/policy/grid.ts';
import { loadPolicy } from '../../src/adapters/policy/load.ts';
import { as, type Millis } from '../../src/domain/brand.ts';
import { NO_CIRCUMSTANCES, type Circumstances, type Question, type Target, type Who } from '../../src/domain/policy/question.ts';
import { ACTIONS, ROOM_KINDS, type Action, type Label, type RoomKind } from '../../src/domain/policy/words.ts';
import { BUILT_IN, policyOf } from '../../src/main/policy/folder.ts';
import { matrixOf } from '../../src/main/policy/matrix.ts';

const policy = policyOf(BUILT_IN);
const room = (kind: RoomKind): Target => ({ type: 'room', kind });
const result = (critical: 'critical' | 'routine', ...labels: readonly Label[]): Target => ({ type: 'result', kind: 'results', critical: critical === 'critical', labels });
const ago = (days: number): Millis => as<Millis>(GRID_AT - days * 86_400_000);
const theirs: Partial<Circumstances> = { responsible: true, inCare: true };
const nothingKnown = (role: string): Who => ({ userId: as('@x:example'), roles: [role], organisation: OWN, posture: 'unknown' });

type Example = readonly [given: string, who: Who, action: Action, target: Target, circumstances: Partial<Circumstances>, then: string];

/** Reads like the regulation; the same rows are in docs/policy-matrix.md. */
const EXAMPLES: readonly Example[] = [
  ['a physician reads a result of their own', asTheyShouldBe('physician'), 'read-result', result('routine'), theirs, 'yes: clinicians-read-their-results'],
  ['a physician reads a result of a patient who is not theirs', asTheyShouldBe('physician'), 'read-result', result('routine'), {}, 'no: default-deny'],
  ['a physician enters the room of a patient who is not theirs', asTheyShouldBe('physician'), 'join', room('patient'), {}, 'no: default-deny'],
  ['a physician whose training was 400 days ago reads a critical result of their own', { ...asTheyShouldBe('physician'), trainedAt: ago(400) }, 'read-result', result('critical'), theirs, 'yes: clinicians-read-their-results, warns: training-overdue'],
  ['a nurse of whom no training, device or second factor is known accepts a critical result of theirs', nothingKnown('nurse'), 'accept-result', result('critical'), theirs, 'yes: the-responsible-accept-results, warns: device-posture training-overdue'],
  ['somebody in the directory without a role reads a result of their own', nothingKnown('recipient'), 'read-result', result('critical'), theirs, 'yes: recipients-read-their-results, warns: device-posture training-overdue'],
  ['somebody in the directory without a role enters a care team\'s room', nothingKnown('recipient'), 'join', room('care-team'), theirs, 'no: default-deny'],
  ['somebody who is not in the directory enters a results room', { ...nothingKnown('recipient'), roles: [] }, 'join', room('results'), theirs, 'no: default-deny'],
  ['a clinician of a partner under an agreement reads a result of their own', asTheyShouldBe('partner-clinician', PARTNER), 'read-result', result('routine'), theirs, 'yes: clinicians-read-their-results'],
  ['the same, a day after the agreement ended', asTheyShouldBe('partner-clinician', { ...PARTNER, agreements: [{ kind: 'treatment', until: GRID_AT }] }), 'read-result', result('critical'), theirs, 'no: no-agreement-no-entry'],
  ['the same, under a business associate contract alone', asTheyShouldBe('partner-clinician', { ...PARTNER, agreements: [{ kind: 'baa' }] }), 'join', room('results'), theirs, 'no: no-agreement-no-entry'],
  ['a physician who also does billing enters a consult', { ...asTheyShouldBe('physician'), roles: ['physician', 'billing'] }, 'join', room('consult'), theirs, 'no: billing-never-in-clinical-rooms'],
  ['billing reads a result', asTheyShouldBe('billing'), 'read-result', result('routine'), theirs, 'no: billing-reads-no-results'],
  ['an IT administrator reads a result', asTheyShouldBe('it-administrator'), 'read-result', result('routine'), theirs, 'no: default-deny'],
  ['a physician reads a Part 2 result of their own without the patient\'s consent', asTheyShouldBe('physician'), 'read-result', result('critical', 'part2'), theirs, 'no: part2-needs-consent'],
  ['the same, with consent', asTheyShouldBe('physician'), 'read-result', result('critical', 'part2'), { ...theirs, consent: true }, 'yes: clinicians-read-their-results'],
  ['the same, in a medical emergency', asTheyShouldBe('physician'), 'read-result', result('critical', 'part2'), { ...theirs, emergency: true }, 'yes: clinicians-read-their-results'],
  ['a partner clinician reads a Part 2 result of theirs, under a treatment agreement and a QSOA of their organisation', asTheyShouldBe('partner-clinician', { ...PARTNER, agreements: [{ kind: 'treatment' }, { kind: 'qsoa' }] }), 'read-result', result('critical', 'part2'), theirs, 'no: part2-needs-consent'],
  ['a nurse of the care team reads a restricted result that is another\'s to act on', asTheyShouldBe('nurse'), 'read-result', result('routine', 'restricted'), { inCare: true }, 'no: restricted-to-the-responsible'],
  ['a physician breaks the glass with a reason', asTheyShouldBe('physician'), 'break-glass', room('patient'), { reason: true }, 'yes: break-glass-with-a-reason'],
  ['a physician breaks the glass without one', asTheyShouldBe('physician'), 'break-glass', room('patient'), {}, 'no: default-deny'],
  ['a physician without a second factor breaks the glass', { ...asTheyShouldBe('physician'), mfa: false }, 'break-glass', room('patient'), { reason: true }, 'no: privileged-needs-second-factor'],
  ['the privacy officer exports the audit, with a reason', asTheyShouldBe('privacy-officer'), 'export', { type: 'records', name: 'audit' }, { reason: true }, 'yes: privacy-officer-exports'],
  ['an IT administrator exports the audit', asTheyShouldBe('it-administrator'), 'export', { type: 'records', name: 'audit' }, { reason: true }, 'no: default-deny'],
  ['an IT administrator of whom no second factor is known changes the configuration', nothingKnown('it-administrator'), 'administer', { type: 'records', name: 'configuration' }, {}, 'no: privileged-needs-second-factor'],
  ['the courier enters a consult', asTheyShouldBe('courier'), 'join', room('consult'), theirs, 'no: default-deny'],
];

const answer = ([, who, action, target, circumstances]: Example): string => {
  const question: Question = { who, action, target, circumstances: { ...NO_CIRCUMSTANCES, ...circumstances }, at: GRID_AT };
  const { allowed, rules, warnings } = policy.judge(question);
  return `${allowed ? 'yes' : 'no'}: ${rules.join(' ')}${warnings.length > 0 ? `, warns: ${warnings.join(' ')}` : ''}`;
};

describe('The default policy', () => {
  for (const example of EXAMPLES) it(`${example[0]}: ${example.at(-1) as string}`, () => expect(answer(example)).to.equal(example.at(-1)));

  it('lets no role into a clinical room that is not of care, and lets the courier into results rooms alone', () => {
    const judged = matrixOf(policy);
    const clinical: readonly RoomKind[] = ['results', 'care-team', 'patient', 'consult'];
    const inside = (role: string, action: Action): readonly RoomKind[] => judged.filter((cell) => cell.role === role && cell.action === action && cell.verdict.allowed).map(({ kind }) => kind);
    for (const role of ['billing', 'unit-clerk', 'it-administrator', 'privacy-officer']) for (const action of ['join', 'send', 'read-result', 'accept-result', 'break-glass'] as const) expect(inside(role, action).filter((kind) => clinical.includes(kind)), `${role} ${action}`).to.deep.equal([]);
    expect(inside('courier', 'join')).to.deep.equal(['results']);
    expect(inside('guardian', 'send'), 'it has no keys').to.deep.equal([]);
  });

  it('is the role matrix of docs/policy-matrix.md (ACESO_WRITE_DOCS=1 writes it)', () => {
    const file = join(import.meta.dirname, '..', '..', 'docs', 'policy-matrix.md');
    if (process.env['ACESO_WRITE_DOCS'] !== undefined) writeFileSync(file, document());
    expect(readFileSync(file, 'utf8')).to.equal(document());
  });
});

function document(): string {
  const judged = matrixOf(policy);
  const cell = (role: string, action: Action, kind: RoomKind): string => (judged.find((each) => each.role === role && each.action === action && each.kind === kind)?.verdict.allowed ? 'yes' : '–');
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const table = (head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] => [row(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(row)];
  return [
    '# The role matrix of the default policy', '',
    '<!-- Generated from config/policy by test/unit/policyDefault.test.ts: `ACESO_WRITE_DOCS=1 npm test` writes it. -->', '',
    'Who may do what in which kind of room, under the rules that come with Aceso ([policy.md](policy.md)). Each cell is an answer of those rules for somebody who is as they should be: trained, with a second',
    'factor, the patient in their care and the result theirs to act on, a reason given where one is asked for; a partner clinician under a treatment agreement. What changes when something of that is missing',
    'is in the last table. `aceso policy explain` answers for one person; `aceso policy diff` shows which of these cells a change of the rules changes.', '',
    ...ACTIONS.flatMap((action) => [`## ${action}`, ...table(['role', ...ROOM_KINDS], policy.roles.map((role) => [role, ...ROOM_KINDS.map((kind) => cell(role, action, kind))])), '']),
    '## When something is missing, or more is known', ...table(['who asks what', 'answer and rules'], EXAMPLES.map((example) => [example[0], answer(example)])), '',
    '## The rules', ...table(['rule', 'file', 'effect', 'answers', 'says'], policy.rules.map(({ id, file, effect, warns, cites, message }) => [id, file, warns ? 'warns' : effect === 'permit' ? 'permits' : 'refuses', cites.join(', '), message])), '',
  ].join('\n');
}

describe('The rule in docs/rooms.md by which only people with known devices are in care teams\' rooms', () => {
  const rule = /```cedar\n([^`]+)```/u.exec(readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'rooms.md'), 'utf8'))?.[1] ?? '';
  const { policy: stricter, problems } = loadPolicy({ ...readPolicyFolder(join(import.meta.dirname, '..', '..', 'config', 'policy')), 'house.cedar': rule });
  const may = (kind: RoomKind, who: Who): string => {
    const { allowed = false, rules = [] } = stricter?.judge({ who, action: 'join', target: room(kind), circumstances: { ...NO_CIRCUMSTANCES, ...theirs }, at: GRID_AT }) ?? {};
    return `${allowed ? 'yes' : 'no'}: ${rules.join(' ')}`;
  };

  it('is one, and keeps nobody out of anything else', () => {
    expect(problems).to.deep.equal([]);
    expect([may('care-team', nothingKnown('nurse')), may('care-team', asTheyShouldBe('nurse')), may('results', nothingKnown('nurse'))]).to.deep.equal(['no: known-devices-in-care-teams', 'yes: clinicians-in-rooms-of-their-patients', 'yes: clinicians-in-clinical-rooms']);
  });
});
