import { migrate } from '../adapters/store/database.ts';
import { alone } from '../adapters/store/folderLock.ts';
import { refuseNewer, schemaState } from '../adapters/store/schema.ts';
import type { LoadedConfig } from '../config/load.ts';
import { locationOf, openHospital } from './compose.ts';
import type { Printed } from './print.ts';

/**
 * Brings the database's schema up to date before a new version starts, and with SQLite not under a running server, which would go on with the old one; with `isCheck` it only says what would
 * be applied, and writes nothing.
 */
export async function migrateDatabase(config: LoadedConfig, isCheck: true | undefined): Promise<Printed> {
  const database = openHospital(config);
  try {
    const state = await schemaState(database);
    refuseNewer(state);
    const { applied, pending } = state;
    if (!isCheck && pending.length > 0) await (locationOf(config).kind === 'sqlite' ? alone(config.at(config.data_dir), () => migrate(database)) : migrate(database));
    const words = pending.length === 0 ? `Up to date: ${applied.at(-1) ?? 'empty'}.` : `${isCheck ? 'Would apply' : 'Applied'}: ${pending.join(', ')}.`;
    return { json: isCheck ? { applied, pending } : { applied: [...applied, ...pending], pending: [], now: pending }, text: isCheck && pending.length > 0 ? `${words} Back up first: \`aceso backup FILE\`. What can be rolled back: docs/operations.md.` : words };
  } finally {
    await database.db.destroy();
  }
}
