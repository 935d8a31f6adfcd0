import { toHtml, toPlain, type Block } from './blocks.ts';
import type { Composition } from './renderReport.ts';

/** A message as text. `html` is left out when only the plain text fits. */
export type Text = { readonly plain: string; readonly html?: string };

/** Bytes that a value takes in JSON, as an event counts them (Matrix client-server API, "Size limits"). */
export const jsonBytes = (value: unknown): number => new TextEncoder().encode(JSON.stringify(value)).length;

/**
 * The text of a message within `bytes`: both forms; else the plain one alone, complete; else the plain one with its middle cut short at a line's end,
 * which it says before anything else. Critical values come first in the middle, so they are the last to go.
 */
export function fitText({ top, middle, bottom }: Composition, bytes: number): Text {
  const blocks = [...top, ...middle, ...bottom];
  const plain = toPlain(blocks);
  const html = toHtml(blocks);
  if (jsonBytes([plain, html]) <= bytes) return { plain, html };
  if (jsonBytes(plain) <= bytes) return { plain };
  const frame = (kept: string): string => [toPlain([...INCOMPLETE, ...top]), `${kept}\n[cut here]`, toPlain(bottom)].join('\n\n');
  return { plain: frame(longestFit(toPlain(middle), (kept) => jsonBytes(frame(kept)) <= bytes)) };
}

const INCOMPLETE: readonly Block[] = [
  { shape: 'text', rows: [{ text: 'INCOMPLETE: this report is too long for a message. Read all of it at the sender before you act on what is missing here.' }] },
];

/** The longest beginning that fits, back to the end of a line, so that no number is cut in two. */
function longestFit(text: string, fits: (kept: string) => boolean): string {
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(text.slice(0, middle))) low = middle;
    else high = middle - 1;
  }
  const kept = text.slice(0, low);
  const lineEnd = kept.lastIndexOf('\n');
  return kept.slice(0, lineEnd > low / 2 ? lineEnd : Math.max(0, kept.lastIndexOf(' ')));
}
