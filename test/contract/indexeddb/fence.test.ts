/** A file that several openings have at a time: the last one alone writes, and what it keeps in memory is what the file holds. */
import { expect } from 'chai';
import { DatabaseSync } from 'node:sqlite';
import type { Fence } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { answer, cleanUp, database, freshPath, openFile, outcome, thrown } from './support.ts';

/** As a caller makes one: the file says which opening is the newest. */
function fenceOf(generation: number): Fence {
  return {
    raise(sql) {
      sql.exec('CREATE TABLE IF NOT EXISTS fence (one INTEGER PRIMARY KEY, generation INTEGER)');
      if (Number(sql.prepare('SELECT generation FROM fence').get()?.['generation'] ?? 0) > generation) throw new Error(`${generation} is too old`);
      sql.prepare('INSERT OR REPLACE INTO fence VALUES (1, ?)').run(generation);
    },
    check(sql) {
      if (sql.prepare('SELECT generation FROM fence').get()?.['generation'] !== generation) throw new Error(`${generation} is shut out`);
    },
  };
}

const causeOf = (error: unknown): unknown => (error instanceof Error && error.cause instanceof Error ? error.cause.message : error);

describe('the file: fenced', () => {
  afterEach(cleanUp);

  it('is taken by the newest opening: the one before it can neither write nor run a barrier', async () => {
    const path = freshPath();
    const first = openFile(path, { fence: fenceOf(1) });
    const old = await database(first.indexedDB, (made) => made.createObjectStore('s').put('first', 1));
    const second = openFile(path, { fence: fenceOf(2) });
    const late = old.transaction('s', 'readwrite');
    late.objectStore('s').put('late', 1);
    expect(await outcome(late)).to.equal('abort UnknownError');
    expect(causeOf(late.error)).to.equal('1 is shut out');
    expect(causeOf(await first.barrier((sql) => sql.exec('CREATE TABLE late (x)')).catch((error: unknown) => error))).to.equal('1 is shut out');
    expect(causeOf(await first.read(() => 'read').catch((error: unknown) => error))).to.equal('1 is shut out');
    expect(thrown(() => first.checkFence())).to.equal('UnknownError');
    expect(thrown(() => second.checkFence())).to.equal('nothing');
    const fresh = await database(second.indexedDB);
    expect(await answer(fresh.transaction('s').objectStore('s').get(1))).to.equal('first');
    const written = fresh.transaction('s', 'readwrite');
    written.objectStore('s').put('second', 1);
    expect(await outcome(written)).to.equal('complete');
    await Promise.all([first.close(), second.close()]);
    using sql = new DatabaseSync(path);
    expect(sql.prepare("SELECT name FROM sqlite_schema WHERE name = 'late'").get()).to.equal(undefined);
  });

  it('gives the new opening all that the one before it committed, its schema included', async () => {
    const path = freshPath();
    const first = openFile(path, { fence: fenceOf(1) });
    for (const version of [1, 2, 3]) {
      const db = await database(first.indexedDB, (made) => made.createObjectStore(`s${version}`).put(version, 1), 'db', version);
      db.close();
    }
    const second = openFile(path, { fence: fenceOf(2) });
    const db = await database(second.indexedDB);
    expect([db.version, ...db.objectStoreNames]).to.deep.equal([3, 's1', 's2', 's3']);
    expect(await answer(db.transaction('s3').objectStore('s3').get(1))).to.equal(3);
  });

  it('is refused to an opening that is older than its holder, and stays the holder\'s', async () => {
    const path = freshPath();
    const holder = openFile(path, { fence: fenceOf(2) });
    expect(() => openFile(path, { fence: fenceOf(1) })).to.throw('1 is too old');
    expect(await holder.barrier(() => 'writes')).to.equal('writes');
  });

  it('is not taken by an opening with another key', async () => {
    const path = freshPath();
    const holder = openFile(path, { key: new Uint8Array(32).fill(1), fence: fenceOf(1) });
    expect(() => openFile(path, { key: new Uint8Array(32).fill(2), fence: fenceOf(2) })).to.throw('the key is not the one');
    expect(await holder.barrier(() => 'writes')).to.equal('writes');
  });

  it('can not be opened while a transaction that writes is under way and does not end: this is said, and nothing is changed', async () => {
    const path = freshPath();
    const holder = openFile(path, { fence: fenceOf(1) });
    const db = await database(holder.indexedDB, (made) => made.createObjectStore('s'));
    const transaction = db.transaction('s', 'readwrite');
    await answer(transaction.objectStore('s').put('v', 1));
    expect(() => openFile(path, { fence: fenceOf(2) })).to.throw('in the middle of a transaction'); // after two seconds
    expect(await outcome(transaction)).to.equal('complete');
  });
});
