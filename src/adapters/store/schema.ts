import type { Database } from './database.ts';
import { migrations } from './migrations.ts';

/** Where a database stands: `unknown` are migrations that this Aceso doesn't have, so a newer one made them. */
export type SchemaState = { readonly applied: readonly string[]; readonly pending: readonly string[]; readonly unknown: readonly string[] };

/** Kysely's own tables: what was applied, and the lock under which it is. */
export const MIGRATION_TABLE = 'kysely_migration';
export const MIGRATION_LOCK_TABLE = 'kysely_migration_lock';

/** Looks, and writes nothing. */
export async function schemaState({ db, dialect }: Database): Promise<SchemaState> {
  const known = Object.keys(migrations(dialect)).sort();
  const applied = (await hasTable(db, MIGRATION_TABLE)) ? (await db.withTables<{ [MIGRATION_TABLE]: { name: string } }>().selectFrom(MIGRATION_TABLE).select('name').orderBy('name').execute()).map(({ name }) => name) : [];
  return { applied, pending: known.filter((name) => !applied.includes(name)), unknown: applied.filter((name) => !known.includes(name)) };
}

async function hasTable(db: Database['db'], name: string): Promise<boolean> {
  return (await db.introspection.getTables({ withInternalKyselyTables: true })).some((table) => table.name === name);
}

/** The database was made by a newer Aceso: this one can't know what its rows mean. */
export class NewerDatabase extends Error {
  override readonly name = 'NewerDatabase';

  constructor(unknown: readonly string[]) {
    super(`the database is newer than this Aceso: it has ${unknown.join(', ')}. Nothing was written. Start the newer version again, or restore the backup made before the upgrade (docs/operations.md, "Upgrade and roll back").`);
  }
}

export function refuseNewer({ unknown }: SchemaState): void {
  if (unknown.length > 0) throw new NewerDatabase(unknown);
}
