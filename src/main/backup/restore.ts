import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { readArchive, readHead, type ArchiveHead } from '../../adapters/archive/archive.ts';
import { copyInto, isEmptyDatabase, type CopySource } from '../../adapters/store/copyIn.ts';
import type { DatabaseLocation } from '../../adapters/store/database.ts';
import { alone, LOCK_FILES } from '../../adapters/store/folderLock.ts';
import { noteIn } from '../../adapters/store/restored.ts';
import { openKeyFile } from '../../adapters/keys/keyfile.ts';
import type { SnapshotTable, Cell } from '../../adapters/store/snapshot.ts';
import { loadConfig, parseConfig, type LoadedConfig } from '../../config/load.ts';
import { askCatchUp } from '../../loop/catchUp.ts';
import { locationOf } from '../compose.ts';
import type { Printed } from '../print.ts';
import { number } from './figures.ts';
import { fromText, type BackedUpFile } from './lines.ts';
import { refuseElsewhere } from './places.ts';
import { openerOf, type OpenOptions } from './seal.ts';
import { check, described, wordsOf, type Contents } from './verify.ts';
import type { Progress } from './write.ts';

export type RestoreOptions = OpenOptions & { readonly into?: string; readonly dryRun?: true; /** Folders beside `into` where the backup may put files. */ readonly allow?: readonly string[]; readonly dataDir?: string; readonly postgresUrlFile?: string; readonly sqlite?: true };

type Plan = { readonly folder: string; readonly config: LoadedConfig; readonly files: readonly BackedUpFile[]; readonly location: DatabaseLocation };

/**
 * Restores a backup onto an empty machine or database, all or nothing: files first, then the database, whose appearance under its name is the
 * moment at which it is done. Killed before that, it is run again; run again after it, it says that it is done.
 */
export async function restore(file: string, configFile: string, options: RestoreOptions, progress: Progress): Promise<Printed> {
  const folder = resolve(options.into ?? dirname(configFile));
  const head = readHead(file);
  const opener = openerOf(join(folder, 'keys.json'), options);
  const contents = await check(readArchive(file, opener), progress);
  const plan = planOf(folder, contents, options);
  refuseElsewhere([folder, ...(options.dataDir === undefined ? [] : [resolve(folder, options.dataDir)]), ...(options.allow ?? [])], [
    ...plan.files.map(({ role, path }) => ({ what: `its ${role}`, path: resolve(folder, path) })),
    ...(plan.location.kind === 'sqlite' ? [{ what: 'its data', path: plan.location.file }] : []),
  ]);
  const about = wordsOf(head.madeAt, head.madeBy, contents);
  const where = plan.location.kind === 'sqlite' ? plan.location.file : 'the PostgreSQL database';
  if ((await backupIn(plan.location)) === head.id) return { json: { restored: head.id, already: true }, text: `${where} holds this backup already; nothing was changed.` };
  if (options.dryRun) await refuseOccupied(plan);
  if (options.dryRun) return { json: { ...described(contents), id: head.id, madeAt: head.madeAt, into: folder, dryRun: true }, text: [...about, `Would be restored into ${folder} and ${where}. Nothing was written.`].join('\n') };
  const fill = async (): Promise<void> => {
    await refuseOccupied(plan);
    for (const each of plan.files) writeWhole(resolve(folder, each.path), each);
    openKeyFile(plan.config.at(plan.config.keys_file)); // Before the database is there: without its keys it would be of no use.
    await copyInto(plan.location, { ...sourceOf(file, opener, contents, progress), notes: notesOf(head) });
  };
  // A server that is started meanwhile would make itself a database, and what it took in would be gone when the restored one takes its place.
  await (plan.location.kind === 'sqlite' ? alone(dirname(plan.location.file), fill) : fill());
  const total = Object.values(contents.rows).reduce((sum, count) => sum + count, 0);
  return {
    json: { restored: head.id, madeAt: head.madeAt, into: folder, files: plan.files.map(({ path }) => path), rows: contents.rows },
    text: [
      ...about, `Restored ${number(total)} rows into ${where}, and ${plan.files.length} files into ${folder}.`,
      'Before `aceso start`: the old machine must be off for good, and `aceso doctor` tells what this one still lacks.',
      'At its first start the courier becomes a new device of the same identity, and Aceso reads in the rooms what happened since the backup.',
      ...notInside(plan.config),
    ].join('\n'),
  };
}

