import type { Seal } from './seal.ts';
import { blob, type SqliteFile } from './sql.ts';

const KNOWN = Buffer.from('this file opens with this key');
const PLACE = Buffer.from('idb_meta/key_check');
const PLAIN = new Uint8Array(0);

/**
 * At the first opening notes whether the file is sealed, and under which key by sealing a known text; later refuses another key,
 * a missing key, and a key for a file that has none. `seal` is undefined for an opening without a key.
 */
export function checkKey(file: SqliteFile, seal: Seal | undefined): void {
  const row = file.get("SELECT value FROM idb_meta WHERE name = 'key_check'");
  if (row === undefined) {
    file.begin('FULL');
    file.run("INSERT INTO idb_meta VALUES('key_check', ?)", seal === undefined ? PLAIN : seal.seal(KNOWN, PLACE));
    file.commit();
    return;
  }
  const check = blob(row.value);
  if (check.length === 0) {
    if (seal !== undefined) throw new Error(`${file.path}: was made without a key. Open it without one, or start a new file with the key`);
    return;
  }
  if (seal === undefined) throw new Error(`${file.path}: is sealed. Give the key it was made with`);
  let opened: Uint8Array;
  try {
    opened = seal.open(check, PLACE);
  } catch (error) {
    throw new Error(`${file.path}: the key is not the one this file was made with. Give that key; nothing was changed`, { cause: error });
  }
  if (Buffer.compare(opened, KNOWN) !== 0) throw new Error(`${file.path}: the key check is damaged`);
}
