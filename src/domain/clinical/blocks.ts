/**
 * A message before it is written down: blocks of rows. It is written twice, as plain text and as HTML, so the two can't say different things.
 * Every text in it is already clean (words.ts); line ends inside a text are ours.
 */
export type Block = {
  readonly heading?: string;
  /** `list`: one row per value; `text`: rows one under the other. */
  readonly shape: 'text' | 'list';
  readonly rows: readonly Row[];
};

export type Row = {
  readonly label?: string;
  readonly text: string;
  readonly weight?: 'strong';
  /** What belongs to this row: its reference range, its notes. */
  readonly under?: readonly Row[];
};

/** A block that has something to say, or nothing. */
export const block = (shape: Block['shape'], rows: readonly (Row | undefined)[], heading?: string): readonly Block[] => {
  const present = rows.filter((row) => row !== undefined);
  return present.length === 0 ? [] : [{ shape, rows: present, ...(heading === undefined ? {} : { heading }) }];
};

/** A labelled row, when there is something to put behind the label. */
export const labelled = (label: string, text: string | undefined): Row | undefined => (text === undefined || text === '' ? undefined : { label, text });

/** Plain text: `m.room.message` `body` (Matrix client-server API, m.room.message). Blocks stand apart, lists have bullets, what is under a row is indented. */
export const toPlain = (blocks: readonly Block[]): string => blocks.map(plainBlock).join('\n\n');

/**
 * HTML: `formatted_body` in `org.matrix.custom.html` (same section). Only `<p> <strong> <ul> <li> <br>`, without attributes: no tables, which
 * some clients strip. A line end follows each break, so the text stays readable when a client drops the tags.
 */
export const toHtml = (blocks: readonly Block[]): string => blocks.map(htmlBlock).join('\n');

const plainBlock = ({ heading, shape, rows }: Block): string =>
  [...(heading === undefined ? [] : [heading]), ...rows.map((row) => plainRow(row, shape === 'list' ? '• ' : ''))].join('\n');

function plainRow({ label, text, under = [] }: Row, bullet: string): string {
  const inner = ' '.repeat(bullet === '' ? 2 : bullet.length);
  const first = `${bullet}${label === undefined ? '' : `${label}: `}${text.replaceAll('\n', `\n${inner}`)}`;
  return [first, ...under.map((row) => inner + plainRow(row, '').replaceAll('\n', `\n${inner}`))].join('\n');
}

function htmlBlock({ heading, shape, rows }: Block): string {
  const title = heading === undefined ? [] : [`<strong>${escapeHtml(heading)}</strong>`];
  if (shape === 'text') return `<p>${[...title, ...rows.map(htmlRow)].join('<br>\n')}</p>`;
  return [...title.map((text) => `<p>${text}</p>`), '<ul>', ...rows.map((row) => `<li>${htmlRow(row)}</li>`), '</ul>'].join('\n');
}

function htmlRow({ label, text, weight, under = [] }: Row): string {
  const words = escapeHtml(text).replaceAll('\n', '<br>\n');
  const name = label === undefined ? '' : `${escapeHtml(label)}: `;
  const first = weight === 'strong' ? `<strong>${name}${words}</strong>` : `${name}${words}`;
  return [first, ...under.map(htmlRow)].join('<br>\n');
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text as HTML shows it literally. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/gu, (character) => ENTITIES[character] ?? '');
