import { expect } from 'chai';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { IDBDatabase, SqliteIndexedDB } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { answer, cleanUp, database, failure, freshPath, next, openFile, outcome, transactionOf, upgrading } from './support.ts';

const KEY = new Uint8Array(32).fill(7);
const OTHER = new Uint8Array(32).fill(8);

async function put(db: IDBDatabase, value: unknown, key: unknown, store = 's'): Promise<string> {
  const transaction = db.transaction(store, 'readwrite');
  transaction.objectStore(store).put(value, key);
  return outcome(transaction);
}

/** All bytes of all files beside the database: file, write-ahead log, whatever else. */
function bytesBeside(path: string): Buffer {
  return Buffer.concat(readdirSync(dirname(path)).map((name) => readFileSync(join(dirname(path), name))));
}

describe('the file: closed and opened again', () => {
  afterEach(cleanUp);

  it('has every database, store, index, record, and the key generators', async () => {
    const path = freshPath();
    const first = openFile(path);
    const db = await database(first.indexedDB, (made) => {
      made.createObjectStore('s');
      made.createObjectStore('auto', { keyPath: 'a.id', autoIncrement: true });
      made.createObjectStore('pair', { keyPath: ['x', 'y'] }).createIndex('i', ['y', 'z'], { unique: true });
      made.createObjectStore('many').createIndex('m', 'm', { multiEntry: true });
    }, 'one', 3);
    await database(first.indexedDB, (made) => made.createObjectStore('s'), 'two');
    await put(db, { deep: [new Map([[1, 'x']])] }, ['k', 1]);
    for (const value of [{}, {}]) await answer(db.transaction('auto', 'readwrite').objectStore('auto').add(value));
    await answer(db.transaction('pair', 'readwrite').objectStore('pair').add({ x: 1, y: 2, z: 3 }));
    await answer(db.transaction('many', 'readwrite').objectStore('many').add({ m: [1, 2] }, 'k'));
    await first.close();

    const second = openFile(path);
    expect(await second.indexedDB.databases()).to.have.deep.members([{ name: 'one', version: 3 }, { name: 'two', version: 1 }]);
    const again = await database(second.indexedDB, undefined, 'one');
    const transaction = again.transaction([...again.objectStoreNames], 'readwrite');
    const auto = transaction.objectStore('auto');
    const index = transaction.objectStore('pair').index('i');
    expect([auto.keyPath, auto.autoIncrement, index.keyPath, index.unique, transaction.objectStore('many').index('m').multiEntry]).to.deep.equal(['a.id', true, ['y', 'z'], true, true]);
    expect(await answer(transaction.objectStore('s').get(['k', 1]))).to.deep.equal({ deep: [new Map([[1, 'x']])] });
    expect(await answer(auto.add({}))).to.equal(3);
    expect(await answer(index.getKey([2, 3]))).to.deep.equal([1, 2]);
    expect(await answer(transaction.objectStore('many').index('m').getAllKeys())).to.deep.equal(['k', 'k']);
  });

  it('has nothing of a transaction that was aborted, nor of an upgrade', async () => {
    const path = freshPath();
    const first = openFile(path);
    const db = await database(first.indexedDB, (made) => made.createObjectStore('s'));
    const transaction = db.transaction('s', 'readwrite');
    await answer(transaction.objectStore('s').put('v', 1));
    transaction.abort();
    await outcome(transaction);
    db.close();
    const request = first.indexedDB.open('db', 2);
    request.onupgradeneeded = () => {
      upgrading(request).createObjectStore('new');
      transactionOf(request).abort();
    };
    await failure(request);
    await first.close();
    const again = await database(openFile(path).indexedDB);
    expect([again.version, [...again.objectStoreNames], await answer(again.transaction('s').objectStore('s').count())]).to.deep.equal([1, ['s'], 0]);
  });

  it('close() lets running transactions and barriers end first', async () => {
    const path = freshPath();
    const file = openFile(path);
    const db = await database(file.indexedDB, (made) => made.createObjectStore('s'));
    const ended = put(db, 'v', 1);
    const barrier = file.barrier((sql) => sql.exec('CREATE TABLE mine(x)'));
    await file.close();
    expect(await ended).to.equal('complete');
    await barrier;
    expect(await answer((await database(openFile(path).indexedDB)).transaction('s').objectStore('s').get(1))).to.equal('v');
  });

  it('after close() nothing works, and says so: InvalidStateError', async () => {
    const file = openFile(freshPath());
    const db = await database(file.indexedDB, (made) => made.createObjectStore('s'));
    const waiting = file.indexedDB.open('db', 2);
    await file.close();
    await file.close();
    expect(() => db.transaction('s')).to.throw(DOMException).with.property('name', 'InvalidStateError');
    expect(await failure(waiting)).to.equal('InvalidStateError');
    expect(await failure(file.indexedDB.open('db'))).to.equal('InvalidStateError');
    expect(await file.barrier(() => 1).catch((error: unknown) => (error as DOMException).name)).to.equal('InvalidStateError');
  });

  it('can not be opened twice at a time, in one process either', async () => {
    const path = freshPath();
    const file = openFile(path);
    expect(() => openFile(path)).to.throw(`${path}: in use`);
    await file.close();
    await openFile(path).close();
  });

  it('that is no database is refused, with what to do', () => {
    const path = freshPath();
    writeFileSync(path, 'this is not a database, but a text that is long enough to be taken for one'.repeat(100));
    expect(() => openFile(path)).to.throw(`${path}: can not be used as a database`);
  });

  it('in a folder that does not exist is refused, with what to do', () => {
    expect(() => openFile(join(freshPath(), 'no', 'such'))).to.throw(/can not be opened .* Create its folder/s);
  });

  it('of a newer format is refused and left as it is', async () => {
    const path = freshPath();
    await openFile(path).close();
    const sql = new DatabaseSync(path);
    sql.exec('PRAGMA user_version=99');
    sql.close();
    expect(() => openFile(path)).to.throw('format 99 is newer than');
  });
});

