import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { readArchive, writeArchive } from '../../adapters/archive/archive.ts';
import type { Opener } from '../../adapters/archive/keys.ts';
import { openSnapshot } from '../../adapters/store/snapshot.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { locationOf } from '../compose.ts';
import type { Printed } from '../print.ts';
import { VERSION } from '../version.ts';
import { bytes, number } from './figures.ts';
import { toText, type BackedUpFile, type FileRole } from './lines.ts';
import { lockOf, type LockOptions } from './seal.ts';
import { check } from './verify.ts';

/** Called now and then with the rows done so far. */
export type Progress = (what: string, rows: number) => void;

/**
 * Backs up a hospital's Aceso while it runs: database, configuration, templates, and the secrets by which it is known to others, in one sealed file, read again before it counts as
 * made. The courier's crypto store is left out on purpose: a device restored from it would use message indices that it has used since.
 */
export async function backup(config: LoadedConfig, file: string, options: LockOptions, progress: Progress): Promise<Printed> {
  if (existsSync(file)) throw new Error(`${file} is there already. Name a new file: a backup never replaces another one.`);
  const keysFile = config.at(config.keys_file);
  const lock = lockOf(keysFile, options);
  const started = performance.now();
  const rows: Record<string, number> = {};
  const { head, digest, opener } = await writeArchive(file, lock, VERSION, lines(config, options, rows, progress));
  await readAgain(file, opener, digest, progress);
  const total = Object.values(rows).reduce((sum, count) => sum + count, 0);
  const size = statSync(file).size;
  return {
    json: { file: resolve(file), id: head.id, madeAt: head.madeAt, bytes: size, rows, sealed: lock.kind, withKeys: options.withKeys === true, verified: true, ms: Math.round(performance.now() - started) },
    text: [
      `Backed up ${number(total)} rows into ${resolve(file)} (${bytes(size)}), and read them again.`,
      lock.kind === 'ring' ? 'It opens with keys.json only: keep a copy of that apart from it.' : `It opens with ${lock.kind === 'passphrase' ? 'the passphrase' : 'the recipient\'s private key'}.`,
      ...(options.withKeys ? ['WARNING: it holds keys.json. Whoever opens it can read everything that is stored.'] : lock.kind === 'ring' ? [] : ['keys.json is not in it, and without that nothing that is restored can be read: keep a copy.']),
    ].join('\n'),
  };
}

async function* lines(config: LoadedConfig, { withKeys }: LockOptions, rows: Record<string, number>, progress: Progress): AsyncGenerator<string> {
  const location = locationOf(config);
  const snapshot = await openSnapshot(location);
  try {
    yield toText({ t: 'about', store: location.kind, schema: snapshot.schema });
    for (const file of filesOf(config, withKeys)) yield toText({ t: 'file', ...file });
    let done = 0;
    for (const table of snapshot.tables) {
      yield toText({ t: 'table', table });
      rows[table.name] = 0;
      for await (const batch of snapshot.rows(table)) {
        for (const cells of batch) yield toText({ t: 'row', cells });
        rows[table.name] = (rows[table.name] ?? 0) + batch.length;
        done += batch.length;
        progress(table.name, done);
      }
    }
    yield toText({ t: 'end', rows });
  } finally {
    await snapshot.close();
  }
}

/** What the configuration names; a path inside its folder is kept relative to that. */
function filesOf(config: LoadedConfig, withKeys: true | undefined): readonly BackedUpFile[] {
  const read = (role: FileRole, path: string): BackedUpFile => ({ role, path, text: readFileSync(config.at(path), 'utf8') });
  const templates = readdirSync(config.at(config.templates_dir)).filter((name) => name.endsWith('.yaml')).sort();
  const { registration_file: registration, module_token_file: token } = config.appservice;
  // What others know this hospital by: without them rooms name a key that is gone, and partners sign anew.
  const known = [['registration', registration], ['module-token', token], ['agreement-key', config.agreements.key_file], ['policy-keys', config.policy_server?.keys_file]] as const;
  return [
    { role: 'config', path: basename(config.path), text: readFileSync(config.path, 'utf8') },
    ...templates.map((name) => read('template', isAbsolute(config.templates_dir) ? resolve(config.templates_dir, name) : join(config.templates_dir, name))),
    ...known.flatMap(([role, path]) => (path !== undefined && existsSync(config.at(path)) ? [read(role, path)] : [])),
    ...(withKeys ? [read('keys', config.keys_file)] : []),
  ];
}

async function readAgain(file: string, opener: Opener, digest: string, progress: Progress): Promise<void> {
  let read: string | undefined;
  await check(readArchive(file, opener, (found) => { read = found; }), progress);
  if (read !== digest) throw new Error(`${file} doesn't hold what was written into it: the disk is failing or full. Don't rely on it; back up to another one.`);
}
