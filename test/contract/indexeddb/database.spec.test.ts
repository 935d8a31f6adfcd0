import { expect } from 'chai';
import { IDBDatabase, IDBVersionChangeEvent, type IDBFactory, type IDBOpenDBRequest } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { answer, cleanUp, database, failure, freshDatabase, later, next, openFile, outcome, thrown, transactionOf, upgrading } from './support.ts';

describe('§4.3 IDBFactory and §5.1 opening a database connection', () => {
  let indexedDB: IDBFactory;
  beforeEach(() => {
    indexedDB = openFile().indexedDB;
  });
  afterEach(cleanUp);

  it('open() without a version makes a new database of version 1', async () => {
    expect((await database(indexedDB)).version).to.equal(1);
  });

  it('open() without a version opens an existing database as it is, without an upgrade', async () => {
    (await database(indexedDB, undefined, 'db', 7)).close();
    const request = indexedDB.open('db');
    request.onupgradeneeded = () => expect.fail('no upgrade was needed');
    expect(await answer(request)).to.have.property('version', 7);
  });

  it('open() with a lower version fails with VersionError', async () => {
    (await database(indexedDB, undefined, 'db', 7)).close();
    expect(await failure(indexedDB.open('db', 6))).to.equal('VersionError');
  });

  it('open() refuses version 0, a negative one, NaN, infinity and text with TypeError', () => {
    for (const version of [0, -1, NaN, Infinity, 2 ** 53, 'x' as unknown as number]) expect(thrown(() => indexedDB.open('db', version))).to.equal('TypeError');
  });

  it('open() cuts a fraction off the version', async () => {
    expect((await database(indexedDB, undefined, 'db', 2.9)).version).to.equal(2);
  });

  it('open() takes the largest version, 2^53 - 1', async () => {
    expect((await database(indexedDB, undefined, 'db', Number.MAX_SAFE_INTEGER)).version).to.equal(Number.MAX_SAFE_INTEGER);
  });

  it('open() takes any string as a name: empty, with NUL, a lone surrogate', async () => {
    for (const name of ['', 'a\u0000b', '\ud800', '\u{1f600}']) expect((await database(indexedDB, undefined, name)).name).to.equal(name);
    const names = (await indexedDB.databases()).map((info) => info.name);
    expect(names).to.have.members(['', 'a\u0000b', '\ud800', '\u{1f600}']);
  });

  it('upgradeneeded tells the old and the new version, and comes before success', async () => {
    (await database(indexedDB, undefined, 'db', 2)).close();
    const request = indexedDB.open('db', 5);
    const events: string[] = [];
    request.onsuccess = () => events.push('success');
    request.onupgradeneeded = (event) => events.push(event instanceof IDBVersionChangeEvent ? `${event.type} ${event.oldVersion} ${event.newVersion}` : 'another event');
    await answer(request);
    expect(events).to.deep.equal(['upgradeneeded 2 5', 'success']);
  });

  it('§2.8.1 during the upgrade the request is done and has result and transaction; after it no transaction', async () => {
    const request = indexedDB.open('db');
    await next(request, 'upgradeneeded');
    expect([request.readyState, request.result instanceof IDBDatabase, transactionOf(request).mode]).to.deep.equal(['done', true, 'versionchange']);
    await answer(request);
    expect(request.transaction).to.equal(null);
  });

  it('§2.8 result and error of a pending request throw InvalidStateError', () => {
    const request = indexedDB.open('db');
    expect(request.readyState).to.equal('pending');
    expect(thrown(() => request.result)).to.equal('InvalidStateError');
    expect(thrown(() => request.error)).to.equal('InvalidStateError');
  });

  it('§2.8.2 requests for one name are handled in the order they were made', async () => {
    const order: string[] = [];
    const requests: IDBOpenDBRequest[] = [indexedDB.open('db', 1), indexedDB.deleteDatabase('db'), indexedDB.open('db', 1), indexedDB.open('db')];
    for (const [i, request] of requests.entries()) {
      request.onupgradeneeded = () => order.push(`${i} upgrade`);
      request.onsuccess = () => {
        order.push(`${i} success`);
        if (request.result instanceof IDBDatabase) request.result.close();
      };
    }
    await answer(requests[3] ?? indexedDB.open('never'));
    expect(order).to.deep.equal(['0 upgrade', '0 success', '1 success', '2 upgrade', '2 success', '3 success']);
  });

  it('databases() lists names and versions, and none that is only being made', async () => {
    await database(indexedDB, undefined, 'a', 3);
    const request = indexedDB.open('b');
    await next(request, 'upgradeneeded');
    expect(await indexedDB.databases()).to.deep.equal([{ name: 'a', version: 3 }]);
    await answer(request);
    expect(await indexedDB.databases()).to.have.length(2);
  });

  it('cmp() gives -1, 0 or 1, and DataError for an invalid key', () => {
    expect([indexedDB.cmp(1, 2), indexedDB.cmp('a', 'a'), indexedDB.cmp([], 'a')]).to.deep.equal([-1, 0, 1]);
    expect(thrown(() => indexedDB.cmp(1, null))).to.equal('DataError');
  });
});

