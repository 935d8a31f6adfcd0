import { existsSync } from 'node:fs';
import { sql, type Transaction } from 'kysely';
import { openDatabase, type DatabaseLocation } from './database.ts';
import { createNotes } from './notes.ts';
import type { Tables } from './tables.ts';

/**
 * What belonged to the machine that is gone doesn't hold on this one: no worker lives, nobody holds a lease, and no crypto store is here, so that
 * whoever takes a courier's seat makes a new device.
 */
export async function forgetMachine(tx: Transaction<Tables>): Promise<void> {
  await tx.updateTable('lease').set({ worker: null, lease_until: 0 }).execute();
  await tx.deleteFrom('worker').execute();
  await tx.updateTable('courier_seat').set({ store_id: '' }).execute();
  for (const table of ['inbox', 'outbox'] as const) await tx.updateTable(table).set({ lease_owner: null, lease_until: 0 }).where('lease_owner', 'is not', null).execute();
}

/** A note in a database that may not be there yet, or be of a schema without notes. */
export async function noteIn(location: DatabaseLocation, name: string): Promise<string | undefined> {
  if (location.kind === 'sqlite' && !existsSync(location.file)) return undefined;
  const database = openDatabase(location);
  try {
    const { rows } = await sql`select 1`.execute(database.db);
    return rows.length === 0 ? undefined : await createNotes(database.db).read(name).catch(() => undefined);
  } finally {
    await database.db.destroy();
  }
}