function planOf(folder: string, { files }: Contents, options: RestoreOptions): Plan {
  const original = files.find(({ role }) => role === 'config');
  if (!original) throw new Error('this backup holds no configuration.');
  const config = { ...original, text: adapted(original.text, options) };
  const path = join(folder, config.path);
  const loaded = existsSync(path) ? loadConfig(path) : parseConfig(path, config.text);
  const given: readonly BackedUpFile[] = options.keys === undefined ? [] : [{ role: 'keys', path: loaded.keys_file, text: readFileSync(options.keys, 'utf8') }];
  return { folder, config: loaded, files: [config, ...files.filter((each) => each !== original), ...given], location: locationOf(loaded) };
}

/** The configuration for another place: another folder for the data, or the other kind of database. Comments stay. */
function adapted(text: string, { dataDir, postgresUrlFile, sqlite }: RestoreOptions): string {
  if (sqlite && postgresUrlFile !== undefined) throw new Error('Give --sqlite or --postgres-url-file, not both.');
  if (dataDir === undefined && postgresUrlFile === undefined && !sqlite) return text;
  const document = parseDocument(text);
  if (dataDir !== undefined) document.setIn(['data_dir'], dataDir);
  if (postgresUrlFile !== undefined) document.setIn(['store', 'postgres_url_file'], resolve(postgresUrlFile));
  if (sqlite && document.hasIn(['store', 'postgres_url_file'])) document.deleteIn(['store', 'postgres_url_file']);
  return document.toString();
}

/** What is there already must be what would be written: then an earlier run was cut short. Anything else is somebody's, and stays. */
async function refuseOccupied({ folder, config, files, location }: Plan): Promise<void> {
  const occupied = files.map(({ path, text }) => ({ path: resolve(folder, path), text })).filter(({ path, text }) => existsSync(path) && readFileSync(path, 'utf8') !== text);
  const data = config.at(config.data_dir);
  const left = existsSync(data) ? readdirSync(data).filter((name) => !name.includes('.restoring') && !LOCK_FILES.includes(name)) : [];
  const elsewhere = 'Restore into an empty folder with --into FOLDER (and --data-dir, --postgres-url-file for another database), or move what is there away.';
  if (occupied.length > 0) throw new Error(`${occupied.map(({ path }) => path).join(', ')} is there already, and is another one. ${elsewhere}`);
  if (left.length > 0) throw new Error(`${data} is not empty (${left.slice(0, 3).join(', ')}). ${elsewhere}`);
  if (!(await isEmptyDatabase(location))) throw new Error(`the PostgreSQL database is not empty. ${elsewhere}`);
}

/** A file is there whole, or not. */
function writeWhole(path: string, { role, text }: BackedUpFile): void {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.restoring`;
  rmSync(temporary, { force: true });
  // Made anew, so that no link that stands there is written through.
  const opened = openSync(temporary, 'wx', role === 'template' ? 0o644 : 0o600);
  writeSync(opened, text);
  fsyncSync(opened);
  closeSync(opened);
  renameSync(temporary, path);
}

const sourceOf = (file: string, opener: Parameters<typeof readArchive>[1], { schema }: Contents, progress: Progress): Omit<CopySource, 'notes'> => ({
  schema,
  async *rows() {
    let table: SnapshotTable | undefined;
    let batch: (readonly Cell[])[] = [];
    let done = 0;
    for await (const text of readArchive(file, opener)) {
      const line = fromText(text);
      if (line.t === 'row') batch.push(line.cells);
      if (table && batch.length > 0 && (line.t !== 'row' || batch.length >= (table.bytes ? BATCH_OF_BYTES : BATCH))) {
        yield { table, rows: batch };
        done += batch.length;
        progress(table.name, done);
        batch = [];
      }
      if (line.t === 'table') ({ table } = line);
    }
  },
});

const BATCH = 100;
const BATCH_OF_BYTES = 8;

const RESTORED = 'restored';

/** Where the database came from, and that what happened since is to be caught up with. */
const notesOf = ({ id, madeAt }: ArchiveHead): CopySource['notes'] => ({ [RESTORED]: JSON.stringify({ id, madeAt, at: Date.now() }), ...askCatchUp(Date.parse(madeAt), 'restored') });

/** Which backup a database was restored from, if from one. */
async function backupIn(location: DatabaseLocation): Promise<string | undefined> {
  const text = await noteIn(location, RESTORED);
  return text === undefined ? undefined : (JSON.parse(text) as { readonly id: string }).id;
}

/** Files that the configuration names beside those of a backup: secrets of the machine, which it doesn't hold. */
function notInside(config: LoadedConfig): readonly string[] {
  const missing = [...new Set(filesNamed(config))].filter((path) => !existsSync(config.at(path)));
  return missing.length === 0 ? [] : [`Not in the backup, named in the configuration, and not here: ${missing.map((path) => relative(process.cwd(), config.at(path))).join(', ')}. Put them there.`];
}

function filesNamed(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => (name.endsWith('_file') && typeof item === 'string' ? [item] : filesNamed(item)));
}

