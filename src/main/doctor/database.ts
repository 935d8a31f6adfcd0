import { existsSync } from 'node:fs';
import { openKeyFile } from '../../adapters/keys/keyfile.ts';
import { examine } from '../../adapters/store/examine.ts';
import { unopened } from '../../adapters/store/rewrap.ts';
import { schemaState } from '../../adapters/store/schema.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { as } from '../../domain/brand.ts';
import type { Store } from '../../ports/store.ts';
import { locationOf, openHospital, openStore, partiesOf } from '../compose.ts';
import { conflictsIn } from '../directory.ts';
import { unmatched } from '../feeds.ts';
import { age } from '../print.ts';
import { lookAtAgreements } from './agreements.ts';
import { broken, fine, looked, warn, type Finding } from './finding.ts';

const SKEW_MS = 5000;
const OLD_FACT_MS = 60_000;

/** The database: whole, of this version, opened by these keys, and what waits in it. */
export async function lookAtDatabase(config: LoadedConfig): Promise<readonly Finding[]> {
  return looked('database', 'See that it is there and reachable: `store` and `data_dir` in the configuration; or restore the backup.', async () => {
    const location = locationOf(config);
    if (location.kind === 'sqlite' && !existsSync(location.file)) return [warn('database', `${location.file} is not there`, 'It is made by the first `aceso start`; if there was one, restore the backup.')];
    const { kind, version, problems, aheadMs } = await examine(location);
    const database = openHospital(config);
    try {
      const { applied, pending, unknown } = await schemaState(database);
      const findings: Finding[] = [
        problems.length === 0 ? fine('database', `${kind} ${version}, whole`) : broken('database', `damaged: ${problems[0] ?? ''}`, 'Stop Aceso, keep a copy of the file, and restore the backup.'),
        ...(Math.abs(aheadMs) > SKEW_MS ? [warn('clock of the database', `${Math.round(aheadMs / 1000)} s ahead`, 'Keep both clocks by NTP.')] : []),
        unknown.length > 0 ? broken('schema', `newer than this Aceso (${unknown.join(', ')})`, 'Use the newer version, or restore the backup made before the upgrade.')
          : pending.length > 0 ? warn('schema', `${pending.join(', ')} to apply`, '`aceso backup FILE`, then `aceso migrate`, or start the server.') : fine('schema', applied.at(-1) ?? 'empty'),
      ];
      return pending.length + unknown.length > 0 ? findings : [...findings, ...await keysOf(config, database), ...await waiting(config)];
    } finally {
      await database.db.destroy();
    }
  });
}

const keysOf = (config: LoadedConfig, database: Parameters<typeof unopened>[0]): Promise<readonly Finding[]> => looked('keys', 'Restore the key file that belongs to this database.', async () => {
  let checked = 0;
  const closed = await unopened(database, openKeyFile(config.at(config.keys_file)), (done) => { checked = done; });
  return closed.size === 0 ? [fine('keys', `the key file opens all ${checked} wrapped keys`)] : [broken('keys', `${[...closed.values()].reduce((sum, n) => sum + n, 0)} of ${checked} wrapped keys don't open (${[...closed.keys()].join(', ')})`, 'Restore the key file that belongs to this database.')];
});

const waiting = (config: LoadedConfig): Promise<readonly Finding[]> => looked('backlog', 'See `aceso status`.', async () => {
  const { store, notes } = await openStore(config, 'as-is');
  try {
    const { undecided, oldestUndecidedMs, effects, waitingEffects, held } = await store.counts(as(Date.now()));
    return [
      oldestUndecidedMs > OLD_FACT_MS ? warn('backlog', `${undecided} facts undecided, the oldest for ${age(oldestUndecidedMs)}`, 'Does the server run? `aceso held` names decisions that failed.') : fine('backlog', `${undecided} facts undecided, ${effects} effects to do, ${waitingEffects} of them tried again`),
      held > 0 ? warn('held', `${held} deliveries wait for somebody`, '`aceso held`') : fine('held', 'nothing'),
      ...((await notes.read('catch-up')) === undefined ? [] : [warn('catching up', 'the rooms are being read for what happened since a backup', 'It ends by itself while the server runs and the homeserver answers.')]),
      ...(config.sources.length === 0 ? [warn('sources', 'none', 'Nobody can push: add one under `sources`.')] : []),
      ...[...await conflictsIn(store, notes, partiesOf(config))].map(([id, why]) => warn(`directory entry ${id}`, why, '`aceso people show` says whose it is by which source: `aceso people forget` takes it from there; or take it out of the file. Then `aceso config reload`.')),
      ...(await lookAtAgreements(config, store)),
      ...(config.sources.some(({ directory }) => directory !== undefined) ? [await staffOf(store)] : []),
      ...(await Promise.all(config.sources.map(async ({ id }) => seen(id, await store.lastFrom(as(id)))))),
    ];
  } finally {
    await store.close();
  }
});

async function staffOf(store: Store): Promise<Finding> {
  const { length } = await unmatched(store);
  return length === 0 ? fine('staff', 'all that sources say of people counts for somebody') : warn('staff', `what sources say of ${length} people counts for nobody, or not all of it`, '`aceso people unmatched` says why: enrol them, or correct it at the source.');
}

const seen = (id: string, at: number | undefined): Finding => (at === undefined ? warn(`source ${id}`, 'never sent anything that was taken', 'Is it configured with Aceso\'s address and its token?') : fine(`source ${id}`, `last seen ${age(Date.now() - at)} ago`));
