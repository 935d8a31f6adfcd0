import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sql, type Transaction } from 'kysely';
import { migrate, openDatabase, type Database, type DatabaseLocation } from './database.ts';
import { migrations } from './migrations.ts';
import { createNotes } from './notes.ts';
import { forgetMachine } from './restored.ts';
import { MIGRATION_LOCK_TABLE, MIGRATION_TABLE } from './schema.ts';
import type { Cell, SnapshotTable } from './snapshot.ts';
import type { Tables } from './tables.ts';

/** What is to be brought in: a snapshot's schema and tables, from wherever they were kept. */
export type CopySource = {
  readonly schema: readonly string[];
  rows(): AsyncIterable<{ readonly table: SnapshotTable; readonly rows: readonly (readonly Cell[])[] }>;
  /** Written with the rest: where it came from, and what is to be done first. */
  readonly notes: Readonly<Record<string, string>>;
};

/** Whether the database holds nothing that a restore would overwrite: no file, no tables, or tables without a row. */
export async function isEmptyDatabase(location: DatabaseLocation): Promise<boolean> {
  if (location.kind === 'sqlite') return !existsSync(location.file);
  const database = openDatabase(location);
  try {
    for (const { name } of await database.db.introspection.getTables()) {
      const { rows } = await sql`select 1 from ${sql.table(name)} limit 1`.execute(database.db);
      if (rows.length > 0 && name !== MIGRATION_TABLE && name !== MIGRATION_LOCK_TABLE) return false;
    }
    return true;
  } finally {
    await database.db.destroy();
  }
}

/**
 * Fills an empty database, all or nothing: a SQLite file is made beside its place and renamed into it at the end; PostgreSQL takes it in one
 * transaction. The schema is first made as it was when the snapshot was taken, and brought up to date when the rows are in.
 */
export async function copyInto(location: DatabaseLocation, source: CopySource): Promise<void> {
  if (location.kind === 'postgres') {
    const database = openDatabase(location);
    await fill(database, source).finally(() => database.db.destroy());
    return;
  }
  const temporary = `${location.file}.restoring`;
  mkdirSync(dirname(location.file), { recursive: true, mode: 0o700 });
  for (const file of [temporary, `${temporary}-wal`, `${temporary}-shm`]) rmSync(file, { force: true });
  const database = openDatabase({ kind: 'sqlite', file: temporary });
  await fill(database, source).finally(() => database.db.destroy());
  intoOneFile(temporary);
  durably(temporary);
  renameSync(temporary, location.file);
  durably(dirname(location.file));
}

async function fill(database: Database, source: CopySource): Promise<void> {
  await migrate(database, source.schema.at(-1));
  await database.unhurried((db) => db.transaction().execute(async (tx) => {
    for await (const { table, rows } of source.rows()) await insert(tx, table, rows);
    await bringUp(tx, database, source.schema);
    await forgetMachine(tx);
    for (const [name, value] of Object.entries(source.notes)) await createNotes(tx).write(name, value);
    if (database.dialect.name === 'postgres') await countOn(tx);
  }));
}

/** The migrations since the snapshot, in the transaction of its rows. */
async function bringUp(tx: Transaction<Tables>, { dialect }: Database, applied: readonly string[]): Promise<void> {
  for (const [name, migration] of Object.entries(migrations(dialect)).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (applied.includes(name)) continue;
    await migration.up(tx);
    await sql`insert into ${sql.table(MIGRATION_TABLE)} (name, timestamp) values (${name}, ${new Date().toISOString()})`.execute(tx);
  }
}

/** SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535. */
const PARAMETERS = 10_000;

async function insert(tx: Transaction<Tables>, { name, columns }: SnapshotTable, rows: readonly (readonly Cell[])[]): Promise<void> {
  const atOnce = Math.max(1, Math.floor(PARAMETERS / columns.length));
  for (let from = 0; from < rows.length; from += atOnce) {
    const values = rows.slice(from, from + atOnce).map((row) => sql`(${sql.join(row)})`);
    await sql`insert into ${sql.table(name)} (${sql.join(columns.map((column) => sql.ref(column)))}) values ${sql.join(values)}`.execute(tx);
  }
}

/** Numbers of rows go on after the highest one there. */
async function countOn(tx: Transaction<Tables>): Promise<void> {
  for (const { name, columns } of await tx.introspection.getTables()) {
    if (!columns.some((column) => column.name === 'seq')) continue;
    await sql`select setval(pg_get_serial_sequence(${name}, 'seq'), greatest((select coalesce(max(seq), 0) from ${sql.table(name)}), 1))`.execute(tx);
  }
}

/** The file is renamed alone: nothing of it may be left in its write-ahead log. */
function intoOneFile(path: string): void {
  const file = new DatabaseSync(path);
  file.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  file.close();
}

function durably(path: string): void {
  const file = openSync(path, 'r');
  fsyncSync(file);
  closeSync(file);
}
