import type { Cell, SnapshotTable } from '../../adapters/store/snapshot.ts';

/** What a file of the backup is: where it goes on restoring, the configuration of the backup says. */
export type FileRole = 'config' | 'template' | 'registration' | 'module-token' | 'agreement-key' | 'policy-keys' | 'keys';
export type BackedUpFile = { readonly role: FileRole; readonly path: string; readonly text: string };

/** The lines of a backup, in this order: about, files, then each table with its rows, and the end, which says how many there were. */
export type Line =
  | { readonly t: 'about'; readonly store: 'sqlite' | 'postgres'; readonly schema: readonly string[] }
  | ({ readonly t: 'file' } & BackedUpFile)
  | { readonly t: 'table'; readonly table: SnapshotTable }
  | { readonly t: 'row'; readonly cells: readonly Cell[] }
  | { readonly t: 'end'; readonly rows: Readonly<Record<string, number>> };

/** A row is a JSON array, the rest are objects; bytes are `{"b":"<base64>"}`. */
export const toText = (line: Line): string => JSON.stringify(line.t === 'row' ? line.cells.map((cell) => (cell instanceof Uint8Array ? { b: Buffer.from(cell).toString('base64') } : cell)) : line);

export function fromText(text: string): Line {
  const value: unknown = JSON.parse(text);
  if (Array.isArray(value)) return { t: 'row', cells: value.map(cellOf) };
  if (typeof value === 'object' && value !== null && 't' in value && (value.t === 'about' || value.t === 'file' || value.t === 'table' || value.t === 'end')) return value as Line;
  throw new Error('this backup has a line that no Aceso writes: a newer one made it.');
}

const cellOf = (value: unknown): Cell => (typeof value === 'object' && value !== null ? Buffer.from((value as { readonly b: string }).b, 'base64') : (value as Cell));
