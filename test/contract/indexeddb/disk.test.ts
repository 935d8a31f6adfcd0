/** What waits for the disk, and what doesn't: seen by holding the disk's answer back. */
import { expect } from 'chai';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { setTimeout as wait } from 'node:timers/promises';
import type { IDBDatabase, SqliteIndexedDB } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { until } from '../../support/until.ts';
import { cleanUp, database, freshPath, openFile, outcome } from './support.ts';

describe('the disk, under the file', () => {
  const real = fs.fdatasync;
  let asked: ((error: NodeJS.ErrnoException | null) => void)[];
  let file: SqliteIndexedDB;
  let db: IDBDatabase;

  beforeEach(async () => {
    file = openFile(freshPath(), { synchronous: 'NORMAL' });
    db = await database(file.indexedDB, (made) => made.createObjectStore('s'));
    await file.barrier((sql) => sql.exec('CREATE TABLE mine (name TEXT)'));
    asked = [];
    fs.fdatasync = Object.assign((_: number, done: (error: NodeJS.ErrnoException | null) => void): void => void asked.push(done), { __promisify__: real.__promisify__ });
    syncBuiltinESMExports();
  });
  afterEach(async () => {
    fs.fdatasync = real;
    syncBuiltinESMExports();
    for (const done of asked) done(null);
    await cleanUp();
  });

  const insert = (name: string) => (sql: Parameters<Parameters<SqliteIndexedDB['barrier']>[0]>[0]): unknown => sql.prepare('INSERT INTO mine VALUES (?)').run(name);
  const state = (promise: Promise<unknown>): Promise<string> => Promise.race([promise.then(() => 'resolved', () => 'rejected'), wait(20, 'pending')]);
  const asking = (number: number): Promise<unknown> => until(`request ${number} to the disk`, () => asked.length >= number, 2000, 1);

  it('a barrier resolves when the disk has answered, even if it wrote nothing itself', async () => {
    const transaction = db.transaction('s', 'readwrite');
    transaction.objectStore('s').put(1, 1);
    expect(await outcome(transaction)).to.equal('complete');
    expect(asked).to.have.length(0);
    const barrier = file.barrier(() => 'nothing');
    await asking(1);
    expect(await state(barrier)).to.equal('pending');
    asked[0]?.(null);
    expect(await barrier).to.equal('nothing');
  });

  it('one answer serves all that was committed before it was asked for, and nothing later', async () => {
    const first = file.barrier(insert('a'));
    await asking(1);
    const later = [file.barrier(insert('b')), file.barrier(insert('c'))];
    await file.aside(() => undefined); // both are committed
    asked[0]?.(null);
    await first;
    await asking(2);
    expect(await Promise.all(later.map(state))).to.deep.equal(['pending', 'pending']);
    asked[1]?.(null);
    await Promise.all(later);
    expect(asked).to.have.length(2);
  });

  it('what is read is given out when it is on the disk', async () => {
    const barrier = file.barrier(insert('a'));
    await asking(1);
    const read = file.read((sql) => sql.prepare('SELECT name FROM mine').get()?.['name']);
    expect(await state(read)).to.equal('pending');
    asked[0]?.(null);
    expect(await read).to.equal('a');
    await barrier;
    expect(await file.read(() => 'at once')).to.equal('at once');
  });

  it('what is written aside waits for no disk, and is there for the next', async () => {
    await file.aside(insert('a'));
    expect(asked).to.have.length(0);
    expect(await file.read((sql) => sql.prepare('SELECT name FROM mine').get()?.['name'])).to.equal('a');
  });

  it('a disk that fails fails what waits for it, and the next try may succeed', async () => {
    const barrier = file.barrier(insert('a'));
    await asking(1);
    asked[0]?.(Object.assign(new Error('EIO'), { code: 'EIO' }));
    expect(await state(barrier)).to.equal('rejected');
    const next = file.barrier(insert('b'));
    await asking(2);
    asked[1]?.(null);
    await next;
  });

  it('closing waits for what waits for the disk', async () => {
    const barrier = file.barrier(insert('a'));
    await asking(1);
    db.close();
    const closed = file.close();
    expect(await state(closed)).to.equal('pending');
    asked[0]?.(null);
    await Promise.all([barrier, closed]);
  });
});
