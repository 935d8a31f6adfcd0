import type { ClinicalReport, ObservationLine, PatientIdentity, ReportStatus, SpecimenLine } from './report.ts';
import { isWithdrawn } from './status.ts';

/**
 * What has been told, or at least heard, of one report. Plain JSON. PHI: the caller keeps it in `Sealed<Known>`.
 * Lines hold the latest version of every line that ever told something, withdrawn ones included, under keys that are unique.
 */
export type Known = {
  /** False while nothing was worth telling yet, e.g. a report that is only registered. */
  readonly told: boolean;
  readonly status: ReportStatus;
  readonly patient: PatientIdentity;
  readonly title: string;
  /** Time of the newest version, as it came. */
  readonly reportedAt?: string;
  readonly conclusion?: string;
  readonly notes: readonly string[];
  /** Conditions of the specimens, each with its specimen. */
  readonly conditions: readonly string[];
  readonly lines: readonly ObservationLine[];
  /** Keys of the attachments that were told. */
  readonly attachments?: readonly string[];
};

/** The lines of a report under unique keys: a second line of the same key is `key#2`, so that no value hides another. */
export function withUniqueKeys(observations: readonly ObservationLine[]): readonly ObservationLine[] {
  const seen = new Map<string, number>();
  return observations.map((line) => {
    const count = (seen.get(line.key) ?? 0) + 1;
    seen.set(line.key, count);
    return count === 1 ? line : { ...line, key: `${line.key}#${count}` };
  });
}

/**
 * The lines as this version states them. In a report that is withdrawn as a whole, every line is, those that it no longer lists too.
 * A line that a version leaves out is not withdrawn otherwise: many senders repeat only what changed.
 */
export function statedLines(known: Known | undefined, report: ClinicalReport): readonly ObservationLine[] {
  const listed = withUniqueKeys(report.observations);
  if (!isWithdrawn(report.status)) return listed;
  return [...listed, ...(known === undefined ? [] : unlisted(known, listed))].map((line) => ({ ...line, status: report.status }));
}

export const unlisted = (known: Known, listed: readonly ObservationLine[]): readonly ObservationLine[] => {
  const keys = new Set(listed.map((line) => line.key));
  return known.lines.filter((line) => !keys.has(line.key));
};

export const conditionsOf = (specimens: readonly SpecimenLine[]): readonly string[] => specimens.flatMap(({ type, condition }) => condition.map((text) => `${type}: ${text}`));

/**
 * Did this version exist before the one we know? By `reportedAt` (DiagnosticReport.issued: "the time this version was made"); at the same instant, the one at the
 * earlier stage is the older. Where the times can't be compared, the order of arrival is all there is.
 */
export function isOlder(known: Known, report: ClinicalReport): boolean {
  const order = compareTimes(report.reportedAt, known.reportedAt);
  return order !== undefined && (order < 0 || (order === 0 && STAGE[report.status] < STAGE[known.status]));
}

const STAGE: Readonly<Record<ReportStatus, number>> = {
  registered: 0, partial: 1, preliminary: 1, unknown: 2, final: 2, appended: 2, amended: 3, corrected: 3, cancelled: 4, 'entered-in-error': 4,
};

const INSTANT = /T.*(Z|[+-]\d\d:\d\d)$/u;

/** Negative when `a` is the earlier; undefined when the two can't be compared (absent, or a day against an instant). */
function compareTimes(a: string | undefined, b: string | undefined): number | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a.length === b.length && !a.includes('T') && !b.includes('T')) return a.localeCompare(b, 'en');
  if (!INSTANT.test(a) || !INSTANT.test(b)) return undefined;
  const difference = Date.parse(a) - Date.parse(b);
  return Number.isNaN(difference) ? undefined : difference;
}

/** The newer of two times, the first when they can't be compared. */
export const later = (a: string | undefined, b: string | undefined): string | undefined => (a === undefined || (compareTimes(a, b) ?? 0) < 0 ? b : a);
