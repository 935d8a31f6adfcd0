/**
 * Strict JSON (RFC 8259): UTF-8 only, no byte order mark, no member name twice, bounded depth, and decimals with the digits they came with
 * (FHIR R4 §2.24.0.1 "decimal": "the precision of the decimal value has significance").
 */
import { isLosslessNumber, parse } from 'lossless-json';

export type Parsed = {
  /** Numbers are `LosslessNumber`: what is extracted and passed on. */
  readonly exact: unknown;
  /** Numbers are numbers: what the validator reads. */
  readonly plain: unknown;
};
export type JsonFault = { readonly fault: string };

const MAX_DEPTH = 64;
const MAX_NUMBER_LENGTH = 64;

/** A fault is a fixed text, at most with a position: nothing of the input is in it. */
export const parseJson = (bytes: Uint8Array): Parsed | JsonFault => {
  if (bytes.length === 0) return { fault: 'The body is empty.' };
  const text = decode(bytes);
  if (text === undefined) return { fault: 'The body is not valid UTF-8.' };
  if (text.charCodeAt(0) === 0xfeff) return { fault: 'The body starts with a byte order mark; RFC 8259 §8.1 forbids it.' };
  const shape = scan(text);
  if (shape.depth > MAX_DEPTH) return { fault: `The JSON is nested deeper than ${MAX_DEPTH} levels.` };
  try {
    const exact = parse(text, undefined, { onDuplicateKey: () => { throw new Duplicate(); } });
    const content = inspect(exact);
    if (content.members !== shape.members) return { fault: DUPLICATE };
    if (!content.wellFormed) return { fault: 'A string holds half of a surrogate pair: it is not Unicode text.' };
    if (content.longest > MAX_NUMBER_LENGTH) return { fault: `A number has more than ${MAX_NUMBER_LENGTH} characters.` };
    return { exact, plain: JSON.parse(text) as unknown };
  } catch (error) {
    return { fault: error instanceof Duplicate ? DUPLICATE : syntaxFault(error) };
  }
};

const DUPLICATE = 'A JSON object has the same member name twice.';
class Duplicate extends Error {}

const decode = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
};

/** The parser's own message repeats the input; only its position is kept. */
const syntaxFault = (error: unknown): string => {
  const position = /position (\d+)$/.exec(error instanceof Error ? error.message : '')?.[1];
  return position === undefined ? 'The body is not valid JSON.' : `The body is not valid JSON: see character ${position}.`;
};

/** Depth, and the number of members (colons outside strings): the parser recurses, and lets equal duplicates pass. */
const scan = (text: string): { readonly depth: number; readonly members: number } => {
  let depth = 0;
  let deepest = 0;
  let members = 0;
  for (let i = 0; i < text.length; i += 1) {
    switch (text.charCodeAt(i)) {
      case 0x22: // a string: skipped to its end
        for (i += 1; i < text.length && text.charCodeAt(i) !== 0x22; i += 1) if (text.charCodeAt(i) === 0x5c) i += 1;
        break;
      case 0x7b:
      case 0x5b:
        depth += 1;
        deepest = Math.max(deepest, depth);
        break;
      case 0x7d:
      case 0x5d:
        depth -= 1;
        break;
      case 0x3a:
        members += 1;
        break;
      default:
    }
  }
  return { depth: deepest, members };
};

type Content = { members: number; wellFormed: boolean; longest: number };

const inspect = (value: unknown, content: Content = { members: 0, wellFormed: true, longest: 0 }): Content => {
  if (typeof value === 'string') content.wellFormed &&= value.isWellFormed();
  else if (isLosslessNumber(value)) content.longest = Math.max(content.longest, value.value.length);
  else if (Array.isArray(value)) for (const each of value) inspect(each, content);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, each] of Object.entries(value)) {
      content.members += 1;
      content.wellFormed &&= key.isWellFormed();
      inspect(each, content);
    }
  }
  return content;
};
