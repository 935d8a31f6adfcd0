/** Everything a homeserver has on disk, as one text, so that a test can look for what must not be there. */
import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import type { Hospital } from './hospital.ts';

/**
 * Every text, number and byte column of every table: events (`event_json`), to-device messages, account data, search index, device
 * keys, pushers and the rest, one row a line, `table: {…}`. Read-only; Synapse may run. Bytes are read as UTF-8.
 */
export async function dumpDatabase(hospital: Hospital): Promise<string> {
  return hospital.database.kind === 'sqlite' ? dumpSqlite(hospital.database.file) : dumpPostgres(hospital.database.url);
}

/** The same for any SQLite file. */
export function dumpSqlite(file: string): string {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const tables = database.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'`).all();
    return tables.flatMap(({ name }) => {
      const query = database.prepare(`SELECT * FROM "${String(name)}"`);
      query.setReadBigInts(true);
      return query.all().map((row) => line(String(name), row));
    }).join('\n');
  } finally {
    database.close();
  }
}

/** What the hospital has logged so far. */
export function logText(hospital: Hospital): string {
  return readFileSync(hospital.logFile, 'utf8');
}

async function dumpPostgres(url: string): Promise<string> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const tables = await client.query<{ name: string }>(`SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`);
    const lines: string[] = [];
    for (const { name } of tables.rows) {
      const { rows } = await client.query<Record<string, unknown>>(`SELECT * FROM "${name}"`);
      lines.push(...rows.map((row) => line(name, row)));
    }
    return lines.join('\n');
  } finally {
    await client.end();
  }
}

function line(table: string, row: object): string {
  return `${table}: ${JSON.stringify(row, (_key, value: unknown) => readable(value))}`;
}

function readable(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  // A Buffer has become {type, data} before the replacer sees it.
  if (isBufferJson(value)) return Buffer.from(value.data).toString('utf8');
  return value;
}

function isBufferJson(value: unknown): value is { readonly data: readonly number[] } {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer' && 'data' in value && Array.isArray(value.data);
}