describe('§5.7 upgrading a database', () => {
  let indexedDB: IDBFactory;
  beforeEach(() => {
    indexedDB = openFile().indexedDB;
  });
  afterEach(cleanUp);

  it('open connections get versionchange; when they close, the upgrade goes on and is not blocked', async () => {
    const first = await database(indexedDB);
    const seen: unknown[] = [];
    first.onversionchange = (event) => {
      seen.push(event instanceof IDBVersionChangeEvent && [event.oldVersion, event.newVersion]);
      first.close();
    };
    const request = indexedDB.open('db', 2);
    request.onblocked = () => seen.push('blocked');
    await answer(request);
    expect(seen).to.deep.equal([[1, 2]]);
  });

  it('a connection that stays open blocks it: the request gets blocked, and goes on once the connection closes', async () => {
    const first = await database(indexedDB);
    const request = indexedDB.open('db', 2);
    const blocked = await next(request, 'blocked');
    expect(blocked).to.include({ oldVersion: 1, newVersion: 2 });
    let upgraded = false;
    request.onupgradeneeded = () => (upgraded = true);
    for (let i = 0; i < 20; i++) await later();
    expect([request.readyState, upgraded]).to.deep.equal(['pending', false]);
    first.close();
    expect(await answer(request)).to.have.property('version', 2);
  });

  it('waits for the transactions of a connection that is closing', async () => {
    const first = await database(indexedDB, (db) => db.createObjectStore('s'));
    const order: string[] = [];
    const transaction = first.transaction('s', 'readwrite');
    transaction.objectStore('s').put(1, 1);
    transaction.oncomplete = () => order.push('complete');
    first.close();
    const request = indexedDB.open('db', 2);
    request.onupgradeneeded = () => order.push('upgradeneeded');
    await answer(request);
    expect(order).to.deep.equal(['complete', 'upgradeneeded']);
  });

  it('§5.8 an aborted upgrade leaves version, stores and indexes as they were, and the request fails with AbortError', async () => {
    (await database(indexedDB, (db) => db.createObjectStore('kept').createIndex('kept', 'x'))).close();
    const request = indexedDB.open('db', 2);
    request.onupgradeneeded = () => {
      const db = upgrading(request);
      db.createObjectStore('new');
      transactionOf(request).objectStore('kept').deleteIndex('kept');
      db.deleteObjectStore('kept');
      transactionOf(request).abort();
      expect([db.version, [...db.objectStoreNames]]).to.deep.equal([1, ['kept']]);
    };
    expect(await failure(request)).to.equal('AbortError');
    const db = await database(indexedDB);
    const kept = db.transaction('kept', 'readwrite').objectStore('kept');
    expect([db.version, [...db.objectStoreNames], [...kept.indexNames]]).to.deep.equal([1, ['kept'], ['kept']]);
    await answer(kept.put({ x: 5 }, 'k'));
    expect(await answer(kept.index('kept').getKey(5))).to.equal('k');
  });

  it('§5.8 an aborted first upgrade leaves no database', async () => {
    const request = indexedDB.open('db');
    request.onupgradeneeded = () => transactionOf(request).abort();
    expect(await failure(request)).to.equal('AbortError');
    expect(await indexedDB.databases()).to.deep.equal([]);
  });

  it('§5.8 the data of stores that an aborted upgrade deleted is there again', async () => {
    (await database(indexedDB, (db) => db.createObjectStore('s').put('value', 1))).close();
    const request = indexedDB.open('db', 2);
    request.onupgradeneeded = () => {
      upgrading(request).deleteObjectStore('s');
      upgrading(request).createObjectStore('s').put('other', 1);
      transactionOf(request).abort();
    };
    await failure(request);
    const db = await database(indexedDB);
    expect(await answer(db.transaction('s').objectStore('s').get(1))).to.equal('value');
  });

  it('a listener that throws aborts the upgrade', async () => {
    const uncaught = new Promise((resolve) => {
      const others = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const other of others) process.on('uncaughtException', other);
        resolve(error);
      });
    });
    const request = indexedDB.open('db');
    request.onupgradeneeded = () => {
      throw new RangeError('mine');
    };
    expect(await failure(request)).to.equal('AbortError');
    expect(await uncaught).to.be.instanceOf(RangeError);
  });

  it('a connection that was closed in its upgrade gives AbortError, but the upgrade stands', async () => {
    const request = indexedDB.open('db', 3);
    request.onupgradeneeded = () => {
      upgrading(request).createObjectStore('s');
      upgrading(request).close();
    };
    expect(await failure(request)).to.equal('AbortError');
    const db = await database(indexedDB);
    expect([db.version, [...db.objectStoreNames]]).to.deep.equal([3, ['s']]);
  });

  it('complete of the upgrade comes before success of the request', async () => {
    const order: string[] = [];
    const request = indexedDB.open('db');
    request.onupgradeneeded = () => (transactionOf(request).oncomplete = () => order.push('complete'));
    request.onsuccess = () => order.push('success');
    await answer(request);
    expect(order).to.deep.equal(['complete', 'success']);
  });
});

