import { attachmentBlock } from './renderAttachments.ts';
import { block, labelled, type Block, type Row } from './blocks.ts';
import { isWithdrawn } from './status.ts';
import { tells } from './difference.ts';
import { statedLines, withUniqueKeys } from './known.ts';
import { isCriticalNews, type Changes, type Telling } from './news.ts';
import { changeBlocks, valueBlocks } from './renderValues.ts';
import type { ClinicalReport, PatientIdentity, SpecimenLine } from './report.ts';
import { clean, moment, nameWords, paragraph, resultWords, statusWords } from './words.ts';

/** The parts of a message. When not everything fits, only `middle` is shortened: who, what kind and whom to call always stand. */
export type Composition = { readonly top: readonly Block[]; readonly middle: readonly Block[]; readonly bottom: readonly Block[] };

export type Envelope = { readonly from: string; readonly to: readonly { readonly name: string }[]; readonly notice?: string | undefined };

/**
 * A report in the order a clinician reads it. Content of a test report: 42 CFR 493.1291(c) (patient, laboratory with address, report date, test,
 * specimen and its condition, result with units and interpretation); of a corrected one: 493.1291(k), old and new side by side.
 * The first two rows hold no PHI, since a phone may show them on its lock screen.
 */
export function composeReport(report: ClinicalReport, news: Telling, envelope: Envelope): Composition {
  const changes = news.kind === 'first' ? undefined : news.changes;
  return {
    top: [...opening(report, news, envelope), ...patientBlock(report, changes), ...specimenBlock(report)],
    middle: news.kind === 'first' ? [...valueBlocks(statedLines(undefined, report), report), ...textBlock(report)] : changedBlocks(report, news.kind, news.changes),
    bottom: [...attachmentBlock(report, news), ...originBlock(report), ...callBlock(report, clean(envelope.from)), ...block('text', [envelope.notice === undefined ? undefined : { text: envelope.notice }])],
  };
}

/** Under another patient's name every value is new to its reader; else what stands is named only. */
function changedBlocks(report: ClinicalReport, kind: 'more' | 'correction', changes: Changes): readonly Block[] {
  const changed = new Set(changes.lines.map(({ key }) => key));
  const standing = changes.version === 'late' ? [] : withUniqueKeys(report.observations).filter((line) => !changed.has(line.key) && tells(line) && !isWithdrawn(line.status) && !isWithdrawn(report.status));
  const all = changes.patient !== undefined;
  return [
    ...changeBlocks(changes.lines, kind, report),
    ...(all ? valueBlocks(standing, report) : []),
    ...changedTextBlock(report, kind, changes),
    ...block('text', [
      labelled('Unchanged since the earlier message', all ? '' : standing.map(nameWords).join(', ')),
      labelled('Told earlier, not repeated here by the sender', changes.unlisted.map((line) => `${nameWords(line)} ${resultWords(line)}`).join('; ')),
    ]),
  ];
}

function opening(report: ClinicalReport, news: Telling, { from, to }: Envelope): readonly Block[] {
  const says = statement(report, news);
  const names = namesOf(to);
  return [
    { heading: `${heading(report, news)} from ${clean(from)}`, shape: 'text', rows: names === '' ? [] : [{ label: 'For', text: names }] },
    ...block('text', says === undefined ? [] : [{ text: says, weight: 'strong' }]),
  ];
}

const MOST_NAMES = 5;
const namesOf = (to: Envelope['to']): string => {
  const names = [...new Set(to.map(({ name }) => clean(name)))].filter((name) => name !== '');
  const more = names.length - MOST_NAMES;
  return more > 0 ? `${names.slice(0, MOST_NAMES).join(', ')} and ${more} more` : names.join(', ');
};

/** What the message is, in words that a phone's first line shows: `CRITICAL RESULT`, `CORRECTED RESULT, CRITICAL`, `CANCELLED RESULT`, … */
function heading(report: ClinicalReport, news: Telling): string {
  const noun = report.kind === 'result' ? 'RESULT' : 'MESSAGE';
  const critical = isCriticalNews(news, report);
  if (report.status === 'entered-in-error') return `${noun} WITHDRAWN, ENTERED IN ERROR`;
  if (report.status === 'cancelled') return `CANCELLED ${noun}`;
  if (news.kind === 'correction') return `CORRECTED ${noun}${critical ? ', CRITICAL' : ''}`;
  const marks = [news.kind === 'more' ? 'more' : '', report.status === 'final' || report.kind === 'message' ? '' : report.status === 'unknown' ? 'status unknown' : statusWords(report.status)].filter((mark) => mark !== '');
  const urgency = critical ? 'CRITICAL ' : report.kind === 'message' && report.priority !== 'routine' ? 'URGENT ' : '';
  return `${urgency}${urgency === '' ? sentence(noun) : noun}${marks.length === 0 ? '' : ` (${marks.join(', ')})`}`;
}

const sentence = (word: string): string => word.charAt(0) + word.slice(1).toLowerCase();

