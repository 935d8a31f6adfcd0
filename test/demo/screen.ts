/** How the demo tells its story: steps, commands, boxes, and claims that were seen to hold or not. */
import { styleText } from 'node:util';

export type Screen = {
  title(text: string): void;
  /** Begins a step; says how long the demo has been running. */
  step(title: string): void;
  say(text: string): void;
  /** Two columns, the left one aligned. */
  rows(rows: readonly (readonly [string, string])[]): void;
  /** What a person types, and what they get. */
  command(line: string, output?: string): void;
  /** Text as it stands, in a frame. */
  box(heading: string, text: string): void;
  /** A claim and whether it was seen to hold; `seen` is shown when it wasn't. */
  check(claim: string, holds: boolean, seen?: unknown): void;
  /** Claims that did not hold. */
  readonly failures: readonly string[];
};

const WIDTH = Math.min(110, Math.max(72, process.stdout.columns || 100));
const INDENT = '   ';

type Style = Parameters<typeof styleText>[0];

/** `quiet` keeps the claims, and says nothing. Colour is for terminals that want it (NO_COLOR, FORCE_COLOR). */
export function createScreen(mode: 'quiet' | 'tell'): Screen {
  const started = Date.now();
  const failures: string[] = [];
  let steps = 0;
  const paint = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });
  const write = (text: string): void => {
    if (mode === 'tell') process.stdout.write(`${text}\n`);
  };
  const indented = (text: string, style?: Style, by = INDENT): void => {
    for (const line of text.split('\n')) write(style ? paint(style, by + line) : (by + line).trimEnd());
  };
  return {
    failures,
    title: (text) => write(paint('bold', text)),
    step(title) {
      steps += 1;
      const since = `${((Date.now() - started) / 1000).toFixed(1)} s`;
      const heading = `${steps}  ${title}`;
      write(`\n${paint('bold', heading)}${' '.repeat(Math.max(2, WIDTH - heading.length - since.length))}${paint('dim', since)}`);
    },
    say: (text) => indented(wrapped(text, WIDTH - INDENT.length).join('\n')),
    rows(rows) {
      const left = Math.max(...rows.map(([name]) => name.length)) + 2;
      for (const [name, value] of rows) {
        const lines = wrapped(value, WIDTH - INDENT.length - left);
        lines.forEach((line, index) => write(`${INDENT}${paint('dim', (index === 0 ? name : '').padEnd(left))}${line}`.trimEnd()));
      }
    },
    command(line, output = '') {
      indented(`$ ${line}`, 'cyan');
      if (output.trim() !== '') indented(output.trimEnd(), 'dim', `${INDENT}  `);
    },
    box(heading, text) {
      const inside = WIDTH - INDENT.length - 4;
      const top = `─ ${heading} `;
      write(`${INDENT}┌${top}${'─'.repeat(Math.max(0, inside + 2 - width(top)))}┐`);
      for (const line of wrapped(text, inside)) write(`${INDENT}│ ${line}${' '.repeat(Math.max(0, inside - width(line)))} │`);
      write(`${INDENT}└${'─'.repeat(inside + 2)}┘`);
    },
    check(claim, holds, seen) {
      const instead = seen === undefined ? '' : `. Seen instead: ${typeof seen === 'string' ? seen : JSON.stringify(seen)}`;
      if (!holds) failures.push(`${claim}${instead}`);
      indented(wrapped(holds ? `✔ ${claim}` : `✘ ${claim}${instead}`, WIDTH - INDENT.length).join('\n  '), holds ? 'green' : ['red', 'bold']);
    },
  };
}

/** `87 ms`, `4.2 s`. */
export const duration = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** Breaks at spaces; a line that is indented stays so, and a word that is too long stays whole. */
function wrapped(text: string, columns: number): readonly string[] {
  return text.split('\n').flatMap((line) => {
    const margin = /^[\s•-]*/u.exec(line)?.[0].length ?? 0;
    const lines: string[] = [];
    let rest = line;
    while (width(rest) > columns) {
      const cut = rest.lastIndexOf(' ', columns);
      if (cut <= margin) break;
      lines.push(rest.slice(0, cut));
      rest = ' '.repeat(margin) + rest.slice(cut + 1);
    }
    return [...lines, rest];
  });
}

const segmenter = new Intl.Segmenter();
/** Columns that a text takes: pictographs take two. */
const width = (text: string): number => [...segmenter.segment(text)].reduce((sum, { segment }) => sum + (/\p{Emoji_Presentation}|\uFE0F/u.test(segment) ? 2 : 1), 0);
