/** What a command gives: for people, or with `--json` for programs. The two say the same. */
export type Printed = { readonly text: string; readonly json: unknown };

/** Columns padded to their widest cell; an empty list says so. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[], empty: string): string {
  if (rows.length === 0) return empty;
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd();
  return [line(headings), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)].join('\n');
}

/** `2026-11-24 17:05:09Z`: UTC, so that two hospitals mean the same. */
export const instant = (at: number): string => new Date(at).toISOString().replace('T', ' ').replace(/\.\d+Z$/u, 'Z');

/** `42 s`, `7 min`, `3 h`, `2 d`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