/** What became of the earlier message. */
function statement(report: ClinicalReport, news: Telling): string | undefined {
  if (news.kind === 'more') {
    return news.changes.version === 'late'
      ? 'From an older version of this report, which came late: only what you were not told yet. What you were told stands.'
      : 'In addition to an earlier message about this report: only what is new or changed.';
  }
  if (news.kind === 'first') {
    if (!isWithdrawn(report.status)) return undefined;
    return report.kind === 'result' && report.status === 'cancelled' ? 'No result will come under this number. Order again if it is still needed.' : 'The sender has withdrawn this. Do not rely on anything in it.';
  }
  const { lines, conclusion, patient, status, attachments } = news.changes;
  if (isWithdrawn(report.status)) return 'The earlier message no longer holds: the sender has withdrawn all of it. Do not rely on anything it said.';
  if (patient !== undefined) return 'The earlier message no longer holds: IT NAMED THE PATIENT DIFFERENTLY. Check whom it was about.';
  if (lines.length > 0 || conclusion !== undefined || (status !== undefined && isWithdrawn(status.was))) return 'The earlier message no longer holds. Use this one in its place.';
  if (attachments.length > 0) return 'The sender marks this as corrected, and its attachments have changed. Read them in place of the earlier ones.';
  return 'The sender marks this as corrected. No value that you were told has changed.';
}

function patientBlock({ patient, title, kind, status, priority }: ClinicalReport, changes: Changes | undefined): readonly Block[] {
  const before = changes?.patient?.was;
  return block('text', [
    labelled(kind === 'result' ? 'Test' : 'Subject', clean(title)),
    labelled('Status', kind === 'message' && status === 'final' ? undefined : statusWords(status)),
    labelled('Priority', priority === 'routine' ? undefined : priority),
    labelled('Patient', clean(patient.name) === '' ? 'not given' : clean(patient.name)),
    labelled('Born', bornWords(patient)),
    labelled('MRN', mrnWords(patient)),
    before === undefined ? undefined : { label: 'Patient in the earlier message', text: [clean(before.name), `born ${bornWords(before)}`, `MRN ${mrnWords(before)}`].join(', '), weight: 'strong' },
  ]);
}

const bornWords = ({ birthDate, sex }: PatientIdentity): string => [birthDate === undefined ? 'not given' : moment(birthDate), clean(sex ?? '')].filter((word) => word !== '').join(', ');
const mrnWords = ({ mrn }: PatientIdentity): string => (mrn === undefined ? 'not given' : `${clean(mrn.value)} (${clean(mrn.authority)})`);

/** Before the values, since a haemolysed specimen changes how each of them is read. */
const specimenBlock = ({ specimens }: ClinicalReport): readonly Block[] => block('text', specimens.map(specimenRow));

function specimenRow({ type, condition, accession }: SpecimenLine): Row {
  const conditions = condition.map((text) => clean(text).toUpperCase());
  const words = [clean(type), ...conditions, accession === undefined ? '' : `no. ${clean(accession)}`].filter((word) => word !== '').join(', ');
  return { label: 'Specimen', text: words, ...(conditions.length > 0 ? { weight: 'strong' } : {}) };
}

function textBlock({ kind, observations, conclusion, notes, status, attachments = [] }: ClinicalReport): readonly Block[] {
  const empty = observations.length === 0 && conclusion === undefined && notes.length + attachments.length === 0 && !isWithdrawn(status);
  return block('text', [
    conclusionRow(kind, conclusion),
    ...notes.map((note) => labelled('Note', paragraph(note))),
    empty ? { text: 'It holds no value or text that can be shown here: look it up at the sender.' } : undefined,
  ]);
}

const conclusionRow = (kind: ClinicalReport['kind'], conclusion: string | undefined): Row | undefined => {
  const text = paragraph(conclusion ?? '');
  return text === '' ? undefined : { label: kind === 'result' ? 'Conclusion' : 'Text', text };
};

/** A correction repeats the whole text of the report; an addition only what is new in it. */
function changedTextBlock(report: ClinicalReport, kind: 'more' | 'correction', { conclusion, notes, conditions }: Changes): readonly Block[] {
  const name = report.kind === 'result' ? 'Conclusion' : 'Text';
  const now = paragraph(conclusion?.now ?? '');
  const sides = conclusion === undefined || conclusion.was === undefined
    ? [conclusionRow(report.kind, kind === 'correction' ? report.conclusion : conclusion?.now)]
    : [labelled(`${name} was`, paragraph(conclusion.was)), labelled(`${name} now`, now === '' ? 'none' : now)];
  return block('text', [
    ...sides,
    ...(kind === 'correction' ? report.notes : notes).map((note) => labelled('Note', paragraph(note))),
    ...conditions.map((condition) => labelled('New condition of the specimen', clean(condition))),
  ]);
}

function originBlock({ kind, orderer, collectedAt, reportedAt, laboratory, fillerNumber, reporters }: ClinicalReport): readonly Block[] {
  const place = [laboratory?.name, laboratory?.address, laboratory?.phone].map((part) => clean(part ?? '')).filter((part) => part !== '').join(', ');
  return block('text', [
    labelled('Ordered by', clean(orderer ?? '')),
    labelled('Collected', collectedAt === undefined ? undefined : moment(collectedAt)),
    labelled(kind === 'result' ? 'Reported' : 'Sent', reportedAt === undefined ? undefined : moment(reportedAt)),
    labelled('Laboratory', place === '' && kind === 'result' ? 'not given' : place),
    labelled(kind === 'result' ? 'Reported by' : 'Sent by', reporters.map(clean).filter((name) => name !== '').join(', ')),
    labelled('Filler number', clean(fillerNumber ?? '')),
  ]);
}

function callBlock({ kind, laboratory }: ClinicalReport, from: string): readonly Block[] {
  const phone = clean(laboratory?.phone ?? '');
  const name = clean(laboratory?.name ?? '');
  if (phone === '' && kind === 'message') return [];
  return block('text', [labelled('Questions', phone === '' ? `no telephone number was given; ask ${from} for the laboratory.` : `call ${name === '' ? 'the laboratory' : name}, ${phone}.`)]);
}
