import { withNames, type NamedAttachment } from './attachment.ts';
import { added, contradicts, differences, samePatient, sameText, sameValue, tells, type Difference } from './difference.ts';
import { conditionsOf, isOlder, later, statedLines, unlisted, withUniqueKeys, type Known } from './known.ts';
import { isCorrection, isCritical, type ClinicalReport, type ObservationLine, type PatientIdentity, type ReportStatus } from './report.ts';
import { isUnfinished, isWithdrawn } from './status.ts';

export type { Difference } from './difference.ts';
export type { Known } from './known.ts';

/**
 * What a new version of a report tells those who were told the one before. Plain JSON, PHI.
 * - `first`: all of it; nothing of this report was told yet
 * - `more`: only the changes; an ongoing report goes on
 * - `correction`: the changes, old and new side by side; what was told no longer holds (42 CFR 493.1291(k))
 */
export type Telling =
  | { readonly kind: 'first' }
  | { readonly kind: 'more'; readonly changes: Changes }
  | { readonly kind: 'correction'; readonly changes: Changes };

/** Why nobody is told: `unchanged`; an `older` version that came late; `no-result-yet`; withdrawn though `never-told`. */
export type Nothing = { readonly kind: 'nothing'; readonly why: 'unchanged' | 'older' | 'no-result-yet' | 'never-told' };

export type News = Nothing | Telling;

export type LineChange = { readonly key: string; readonly was?: ObservationLine; readonly now: ObservationLine; readonly differs: readonly Difference[] };

export type Changes = {
  /** `late`: an older version, which came after a newer one. It tells what no newer version held, and touches nothing else. */
  readonly version: 'latest' | 'late';
  /** In the report's order; a withdrawn report's unlisted lines last. */
  readonly lines: readonly LineChange[];
  /** The report's own status, when the move says something: it became a correction, was withdrawn, or holds again. */
  readonly status?: { readonly was: ReportStatus; readonly now: ReportStatus };
  readonly patient?: { readonly was: PatientIdentity; readonly now: PatientIdentity };
  readonly conclusion?: { readonly was?: string; readonly now?: string };
  /** Notes and specimen conditions that were not there before. */
  readonly notes: readonly string[];
  readonly conditions: readonly string[];
  /** Lines that were told and that this version doesn't repeat: neither confirmed nor withdrawn. */
  readonly unlisted: readonly ObservationLine[];
  /** Keys of attachments that were not there before. */
  readonly attachments: readonly string[];
};

/**
 * What is new in `report` for those who were told `known`. A result that is unchanged in patient, filler number, specimen, code and value
 * tells nothing again: not when a panel is resent whole, not when it moves from preliminary to final. What a clinician would act on does: a
 * new value, another level of flag, a note, a withdrawn value. What contradicts something final is a correction even where the sender's status
 * does not say so, and so is a critical value that is critical no more (42 CFR 493.1291(k)(1): "promptly notify"). docs/message.md has the table.
 */
export function compare(known: Known | undefined, report: ClinicalReport): News {
  if (known === undefined || !known.told) return compareUntold(known, report);
  if (isOlder(known, report)) return compareOlder(known, report);
  const changes = changesBetween(known, report);
  if (saysNothing(changes)) return { kind: 'nothing', why: 'unchanged' };
  return { kind: isCorrecting(known, report, changes) ? 'correction' : 'more', changes };
}

/** What is known once `report` was compared: call it after every `compare`, whatever the news. It never forgets a line. */
export function remember(known: Known | undefined, report: ClinicalReport): Known {
  const news = compare(known, report);
  const told = news.kind !== 'nothing' || (known?.told ?? false);
  const before = known ?? { ...EMPTY, status: report.status, patient: report.patient, title: report.title };
  const attachments = attachmentsKnown(known, report);
  if (known !== undefined && isOlder(known, report)) return { ...known, told, attachments, lines: [...known.lines, ...(isWithdrawn(known.status) ? [] : unheard(known, report))] };
  const takenBack = news.kind === 'correction' && news.changes.conclusion !== undefined && !isWithdrawn(report.status);
  const conclusion = report.conclusion ?? (takenBack ? undefined : before.conclusion);
  const reportedAt = later(report.reportedAt, before.reportedAt);
  return {
    told,
    status: report.status,
    patient: report.patient,
    title: report.title,
    ...(reportedAt === undefined ? {} : { reportedAt }),
    ...(conclusion === undefined ? {} : { conclusion }),
    notes: [...before.notes, ...added(before.notes, report.notes)],
    conditions: [...before.conditions, ...added(before.conditions, conditionsOf(report.specimens))],
    lines: mergeLines(before, report),
    attachments,
  };
}

