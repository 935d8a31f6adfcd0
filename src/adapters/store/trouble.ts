import { fail, type Failure } from '../../domain/outcome.ts';

/** Why the database can't be written, as far as its error says; the message says what to do. */
export type StoreTrouble = 'disk-full' | 'read-only' | 'locked' | 'damaged' | 'disk-error' | 'unreachable' | 'slow' | 'limited' | 'no-login' | 'no-database' | 'not-opened' | 'file-handles' | 'unavailable';

const ADVICE: Readonly<Record<StoreTrouble, string>> = {
  'disk-full': 'the disk of the database is full: free some space, and it goes on by itself',
  'read-only': 'the database can only be read: see how its disk is mounted, and who owns the file',
  locked: 'another program holds the database: end it (a backup tool? a forgotten `sqlite3`?)',
  damaged: 'the database file is damaged: stop Aceso, keep the file, and restore a backup (docs/operations.md)',
  'disk-error': 'the disk of the database answers with errors: see the system log',
  unreachable: 'the database server can\'t be reached: see that it runs, and that its address is right',
  slow: 'the database server takes too long: see its load, its disk, and who holds its locks (pg_stat_activity)',
  'no-login': 'the database server refuses the log-in: correct user and password in the file that store.postgres_url_file names, or at the server',
  'no-database': 'the database server has no database of that name: create it (docs/operations.md), or correct the address in the file that store.postgres_url_file names',
  limited: 'the database server takes no more connections: raise max_connections, or run fewer workers',
  'not-opened': 'its file can\'t be opened: see that its folder is there, can be written and is this user\'s, and that the process has file handles left',
  'file-handles': 'the process has no file handles left: raise its limit (`LimitNOFILE`, `ulimit -n`)',
  unavailable: 'the database can\'t be written: see the log',
};

/** Primary result codes (sqlite.org/rescode.html). */
const SQLITE: Readonly<Record<number, StoreTrouble>> = { 5: 'locked', 6: 'locked', 8: 'read-only', 10: 'disk-error', 11: 'damaged', 13: 'disk-full', 14: 'not-opened', 26: 'damaged' };

/** SQLSTATE classes and codes (PostgreSQL, appendix A), and what the socket says. */
const POSTGRES: readonly (readonly [prefix: string, trouble: StoreTrouble])[] = [
  ['53100', 'disk-full'], ['53300', 'limited'], ['28', 'no-login'], ['3D', 'no-database'], ['57014', 'slow'], ['25P03', 'unreachable'], ['25006', 'read-only'], ['55P03', 'locked'], ['58', 'disk-error'], ['XX001', 'damaged'], ['XX002', 'damaged'],
  ['57P', 'unreachable'], ['08', 'unreachable'], ['ECONN', 'unreachable'], ['EPIPE', 'unreachable'], ['ETIMEDOUT', 'unreachable'], ['ENOTFOUND', 'unreachable'], ['EAI_', 'unreachable'], ['EHOST', 'unreachable'], ['EMFILE', 'file-handles'], ['ENFILE', 'file-handles'],
];

/** What an error of either database means. Its own text is left out: it may quote what was written. */
export function troubleOf(error: unknown): { readonly ok: false; readonly error: Failure<StoreTrouble> } {
  const code = codeOf(error);
  return fail(code, ADVICE[code], { retry: code !== 'damaged' });
}

function codeOf(error: unknown): StoreTrouble {
  if (!(error instanceof Error)) return 'unavailable';
  if ('errcode' in error && typeof error.errcode === 'number') return SQLITE[error.errcode & 0xff] ?? 'unavailable';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const known = POSTGRES.find(([prefix]) => code.startsWith(prefix))?.[1];
  if (known) return known;
  // `pg` gives these no code.
  return /timeout exceeded when trying to connect|Connection terminated|is not queryable/u.test(error.message) ? 'unreachable' : 'unavailable';
}
