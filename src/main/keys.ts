import { addKey, openKeyFile, readRing, removeKey } from '../adapters/keys/keyfile.ts';
import { rewrapSome, unopened, wrappedUnder } from '../adapters/store/rewrap.ts';
import type { LoadedConfig } from '../config/load.ts';
import { bringSchema, openHospital } from './compose.ts';
import { table, type Printed } from './print.ts';

/** Rows in one transaction: the running server waits for none of them longer than a moment. */
const BATCH = 200;

type Database = ReturnType<typeof openHospital>;

async function withDatabase<T>(config: LoadedConfig, run: (database: Database) => Promise<T>): Promise<T> {
  const database = openHospital(config);
  try {
    await bringSchema(database, 'as-is');
    return await run(database);
  } finally {
    await database.db.destroy();
  }
}

/** The keys of the ring, and how much of the database is wrapped under each. */
export const listKeys = (config: LoadedConfig): Promise<Printed> => withDatabase(config, async (database) => {
  const { keys, current } = readRing(config.at(config.keys_file));
  const counts = await wrappedUnder(database);
  const rows = keys.map(({ id, madeAt }) => ({ id, madeAt, current: id === current, wrapped: counts.get(id) ?? 0 }));
  const missing = [...counts].filter(([id]) => !keys.some((key) => key.id === id)).map(([id, wrapped]) => ({ id, wrapped }));
  return {
    json: { keys: rows, missing },
    text: [
      table(['KEY', 'MADE', 'IN FORCE', 'WRAPPED UNDER IT'], rows.map(({ id, madeAt, current: isCurrent, wrapped }) => [id, madeAt ?? 'with the file', isCurrent ? 'yes' : '', String(wrapped)]), 'The key file holds no keys.'),
      ...missing.map(({ id, wrapped }) => `MISSING: ${wrapped} rows are wrapped under ${id}, which the key file doesn't hold. Restore the key file that has it.`),
    ].join('\n'),
  };
});

/** Opens every wrapped key of the database with the ring: the proof that this key file is the right one, and whole. */
export const checkKeys = (config: LoadedConfig): Promise<Printed> => withDatabase(config, async (database) => {
  const ring = openKeyFile(config.at(config.keys_file));
  let checked = 0;
  const closed = await unopened(database, ring, (done) => { checked = done; });
  if (closed.size > 0) throw new Error(`${[...closed].map(([id, count]) => `${count} rows wrapped under ${id}`).join(', ')} can't be opened with ${config.at(config.keys_file)}. Restore the key file that belongs to this database.`);
  return { json: { ok: true, checked }, text: `The key file opens all ${checked} wrapped keys of the database.` };
});

/**
 * Puts a new key-encryption key in force and wraps every data key again under it, in small transactions, beside the running server. Killed in the
 * midst, it goes on where it was when it is run again. The old key stays in the file, for the backups that were made under it.
 */
export const rotateKeys = (config: LoadedConfig, progress: (done: number) => void): Promise<Printed> => withDatabase(config, async (database) => {
  const file = config.at(config.keys_file);
  const before = readRing(file);
  const isUnfinished = [...(await wrappedUnder(database)).keys()].some((id) => id !== before.current);
  const current = isUnfinished ? before.current : addKey(file);
  const ring = openKeyFile(file);
  let rewrapped = 0;
  for (let done = await rewrapSome(database, ring, BATCH); done > 0; done = await rewrapSome(database, ring, BATCH)) {
    rewrapped += done;
    progress(rewrapped);
  }
  return {
    json: { current, resumed: isUnfinished, rewrapped },
    text: [
      isUnfinished ? `Went on with the change to ${current}: ${rewrapped} data keys are wrapped under it now.` : `${current} is in force; ${rewrapped} data keys are wrapped under it now.`,
      `Copy ${file} to where its copy is kept, now, and to every other machine that runs Aceso.`,
      'The old key stays in the file: backups made before need it. When none is left, `aceso keys retire KEY` takes it out.',
    ].join('\n'),
  };
});

/** Takes a key out of the file that nothing is wrapped under any more. */
export const retireKey = (config: LoadedConfig, id: string): Promise<Printed> => withDatabase(config, async (database) => {
  const wrapped = (await wrappedUnder(database)).get(id) ?? 0;
  if (wrapped > 0) throw new Error(`${wrapped} rows are still wrapped under ${id}. Run \`aceso keys rotate\` first.`);
  removeKey(config.at(config.keys_file), id);
  return { json: { retired: id }, text: `${id} is out of the key file. Backups made while it was in force can be restored with an older copy of the file only.` };
});