/** The attachments that this news tells, under the names of their files. What was withdrawn is not sent. */
export function attachmentsIn(news: Telling, report: ClinicalReport): readonly NamedAttachment[] {
  if (isWithdrawn(report.status)) return [];
  const all = withNames(report.kind, report.attachments ?? []);
  if (news.kind === 'first' || news.changes.patient !== undefined) return all;
  const { attachments } = news.changes;
  return all.filter(({ key }) => attachments.includes(key));
}

/** Does this news hold a critical value that its readers were not told as critical before? */
export function isCriticalNews(news: News, report: ClinicalReport): boolean {
  switch (news.kind) {
    case 'nothing': return false;
    case 'first': return !isWithdrawn(report.status) && report.observations.some((line) => isCritical(line) && !isWithdrawn(line.status));
    case 'more':
    case 'correction': return news.changes.lines.some(({ now, differs }) => isCritical(now) && !isWithdrawn(now.status) && differs.some((difference) => ALERTING.has(difference)));
  }
}

const ALERTING: ReadonlySet<Difference> = new Set(['added', 'value', 'flag', 'reinstated']);
const EMPTY = { told: false, notes: [], conditions: [], lines: [] } as const;

/**
 * The first telling. What was withdrawn before anybody heard of it is told to nobody, but a cancellation that says why is: a specimen that was not
 * fit is part of the report (42 CFR 493.1291(c)(7)), and whoever waits for the result must know that none will come.
 */
function compareUntold(known: Known | undefined, report: ClinicalReport): News {
  if (known !== undefined && isWithdrawn(known.status) && isOlder(known, report)) return { kind: 'nothing', why: 'older' };
  if (isWithdrawn(report.status) && !saysWhy(report)) return { kind: 'nothing', why: 'never-told' };
  return isWithdrawn(report.status) || hasContent(report) ? { kind: 'first' } : { kind: 'nothing', why: 'no-result-yet' };
}

const saysWhy = ({ kind, status, conclusion, notes, specimens, observations }: ClinicalReport): boolean =>
  kind === 'result' && status === 'cancelled' && (conclusion !== undefined || notes.length > 0 || conditionsOf(specimens).length > 0 || observations.some((line) => line.absent !== undefined || line.notes.length > 0));

/** A finished report is told even when it holds no value we can show: what it has is attached, and silence would lose it. */
const hasContent = ({ status, conclusion, notes, observations, attachments = [] }: ClinicalReport): boolean =>
  !isUnfinished(status) || conclusion !== undefined || observations.some(tells) || (status === 'preliminary' && notes.length + attachments.length > 0);

/** An older version never takes anything back; only lines that nobody heard of yet are still told, and its files where no newer version had any. */
function compareOlder(known: Known, report: ClinicalReport): News {
  const lines = isWithdrawn(known.status) ? [] : unheard(known, report).filter(tells).map((now): LineChange => ({ key: now.key, now, differs: ['added'] }));
  const attachments = isWithdrawn(known.status) || (known.attachments ?? []).length > 0 ? [] : newAttachments(known, report);
  return lines.length + attachments.length === 0 ? { kind: 'nothing', why: 'older' } : { kind: 'more', changes: { version: 'late', lines, notes: [], conditions: [], unlisted: [], attachments } };
}

/** Withdrawn, a report's files are neither told nor remembered: reinstated, they are new. */
const newAttachments = (known: Known | undefined, { status, attachments = [] }: ClinicalReport): readonly string[] =>
  isWithdrawn(status) ? [] : attachments.map(({ key }) => key).filter((key) => known?.attachments?.includes(key) !== true);

