/**
 * A process that writes until it is killed: `writer.child.ts <path>`. It says `open` when it holds the file, then one line for what is
 * done: `upgrade N`, `transaction N` (stores `left` and `right` and the counter, together), `barrier N` (a row of the journal).
 */
import { writeSync } from 'node:fs';
import { openIndexedDB, type IDBDatabase } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { answer, outcome, transactionOf, upgrading } from './support.ts';
import { WRITER_KEY, valueOf } from './writer.ts';

const [path = ''] = process.argv.slice(2);
const { indexedDB, barrier } = openIndexedDB(path, { key: WRITER_KEY, synchronous: 'NORMAL' });
const say = (line: string): void => void writeSync(1, `${line}\n`);
say('open');

await barrier((sql) => sql.exec('CREATE TABLE IF NOT EXISTS journal(n INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT'));
const db = await upgraded();
let n = (await answer(db.transaction('counter').objectStore('counter').get('n'))) as number;
for (;;) {
  n++;
  const transaction = db.transaction(['left', 'right', 'counter'], 'readwrite');
  transaction.objectStore('left').put({ n, parity: n % 2, body: valueOf(n) }, n);
  if (n > 3) transaction.objectStore('left').delete(n - 3);
  transaction.objectStore('right').put({ n, body: valueOf(n) });
  transaction.objectStore('counter').put(n, 'n');
  if ((await outcome(transaction)) !== 'complete') throw new Error(`transaction ${n} did not complete`);
  say(`transaction ${n}`);
  const row = n;
  await barrier((sql) => sql.prepare('INSERT INTO journal VALUES(?, ?)').run(row, valueOf(row)));
  say(`barrier ${row}`);
}

async function upgraded(): Promise<IDBDatabase> {
  const [known] = await indexedDB.databases();
  const version = (known?.version ?? 0) + 1;
  const request = indexedDB.open('db', version);
  request.onupgradeneeded = () => {
    const made = upgrading(request);
    if (version === 1) {
      made.createObjectStore('left').createIndex('parity', 'parity');
      made.createObjectStore('right', { keyPath: 'n' });
      made.createObjectStore('counter').put(0, 'n');
    }
    made.createObjectStore(`version ${version}`).put(version, 'is');
    void outcome(transactionOf(request)).then(() => say(`upgrade ${version}`));
  };
  return (await answer(request)) as IDBDatabase;
}