describe('the file: sealed with a key', () => {
  afterEach(cleanUp);
  const marker = 'MARKER-of-a-secret-value';

  async function sealedFile(path: string): Promise<SqliteIndexedDB> {
    const file = openFile(path, { key: KEY });
    const db = await database(file.indexedDB, (made) => {
      made.createObjectStore('s').createIndex('by', 'by');
      made.createObjectStore('t');
    });
    for (let n = 0; n < 50; n++) await put(db, { by: n, text: `${marker} ${n}`, bytes: Buffer.from(`${marker} ${n}`) }, n);
    await put(db, `${marker} t`, 1, 't');
    return file;
  }

  it('has no byte of a value in any file, before or after closing; keys and names are plain', async () => {
    const path = freshPath();
    const file = await sealedFile(path);
    expect(bytesBeside(path).includes(marker)).to.equal(false);
    expect(bytesBeside(path).includes('idb_record')).to.equal(true);
    await file.close();
    expect(bytesBeside(path).includes(marker)).to.equal(false);
    // In UTF-16 too, as V8 writes strings beyond Latin-1.
    expect(bytesBeside(path).includes(Buffer.from(marker, 'utf16le'))).to.equal(false);
  });

  it('without a key does have them: the search above can find', async () => {
    const path = freshPath();
    const db = await database(openFile(path).indexedDB, (made) => made.createObjectStore('s'));
    await put(db, marker, 1);
    expect(bytesBeside(path).includes(marker)).to.equal(true);
  });

  it('opens with its key and gives the values back', async () => {
    const path = freshPath();
    await (await sealedFile(path)).close();
    const db = await database(openFile(path, { key: KEY }).indexedDB);
    expect(await answer(db.transaction('s').objectStore('s').get(7))).to.have.property('text', `${marker} 7`);
  });

  it('refuses another key, no key, and a key of another length, and is not harmed', async () => {
    const path = freshPath();
    await (await sealedFile(path)).close();
    expect(() => openFile(path, { key: OTHER })).to.throw(`${path}: the key is not the one this file was made with`);
    expect(() => openFile(path)).to.throw(`${path}: is sealed`);
    expect(() => openFile(path, { key: KEY.subarray(1) })).to.throw(RangeError, '31 bytes');
    await openFile(path, { key: KEY }).close();
  });

  it('refuses a key for a file that was made without one', async () => {
    const path = freshPath();
    await openFile(path).close();
    expect(() => openFile(path, { key: KEY })).to.throw(`${path}: was made without a key`);
  });

  it('seals the same value differently each time', async () => {
    const file = openFile(freshPath(), { key: KEY });
    const db = await database(file.indexedDB, (made) => made.createObjectStore('s'));
    for (const key of [1, 2]) await put(db, marker, key);
    const [one, two] = await file.barrier((sql) => sql.prepare('SELECT value FROM idb_record').all().map(({ value }) => Buffer.from(value as Uint8Array).toString('hex')));
    expect(one).to.be.a('string').and.not.equal(two);
  });

  for (const [what, change] of Object.entries({
    'a changed byte': "UPDATE idb_record SET value = CAST(substr(value, 1, length(value) - 1) || CASE substr(value, -1) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB) WHERE store_id = 1",
    'a value from another record': 'UPDATE idb_record SET value = (SELECT value FROM idb_record WHERE key = (SELECT max(key) FROM idb_record WHERE store_id = 1)) WHERE store_id = 1 AND key = (SELECT min(key) FROM idb_record WHERE store_id = 1)',
    'a value from another store': 'UPDATE idb_record SET value = (SELECT value FROM idb_record WHERE store_id = 2) WHERE store_id = 1 AND key = (SELECT key FROM idb_record WHERE store_id = 2)',
    'stores with exchanged names': "UPDATE idb_store SET name = CASE name WHEN '\"s\"' THEN '\"t\"' ELSE '\"s\"' END || ' '",
    'a plain value': "UPDATE idb_record SET value = x'ff0f4901' WHERE store_id = 1",
  })) {
    it(`notices ${what}: UnknownError, and the transaction aborts`, async () => {
      const path = freshPath();
      await (await sealedFile(path)).close();
      const sql = new DatabaseSync(path);
      sql.exec(change);
      sql.close();
      const db = await database(openFile(path, { key: KEY }).indexedDB);
      const transaction = db.transaction(['s', 't']);
      const ended = outcome(transaction);
      expect(await failure(transaction.objectStore('s').getAll())).to.equal('UnknownError');
      expect(await ended).to.equal('abort UnknownError');
    });
  }

  it('still opens its values after a store was renamed, and after such a rename was undone', async () => {
    const path = freshPath();
    await (await sealedFile(path)).close();
    const file = openFile(path, { key: KEY });
    const request = file.indexedDB.open('db', 2);
    request.onupgradeneeded = () => {
      const transaction = transactionOf(request);
      transaction.objectStore('s').name = 'renamed';
      transaction.objectStore('renamed').get(1).onsuccess = () => transaction.abort();
    };
    await failure(request);
    const renamed = await database(file.indexedDB, (_, transaction) => void (transaction.objectStore('s').name = 'renamed'), 'db', 3);
    expect(await answer(renamed.transaction('renamed').objectStore('renamed').getAll())).to.have.length(50);
    expect(await put(renamed, { by: 1 }, 1, 'renamed')).to.equal('complete');
    await file.close();
    const db = await database(openFile(path, { key: KEY }).indexedDB);
    expect(await answer(db.transaction('renamed').objectStore('renamed').getAll())).to.have.length(50);
  });
});

