import { expect } from 'chai';
import { compare, isCriticalNews, remember, type Known, type News } from '../../src/domain/clinical/news.ts';
import type { ClinicalReport } from '../../src/domain/clinical/report.ts';
import { creatinine, file, fullPanel, H, HH, L, N, panel, potassium, sodium, withoutValue } from './clinicalExamples.ts';

type Row = { readonly given: string; readonly told: readonly ClinicalReport[]; readonly when: string; readonly report: ClinicalReport; readonly then: string };

const knownAfter = (versions: readonly ClinicalReport[]): Known | undefined => versions.reduce<Known | undefined>(remember, undefined);

/** News in a line: `correction, critical: Potassium value`. */
function inWords(news: News, report: ClinicalReport): string {
  if (news.kind === 'nothing') return `nothing, ${news.why}`;
  const kind = `${news.kind}${isCriticalNews(news, report) ? ', critical' : ''}`;
  if (news.kind === 'first') return kind;
  const { version, lines, status, patient, conclusion, notes, conditions, unlisted, attachments } = news.changes;
  const parts = [
    ...lines.map(({ now, differs }) => `${now.name} ${differs.join('+')}`),
    ...(status === undefined ? [] : [`status ${status.was}→${status.now}`]),
    ...(patient === undefined ? [] : ['patient']),
    ...(conclusion === undefined ? [] : [`conclusion ${conclusion.was ?? '-'}→${conclusion.now ?? '-'}`]),
    ...notes.map((note) => `note ${note}`),
    ...conditions.map((condition) => `condition ${condition}`),
    ...unlisted.map(({ name }) => `unlisted ${name}`),
    ...attachments.map((key) => `file ${key}`),
  ];
  return `${kind}${version === 'late' ? ', late' : ''}: ${parts.join('; ')}`;
}

const before = '2026-11-24T08:30:00-05:00';
/** The same instant as the panel's 08:52-05:00, written in another zone; and one minute after it. */
const sameInstant = '2026-11-24T13:52:00Z';
const after = '2026-11-24T13:53:00Z';
const preliminary = { status: 'preliminary' } as const;

