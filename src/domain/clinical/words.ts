import type { Interpretation, ObservationLine, ReportStatus } from './report.ts';
import { isUnfinished, isWithdrawn } from './status.ts';

/**
 * Words from outside, made safe to stand in a message, and clinical fields put into words. Nothing is rounded, converted or translated:
 * digits, units and offsets stay as the laboratory wrote them (42 CFR 493.1291(c)(6)).
 */

/** White space of any kind, controls that mean it included: becomes one space, or a new line in `lines`. */
const SPACES = /[\s\u0085\u2028\u2029]+/gu;
const LINE_ENDS = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/u;
/** Invisible where they stand (soft hyphen, zero-width space, marks of direction, BOM, tags): leaving them out changes nothing that is seen. */
const INVISIBLE = /[\u00ad\u061c\u180e\u200b\u200e\u200f\u2060-\u2064\ufeff\u{e0000}-\u{e007f}]/gu;
/** Controls, and what reorders the text around it. Shown as U+FFFD, since leaving them out could join two numbers into one. */
const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u206f\ufff9-\ufffb]/gu;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
/** What clients turn into a mention by themselves: `@room`, `@user:server`, links to matrix.to and `matrix:` (an e-mail address is not one). */
const MENTIONS = /@(?=room)|(?<![\w.%+-])@(?=\S)|(?<=matrix)(?=\.to\b)|(?<=\bmatrix)(?=:\S)/giu;
const WORD_JOINER = '\u2060';

const withoutMentions = (text: string): string => text.replace(MENTIONS, (found) => found + WORD_JOINER);

/** A first strong isolate (Unicode UAX #9) keeps a right-to-left name from reordering the numbers beside it. */
const isolated = (text: string): string => (RIGHT_TO_LEFT.test(text) ? `\u2068${text}\u2069` : text);

/** One line of text from outside: white space collapsed, controls and direction overrides neutralised, nobody mentioned by it. */
export const clean = (text: string): string =>
  isolated(withoutMentions(text.toWellFormed().replace(INVISIBLE, '').replace(SPACES, ' ').trim().replace(HARMFUL, '\ufffd')));

/** Text from outside of any length: its lines, each clean, the empty ones left out. */
export const lines = (text: string): readonly string[] => text.split(LINE_ENDS).map(clean).filter((line) => line !== '');

/** The same, as one text in which only our own line ends stand. */
export const paragraph = (text: string): string => lines(text).join('\n');

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const FHIR_TIME = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d:\d\d)(?::(\d\d)(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/u;

/**
 * A FHIR date, dateTime or instant in words that no country reads differently: `24 Nov 2026 08:15 (UTC-05:00)`. Never converted to another
 * zone; seconds only when they are not zero; what is no FHIR time stays as it is.
 */
export const moment = (fhirTime: string): string => {
  const [, year, month, day, time, seconds, zone] = FHIR_TIME.exec(fhirTime) ?? [];
  const name = month === undefined ? undefined : MONTHS[Number(month) - 1];
  if (year === undefined || (month !== undefined && name === undefined)) return clean(fhirTime);
  const date = [day, name, year].filter((part) => part !== undefined).join(' ');
  if (time === undefined) return date;
  const clock = seconds === undefined || seconds === '00' ? time : `${time}:${seconds}`;
  return `${date} ${clock} (${zone === undefined ? 'zone not stated' : zone === 'Z' ? 'UTC' : `UTC${zone}`})`;
};

/** `entered-in-error` → `entered in error`. */
export const statusWords = (status: ReportStatus): string => status.replaceAll('-', ' ');

const flag = ({ code, text }: Interpretation): string => [...new Set([clean(code), clean(text)])].filter((part) => part !== '').join(', ');

const valueWords = ({ value, interpretation }: ObservationLine): string | undefined => {
  if (value === undefined) return undefined;
  const number = `${clean(value.comparator ?? '')}${paragraph(value.text)}`;
  const marks = interpretation === undefined ? '' : flag(interpretation);
  return [number, clean(value.unit ?? ''), marks === '' ? '' : `(${marks})`].filter((part) => part !== '').join(' ');
};

const absentWords = ({ absent, notes, status }: ObservationLine): string => {
  if (absent !== undefined && clean(absent) !== '') return `no value (${clean(absent)})`;
  if (notes.length > 0) return 'see note';
  return isUnfinished(status) ? 'pending' : 'no value, and no reason given';
};

/** What a line says: `<0.010 ng/mL (L, Low)`, `no value (specimen clotted)`, `CANCELLED (6.8 mmol/L does not hold)`. */
export const resultWords = (line: ObservationLine): string => {
  const value = valueWords(line);
  if (!isWithdrawn(line.status)) return value ?? absentWords(line);
  const remarks = [value === undefined ? '' : `${value} does not hold`, clean(line.absent ?? '')].filter((remark) => remark !== '');
  return `${statusWords(line.status).toUpperCase()}${remarks.length === 0 ? '' : ` (${remarks.join('; ')})`}`;
};

/** The name of a test; its code where the laboratory gave no name. */
export const nameWords = ({ name, code }: ObservationLine): string => [clean(name), clean(code ?? ''), 'Unnamed test'].find((word) => word !== '') ?? '';
