import { DatabaseSync } from 'node:sqlite';
import { sql } from 'kysely';
import { openDatabase, type DatabaseLocation } from './database.ts';

/** `problems`: what SQLite's own check finds. `aheadMs`: how far the database's clock is ahead of this machine's. */
export type Examined = { readonly kind: 'SQLite' | 'PostgreSQL'; readonly version: string; readonly problems: readonly string[]; readonly aheadMs: number };

/** Looks at the database itself, changes nothing, and hinders nobody who writes. On SQLite every page is read. */
export const examine = async (location: DatabaseLocation): Promise<Examined> => (location.kind === 'sqlite' ? examineFile(location.file) : examineServer(location));

function examineFile(path: string): Examined {
  const file = new DatabaseSync(path, { readOnly: true, timeout: 10_000 });
  try {
    const one = (query: string): readonly string[] => file.prepare(query).all().map((row) => String(Object.values(row)[0]));
    return { kind: 'SQLite', version: one('SELECT sqlite_version()')[0] ?? '', problems: one('PRAGMA quick_check').filter((line) => line !== 'ok'), aheadMs: 0 };
  } finally {
    file.close();
  }
}

async function examineServer(location: DatabaseLocation): Promise<Examined> {
  const { db } = openDatabase(location);
  try {
    const before = Date.now();
    const { rows: [row] } = await sql<{ readonly version: string; readonly clock: string | number }>`select current_setting('server_version') as version, extract(epoch from clock_timestamp()) * 1000 as clock`.execute(db);
    return { kind: 'PostgreSQL', version: row?.version ?? '', problems: [], aheadMs: Math.round(Number(row?.clock ?? before) - (before + Date.now()) / 2) };
  } finally {
    await db.destroy();
  }
}
