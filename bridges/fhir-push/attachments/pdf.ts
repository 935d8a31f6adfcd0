/** Whether a PDF can act: scripts, programs it starts, files it carries, forms that send (ISO 32000-1 §12.6.4, §7.11.4, §13). */
import { inflateSync } from 'node:zlib';

/** Each character may be written as `#61` (§7.3.5), which a search for the plain name would miss. */
const named = (name: string): string => `/${Array.from(name).map((character) => `(?:${character}|#${character.charCodeAt(0).toString(16)})`).join('')}(?=[\\s()<>[\\]{}/%]|$)`;

/** Long names alone: compressed content holds them by chance never, so all of the file can be searched. `OpenAction` by itself goes to a page. */
const ACTING = new RegExp(['JavaScript', 'Launch', 'EmbeddedFile', 'EmbeddedFiles', 'RichMedia', 'ImportData', 'SubmitForm'].map(named).join('|'), 'iu');
const PROTECTED = new RegExp(`${named('Encrypt')}\\s*(?:\\d+\\s+\\d+\\s+R|<<)`, 'iu');
const OBJECT_STREAM = new RegExp(named('ObjStm'), 'giu');
/** What the objects of a PDF may unfold to; a bomb doesn't. */
const MAX_UNFOLDED = 32 * 1024 * 1024;

/**
 * Undefined when nothing in it acts. Names are looked for in the file as it is and among compressed objects (§7.5.7 object streams); what
 * draws the pages can only draw. What is encrypted can't be checked.
 */
export const activePdf = (bytes: Uint8Array): 'active-content' | 'unreadable' | undefined => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  if (ACTING.test(text)) return 'active-content';
  if (PROTECTED.test(text)) return 'unreadable';
  let left = MAX_UNFOLDED;
  for (const { index } of text.matchAll(OBJECT_STREAM)) {
    const unfolded = unfoldedAt(text, bytes, index, left);
    if (unfolded === undefined) return 'unreadable';
    if (ACTING.test(unfolded)) return 'active-content';
    left -= unfolded.length;
  }
  return undefined;
};

/** The objects of the stream in whose dictionary `index` is: as they are, or deflated; no producer uses anything else for them. */
const unfoldedAt = (text: string, bytes: Uint8Array, index: number, most: number): string | undefined => {
  const start = text.indexOf('stream', index);
  if (start < 0) return '';
  const dictionary = text.slice(Math.max(0, text.lastIndexOf(' obj', index)), start);
  const from = start + (text.startsWith('\r\n', start + 6) ? 8 : 7);
  const end = text.indexOf('endstream', from);
  const stream = bytes.subarray(from, end < 0 ? bytes.length : end);
  if (!/\/Filter/u.test(dictionary)) return Buffer.from(stream).toString('latin1');
  if (!/\/Filter\s*\[?\s*\/(?:FlateDecode|Fl)\s*\]?(?=[\s/>])/u.test(dictionary)) return undefined;
  try {
    return inflateSync(stream, { maxOutputLength: Math.max(1, most) }).toString('latin1');
  } catch {
    return undefined;
  }
};