describe('the file: when storage fails', () => {
  afterEach(cleanUp);

  async function small(): Promise<{ file: SqliteIndexedDB; db: IDBDatabase }> {
    const file = openFile(freshPath());
    const db = await database(file.indexedDB, (made) => {
      made.createObjectStore('s');
      made.createObjectStore('t');
    });
    await put(db, 'before', 1);
    await file.barrier((sql) => void sql.prepare(`PRAGMA max_page_count=${Number(sql.prepare('PRAGMA page_count').get()?.page_count) + 4}`).get());
    return { file, db };
  }

  it('a full disk fails the request and aborts the transaction with QuotaExceededError, though a listener prevents the default; what was there stays, and the next transaction works', async () => {
    const { db } = await small();
    const transaction = db.transaction('s', 'readwrite');
    const ended = outcome(transaction);
    transaction.objectStore('s').put('small', 2);
    expect(await failure(transaction.objectStore('s').put('x'.repeat(1e6), 3))).to.equal('QuotaExceededError');
    expect(await ended).to.equal('abort QuotaExceededError');
    expect(await answer(db.transaction('s').objectStore('s').getAllKeys())).to.deep.equal([1]);
    expect(await put(db, 'after', 2)).to.equal('complete');
  });

  it('a full disk in an upgrade fails the request with AbortError and leaves the old version', async () => {
    const { file, db } = await small();
    db.close();
    const request = file.indexedDB.open('db', 2);
    let ended: Promise<string> = Promise.resolve('');
    request.onupgradeneeded = () => {
      upgrading(request).createObjectStore('new').put('x'.repeat(1e6), 1);
      ended = outcome(transactionOf(request));
    };
    expect(await failure(request)).to.equal('AbortError');
    expect(await ended).to.equal('abort QuotaExceededError');
    const again = await database(file.indexedDB);
    expect([again.version, [...again.objectStoreNames]]).to.deep.equal([1, ['s', 't']]);
  });

  it('a full disk rejects a barrier with what SQLite says, and rolls it back', async () => {
    const { file } = await small();
    const error: unknown = await file.barrier((sql) => {
      sql.exec('CREATE TABLE mine(x)');
      sql.prepare('INSERT INTO mine VALUES(?)').run('x'.repeat(1e6));
    }).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Error).with.property('message').match(/full/);
    expect(await file.barrier((sql) => sql.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'mine'").get()?.n)).to.equal(0);
  });

  it('a table that is gone gives UnknownError, and no promise is lost', async () => {
    const { file, db } = await small();
    await file.barrier((sql) => sql.exec('DROP TABLE idb_record'));
    const transaction = db.transaction('s', 'readwrite');
    const ended = outcome(transaction);
    expect(await failure(transaction.objectStore('s').get(1))).to.equal('UnknownError');
    expect(await ended).to.equal('abort UnknownError');
    expect(await put(db, 1, 1)).to.equal('abort UnknownError');
  });
});

describe('barrier()', () => {
  afterEach(cleanUp);
  let file: SqliteIndexedDB;
  let db: IDBDatabase;
  beforeEach(async () => {
    file = openFile(freshPath(), { synchronous: 'NORMAL' });
    db = await database(file.indexedDB, (made) => ['s', 't'].forEach((name) => made.createObjectStore(name)));
    await file.barrier((sql) => sql.exec('CREATE TABLE journal(n INTEGER) STRICT'));
  });
  const rows = (): Promise<number> => file.barrier((sql) => Number(sql.prepare('SELECT count(*) AS n FROM journal').get()?.n));

  it('gives what the work gives, and the work is committed', async () => {
    expect(await file.barrier((sql) => sql.prepare('INSERT INTO journal VALUES(1)').run().changes)).to.equal(1);
    expect(await rows()).to.equal(1);
  });

  it('waits for the write transaction that was made before, and sees what it wrote', async () => {
    const order: string[] = [];
    const transaction = db.transaction('s', 'readwrite');
    const store = transaction.objectStore('s');
    let left = 20;
    const again = (): void => void (store.put('v', left).onsuccess = () => --left > 0 && again());
    again();
    transaction.oncomplete = () => order.push('complete');
    const records = await file.barrier((sql) => {
      order.push('barrier');
      return sql.prepare('SELECT count(*) AS n FROM idb_record').get()?.n;
    });
    expect([records, order]).to.deep.equal([20, ['complete', 'barrier']]);
  });

  it('is never inside an open transaction: an abort after it does not undo it', async () => {
    const transaction = db.transaction('s', 'readwrite');
    const store = transaction.objectStore('s');
    await answer(store.put('v', 1));
    const barrier = file.barrier((sql) => sql.prepare('INSERT INTO journal VALUES(1)').run());
    await answer(store.put('w', 2));
    transaction.abort();
    await barrier;
    expect([await rows(), await answer(db.transaction('s').objectStore('s').count())]).to.deep.equal([1, 0]);
  });

  it('makes a later write transaction wait, and barriers follow one another', async () => {
    const order: string[] = [];
    const first = db.transaction('s', 'readwrite');
    first.objectStore('s').put(1, 1);
    first.oncomplete = () => order.push('first');
    const barriers = [1, 2].map((n) => file.barrier(() => order.push(`barrier ${n}`)));
    const second = db.transaction('t', 'readwrite');
    second.objectStore('t').put(1, 1).onsuccess = () => order.push('second');
    await Promise.all([...barriers, outcome(second)]);
    expect(order).to.deep.equal(['first', 'barrier 1', 'barrier 2', 'second']);
  });

  it('does not wait for readers', async () => {
    const reader = db.transaction('s');
    let spinning = true;
    const spin = (): void => void (reader.objectStore('s').get(1).onsuccess = () => spinning && spin());
    spin();
    await file.barrier(() => undefined);
    spinning = false;
    await outcome(reader);
  });

  it('rejects with what the work throws, and rolls it back', async () => {
    const mine = new RangeError('mine');
    const error: unknown = await file.barrier((sql) => {
      sql.prepare('INSERT INTO journal VALUES(1)').run();
      throw mine;
    }).catch((reason: unknown) => reason);
    expect(error).to.equal(mine);
    expect(await rows()).to.equal(0);
  });

  it('refuses work that gives a promise, and rolls it back', async () => {
    const error: unknown = await file.barrier(async (sql) => sql.prepare('INSERT INTO journal VALUES(1)').run()).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(TypeError);
    expect(await rows()).to.equal(0);
  });

  it('refuses work that ends its transaction', async () => {
    const error: unknown = await file.barrier((sql) => sql.exec('COMMIT')).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Error).with.property('message').match(/must not end its transaction/);
    expect(await put(db, 1, 1)).to.equal('complete');
  });

  it('works in a listener, and during an upgrade after it', async () => {
    const order: string[] = [];
    db.close();
    const request = file.indexedDB.open('db', 2);
    await next(request, 'upgradeneeded');
    const barrier = file.barrier(() => order.push('barrier'));
    transactionOf(request).oncomplete = () => order.push('complete');
    await Promise.all([barrier, answer(request)]);
    expect(order).to.deep.equal(['complete', 'barrier']);
  });
});
