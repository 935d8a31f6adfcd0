import { block, labelled, type Block, type Row } from './blocks.ts';
import { isWithdrawn } from './difference.ts';
import type { LineChange } from './news.ts';
import type { ClinicalReport, Interpretation, ObservationLine } from './report.ts';
import { clean, moment, nameWords, paragraph, resultWords, statusWords } from './words.ts';

/** The values of a report, or what changed in them: critical ones first, then abnormal, then the rest, each group in the source's order. */

const GROUPS: readonly { readonly level: Interpretation['level']; readonly heading: string }[] = [
  { level: 'critical', heading: 'CRITICAL' },
  { level: 'abnormal', heading: 'ABNORMAL' },
  { level: 'normal', heading: 'OTHER VALUES' },
];

export function valueBlocks(report: ClinicalReport): readonly Block[] {
  return grouped(report.observations, levelOf, (line) => lineRow(line, report), 'VALUES');
}

/** A correction stands where its weightier side does: what was critical is looked at first, whatever it is now. */
export function changeBlocks(changes: readonly LineChange[], report: ClinicalReport): readonly Block[] {
  return grouped(changes, ({ was, now }) => (was !== undefined && levelOf(was) === 'critical' ? 'critical' : levelOf(now)), (change) => changeRow(change, report), 'VALUES');
}

const levelOf = (line: ObservationLine): Interpretation['level'] => (isWithdrawn(line.status) ? 'normal' : (line.interpretation?.level ?? 'normal'));

function grouped<T>(items: readonly T[], level: (item: T) => Interpretation['level'], row: (item: T) => Row, only: string): readonly Block[] {
  const groups = GROUPS.map(({ level: wanted, heading }) => ({ wanted, heading, members: items.filter((item) => level(item) === wanted) })).filter(({ members }) => members.length > 0);
  return groups.flatMap(({ wanted, heading, members }) => block('list', members.map(row), groups.length === 1 && wanted === 'normal' ? only : heading));
}

function lineRow(line: ObservationLine, report: ClinicalReport): Row {
  return withWeight({ label: nameWords(line), text: resultWords(line), under: under(line, report) }, line);
}

function changeRow({ was, now, differs }: LineChange, report: ClinicalReport): Row {
  if (was === undefined) return lineRow(now, report);
  const before = resultWords(was);
  const after = resultWords(now);
  const sides = before === after ? `${after}, value unchanged${differs.includes('marked') ? ', marked as corrected' : ''}` : `was ${before}, now ${after}`;
  const range = differs.includes('range') ? labelled('Reference was', clean(was.referenceRange ?? 'not given')) : undefined;
  return withWeight({ label: nameWords(now), text: sides, under: [...(range === undefined ? [] : [range]), ...under(now, report)] }, now);
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
