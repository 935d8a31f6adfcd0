import { isCorrection, isCritical, type Interpretation, type ObservationLine, type PatientIdentity, type ReportStatus } from './report.ts';
import { isUnfinished, isWithdrawn } from './status.ts';
import { lines } from './words.ts';

/**
 * What differs between a line as it was told and as it now stands, seen with a clinician's eye:
 * - `added`: first value of this line (also after "no value")
 * - `value`: another value, comparator or unit. 6.8 and 6.80 are the same value; 6.8 mmol/L and 6.8 mg/dL are not
 * - `flag`: another level (critical, abnormal, normal), or high where it said low. No flag counts as normal, so a final that adds `N` is no news
 * - `note`: a note, or a reason for a missing value, that was not there before
 * - `withdrawn`: cancelled, entered in error, or a value that became "no value"
 * - `reinstated`: withdrawn before, holds again
 * - `range`: another reference range, in a version that calls itself a correction
 * - `marked`: the sender says this line is corrected, though we see nothing different in it
 */
export type Difference = 'added' | 'value' | 'flag' | 'note' | 'withdrawn' | 'reinstated' | 'range' | 'marked';

const isWaiting = (status: ReportStatus): boolean => status === 'registered' || status === 'partial';

/**
 * A line that has something to tell: a value, a note, or a reason why there will be no value. What is only pending has not, nor has what was
 * cancelled without a word or entered in error before anybody heard of it.
 */
export function tells({ status, value, absent, notes }: ObservationLine): boolean {
  if (status === 'entered-in-error') return false;
  if (status === 'cancelled') return absent !== undefined || notes.length > 0;
  return value !== undefined || (absent !== undefined && !isUnfinished(status)) || (notes.length > 0 && !isWaiting(status));
}

/** How a line differs from what was told of it; empty when there is nothing to tell. `report` is the status of the new version. */
export function differences(was: ObservationLine | undefined, now: ObservationLine, report: ReportStatus): readonly Difference[] {
  if (was === undefined) return tells(now) ? ['added'] : [];
  if (isWithdrawn(now.status)) return isWithdrawn(was.status) ? [] : ['withdrawn'];
  if (isWithdrawn(was.status)) return tells(now) ? ['reinstated'] : [];
  if (was.value !== undefined && now.value === undefined) return isPendingAgain(now) ? [] : ['withdrawn'];
  if (!tells(now)) return [];
  const found = [...contentDifferences(was, now), ...(isCorrection(now.status) || isCorrection(report) ? rangeDifference(was, now) : [])];
  return found.length === 0 && isCorrection(now.status) && !isCorrection(was.status) ? ['marked'] : found;
}

/** Listed once more without a value or a reason: says nothing about the value that was told. */
const isPendingAgain = ({ status, absent }: ObservationLine): boolean => isWaiting(status) || (status === 'preliminary' && absent === undefined);

function contentDifferences(was: ObservationLine, now: ObservationLine): readonly Difference[] {
  const found: Difference[] = [];
  if (was.value === undefined && now.value !== undefined) found.push('added');
  if (was.value !== undefined && !sameValue(was.value, now.value)) found.push('value');
  if (!sameFlag(was.interpretation, now.interpretation)) found.push('flag');
  if (added(was.notes, now.notes).length > 0 || (now.value === undefined && !sameText(was.absent, now.absent))) found.push('note');
  return found;
}

const rangeDifference = (was: ObservationLine, now: ObservationLine): readonly Difference[] => (sameText(was.referenceRange, now.referenceRange) ? [] : ['range']);

/** Does this change say that what was told no longer holds? Then it is a correction (42 CFR 493.1291(k)), whatever the sender calls it. */
export function contradicts(was: ObservationLine, now: ObservationLine, found: readonly Difference[], report: { readonly was: ReportStatus; readonly now: ReportStatus }): boolean {
  if (found.some((difference) => difference === 'withdrawn' || difference === 'reinstated' || difference === 'range' || difference === 'marked')) return true;
  if (!found.includes('value') && !found.includes('flag')) return false;
  const reliedUpon = !isUnfinished(was.status) || !isUnfinished(report.was);
  const calledCorrection = isCorrection(now.status) || isCorrection(report.now);
  return reliedUpon || calledCorrection || (isCritical(was) && !isCritical(now));
}

type Value = NonNullable<ObservationLine['value']>;

/** The same comparator, number and unit. Written with more or fewer zeros it is the same number. */
export const sameValue = (a: Value, b: Value | undefined): boolean => b !== undefined && sameText(a.comparator, b.comparator) && sameText(a.unit, b.unit) && sameText(plainNumber(a.text), plainNumber(b.text));

const DECIMAL = /^([+-]?)0*(\d+)(?:\.(\d*?)0*)?$/u;
const plainNumber = (text: string): string => {
  const [, sign, whole, fraction] = DECIMAL.exec(text.trim()) ?? [];
  return whole === undefined ? text : `${sign === '-' ? '-' : ''}${whole}${fraction === undefined || fraction === '' ? '' : `.${fraction}`}`;
};

const direction = (flag: Interpretation | undefined): string | undefined => /^(H|L)(\1|U)?$/u.exec(flag?.code ?? '')?.[1];

const sameFlag = (a: Interpretation | undefined, b: Interpretation | undefined): boolean => {
  const from = direction(a);
  const to = direction(b);
  return (a?.level ?? 'normal') === (b?.level ?? 'normal') && (from === undefined || to === undefined || from === to);
};

/** Equal but for white space and what can't be seen. */
export const sameText = (a: string | undefined, b: string | undefined): boolean => lines(a ?? '').join(' ') === lines(b ?? '').join(' ');

/** The texts that were not there before, in any order. */
export const added = (before: readonly string[], now: readonly string[]): readonly string[] => now.filter((text) => !before.some((old) => sameText(old, text)));

/** The same person: by medical record number where both come from one assigning authority, else by name and birth date. */
export const samePatient = (a: PatientIdentity, b: PatientIdentity): boolean =>
  a.mrn !== undefined && b.mrn !== undefined && sameText(a.mrn.authority, b.mrn.authority)
    ? sameText(a.mrn.value, b.mrn.value)
    : sameText(a.name.toLowerCase(), b.name.toLowerCase()) && sameText(a.birthDate, b.birthDate);