describe('§5.3 deleting a database', () => {
  let indexedDB: IDBFactory;
  beforeEach(() => {
    indexedDB = openFile().indexedDB;
  });
  afterEach(cleanUp);

  it('one that does not exist succeeds, with an IDBVersionChangeEvent from 0 to null', async () => {
    const request = indexedDB.deleteDatabase('none');
    const event = await next(request, 'success');
    expect(event).to.be.instanceOf(IDBVersionChangeEvent).and.include({ oldVersion: 0, newVersion: null });
    expect(request.result).to.equal(undefined);
  });

  it('an existing one succeeds with its old version, and nothing is left', async () => {
    (await database(indexedDB, (db) => db.createObjectStore('s', { autoIncrement: true }).add('x'), 'db', 4)).close();
    expect(await next(indexedDB.deleteDatabase('db'), 'success')).to.include({ oldVersion: 4, newVersion: null });
    expect(await indexedDB.databases()).to.deep.equal([]);
    const again = await database(indexedDB, (db) => db.createObjectStore('s', { autoIncrement: true }));
    const transaction = again.transaction('s', 'readwrite');
    expect(await answer(transaction.objectStore('s').count())).to.equal(0);
    expect(await answer(again.transaction('s', 'readwrite').objectStore('s').add('y'))).to.equal(1);
  });

  it('an open connection gets versionchange with a new version of null, and blocks it until it closes', async () => {
    const db = await database(indexedDB);
    const change = next(db, 'versionchange');
    const request = indexedDB.deleteDatabase('db');
    expect(await change).to.include({ oldVersion: 1, newVersion: null });
    expect(await next(request, 'blocked')).to.include({ oldVersion: 1, newVersion: null });
    for (let i = 0; i < 20; i++) await later();
    expect(request.readyState).to.equal('pending');
    db.close();
    await answer(request);
  });
});

