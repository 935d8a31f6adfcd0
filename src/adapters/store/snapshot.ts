import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import type { DatabaseLocation } from './database.ts';
import { MIGRATION_LOCK_TABLE, MIGRATION_TABLE } from './schema.ts';

/** What a cell of any table may hold, the same on both databases. */
export type Cell = string | number | null | Uint8Array;
/** `bytes`: whether a column of it holds bytes. */
export type SnapshotTable = { readonly name: string; readonly columns: readonly string[]; readonly bytes: boolean };

/** A database as it was at one instant, while others go on writing to it. */
export type Snapshot = {
  /** Names of the migrations applied, in order. */
  readonly schema: readonly string[];
  readonly tables: readonly SnapshotTable[];
  /** The rows of a table in the order in which they were written, some hundred at a time. */
  rows(table: SnapshotTable): AsyncIterable<readonly (readonly Cell[])[]>;
  close(): Promise<void>;
};

/** Of rows in memory at once; of those of a table with bytes in it, which may be attachments of many MiB, fewer. */
const BATCH = 100;
const BATCH_OF_BYTES = 8;

/** Opens a snapshot in one read-only transaction. Every table of the database is in it, whatever a later version adds. */
export const openSnapshot = (location: DatabaseLocation): Promise<Snapshot> => (location.kind === 'sqlite' ? sqliteSnapshot(location.file) : postgresSnapshot(location.url));

const atOnce = ({ bytes }: SnapshotTable): number => (bytes ? BATCH_OF_BYTES : BATCH);
const isCopied = (name: string): boolean => name !== MIGRATION_TABLE && name !== MIGRATION_LOCK_TABLE && !name.startsWith('sqlite_');
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const listed = (columns: readonly string[]): string => columns.map(quoted).join(', ');

async function sqliteSnapshot(file: string): Promise<Snapshot> {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
  const texts = (query: string): readonly string[] => database.prepare(query).all().map((row) => String(row['name']));
  // In WAL mode a reader sees what was committed when it first read, and hinders no writer.
  database.exec('BEGIN');
  const schema = texts(`SELECT name FROM ${MIGRATION_TABLE} ORDER BY name`);
  const tables = texts("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").filter(isCopied).map((name) => {
    const from = `FROM pragma_table_info('${name.replaceAll("'", "''")}')`;
    return { name, columns: texts(`SELECT name ${from} ORDER BY cid`), bytes: texts(`SELECT name ${from} WHERE lower(type) = 'blob'`).length > 0 };
  });
  return {
    schema,
    tables,
    async *rows(table) {
      const { name, columns } = table;
      let batch: (readonly Cell[])[] = [];
      for (const row of database.prepare(`SELECT ${listed(columns)} FROM ${quoted(name)}`).iterate()) {
        batch.push(columns.map((column) => row[column] as Cell));
        if (batch.length < atOnce(table)) continue;
        yield batch;
        batch = [];
      }
      if (batch.length > 0) yield batch;
    },
    async close() {
      database.close();
    },
  };
}

async function postgresSnapshot(url: string): Promise<Snapshot> {
  pg.types.setTypeParser(pg.types.builtins.INT8, Number);
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000, keepAlive: true, application_name: 'aceso backup' });
  client.on('error', () => undefined); // The query under way fails by itself.
  await client.connect();
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const columns = await client.query<{ table_name: string; column_name: string; data_type: string }>(`SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' ORDER BY c.table_name, c.ordinal_position`);
  const names = [...new Set(columns.rows.map((row) => row.table_name))].filter(isCopied);
  const schema = (await client.query<{ name: string }>(`SELECT name FROM ${MIGRATION_TABLE} ORDER BY name`)).rows.map(({ name }) => name);
  return {
    schema,
    tables: names.map((name) => {
      const own = columns.rows.filter((row) => row.table_name === name);
      return { name, columns: own.map((row) => row.column_name), bytes: own.some((row) => row.data_type === 'bytea') };
    }),
    async *rows(table) {
      const { name, columns: wanted } = table;
      const order = wanted.includes('seq') ? ' ORDER BY seq' : '';
      await client.query(`DECLARE copied NO SCROLL CURSOR FOR SELECT ${listed(wanted)} FROM ${quoted(name)}${order}`);
      for (;;) {
        const { rows } = await client.query<unknown[]>({ text: `FETCH ${atOnce(table)} FROM copied`, rowMode: 'array' });
        if (rows.length === 0) break;
        yield rows as Cell[][];
      }
      await client.query('CLOSE copied');
    },
    async close() {
      await client.end();
    },
  };
}