const attachmentsKnown = (known: Known | undefined, report: ClinicalReport): readonly string[] => {
  const before = known?.attachments ?? [];
  if (known !== undefined && isOlder(known, report) && before.length > 0) return before;
  return [...before, ...newAttachments(known, report)];
};

const unheard = (known: Known, report: ClinicalReport): readonly ObservationLine[] => {
  const keys = new Set(known.lines.map((line) => line.key));
  return withUniqueKeys(report.observations).filter((line) => !keys.has(line.key) && (tells(line) || isWithdrawn(line.status)));
};

function changesBetween(known: Known, report: ClinicalReport): Changes {
  const stated = statedLines(known, report);
  const told = new Map(known.lines.map((line) => [line.key, line]));
  const lines = stated.map((now): LineChange => {
    const was = told.get(now.key);
    return { key: now.key, ...(was === undefined ? {} : { was }), now, differs: differences(was, now, report.status) };
  });
  const marked = isCorrection(report.status) && !(isCorrection(known.status) && isWithdrawn(known.status) === isWithdrawn(report.status));
  const heldAgain = isWithdrawn(known.status) && !isWithdrawn(report.status) && !isUnfinished(report.status);
  const otherPatient = !samePatient(known.patient, report.patient) || (marked && !sameText(JSON.stringify(known.patient), JSON.stringify(report.patient)));
  return {
    version: 'latest',
    lines: lines.filter(({ differs }) => differs.length > 0),
    ...(marked || heldAgain ? { status: { was: known.status, now: report.status } } : {}),
    ...(otherPatient ? { patient: { was: known.patient, now: report.patient } } : {}),
    ...conclusionChange(known, report, marked ? 'marked' : 'ongoing'),
    notes: added(known.notes, report.notes),
    conditions: added(known.conditions, conditionsOf(report.specimens)),
    unlisted: unlisted(known, stated).filter((line) => !isWithdrawn(line.status)),
    attachments: newAttachments(known, report),
  };
}

/** A conclusion that is left out counts as taken back only in a version that calls itself a correction. */
function conclusionChange(known: Known, report: ClinicalReport, version: 'marked' | 'ongoing'): Pick<Changes, 'conclusion'> {
  const was = known.conclusion === undefined ? {} : { was: known.conclusion };
  if (isWithdrawn(report.status)) return version === 'marked' && known.conclusion !== undefined ? { conclusion: was } : {};
  if (report.conclusion === undefined) return version === 'marked' && known.conclusion !== undefined ? { conclusion: was } : {};
  return sameText(known.conclusion, report.conclusion) ? {} : { conclusion: { ...was, now: report.conclusion } };
}

const saysNothing = ({ lines, status, patient, conclusion, notes, conditions, attachments }: Changes): boolean =>
  lines.length + notes.length + conditions.length + attachments.length === 0 && status === undefined && patient === undefined && conclusion === undefined;

function isCorrecting(known: Known, report: ClinicalReport, { lines, status, patient, conclusion }: Changes): boolean {
  if (status !== undefined || patient !== undefined) return true;
  const statuses = { was: known.status, now: report.status };
  if (lines.some(({ was, now, differs }) => was !== undefined && contradicts(was, now, differs, statuses))) return true;
  const rewritten = conclusion?.was !== undefined && conclusion.now?.startsWith(conclusion.was) !== true;
  return rewritten && (!isUnfinished(known.status) || isCorrection(report.status));
}

function mergeLines(known: Known, report: ClinicalReport): readonly ObservationLine[] {
  const merged = new Map(known.lines.map((line) => [line.key, line]));
  for (const now of statedLines(known, report)) {
    const was = merged.get(now.key);
    const withdrawsValue = was !== undefined && differences(was, now, report.status).includes('withdrawn');
    if (tells(now) || isWithdrawn(now.status) || withdrawsValue) merged.set(now.key, withNotesOf(was, now));
  }
  return [...merged.values()];
}

/** Two feeds of one laboratory, one of which leaves the notes out, must not alert in turn. */
const withNotesOf = (was: ObservationLine | undefined, now: ObservationLine): ObservationLine =>
  was?.value !== undefined && sameValue(was.value, now.value) ? { ...now, notes: [...was.notes, ...added(was.notes, now.notes)] } : now;