describe('§4.4 IDBDatabase', () => {
  afterEach(cleanUp);

  it('objectStoreNames is sorted by code unit, and is a DOMStringList', async () => {
    const db = await freshDatabase((made) => ['b', 'a', 'B', '\u{1f600}', '\uffff'].forEach((name) => made.createObjectStore(name)));
    const names = db.objectStoreNames;
    expect([...names]).to.deep.equal(['B', 'a', 'b', '\u{1f600}', '\uffff']);
    expect([names.length, names.item(0), names.item(9), names.contains('a'), names.contains('x')]).to.deep.equal([5, 'B', null, true, false]);
  });

  it('createObjectStore() outside an upgrade throws InvalidStateError', async () => {
    const db = await freshDatabase(() => undefined);
    expect(thrown(() => db.createObjectStore('s'))).to.equal('InvalidStateError');
    expect(thrown(() => db.deleteObjectStore('s'))).to.equal('InvalidStateError');
  });

  it('createObjectStore() when the upgrade is not active throws TransactionInactiveError', async () => {
    const request = openFile().indexedDB.open('db');
    let caught = '';
    request.onupgradeneeded = () => {
      const db = upgrading(request);
      const store = db.createObjectStore('s');
      setTimeout(() => (caught = thrown(() => db.createObjectStore('late'))), 0);
      const spin = (n: number): void => void (store.get(1).onsuccess = () => n > 0 && spin(n - 1));
      spin(200);
    };
    await answer(request);
    expect(caught).to.equal('TransactionInactiveError');
  });

  it('createObjectStore() with a name that is taken throws ConstraintError', () =>
    freshDatabase((db) => {
      db.createObjectStore('s');
      expect(thrown(() => db.createObjectStore('s'))).to.equal('ConstraintError');
    }));

  it('createObjectStore() with an invalid key path throws SyntaxError, before it looks at the name', () =>
    freshDatabase((db) => {
      db.createObjectStore('s');
      expect(thrown(() => db.createObjectStore('s', { keyPath: 'a b' }))).to.equal('SyntaxError');
    }));

  it('createObjectStore() with a generator and an empty or an array key path throws InvalidAccessError', () =>
    freshDatabase((db) => {
      expect(thrown(() => db.createObjectStore('a', { keyPath: '', autoIncrement: true }))).to.equal('InvalidAccessError');
      expect(thrown(() => db.createObjectStore('b', { keyPath: ['a'], autoIncrement: true }))).to.equal('InvalidAccessError');
      expect([...db.objectStoreNames]).to.deep.equal([]);
    }));

  it('deleteObjectStore() of none throws NotFoundError', () => freshDatabase((db) => void expect(thrown(() => db.deleteObjectStore('none'))).to.equal('NotFoundError')));

  it('deleteObjectStore() makes the handle unusable: InvalidStateError', () =>
    freshDatabase((db) => {
      const store = db.createObjectStore('s');
      db.deleteObjectStore('s');
      expect([...db.objectStoreNames]).to.deep.equal([]);
      for (const work of [() => store.put(1, 1), () => store.get(1), () => store.clear(), () => store.index('x'), () => store.createIndex('x', 'x'), () => store.openCursor()]) {
        expect(thrown(work)).to.equal('InvalidStateError');
      }
    }));

  it('deleteObjectStore() comes after what was asked of the store before', async () => {
    let before: Promise<unknown> = Promise.resolve();
    const db = await freshDatabase((made) => {
      const store = made.createObjectStore('s', { autoIncrement: true });
      before = answer(store.add('x'));
      made.deleteObjectStore('s');
      made.createObjectStore('s');
    });
    expect(await before).to.equal(1);
    expect(await answer(db.transaction('s').objectStore('s').count())).to.equal(0);
  });

  it('transaction() of an unknown store throws NotFoundError, of none InvalidAccessError, with a wrong mode TypeError', async () => {
    const db = await freshDatabase((made) => made.createObjectStore('s'));
    expect(thrown(() => db.transaction(['s', 'none']))).to.equal('NotFoundError');
    expect(thrown(() => db.transaction([]))).to.equal('InvalidAccessError');
    expect(thrown(() => db.transaction('s', 'versionchange' as 'readonly'))).to.equal('TypeError');
    expect(thrown(() => db.transaction('s', 'write' as 'readonly'))).to.equal('TypeError');
    expect(thrown(() => db.transaction('s', 'readonly', { durability: 'never' as 'strict' }))).to.equal('TypeError');
  });

  it('transaction() takes a store twice for once, and tells mode and durability', async () => {
    const db = await freshDatabase((made) => ['a', 'b'].forEach((name) => made.createObjectStore(name)));
    const transaction = db.transaction(['b', 'a', 'b'], 'readwrite', { durability: 'relaxed' });
    expect([[...transaction.objectStoreNames], transaction.mode, transaction.durability, transaction.db]).to.deep.equal([['a', 'b'], 'readwrite', 'relaxed', db]);
    expect([db.transaction('a').mode, db.transaction('a').durability]).to.deep.equal(['readonly', 'default']);
    expect(await outcome(transaction)).to.equal('complete');
  });

  it('transaction() during an upgrade throws InvalidStateError', () =>
    freshDatabase((db) => {
      db.createObjectStore('s');
      expect(thrown(() => db.transaction('s'))).to.equal('InvalidStateError');
    }));

  it('§5.2 transaction() after close() throws InvalidStateError; what runs is not disturbed', async () => {
    const db = await freshDatabase((made) => made.createObjectStore('s'));
    const transaction = db.transaction('s', 'readwrite');
    const put = answer(transaction.objectStore('s').put('v', 'k'));
    db.close();
    expect(thrown(() => db.transaction('s'))).to.equal('InvalidStateError');
    expect(await put).to.equal('k');
    expect(await outcome(transaction)).to.equal('complete');
  });

  it('§5.2 a closed connection keeps the names it had', async () => {
    const { indexedDB } = openFile();
    const db = await database(indexedDB, (made) => made.createObjectStore('s'));
    db.close();
    (await database(indexedDB, (made) => made.deleteObjectStore('s'), 'db', 2)).close();
    expect([db.version, [...db.objectStoreNames]]).to.deep.equal([1, ['s']]);
  });

  it('a second connection of the same version works beside the first', async () => {
    const { indexedDB } = openFile();
    const first = await database(indexedDB, (made) => made.createObjectStore('s'));
    const second = await database(indexedDB);
    await answer(first.transaction('s', 'readwrite').objectStore('s').put('v', 1));
    expect(await answer(second.transaction('s').objectStore('s').get(1))).to.equal('v');
  });

  it('databases of one file do not see each other', async () => {
    const { indexedDB } = openFile();
    const [a, b] = [await database(indexedDB, (made) => made.createObjectStore('s'), 'a'), await database(indexedDB, (made) => made.createObjectStore('s'), 'b')];
    await answer(a.transaction('s', 'readwrite').objectStore('s').put('v', 1));
    expect(await answer(b.transaction('s').objectStore('s').count())).to.equal(0);
    await later();
  });
});