const suites: Readonly<Record<string, readonly Row[]>> = {
  'What has no result yet, or never had one, tells nobody': [
    { given: 'nothing known', told: [], when: 'a report is registered', report: panel([], { status: 'registered' }), then: 'nothing, no-result-yet' },
    { given: 'nothing known', told: [], when: 'a partial report lists only pending lines', report: panel([withoutValue(potassium(''), { status: 'registered' })], { status: 'partial' }), then: 'nothing, no-result-yet' },
    { given: 'nothing known', told: [], when: 'a pending line carries a reason for having no value', report: panel([withoutValue(potassium(''), { ...preliminary, absent: 'temporarily unknown' })], preliminary), then: 'nothing, no-result-yet' },
    { given: 'nothing known', told: [], when: 'a report arrives that was entered in error', report: panel([potassium('6.8', { interpretation: HH })], { status: 'entered-in-error' }), then: 'nothing, never-told' },
    { given: 'nothing known', told: [], when: 'a report arrives cancelled, without a word', report: panel([], { status: 'cancelled' }), then: 'nothing, never-told' },
    { given: 'a registered report', told: [panel([], { status: 'registered' })], when: 'it is cancelled without a word', report: panel([], { status: 'cancelled' }), then: 'nothing, never-told' },
    { given: 'nothing known', told: [], when: 'a message arrives cancelled', report: panel([], { kind: 'message', status: 'cancelled', conclusion: 'Please call.' }), then: 'nothing, never-told' },
    { given: 'a withdrawn report that nobody was told', told: [panel([], { status: 'entered-in-error' })], when: 'its original comes late', report: panel([potassium('6.8', { interpretation: HH })], { reportedAt: before }), then: 'nothing, older' },
  ],
  'The first result is told whole (42 CFR 493.1291(c))': [
    { given: 'nothing known', told: [], when: 'a normal panel arrives', report: panel([sodium('138')]), then: 'first' },
    { given: 'nothing known', told: [], when: 'a panel with a critical value arrives', report: fullPanel(), then: 'first, critical' },
    { given: 'a registered report', told: [panel([], { status: 'registered' })], when: 'its first value arrives', report: panel([potassium('6.8', { interpretation: HH })], { status: 'partial' }), then: 'first, critical' },
    { given: 'nothing known', told: [], when: 'a final report holds no value, but perhaps a PDF', report: panel([]), then: 'first' },
    { given: 'nothing known', told: [], when: 'a report of unknown status arrives', report: panel([], { status: 'unknown' }), then: 'first' },
    { given: 'nothing known', told: [], when: 'a preliminary narrative arrives', report: panel([], { ...preliminary, conclusion: 'Gram positive cocci.' }), then: 'first' },
    { given: 'nothing known', told: [], when: 'a test is not done, and the laboratory says why', report: panel([withoutValue(potassium(''), { absent: 'specimen haemolysed' })]), then: 'first' },
    { given: 'nothing known', told: [], when: 'a report is cancelled since its specimen was not fit (493.1291(c)(7))', report: panel([], { status: 'cancelled', specimens: [{ type: 'Serum', condition: ['clotted'] }] }), then: 'first' },
    { given: 'nothing known', told: [], when: 'a report is cancelled for a reason, with a critical line in it', report: panel([potassium('6.8', { interpretation: HH })], { status: 'cancelled', notes: ['Mislabelled.'] }), then: 'first' },
    { given: 'nothing known', told: [], when: 'a critical line is withdrawn before it was told', report: panel([potassium('6.8', { interpretation: HH, status: 'entered-in-error' }), sodium('138')]), then: 'first' },
    { given: 'nothing known', told: [], when: 'a message arrives', report: panel([], { kind: 'message', conclusion: 'Please call the ward.' }), then: 'first' },
  ],
  'A result unchanged in patient, filler number, specimen, code and value never alerts again': [
    { given: 'a panel', told: [fullPanel()], when: 'it is sent again whole', report: fullPanel(), then: 'nothing, unchanged' },
    { given: 'a panel', told: [fullPanel()], when: 'it is sent again later, in another order', report: fullPanel({ reportedAt: after, observations: [...fullPanel().observations].reverse() }), then: 'nothing, unchanged' },
    { given: 'a preliminary critical value', told: [panel([potassium('6.8', { ...preliminary, interpretation: HH })], preliminary)], when: 'it becomes final with the same value', report: panel([potassium('6.8', { interpretation: HH })], { reportedAt: after }), then: 'nothing, unchanged' },
    { given: 'a preliminary value without a flag', told: [panel([sodium('138', preliminary)], preliminary)], when: 'the final adds the flag N', report: panel([sodium('138', { interpretation: N })]), then: 'nothing, unchanged' },
    { given: 'a value of 6.8', told: [panel([potassium('6.8')])], when: 'another interface writes it 6.80', report: panel([potassium('6.80')]), then: 'nothing, unchanged' },
    { given: 'a value', told: [panel([potassium('6.8')])], when: 'only the white space of its unit differs', report: panel([potassium('6.8', { value: { text: '6.8 ', unit: ' mmol/L' } })]), then: 'nothing, unchanged' },
    { given: 'a value with a note', told: [panel([potassium('6.8', { notes: ['Verified.'] })])], when: 'it is sent again without the note', report: panel([potassium('6.8')]), then: 'nothing, unchanged' },
    { given: 'two feeds, one of which leaves notes out', told: [panel([potassium('6.8', { notes: ['Verified.'] })]), panel([potassium('6.8')])], when: 'the note comes again', report: panel([potassium('6.8', { notes: ['Verified.'] })]), then: 'nothing, unchanged' },
    { given: 'a panel of two', told: [panel([potassium('6.8'), sodium('138')])], when: 'a later version lists one of them', report: panel([sodium('138')]), then: 'nothing, unchanged' },
    { given: 'a final value', told: [panel([potassium('6.8')])], when: 'it is listed as pending again', report: panel([withoutValue(potassium(''), { status: 'registered' })], { status: 'partial', reportedAt: after }), then: 'nothing, unchanged' },
    { given: 'a reference range', told: [panel([potassium('6.8')])], when: 'a final version words it differently', report: panel([potassium('6.8', { referenceRange: '3.5-5.1' })]), then: 'nothing, unchanged' },
    { given: 'the patient Maria Example', told: [fullPanel()], when: 'her name is spelt in another way, under the same MRN', report: fullPanel({ patient: { ...fullPanel().patient, name: 'EXAMPLE, MARIA' } }), then: 'nothing, unchanged' },
    { given: 'a corrected report', told: [panel([potassium('6.8')]), panel([potassium('4.2')], { status: 'corrected', reportedAt: after })], when: 'the correction is sent again', report: panel([potassium('4.2')], { status: 'corrected', reportedAt: after }), then: 'nothing, unchanged' },
    { given: 'a withdrawn report', told: [panel([potassium('6.8')]), panel([potassium('6.8')], { status: 'entered-in-error', reportedAt: after })], when: 'it is withdrawn again', report: panel([], { status: 'cancelled', reportedAt: after }), then: 'nothing, unchanged' },
  ],
  'An ongoing report tells only what is new or changed': [
    { given: 'sodium', told: [panel([sodium('138')], { status: 'partial' })], when: 'potassium is added', report: panel([sodium('138'), potassium('6.8', { interpretation: HH })]), then: 'more, critical: Potassium added' },
    { given: 'a critical potassium', told: [panel([potassium('6.8', { interpretation: HH })], { status: 'partial' })], when: 'a normal sodium is added', report: panel([potassium('6.8', { interpretation: HH }), sodium('138')]), then: 'more: Sodium added' },
    { given: 'a pending potassium beside sodium', told: [panel([sodium('138'), withoutValue(potassium(''), { status: 'registered' })], { status: 'partial' })], when: 'it gets its value', report: panel([sodium('138'), potassium('4.2')]), then: 'more: Potassium added' },
    { given: 'a preliminary value', told: [panel([potassium('5.9', { ...preliminary, interpretation: H })], preliminary)], when: 'the final value is another', report: panel([potassium('6.8', { interpretation: HH })]), then: 'more, critical: Potassium value+flag' },
    { given: 'a test not done', told: [panel([sodium('138'), withoutValue(potassium(''), { absent: 'haemolysed' })])], when: 'it was done after all', report: panel([sodium('138'), potassium('4.2')]), then: 'more: Potassium added' },
    { given: 'a preliminary value without a flag', told: [panel([potassium('6.8', preliminary)], preliminary)], when: 'the final calls it critical', report: panel([potassium('6.8', { interpretation: HH })]), then: 'more, critical: Potassium flag' },
    { given: 'a critical value', told: [panel([potassium('6.8', { interpretation: HH })])], when: 'the laboratory notes whom it called', report: panel([potassium('6.8', { interpretation: HH, notes: ['Called to RN Lee.'] })]), then: 'more: Potassium note' },
    { given: 'a final panel', told: [panel([sodium('138')])], when: 'a line is cancelled that was never told, and it says why', report: panel([sodium('138'), withoutValue(potassium(''), { status: 'cancelled', absent: 'clotted' })]), then: 'more: Potassium added' },
    { given: 'a final panel', told: [panel([sodium('138')])], when: 'a line that was never told was entered in error', report: panel([sodium('138'), potassium('6.8', { status: 'entered-in-error' })]), then: 'nothing, unchanged' },
    { given: 'a final panel', told: [panel([sodium('138')])], when: 'the report gets a conclusion and a note', report: panel([sodium('138')], { conclusion: 'Normal.', notes: ['Reviewed.'] }), then: 'more: conclusion -→Normal.; note Reviewed.' },
    { given: 'a final panel', told: [panel([sodium('138')])], when: 'the specimen turns out haemolysed', report: panel([sodium('138')], { specimens: [{ type: 'Serum', condition: ['haemolysed'] }] }), then: 'more: condition Serum: haemolysed' },
    { given: 'a preliminary narrative', told: [panel([], { ...preliminary, conclusion: 'Gram positive cocci.' })], when: 'the final says more', report: panel([], { conclusion: 'Staphylococcus aureus.' }), then: 'more: conclusion Gram positive cocci.→Staphylococcus aureus.' },
    { given: 'a final narrative', told: [panel([], { conclusion: 'No fracture.' })], when: 'text is appended to it', report: panel([], { status: 'appended', conclusion: 'No fracture. Nodule seen.' }), then: 'more: conclusion No fracture.→No fracture. Nodule seen.' },
    { given: 'two lines of one key', told: [panel([potassium('4.2'), potassium('4.6')])], when: 'a third is added', report: panel([potassium('4.2'), potassium('4.6'), potassium('5.0')]), then: 'more: Potassium added' },
  ],
  'When errors in reported results are detected, everyone who had the old one is told promptly (42 CFR 493.1291(k))': [
    { given: 'a critical potassium', told: [fullPanel()], when: 'a corrected report changes it', report: panel([potassium('4.2', { status: 'corrected', interpretation: N })], { status: 'corrected' }), then: 'correction: Potassium value+flag; status final→corrected; conclusion Hyperkalaemia. Suggest a repeat on a fresh specimen.→-; unlisted Sodium; unlisted Creatinine; unlisted Troponin I; unlisted Glucose' },
    { given: 'a final value', told: [panel([potassium('6.8')])], when: 'a version that still says final changes it', report: panel([potassium('4.2')]), then: 'correction: Potassium value' },
    { given: 'a final value', told: [panel([creatinine('2.1')])], when: 'its unit changes', report: panel([creatinine('2.1', { value: { text: '2.1', unit: 'umol/L' } })]), then: 'correction: Creatinine value' },
    { given: 'a final value', told: [panel([potassium('6.8')])], when: 'it gets a comparator', report: panel([potassium('6.8', { value: { comparator: '>', text: '6.8', unit: 'mmol/L' } })]), then: 'correction: Potassium value' },
    { given: 'a final line in a partial report', told: [panel([potassium('6.8')], { status: 'partial' })], when: 'its value changes', report: panel([potassium('4.2')], { status: 'partial' }), then: 'correction: Potassium value' },
    { given: 'a preliminary critical value', told: [panel([potassium('6.8', { ...preliminary, interpretation: HH })], preliminary)], when: 'it is critical no more', report: panel([potassium('4.2', preliminary)], preliminary), then: 'correction: Potassium value+flag' },
    { given: 'a normal value', told: [panel([potassium('4.2')])], when: 'the correction is critical', report: panel([potassium('6.8', { interpretation: HH })]), then: 'correction, critical: Potassium value+flag' },
    { given: 'a final value told as high', told: [panel([potassium('5.9', { interpretation: H })])], when: 'it is flagged low', report: panel([potassium('5.9', { interpretation: L })]), then: 'correction: Potassium flag' },
    { given: 'a final value', told: [panel([potassium('6.8'), sodium('138')])], when: 'its line is cancelled', report: panel([potassium('6.8', { status: 'cancelled' }), sodium('138')]), then: 'correction: Potassium withdrawn' },
    { given: 'a preliminary value', told: [panel([potassium('6.8', preliminary)], preliminary)], when: 'it is taken back for a reason', report: panel([withoutValue(potassium('', preliminary), { absent: 'haemolysed' })], preliminary), then: 'correction: Potassium withdrawn' },
    { given: 'a panel', told: [panel([potassium('6.8'), sodium('138')])], when: 'the whole report was entered in error', report: panel([], { status: 'entered-in-error' }), then: 'correction: Potassium withdrawn; Sodium withdrawn; status final→entered-in-error' },
    { given: 'a report without values (a PDF)', told: [panel([])], when: 'it is cancelled', report: panel([], { status: 'cancelled' }), then: 'correction: status final→cancelled' },
    { given: 'a withdrawn line', told: [panel([potassium('6.8')]), panel([potassium('6.8', { status: 'cancelled' })])], when: 'it holds again, critical', report: panel([potassium('6.8', { interpretation: HH })]), then: 'correction, critical: Potassium reinstated' },
    { given: 'a withdrawn report', told: [panel([potassium('6.8')]), panel([], { status: 'cancelled' })], when: 'a later version holds again', report: panel([potassium('6.8')], { reportedAt: after }), then: 'correction: Potassium reinstated; status cancelled→final' },
    { given: 'a final panel', told: [panel([sodium('138')])], when: 'it is marked corrected and nothing we compare differs', report: panel([sodium('138')], { status: 'corrected' }), then: 'correction: status final→corrected' },
    { given: 'a critical value', told: [panel([potassium('6.8', { interpretation: HH })])], when: 'its line is marked corrected, unchanged', report: panel([potassium('6.8', { interpretation: HH, status: 'corrected' })]), then: 'correction: Potassium marked' },
    { given: 'a final value', told: [panel([potassium('5.0')])], when: 'a correction changes the reference range', report: panel([potassium('5.0', { status: 'corrected', referenceRange: '3.5 - 4.9 mmol/L' })]), then: 'correction: Potassium range' },
    { given: 'a corrected value', told: [panel([potassium('6.8')]), panel([potassium('4.2')], { status: 'corrected', reportedAt: after })], when: 'it is corrected once more', report: panel([potassium('4.4')], { status: 'corrected', reportedAt: '2026-11-24T15:00:00Z' }), then: 'correction: Potassium value' },
    { given: 'a corrected report', told: [panel([sodium('138')]), panel([sodium('139')], { status: 'corrected', reportedAt: after })], when: 'a line is added to it', report: panel([sodium('139'), potassium('4.2')], { status: 'corrected', reportedAt: after }), then: 'more: Potassium added' },
    { given: 'a final narrative', told: [panel([], { conclusion: 'No fracture.' })], when: 'it is rewritten', report: panel([], { conclusion: 'Fracture of the radius.' }), then: 'correction: conclusion No fracture.→Fracture of the radius.' },
    { given: 'a result of one MRN', told: [panel([sodium('138')])], when: 'it turns out to be of another', report: panel([sodium('138')], { patient: { name: 'Maria Example', birthDate: '1958-03-02', mrn: { value: '00482931', authority: 'Mercy General Hospital' } } }), then: 'correction: patient' },
    { given: 'a message', told: [panel([], { kind: 'message', conclusion: 'Bed 4.' })], when: 'it is withdrawn', report: panel([], { kind: 'message', status: 'entered-in-error', conclusion: 'Bed 4.' }), then: 'correction: status final→entered-in-error; conclusion Bed 4.→-' },
  ],
  'A file that comes with a report is told once': [
    { given: 'nothing known', told: [], when: 'a preliminary report has a file alone', report: panel([], { ...preliminary, attachments: [file('a')] }), then: 'first' },
    { given: 'a panel', told: [panel([sodium('138')], { attachments: [file('a')] })], when: 'it comes again with the same file', report: panel([sodium('138')], { attachments: [file('a')] }), then: 'nothing, unchanged' },
    { given: 'a panel', told: [panel([sodium('138')], { attachments: [file('a')] })], when: 'it comes again without its file', report: panel([sodium('138')]), then: 'nothing, unchanged' },
    { given: 'a panel', told: [panel([sodium('138')])], when: 'a file is added', report: panel([sodium('138')], { attachments: [file('a')] }), then: 'more: file a' },
    { given: 'a panel with a file', told: [panel([], { attachments: [file('a')] })], when: 'the file alone has changed', report: panel([], { attachments: [file('b')] }), then: 'more: file b' },
    { given: 'a panel with a file', told: [panel([], { attachments: [file('a')] })], when: 'a correction brings another', report: panel([], { status: 'corrected', attachments: [file('b')] }), then: 'correction: status final→corrected; file b' },
    { given: 'a panel with a file', told: [panel([potassium('6.8')], { attachments: [file('a')] })], when: 'a value is corrected and the file is the same', report: panel([potassium('4.2')], { attachments: [file('a')] }), then: 'correction: Potassium value' },
    { given: 'a panel with a file', told: [panel([sodium('138')], { attachments: [file('a')] })], when: 'it was entered in error', report: panel([], { status: 'entered-in-error', attachments: [file('b')] }), then: 'correction: Sodium withdrawn; status final→entered-in-error' },
    { given: 'a newer version with a file', told: [panel([sodium('138')], { attachments: [file('b')] })], when: 'an older one brings its own', report: panel([sodium('138')], { reportedAt: before, attachments: [file('a')] }), then: 'nothing, older' },
    { given: 'a newer version without a file', told: [panel([sodium('138')])], when: 'an older one brings one', report: panel([sodium('138')], { reportedAt: before, attachments: [file('a')] }), then: 'more, late: file a' },
    { given: 'a file of before and a file of now', told: [panel([], { attachments: [file('a')] }), panel([], { attachments: [file('b')] })], when: 'the one of before comes again', report: panel([], { attachments: [file('a')] }), then: 'nothing, unchanged' },
  ],
  'An older version that comes late takes nothing back': [
    { given: 'a corrected value', told: [panel([potassium('4.2')], { status: 'corrected' })], when: 'the original comes late', report: panel([potassium('6.8', { interpretation: HH })], { reportedAt: before }), then: 'nothing, older' },
    { given: 'a corrected value', told: [panel([potassium('4.2')], { status: 'corrected' })], when: 'the original comes late, issued at the same instant in another zone', report: panel([potassium('6.8', { interpretation: HH })], { reportedAt: sameInstant }), then: 'nothing, older' },
    { given: 'a corrected value', told: [panel([potassium('4.2')], { status: 'corrected' })], when: 'a still newer version changes it', report: panel([potassium('4.4')], { reportedAt: after }), then: 'correction: Potassium value' },
    { given: 'a withdrawn report', told: [panel([potassium('6.8')]), panel([], { status: 'entered-in-error', reportedAt: after })], when: 'its original comes again, with a line more', report: panel([potassium('6.8'), sodium('138')]), then: 'nothing, older' },
    { given: 'a line that nobody was told, in a newer version', told: [panel([potassium('4.2')], { status: 'corrected' })], when: 'an older version brings another line', report: panel([potassium('6.8'), sodium('119', { interpretation: { code: 'LL', text: 'Critical low', level: 'critical' } })], { reportedAt: before }), then: 'more, critical, late: Sodium added' },
    { given: 'a line withdrawn before it was told', told: [panel([sodium('138'), potassium('6.8', { status: 'entered-in-error' })])], when: 'the older version brings its value', report: panel([potassium('6.8', { interpretation: HH })], { reportedAt: before }), then: 'nothing, older' },
    { given: 'an older version that came late', told: [panel([potassium('4.2')], { status: 'corrected' }), panel([potassium('6.8')], { reportedAt: before })], when: 'the correction is sent again', report: panel([potassium('4.2')], { status: 'corrected' }), then: 'nothing, unchanged' },
    { given: 'a value of a report that has no times', told: [panel([potassium('4.2')], { reportedAt: '2026-11-24' })], when: 'another comes: only the order of arrival is known', report: panel([potassium('6.8')], { reportedAt: before }), then: 'correction: Potassium value' },
    { given: 'a report dated by day', told: [panel([potassium('4.2')], { reportedAt: '2026-11-24' })], when: 'one of the day before comes', report: panel([potassium('6.8')], { reportedAt: '2026-11-23' }), then: 'nothing, older' },
  ],
};

describe('What changed in a report', () => {
  for (const [rule, rows] of Object.entries(suites)) {
    describe(rule, () => {
      for (const { given, told, when, report, then } of rows) {
        it(`given ${given}, when ${when}, then ${then.split(';')[0] ?? ''}`, () => {
          expect(inWords(compare(knownAfter(told), report), report)).to.equal(then);
        });
      }
    });
  }
});
