import { FILES, isAwaited, isSent, REFUSALS, type NamedAttachment } from './attachment.ts';
import { block, type Block } from './blocks.ts';
import { attachmentsIn, type Telling } from './news.ts';
import type { ClinicalReport } from './report.ts';
import { clean } from './words.ts';

/** This block is never cut, so it is kept short: rows, and characters of a title. */
const MOST_ROWS = 20;
const TITLE_LENGTH = 80;

/** The files that follow the message, and those that don't, with the reason. */
export function attachmentBlock(report: ClinicalReport, news: Telling): readonly Block[] {
  const told = attachmentsIn(news, report);
  const more = told.length - MOST_ROWS;
  const unchanged = news.kind !== 'first' && news.changes.version === 'latest' && told.length > 0 ? (report.attachments ?? []).length - told.length : 0;
  return block('list', [
    ...told.slice(0, MOST_ROWS).map((each) => ({ text: words(each) })),
    more > 0 ? { text: `and ${more} more; see the record` } : undefined,
    unchanged > 0 ? { text: `${unchanged} more, unchanged since the earlier message` } : undefined,
  ], 'ATTACHMENTS');
}

function words(attachment: NamedAttachment): string {
  const title = shortened(clean(attachment.title ?? ''));
  if (isSent(attachment)) {
    const { type, bytes, name } = attachment;
    return `${name}${title === '' ? '' : `: ${title}`} (${FILES[type].words}, ${sizeWords(bytes)}), follows this message`;
  }
  if (isAwaited(attachment)) return `${attachment.name}${title === '' ? '' : `: ${title}`}, is fetched from the sender and follows; until then see the record`;
  const declared = shortened(clean(attachment.declared ?? ''));
  const what = [title, declared === '' ? '' : `(${declared})`].filter((part) => part !== '').join(' ');
  return `${what === '' ? '' : `${what}: `}attachment not sent: ${REFUSALS[attachment.refused]}; see the record`;
}

const shortened = (text: string): string => (text.length > TITLE_LENGTH ? `${text.slice(0, TITLE_LENGTH).toWellFormed()}…` : text);

const sizeWords = (bytes: number): string => (bytes < 1024 ? `${bytes} bytes` : bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`);
