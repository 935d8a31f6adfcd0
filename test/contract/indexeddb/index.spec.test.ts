import { expect } from 'chai';
import { IDBKeyRange, type IDBDatabase, type IDBIndex, type IDBRecord } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { answer, cleanUp, database, failure, freshDatabase, openFile, outcome, thrown, transactionOf, upgrading } from './support.ts';

const PEOPLE = [
  { id: 1, name: 'Bo', age: 30, tags: ['a', 'b'] },
  { id: 2, name: 'Al', age: 30, tags: ['b', 'b', {}] },
  { id: 3, name: 'Cy', age: 20, tags: 'c' },
  { id: 4, name: 'Al', age: null, tags: [] },
];

describe('§4.6 IDBIndex', () => {
  afterEach(cleanUp);
  let db: IDBDatabase;
  beforeEach(async () => {
    db = await freshDatabase((made) => {
      const store = made.createObjectStore('people', { keyPath: 'id' });
      for (const person of PEOPLE) store.add(person);
      store.createIndex('name', 'name');
      store.createIndex('age', 'age');
      store.createIndex('ageName', ['age', 'name']);
      store.createIndex('tags', 'tags', { multiEntry: true });
    });
  });

  function index(name: string): IDBIndex {
    return db.transaction('people').objectStore('people').index(name);
  }

  it('has its name, key path, flags and store, and is the same object each time', () => {
    const store = db.transaction('people').objectStore('people');
    const byPair = store.index('ageName');
    expect([byPair.name, byPair.keyPath, byPair.unique, byPair.multiEntry, byPair.objectStore === store, store.index('ageName') === byPair]).to.deep.equal(['ageName', ['age', 'name'], false, false, true, true]);
    expect(store.index('tags').multiEntry).to.equal(true);
    expect([...store.indexNames]).to.deep.equal(['age', 'ageName', 'name', 'tags']);
  });

  it('of an unknown name throws NotFoundError', () => {
    expect(thrown(() => index('none'))).to.equal('NotFoundError');
  });

  it('get() gives the first value by key and then by primary key', async () => {
    expect(await answer(index('name').get('Al'))).to.have.property('id', 2);
    expect(await answer(index('age').get(IDBKeyRange.lowerBound(20, true)))).to.have.property('id', 1);
    expect(await answer(index('name').get('Zo'))).to.equal(undefined);
  });

  it('getKey() gives the primary key', async () => {
    expect(await answer(index('name').getKey('Cy'))).to.equal(3);
  });

  it('getAll() and getAllKeys() go by key and then by primary key', async () => {
    expect((await answer(index('name').getAll()))).to.have.length(4);
    expect(await answer(index('name').getAllKeys())).to.deep.equal([2, 4, 1, 3]);
    expect(await answer(index('name').getAllKeys(IDBKeyRange.upperBound('Bo'), 2))).to.deep.equal([2, 4]);
  });

  it('getAllRecords() gives the index key and the primary key, in any direction', async () => {
    const records = async (direction: 'nextunique' | 'prevunique' | 'prev'): Promise<unknown> => ((await answer(index('name').getAllRecords({ direction }))) as IDBRecord[]).map(({ key, primaryKey }) => [key, primaryKey]);
    expect(await records('nextunique')).to.deep.equal([['Al', 2], ['Bo', 1], ['Cy', 3]]);
    expect(await records('prevunique')).to.deep.equal([['Cy', 3], ['Bo', 1], ['Al', 2]]);
    expect(await records('prev')).to.deep.equal([['Cy', 3], ['Bo', 1], ['Al', 4], ['Al', 2]]);
  });

  it('count() counts entries', async () => {
    expect(await answer(index('name').count())).to.equal(4);
    expect(await answer(index('name').count('Al'))).to.equal(2);
    expect(await answer(index('age').count())).to.equal(3);
  });

  it('leaves out records that have no valid key at its path', async () => {
    expect(await answer(index('age').getAllKeys())).to.deep.equal([3, 1, 2]);
    expect(await answer(index('ageName').getAllKeys())).to.deep.equal([3, 2, 1]);
  });

  it('with multiEntry has an entry for each different valid member of an array, and one for a key', async () => {
    const records = (await answer(index('tags').getAllRecords())) as IDBRecord[];
    expect(records.map(({ key, primaryKey }) => [key, primaryKey])).to.deep.equal([['a', 1], ['b', 1], ['b', 2], ['c', 3]]);
  });

  it('without multiEntry takes an array for one key', async () => {
    const other = await freshDatabase((made) => {
      const store = made.createObjectStore('s');
      store.createIndex('list', 'list');
      store.put({ list: [1, 2] }, 'k');
    });
    expect(await answer(other.transaction('s').objectStore('s').index('list').getKey(IDBKeyRange.only([1, 2])))).to.equal('k');
  });

  it('follows a change and a deletion of a record', async () => {
    const transaction = db.transaction('people', 'readwrite');
    const store = transaction.objectStore('people');
    store.put({ id: 2, name: 'Zo' });
    store.delete(3);
    await outcome(transaction);
    expect(await answer(index('name').getAllKeys())).to.deep.equal([4, 1, 2]);
    expect(await answer(index('tags').count())).to.equal(2);
    expect(await answer(index('age').getAllKeys())).to.deep.equal([1]);
  });

  it('is emptied by clear()', async () => {
    await answer(db.transaction('people', 'readwrite').objectStore('people').clear());
    expect(await answer(index('name').count())).to.equal(0);
  });

  it('goes back with an aborted transaction', async () => {
    const transaction = db.transaction('people', 'readwrite');
    transaction.objectStore('people').put({ id: 1, name: 'Zo' }).onsuccess = () => transaction.abort();
    await outcome(transaction);
    expect(await answer(index('name').getKey('Bo'))).to.equal(1);
    expect(await answer(index('name').count('Zo'))).to.equal(0);
  });

  it('get(), getKey() without a key throw DataError', () => {
    expect(thrown(() => index('name').get(undefined))).to.equal('DataError');
    expect(thrown(() => index('name').getKey(null))).to.equal('DataError');
  });

  describe('unique', () => {
    beforeEach(async () => {
      db = await freshDatabase((made) => {
        const store = made.createObjectStore('people', { keyPath: 'id' });
        store.createIndex('mail', 'mail', { unique: true });
        store.createIndex('codes', 'codes', { unique: true, multiEntry: true });
        store.add({ id: 1, mail: 'a', codes: [1, 2] });
      });
    });

    it('refuses a second record with its key: ConstraintError, and nothing of the record is kept', async () => {
      const store = db.transaction('people', 'readwrite').objectStore('people');
      expect(await failure(store.add({ id: 2, mail: 'a' }))).to.equal('ConstraintError');
      expect(await failure(store.put({ id: 2, codes: [3, 2] }))).to.equal('ConstraintError');
      expect(await answer(store.getAllKeys())).to.deep.equal([1]);
      expect(await answer(store.index('codes').count())).to.equal(2);
    });

    it('lets a record keep its own key', async () => {
      const store = db.transaction('people', 'readwrite').objectStore('people');
      expect(await answer(store.put({ id: 1, mail: 'a', codes: [2, 3] }))).to.equal(1);
      expect(await answer(store.index('codes').getAllKeys())).to.deep.equal([1, 1]);
    });

    it('lets a key go to another record when it is free', async () => {
      const store = db.transaction('people', 'readwrite').objectStore('people');
      await answer(store.put({ id: 1, mail: 'b' }));
      expect(await answer(store.put({ id: 2, mail: 'a' }))).to.equal(2);
    });
  });

  describe('made in an upgrade', () => {
    it('over records is filled', async () => {
      const { indexedDB } = openFile();
      const first = await database(indexedDB, (made) => {
        const store = made.createObjectStore('s');
        for (const n of [1, 2, 3]) store.put({ n: -n }, n);
      });
      first.close();
      const upgraded = await database(indexedDB, (_, transaction) => transaction.objectStore('s').createIndex('n', 'n'), 'db', 2);
      expect(await answer(upgraded.transaction('s').objectStore('s').index('n').getAllKeys())).to.deep.equal([3, 2, 1]);
    });

    it('unique over records that are not aborts the upgrade with ConstraintError', async () => {
      const request = openFile().indexedDB.open('db');
      let ended: Promise<string> = Promise.resolve('');
      request.onupgradeneeded = () => {
        const store = upgrading(request).createObjectStore('s');
        store.put({ u: 1 }, 1);
        store.put({ u: 1 }, 2);
        store.createIndex('u', 'u', { unique: true });
        ended = outcome(transactionOf(request));
      };
      expect(await failure(request)).to.equal('AbortError');
      expect(await ended).to.equal('abort ConstraintError');
    });

    it('with a name that is taken throws ConstraintError, with an invalid path SyntaxError', () =>
      freshDatabase((made) => {
        const store = made.createObjectStore('s');
        store.createIndex('i', 'i');
        expect(thrown(() => store.createIndex('i', 'x'))).to.equal('ConstraintError');
        expect(thrown(() => store.createIndex('j', 'a b'))).to.equal('SyntaxError');
      }));

    it('with multiEntry over several paths throws InvalidAccessError', () =>
      freshDatabase((made) => void expect(thrown(() => made.createObjectStore('s').createIndex('i', ['a', 'b'], { multiEntry: true }))).to.equal('InvalidAccessError')));

    it('and deleted is gone: NotFoundError for its name, InvalidStateError for its handle', () =>
      freshDatabase((made) => {
        const store = made.createObjectStore('s');
        const gone = store.createIndex('i', 'i');
        store.deleteIndex('i');
        expect([...store.indexNames]).to.deep.equal([]);
        expect(thrown(() => store.index('i'))).to.equal('NotFoundError');
        expect(thrown(() => store.deleteIndex('i'))).to.equal('NotFoundError');
        expect(thrown(() => gone.get(1))).to.equal('InvalidStateError');
      }));

    it('and deleted guards nothing after', async () => {
      const made = await freshDatabase((fresh) => {
        const store = fresh.createObjectStore('s');
        store.createIndex('u', 'u', { unique: true });
        store.deleteIndex('u');
        store.add({ u: 1 }, 1);
      });
      expect(await answer(made.transaction('s', 'readwrite').objectStore('s').add({ u: 1 }, 2))).to.equal(2);
    });

    it('and renamed later is not seen under the new name by the handles of earlier transactions', async () => {
      const { indexedDB } = openFile();
      const first = await database(indexedDB, (made) => made.createObjectStore('s').createIndex('i', 'i'));
      const store = first.transaction('s').objectStore('s');
      const before = store.index('i');
      await outcome(store.transaction);
      first.close();
      await database(indexedDB, (_, transaction) => {
        transaction.objectStore('s').index('i').name = 'j';
        transaction.objectStore('s').name = 't';
      }, 'db', 2);
      expect([before.name, store.name, [...store.indexNames]]).to.deep.equal(['i', 's', ['i']]);
    });

    it('and deleted still guards what was asked before', async () => {
      let second: Promise<string> = Promise.resolve('');
      await freshDatabase((made) => {
        const store = made.createObjectStore('s');
        store.createIndex('u', 'u', { unique: true });
        store.add({ u: 1 }, 1);
        second = failure(store.add({ u: 1 }, 2));
        store.deleteIndex('u');
      });
      expect(await second).to.equal('ConstraintError');
    });

    it('does not guard what was asked before it was made', async () => {
      const outcomes: Promise<string>[] = [];
      const made = await freshDatabase((fresh) => {
        const store = fresh.createObjectStore('s');
        outcomes.push(failure(store.put({ u: 1 }, 1)));
        outcomes.push(failure(store.put({ u: 2 }, 1)));
        store.createIndex('u', 'u', { unique: true });
        outcomes.push(failure(store.put({ u: 2 }, 2)));
      });
      expect(await Promise.all(outcomes)).to.deep.equal(['success', 'success', 'ConstraintError']);
      expect(await answer(made.transaction('s').objectStore('s').index('u').count())).to.equal(1);
    });

    it('can be renamed; a name that is taken throws ConstraintError', async () => {
      const made = await freshDatabase((fresh) => {
        const store = fresh.createObjectStore('s');
        const renamed = store.createIndex('before', 'n');
        store.createIndex('taken', 'n');
        renamed.name = 'after';
        expect(thrown(() => (renamed.name = 'taken'))).to.equal('ConstraintError');
        expect([[...store.indexNames], store.index('after') === renamed]).to.deep.equal([['after', 'taken'], true]);
        store.put({ n: 1 }, 'k');
      });
      expect(await answer(made.transaction('s').objectStore('s').index('after').getKey(1))).to.equal('k');
    });

    it('can not be renamed outside of one: InvalidStateError', () => {
      expect(thrown(() => (index('name').name = 'x'))).to.equal('InvalidStateError');
    });

    it('is kept up again when its deletion was undone after it was carried out', async () => {
      const { indexedDB } = openFile();
      (await database(indexedDB, (made) => made.createObjectStore('s').createIndex('i', 'i', { unique: true }))).close();
      const request = indexedDB.open('db', 2);
      request.onupgradeneeded = () => {
        const store = transactionOf(request).objectStore('s');
        store.deleteIndex('i');
        store.count().onsuccess = () => transactionOf(request).abort();
      };
      await failure(request);
      const store = (await database(indexedDB)).transaction('s', 'readwrite').objectStore('s');
      await answer(store.put({ i: 1 }, 'k'));
      expect(await answer(store.index('i').getKey(1))).to.equal('k');
      expect(await failure(store.put({ i: 1 }, 'other'))).to.equal('ConstraintError');
    });

    it('has its old name again after an abort', async () => {
      const { indexedDB } = openFile();
      (await database(indexedDB, (made) => made.createObjectStore('s').createIndex('i', 'i'))).close();
      const request = indexedDB.open('db', 2);
      request.onupgradeneeded = () => {
        const renamed = transactionOf(request).objectStore('s').index('i');
        renamed.name = 'j';
        transactionOf(request).abort();
        expect(renamed.name).to.equal('i');
      };
      await failure(request);
      expect([...(await database(indexedDB)).transaction('s').objectStore('s').indexNames]).to.deep.equal(['i']);
    });
  });
});
