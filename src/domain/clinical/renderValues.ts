import { block, labelled, type Block, type Row } from './blocks.ts';
import { added, sameText } from './difference.ts';
import { isWithdrawn } from './status.ts';
import type { LineChange } from './news.ts';
import type { ClinicalReport, Interpretation, ObservationLine } from './report.ts';
import { clean, moment, nameWords, paragraph, resultWords, statusWords } from './words.ts';

/** The values of a report, or what changed in them: critical ones first, then abnormal, then the rest, each group in the source's order. */

const GROUPS: readonly { readonly level: Interpretation['level']; readonly heading: string }[] = [
  { level: 'critical', heading: 'CRITICAL' },
  { level: 'abnormal', heading: 'ABNORMAL' },
  { level: 'normal', heading: 'OTHER VALUES' },
];

export function valueBlocks(observations: readonly ObservationLine[], report: ClinicalReport): readonly Block[] {
  return grouped(observations, levelOf, (line) => lineRow(line, report));
}

/** What is new in an ongoing report is grouped like its values; a correction is one list, what is or was critical first. */
export function changeBlocks(changes: readonly LineChange[], kind: 'more' | 'correction', report: ClinicalReport): readonly Block[] {
  const row = (change: LineChange): Row => changeRow(change, report);
  if (kind === 'more') return grouped(changes, ({ now }) => levelOf(now), row);
  const ordered = GROUPS.flatMap(({ level }) => changes.filter(({ was, now }) => weightier(was === undefined ? 'normal' : levelOf(was), levelOf(now)) === level));
  return block('list', ordered.map(row), 'CHANGED');
}

const weightier = (...levels: readonly Interpretation['level'][]): Interpretation['level'] => GROUPS.find(({ level }) => levels.includes(level))?.level ?? 'normal';

const levelOf = (line: ObservationLine): Interpretation['level'] => (isWithdrawn(line.status) ? 'normal' : (line.interpretation?.level ?? 'normal'));

function grouped<T>(items: readonly T[], level: (item: T) => Interpretation['level'], row: (item: T) => Row): readonly Block[] {
  const groups = GROUPS.map(({ level: wanted, heading }) => ({ wanted, heading, members: items.filter((item) => level(item) === wanted) })).filter(({ members }) => members.length > 0);
  return groups.flatMap(({ wanted, heading, members }) => block('list', members.map(row), groups.length === 1 && wanted === 'normal' ? 'VALUES' : heading));
}

function lineRow(line: ObservationLine, report: ClinicalReport): Row {
  return withWeight({ label: nameWords(line), text: resultWords(line), under: under(line, report) }, line);
}

function changeRow({ was, now, differs }: LineChange, report: ClinicalReport): Row {
  if (was === undefined) return lineRow(now, report);
  if (isWithdrawn(now.status)) return withdrawnRow(was, now, report);
  const before = resultWords(was);
  const after = resultWords(now);
  const sides = before === after ? `${after}, value unchanged${differs.includes('marked') ? ', marked as corrected' : ''}` : `was ${before}, now ${after}`;
  const range = differs.includes('range') ? [labelled('Reference was', clean(was.referenceRange ?? 'not given'))] : [];
  return withWeight({ label: nameWords(now), text: sides, under: [...range, ...under(now, report)].filter((row) => row !== undefined) }, now);
}

/** What goes with a withdrawn value is withdrawn too; only what is said of the withdrawal stands beside it. */
function withdrawnRow(was: ObservationLine, now: ObservationLine, report: ClinicalReport): Row {
  const { value: _, absent, referenceRange: __, ...rest } = now;
  const bare = { ...rest, ...(absent === undefined || sameText(absent, was.absent) ? {} : { absent }), notes: added(was.notes, now.notes) };
  return { label: nameWords(now), text: `was ${resultWords(was)}, now ${resultWords(bare)}`, under: under(bare, report) };
}

const withWeight = (row: Row, line: ObservationLine): Row => (levelOf(line) === 'critical' ? { ...row, weight: 'strong' } : row);

/** What belongs to one value: its reference range, status, specimen and time where they differ from the report's, all its notes. */
function under({ referenceRange, status, specimen, observedAt, notes }: ObservationLine, report: ClinicalReport): readonly Row[] {
  return [
    labelled('Reference', clean(referenceRange ?? '')),
    labelled('Status', status === report.status || isWithdrawn(status) ? undefined : statusWords(status)),
    labelled('Specimen', clean(specimen ?? '')),
    labelled('Observed', observedAt === undefined || observedAt === report.collectedAt ? undefined : moment(observedAt)),
    ...notes.map((note) => labelled('Note', paragraph(note))),
  ].filter((row) => row !== undefined);
}
