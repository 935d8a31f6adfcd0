import { existsSync, statSync } from 'node:fs';
import { readArchive, readHead } from '../../adapters/archive/archive.ts';
import { openKeyFile } from '../../adapters/keys/keyfile.ts';
import { WRAPPED_TABLES } from '../../adapters/store/rewrap.ts';
import type { SnapshotTable } from '../../adapters/store/snapshot.ts';
import type { KeyRing } from '../../ports/keys.ts';
import type { Printed } from '../print.ts';
import { bytes, number } from './figures.ts';
import { fromText, type BackedUpFile } from './lines.ts';
import { openerOf, type OpenOptions } from './seal.ts';
import type { Progress } from './write.ts';

/** What a backup was found to hold. `opened`, `closed`: wrapped keys that the key ring opens, and that it doesn't. */
export type Contents = {
  readonly store: 'sqlite' | 'postgres'; readonly schema: readonly string[]; readonly files: readonly BackedUpFile[]; readonly rows: Readonly<Record<string, number>>;
  readonly opened: number; readonly closed: number;
};

/** Reads a backup to its end. Throws when anything in it was changed, is missing, or doesn't add up. */
export async function check(lines: AsyncIterable<string>, progress: Progress, ring?: KeyRing): Promise<Contents> {
  let about: Pick<Contents, 'store' | 'schema'> | undefined;
  let end: Contents['rows'] | undefined;
  let table: SnapshotTable | undefined;
  const files: BackedUpFile[] = [];
  const rows: Record<string, number> = {};
  const keys = { opened: 0, closed: 0 };
  let done = 0;
  for await (const text of lines) {
    const line = fromText(text);
    switch (line.t) {
      case 'about':
        about = line;
        break;
      case 'file':
        files.push(line);
        break;
      case 'table':
        table = line.table;
        rows[table.name] = 0;
        break;
      case 'row':
        if (line.cells.length !== table?.columns.length) throw new Error('this backup has a row that doesn\'t fit its table.');
        rows[table.name] = (rows[table.name] ?? 0) + 1;
        if (ring && WRAPPED.has(table.name)) keys[opens(ring, table, line.cells)] += 1;
        done += 1;
        progress(table.name, done);
        break;
      case 'end':
        end = line.rows;
    }
  }
  if (!about || !end) throw new Error('this backup has no end: it is cut short.');
  if (JSON.stringify(end) !== JSON.stringify(rows)) throw new Error('this backup doesn\'t hold as many rows as it says.');
  const { store, schema } = about;
  return { store, schema, files, rows, ...keys };
}

const WRAPPED: ReadonlyMap<string, (typeof WRAPPED_TABLES)[number]> = new Map(WRAPPED_TABLES.map((wrapped) => [wrapped.table, wrapped]));

function opens(ring: KeyRing, { name, columns }: SnapshotTable, cells: readonly unknown[]): 'opened' | 'closed' {
  const cell = (column: string): unknown => cells[columns.indexOf(column)];
  const bound = WRAPPED.get(name);
  try {
    ring.unwrap(cell('wrapped') as Uint8Array, `${bound?.prefix ?? ''}${String(cell(bound?.name ?? ''))}`, String(cell('key_id')));
    return 'opened';
  } catch {
    return 'closed';
  }
}

/** Opens a backup, reads all of it, and says what is in it, and whether the keys at hand would open what a restore brings. */
export async function verify(file: string, keysFile: string, options: OpenOptions, progress: Progress): Promise<Printed> {
  const head = readHead(file);
  const ringFile = options.keys ?? keysFile;
  const ring = existsSync(ringFile) ? openKeyFile(ringFile) : undefined;
  const contents = await check(readArchive(file, openerOf(keysFile, options)), progress, ring);
  if (contents.closed > 0) throw new Error(`${file} is whole, but ${ringFile} opens only ${contents.opened} of its ${contents.opened + contents.closed} wrapped keys: it is not the key file of this backup, or a key was taken out of it. Find the copy that belongs to it.`);
  return { json: { file, ...described(contents), id: head.id, madeAt: head.madeAt, madeBy: head.madeBy, bytes: statSync(file).size, ok: true }, text: [`${file} is whole (${bytes(statSync(file).size)}).`, ...wordsOf(head.madeAt, head.madeBy, contents), ring ? `${ringFile} opens all ${number(contents.opened)} wrapped keys in it.` : 'No keys.json is at hand: whether it would open what is in it was not tried.'].join('\n') };
}

export const described = ({ files, ...contents }: Contents): Readonly<Record<string, unknown>> => ({ ...contents, files: files.map(({ role, path }) => ({ role, path })) });

export const wordsOf = (madeAt: string, madeBy: string, { store, schema, files, rows }: Contents): readonly string[] => [
  `Made ${madeAt} by Aceso ${madeBy}, from ${store === 'sqlite' ? 'SQLite' : 'PostgreSQL'}, schema ${schema.at(-1) ?? 'none'}.`,
  `Files: ${files.map(({ path }) => path).join(', ')}.`,
  `Rows: ${Object.entries(rows).filter(([, count]) => count > 0).map(([name, count]) => `${number(count)} ${name}`).join(', ') || 'none'}.`,
];
