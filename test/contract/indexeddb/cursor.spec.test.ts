import { expect } from 'chai';
import { IDBCursor, IDBCursorWithValue, IDBKeyRange, type IDBDatabase, type IDBIndex, type IDBObjectStore } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { answer, cleanUp, failure, freshDatabase, later, outcome, thrown, walk } from './support.ts';

/** The index "tag" has x: 1, 2, 3; y: 4, 5; z: 6. */
const TAGS: Readonly<Record<number, string>> = { 1: 'x', 2: 'x', 3: 'x', 4: 'y', 5: 'y', 6: 'z' };

describe('§4.9 IDBCursor and §6.7 its iteration', () => {
  afterEach(cleanUp);
  let db: IDBDatabase;
  beforeEach(async () => {
    db = await freshDatabase((made) => {
      const store = made.createObjectStore('s', { keyPath: 'id' });
      store.createIndex('tag', 'tag');
      for (const [id, tag] of Object.entries(TAGS)) store.put({ id: Number(id), tag });
    });
  });

  function store(mode: 'readonly' | 'readwrite' = 'readonly'): IDBObjectStore {
    return db.transaction('s', mode).objectStore('s');
  }

  function index(mode: 'readonly' | 'readwrite' = 'readonly'): IDBIndex {
    return store(mode).index('tag');
  }

  const keys = (cursor: IDBCursor): unknown => cursor.key;
  const primaryKeys = (cursor: IDBCursor): unknown => cursor.primaryKey;

  it('goes through a store in both directions, unique or not', async () => {
    for (const [direction, expected] of [['next', [1, 2, 3, 4, 5, 6]], ['nextunique', [1, 2, 3, 4, 5, 6]], ['prev', [6, 5, 4, 3, 2, 1]], ['prevunique', [6, 5, 4, 3, 2, 1]]] as const) {
      expect(await walk(store().openCursor(null, direction), keys)).to.deep.equal(expected);
    }
  });

  it('goes through an index in all four directions', async () => {
    for (const [direction, expected] of [['next', [1, 2, 3, 4, 5, 6]], ['nextunique', [1, 4, 6]], ['prev', [6, 5, 4, 3, 2, 1]], ['prevunique', [6, 4, 1]]] as const) {
      expect(await walk(index().openCursor(null, direction), primaryKeys)).to.deep.equal(expected);
    }
  });

  it('keeps to its range in every direction', async () => {
    expect(await walk(store().openCursor(IDBKeyRange.bound(2, 5, true)), keys)).to.deep.equal([3, 4, 5]);
    expect(await walk(store().openCursor(IDBKeyRange.bound(2, 5, false, true), 'prev'), keys)).to.deep.equal([4, 3, 2]);
    expect(await walk(index().openCursor(IDBKeyRange.lowerBound('x', true), 'nextunique'), primaryKeys)).to.deep.equal([4, 6]);
    expect(await walk(index().openCursor(IDBKeyRange.upperBound('z', true), 'prevunique'), primaryKeys)).to.deep.equal([4, 1]);
    expect(await walk(index().openKeyCursor('y'), primaryKeys)).to.deep.equal([4, 5]);
  });

  it('gives null at once where there is nothing', async () => {
    expect(await answer(store().openCursor(7))).to.equal(null);
  });

  it('has source, direction, request, and with openCursor the value', async () => {
    const request = index().openCursor(null, 'prev');
    const cursor = await answer(request);
    if (!(cursor instanceof IDBCursorWithValue)) return expect.fail('no cursor with value');
    expect([cursor.source === request.source, cursor.direction, cursor.request === request, cursor.key, cursor.primaryKey, cursor.value]).to.deep.equal([true, 'prev', true, 'z', 6, { id: 6, tag: 'z' }]);
  });

  it('with openKeyCursor has no value', async () => {
    const cursor = await answer(store().openKeyCursor());
    expect(cursor).to.be.instanceOf(IDBCursor).and.not.instanceOf(IDBCursorWithValue);
    expect(cursor).not.to.have.property('value');
  });

  it('is the same object at each record, with the same key and value objects until it moves', async () => {
    const seen = new Set<unknown>();
    await walk(store().openCursor(), (cursor) => {
      seen.add(cursor);
      expect(cursor.value).to.equal(cursor.value);
    });
    expect(seen.size).to.equal(1);
  });

  it('has no key left when it has come to its end', async () => {
    const request = store().openCursor(6);
    const cursor = (await answer(request)) as IDBCursor;
    cursor.continue();
    expect(await answer(request)).to.equal(null);
    expect([cursor.key, cursor.primaryKey]).to.deep.equal([undefined, undefined]);
    expect(thrown(() => cursor.continue())).to.equal('InvalidStateError');
  });

  it('refuses another direction with TypeError and an invalid range with DataError', () => {
    expect(thrown(() => store().openCursor(null, 'up' as 'next'))).to.equal('TypeError');
    expect(thrown(() => store().openCursor(NaN))).to.equal('DataError');
  });

  describe('continue()', () => {
    it('with a key goes to the first record at or behind it', async () => {
      expect(await walk(store().openCursor(), keys, (cursor) => cursor.continue(Number(cursor.key) + 2))).to.deep.equal([1, 3, 5]);
      expect(await walk(store().openCursor(), keys, (cursor) => cursor.continue(Number(cursor.key) + 1.5))).to.deep.equal([1, 3, 5]);
    });

    it('with a key goes backwards in a prev cursor', async () => {
      expect(await walk(store().openCursor(null, 'prev'), keys, (cursor) => cursor.continue(Number(cursor.key) - 3))).to.deep.equal([6, 3]);
      expect(await walk(index().openCursor(null, 'prevunique'), primaryKeys, (cursor) => cursor.continue(cursor.key === 'z' ? 'x' : 'a'))).to.deep.equal([6, 1]);
    });

    it('with a key not ahead throws DataError, as with an invalid one', async () => {
      const cursor = (await answer(store().openCursor(IDBKeyRange.lowerBound(3)))) as IDBCursor;
      for (const key of [3, 2, NaN]) expect(thrown(() => cursor.continue(key))).to.equal('DataError');
      expect(thrown(() => cursor.continue(4))).to.equal('nothing');
    });

    it('twice throws InvalidStateError', async () => {
      const cursor = (await answer(store().openCursor())) as IDBCursor;
      cursor.continue();
      expect(thrown(() => cursor.continue())).to.equal('InvalidStateError');
      expect(thrown(() => cursor.advance(1))).to.equal('InvalidStateError');
    });

    it('after the transaction throws TransactionInactiveError', async () => {
      const cursor = (await answer(store().openCursor())) as IDBCursor;
      await later();
      await later();
      for (const work of [() => cursor.continue(), () => cursor.advance(1), () => cursor.delete()]) expect(thrown(work)).to.equal('TransactionInactiveError');
    });

    it('makes its request pending again', async () => {
      const request = store().openCursor();
      const cursor = (await answer(request)) as IDBCursor;
      cursor.continue();
      expect(request.readyState).to.equal('pending');
    });
  });

  describe('continuePrimaryKey()', () => {
    it('goes to the first record at or behind both keys', async () => {
      const onward = (cursor: IDBCursor): void => (cursor.key === 'x' ? cursor.continuePrimaryKey('x', Number(cursor.primaryKey) + 2) : cursor.continue());
      expect(await walk(index().openCursor(), primaryKeys, onward)).to.deep.equal([1, 3, 4, 5, 6]);
    });

    it('goes backwards in a prev cursor', async () => {
      const request = index().openCursor(null, 'prev');
      const cursor = (await answer(request)) as IDBCursor;
      cursor.continuePrimaryKey('x', 2);
      await answer(request);
      expect([cursor.key, cursor.primaryKey]).to.deep.equal(['x', 2]);
    });

    it('not ahead throws DataError', async () => {
      const cursor = (await answer(index().openCursor('y'))) as IDBCursor;
      for (const [key, primaryKey] of [['y', 4], ['y', 3], ['x', 9], [NaN, 5], ['y', NaN]] as const) expect(thrown(() => cursor.continuePrimaryKey(key, primaryKey))).to.equal('DataError');
    });

    it('over a store or in a unique direction throws InvalidAccessError', async () => {
      const overStore = (await answer(store().openCursor())) as IDBCursor;
      expect(thrown(() => overStore.continuePrimaryKey(2, 2))).to.equal('InvalidAccessError');
      const unique = (await answer(index().openCursor(null, 'nextunique'))) as IDBCursor;
      expect(thrown(() => unique.continuePrimaryKey('y', 4))).to.equal('InvalidAccessError');
    });
  });

  describe('advance()', () => {
    it('skips records, in an index too', async () => {
      expect(await walk(store().openCursor(), keys, (cursor) => cursor.advance(2))).to.deep.equal([1, 3, 5]);
      expect(await walk(index().openCursor(null, 'nextunique'), primaryKeys, (cursor) => cursor.advance(2))).to.deep.equal([1, 6]);
      expect(await walk(index().openCursor(null, 'prevunique'), primaryKeys, (cursor) => cursor.advance(2))).to.deep.equal([6, 1]);
    });

    it('beyond the end comes to the end', async () => {
      expect(await walk(store().openCursor(), keys, (cursor) => cursor.advance(2 ** 32 - 1))).to.deep.equal([1]);
    });

    it('by 0, a negative number or none throws TypeError', async () => {
      const cursor = (await answer(store().openCursor())) as IDBCursor;
      for (const count of [0, -1, NaN, 2 ** 32, undefined as unknown as number]) expect(thrown(() => cursor.advance(count))).to.equal('TypeError');
    });
  });

  describe('update() and delete()', () => {
    it('change the record that the cursor is at, from an index too', async () => {
      const transaction = db.transaction('s', 'readwrite');
      void walk(transaction.objectStore('s').index('tag').openCursor('y'), (cursor) => (cursor.primaryKey === 4 ? cursor.delete() : cursor.update({ id: 5, tag: 'new' })));
      expect(await outcome(transaction)).to.equal('complete');
      expect(await answer(store().getAllKeys())).to.deep.equal([1, 2, 3, 5, 6]);
      expect(await answer(index().getAllKeys('new'))).to.deep.equal([5]);
    });

    it('give requests whose source is the cursor', async () => {
      const cursor = (await answer(store('readwrite').openCursor())) as IDBCursorWithValue;
      expect(cursor.update({ id: 1 }).source).to.equal(cursor);
      expect(cursor.delete().source).to.equal(cursor);
    });

    it('do not move the cursor nor change its value', async () => {
      const request = store('readwrite').openCursor();
      const cursor = (await answer(request)) as IDBCursorWithValue;
      expect(await answer(cursor.update({ id: 1, tag: 'new' }))).to.equal(1);
      expect([cursor.key, cursor.value]).to.deep.equal([1, { id: 1, tag: 'x' }]);
      expect(await answer(cursor.delete())).to.equal(undefined);
      cursor.continue();
      await answer(request);
      expect(cursor.key).to.equal(2);
    });

    it('update() with another key in the value throws DataError', async () => {
      const cursor = (await answer(store('readwrite').openCursor())) as IDBCursorWithValue;
      for (const value of [{ id: 2 }, {}, { id: null }, 5]) expect(thrown(() => cursor.update(value))).to.equal('DataError');
    });

    it('update() of what can not be cloned throws DataCloneError', async () => {
      const cursor = (await answer(store('readwrite').openCursor())) as IDBCursorWithValue;
      expect(thrown(() => cursor.update({ id: 1, f: () => 0 }))).to.equal('DataCloneError');
    });

    it('update() of a record that was deleted stores it again', async () => {
      const cursor = (await answer(store('readwrite').openCursor())) as IDBCursorWithValue;
      await answer(cursor.delete());
      expect(await answer(cursor.update({ id: 1, tag: 'again' }))).to.equal(1);
    });

    it('in a read-only transaction throw ReadOnlyError', async () => {
      const cursor = (await answer(store().openCursor())) as IDBCursorWithValue;
      expect(thrown(() => cursor.update({ id: 1 }))).to.equal('ReadOnlyError');
      expect(thrown(() => cursor.delete())).to.equal('ReadOnlyError');
    });

    it('with a cursor of keys throw InvalidStateError', async () => {
      const cursor = (await answer(store('readwrite').openKeyCursor())) as IDBCursor;
      expect(thrown(() => cursor.update({ id: 1 }))).to.equal('InvalidStateError');
      expect(thrown(() => cursor.delete())).to.equal('InvalidStateError');
    });

    it('while the cursor is on its way throw InvalidStateError', async () => {
      const cursor = (await answer(store('readwrite').openCursor())) as IDBCursorWithValue;
      cursor.continue();
      expect(thrown(() => cursor.update({ id: 1 }))).to.equal('InvalidStateError');
      expect(thrown(() => cursor.delete())).to.equal('InvalidStateError');
    });
  });

  describe('sees what its transaction does meanwhile, though it reads ahead', () => {
    it('skips what was deleted', async () => {
      const writable = store('readwrite');
      expect(await walk(writable.openCursor(), (cursor) => {
        if (cursor.key === 2) writable.delete(IDBKeyRange.bound(3, 5));
        return cursor.key;
      })).to.deep.equal([1, 2, 6]);
    });

    it('comes to what was added ahead, and not to what was added behind', async () => {
      const writable = store('readwrite');
      expect(await walk(writable.openCursor(), (cursor) => {
        if (cursor.key === 3) for (const id of [2.5, 3.5]) writable.put({ id });
        return cursor.key;
      })).to.deep.equal([1, 2, 3, 3.5, 4, 5, 6]);
    });

    it('shows the new value of a record ahead', async () => {
      const writable = store('readwrite');
      expect(await walk(writable.openCursor(null, 'prev'), (cursor) => {
        if (cursor.key === 6) writable.put({ id: 5, tag: 'changed' });
        return (cursor.value as { tag: string }).tag;
      })).to.deep.equal(['z', 'changed', 'y', 'x', 'x', 'x']);
    });

    it('comes again to a record whose index key was moved ahead', async () => {
      const writable = store('readwrite');
      let moved = false;
      expect(await walk(writable.index('tag').openCursor(), (cursor) => {
        if (cursor.primaryKey === 1 && !moved) writable.put({ id: 1, tag: 'zz' });
        moved = true;
        return cursor.primaryKey;
      })).to.deep.equal([1, 2, 3, 4, 5, 6, 1]);
    });

    it('in prevunique does not come again to a key that got a lower primary key', async () => {
      const writable = store('readwrite');
      expect(await walk(writable.index('tag').openCursor(null, 'prevunique'), (cursor) => {
        if (cursor.key === 'y') writable.put({ id: 0, tag: 'y' });
        return cursor.primaryKey;
      })).to.deep.equal([6, 4, 1]);
    });

    it('over 1,000 records, forwards and backwards, gives each once', async () => {
      const transaction = db.transaction('s', 'readwrite');
      for (let id = 0; id < 1000; id++) transaction.objectStore('s').put({ id, tag: `t${id % 7}` });
      await outcome(transaction);
      expect(await walk(store().openCursor(), keys)).to.deep.equal(Array.from({ length: 1000 }, (_, id) => id));
      expect(new Set(await walk(index().openKeyCursor(null, 'prev'), primaryKeys)).size).to.equal(1000);
    });
  });

  it('two cursors in one transaction go their own ways', async () => {
    const writable = store();
    const [up, down] = await Promise.all([walk(writable.openCursor(), keys), walk(writable.openCursor(null, 'prev'), keys)]);
    expect([up, down]).to.deep.equal([[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]]);
  });

  it('in a store that was deleted throws InvalidStateError', async () => {
    await freshDatabase((made) => {
      const doomed = made.createObjectStore('doomed');
      doomed.put(1, 1);
      const request = doomed.openCursor();
      request.onsuccess = () => {
        const cursor = request.result as IDBCursor;
        made.deleteObjectStore('doomed');
        expect(thrown(() => cursor.continue())).to.equal('InvalidStateError');
        expect(thrown(() => cursor.delete())).to.equal('InvalidStateError');
      };
    });
  });

  it('a failed update is seen by its own request alone', async () => {
    const other = await freshDatabase((made) => {
      const unique = made.createObjectStore('s');
      unique.createIndex('u', 'u', { unique: true });
      unique.put({ u: 1 }, 1);
      unique.put({ u: 2 }, 2);
    });
    const cursor = (await answer(other.transaction('s', 'readwrite').objectStore('s').openCursor())) as IDBCursorWithValue;
    expect(await failure(cursor.update({ u: 2 }))).to.equal('ConstraintError');
  });
});
