import { expect } from 'chai';
import { IDBKeyRange, IDBRecord, type IDBDatabase, type IDBObjectStore } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { answer, cleanUp, failure, freshDatabase, later, outcome, thrown } from './support.ts';

async function write(db: IDBDatabase, work: (store: IDBObjectStore) => void, name = 's'): Promise<string> {
  const transaction = db.transaction(name, 'readwrite');
  work(transaction.objectStore(name));
  return outcome(transaction);
}

function read(db: IDBDatabase, name = 's'): IDBObjectStore {
  return db.transaction(name).objectStore(name);
}

describe('§4.5 IDBObjectStore', () => {
  afterEach(cleanUp);

  describe('with out-of-line keys', () => {
    let db: IDBDatabase;
    beforeEach(async () => {
      db = await freshDatabase((made) => made.createObjectStore('s'));
    });

    it('has no key path and no generator, and is the same object each time', () => {
      const transaction = db.transaction('s');
      const store = transaction.objectStore('s');
      expect([store.name, store.keyPath, store.autoIncrement, [...store.indexNames], store.transaction === transaction]).to.deep.equal(['s', null, false, [], true]);
      expect(transaction.objectStore('s')).to.equal(store);
    });

    it('put() gives the key, and get() the value', async () => {
      await write(db, (store) => store.put({ a: 1 }, 'k'));
      expect(await answer(read(db).get('k'))).to.deep.equal({ a: 1 });
    });

    it('put() over a record replaces it', async () => {
      await write(db, (store) => {
        store.put('old', 1);
        store.put('new', 1);
      });
      expect(await answer(read(db).getAll())).to.deep.equal(['new']);
    });

    it('add() over a record fails with ConstraintError and keeps the old value', async () => {
      await write(db, (store) => store.add('old', 1));
      const store = db.transaction('s', 'readwrite').objectStore('s');
      expect(await failure(store.add('new', 1))).to.equal('ConstraintError');
      expect(await answer(store.get(1))).to.equal('old');
    });

    it('add() whose error is not prevented aborts the transaction with ConstraintError', async () => {
      expect(await write(db, (store) => [store.add('a', 1), store.add('b', 1)])).to.equal('abort ConstraintError');
      expect(await answer(read(db).count())).to.equal(0);
    });

    it('put() without a key throws DataError, as with an invalid one', () => {
      const store = db.transaction('s', 'readwrite').objectStore('s');
      expect(thrown(() => store.put('v'))).to.equal('DataError');
      expect(thrown(() => store.put('v', null))).to.equal('DataError');
      expect(thrown(() => store.put('v', NaN))).to.equal('DataError');
    });

    it('put() in a read-only transaction throws ReadOnlyError, as do add, delete and clear', () => {
      const store = read(db);
      for (const work of [() => store.put(1, 1), () => store.add(1, 1), () => store.delete(1), () => store.clear()]) expect(thrown(work)).to.equal('ReadOnlyError');
    });

    it('put() of what can not be cloned throws DataCloneError, and nothing is asked', async () => {
      const transaction = db.transaction('s', 'readwrite');
      const store = transaction.objectStore('s');
      for (const value of [() => 0, Symbol('s'), { f: () => 0 }, new WeakMap(), Promise.resolve(), new Blob(['x'])]) expect(thrown(() => store.put(value, 1))).to.equal('DataCloneError');
      expect(await answer(store.count())).to.equal(0);
    });

    it('§5.11 put() lets the error of a getter pass, and runs it with the transaction inactive', () => {
      const store = db.transaction('s', 'readwrite').objectStore('s');
      let inside = '';
      const value = { get a() { inside = thrown(() => store.get(1)); throw new RangeError('mine'); } };
      expect(thrown(() => store.put(value, 1))).to.equal('RangeError');
      expect(inside).to.equal('TransactionInactiveError');
      expect(thrown(() => store.put(1, 1))).to.equal('nothing');
    });

    it('§5.11 put() stores the value as it was when asked', async () => {
      const value = { a: [1] };
      await write(db, (store) => {
        store.put(value, 1);
        value.a.push(2);
      });
      expect(await answer(read(db).get(1))).to.deep.equal({ a: [1] });
    });

    it('get() and getKey() of nothing give undefined', async () => {
      expect(await answer(read(db).get(1))).to.equal(undefined);
      expect(await answer(read(db).getKey(1))).to.equal(undefined);
    });

    it('get(), getKey() and delete() without a key throw DataError', () => {
      const store = db.transaction('s', 'readwrite').objectStore('s');
      for (const work of [() => store.get(undefined), () => store.getKey(null), () => store.delete(undefined)]) expect(thrown(work)).to.equal('DataError');
    });

    it('a request after the transaction has finished throws TransactionInactiveError', async () => {
      const store = read(db);
      await outcome(store.transaction);
      for (const work of [() => store.get(1), () => store.getAll(), () => store.count(), () => store.openCursor(), () => store.openKeyCursor()]) expect(thrown(work)).to.equal('TransactionInactiveError');
      expect(thrown(() => store.index('x'))).to.equal('InvalidStateError');
    });

    describe('with the records 1 to 9', () => {
      beforeEach(() => write(db, (store) => [5, 2, 9, 1, 7, 3, 8, 4, 6].forEach((n) => store.put(`v${n}`, n))));

      it('get() and getKey() of a range give its first record', async () => {
        expect(await answer(read(db).get(IDBKeyRange.lowerBound(3, true)))).to.equal('v4');
        expect(await answer(read(db).getKey(IDBKeyRange.bound(6.5, 8)))).to.equal(7);
      });

      it('getAll() gives the values in the order of keys, within range and count', async () => {
        expect(await answer(read(db).getAll())).to.have.length(9);
        expect(await answer(read(db).getAll(IDBKeyRange.bound(2, 4)))).to.deep.equal(['v2', 'v3', 'v4']);
        expect(await answer(read(db).getAll(IDBKeyRange.upperBound(4, true), 2))).to.deep.equal(['v1', 'v2']);
        expect(await answer(read(db).getAll(3))).to.deep.equal(['v3']);
      });

      it('getAll() takes a count of 0 for no limit', async () => {
        expect(await answer(read(db).getAll(null, 0))).to.have.length(9);
      });

      it('getAll() and getAllKeys() refuse a count that is no unsigned long with TypeError', () => {
        for (const count of [-1, NaN, 2 ** 32]) {
          expect(thrown(() => read(db).getAll(null, count))).to.equal('TypeError');
          expect(thrown(() => read(db).getAllKeys(null, count))).to.equal('TypeError');
        }
      });

      it('getAllKeys() gives the keys', async () => {
        expect(await answer(read(db).getAllKeys(IDBKeyRange.lowerBound(7)))).to.deep.equal([7, 8, 9]);
        expect(await answer(read(db).getAllKeys(null, 3))).to.deep.equal([1, 2, 3]);
      });

      it('§5.12 getAll() takes options with a direction', async () => {
        expect(await answer(read(db).getAll({ query: IDBKeyRange.upperBound(5), count: 2, direction: 'prev' }))).to.deep.equal(['v5', 'v4']);
        expect(thrown(() => read(db).getAll({ direction: 'up' }))).to.equal('TypeError');
      });

      it('getAllRecords() gives key, primary key and value', async () => {
        const records = await answer(read(db).getAllRecords({ query: 2 }));
        expect(records).to.have.length(1);
        const [record] = records as IDBRecord[];
        expect(record).to.be.instanceOf(IDBRecord);
        expect([record?.key, record?.primaryKey, record?.value]).to.deep.equal([2, 2, 'v2']);
      });

      it('count() counts all, a range or a key', async () => {
        expect(await answer(read(db).count())).to.equal(9);
        expect(await answer(read(db).count(IDBKeyRange.bound(2, 4, true)))).to.equal(2);
        expect(await answer(read(db).count(5))).to.equal(1);
        expect(await answer(read(db).count(10))).to.equal(0);
        expect(thrown(() => read(db).count(NaN))).to.equal('DataError');
      });

      it('§6.4 delete() of a range removes it alone, and gives undefined', async () => {
        const store = db.transaction('s', 'readwrite').objectStore('s');
        expect(await answer(store.delete(IDBKeyRange.bound(2, 8, false, true)))).to.equal(undefined);
        expect(await answer(store.getAllKeys())).to.deep.equal([1, 8, 9]);
      });

      it('§6.6 clear() removes everything', async () => {
        const store = db.transaction('s', 'readwrite').objectStore('s');
        expect(await answer(store.clear())).to.equal(undefined);
        expect(await answer(store.count())).to.equal(0);
      });
    });
  });

  describe('with in-line keys', () => {
    let db: IDBDatabase;
    beforeEach(async () => {
      db = await freshDatabase((made) => {
        made.createObjectStore('s', { keyPath: 'a.b' });
        made.createObjectStore('pair', { keyPath: ['x', 'y'] });
        made.createObjectStore('whole', { keyPath: '' });
      });
    });

    it('takes the key from the value', async () => {
      await write(db, (store) => store.put({ a: { b: 'k' } }));
      expect(await answer(read(db).get('k'))).to.deep.equal({ a: { b: 'k' } });
    });

    it('takes an array key from several paths', async () => {
      await write(db, (store) => store.put({ y: 2, x: 1 }), 'pair');
      expect(await answer(read(db, 'pair').getAllKeys())).to.deep.equal([[1, 2]]);
    });

    it('takes the whole value where the path is empty', async () => {
      await write(db, (store) => store.put('self'), 'whole');
      expect(await answer(read(db, 'whole').getKey('self'))).to.equal('self');
    });

    it('throws DataError when a key is given as well', () => {
      expect(thrown(() => db.transaction('s', 'readwrite').objectStore('s').put({ a: { b: 1 } }, 1))).to.equal('DataError');
    });

    it('throws DataError when the value has no valid key there, null and primitives included', () => {
      const store = db.transaction('s', 'readwrite').objectStore('s');
      for (const value of [{}, { a: {} }, { a: { b: null } }, { a: 1 }, null, undefined, 5]) expect(thrown(() => store.put(value))).to.equal('DataError');
    });

    it('evaluates the path on the clone: a getter runs once', async () => {
      let runs = 0;
      const value = { get a() { return { b: ++runs }; } };
      await write(db, (store) => store.put(value));
      expect(await answer(read(db).getAll())).to.deep.equal([{ a: { b: 1 } }]);
      expect(runs).to.equal(1);
    });

    it('gives each handle its own key path, which the caller may change', async () => {
      const path = read(db, 'pair').keyPath;
      (path as string[]).push('z');
      expect(read(db, 'pair').keyPath).to.deep.equal(['x', 'y']);
      await write(db, (store) => store.put({ x: 1, y: 1 }), 'pair');
    });
  });

  describe('§2.11 with a key generator', () => {
    let db: IDBDatabase;
    beforeEach(async () => {
      db = await freshDatabase((made) => {
        made.createObjectStore('s', { autoIncrement: true });
        made.createObjectStore('in', { autoIncrement: true, keyPath: 'a.id' });
        made.createObjectStore('unique', { autoIncrement: true }).createIndex('u', 'u', { unique: true });
      });
    });

    async function keysOf(name: string, work: (store: IDBObjectStore) => void): Promise<unknown> {
      await write(db, work, name);
      return answer(read(db, name).getAllKeys());
    }

    it('counts from 1', async () => {
      expect(await keysOf('s', (store) => [store.add('a'), store.add('b'), store.put('c')])).to.deep.equal([1, 2, 3]);
    });

    it('goes on behind a greater number that was given, cut to an integer', async () => {
      expect(await keysOf('s', (store) => [store.add('a', 7.9), store.add('b')])).to.deep.equal([7.9, 8]);
    });

    it('does not mind smaller numbers, strings or dates that were given', async () => {
      expect(await keysOf('s', (store) => [store.add('a', 3), store.add('b', 1), store.add('c', 'text'), store.add('d', -5), store.add('e')])).to.deep.equal([-5, 1, 3, 4, 'text']);
    });

    it('puts the key into the value, making the way', async () => {
      await write(db, (store) => [store.add({}), store.add({ a: { other: 1 } })], 'in');
      expect(await answer(read(db, 'in').getAll())).to.deep.equal([{ a: { id: 1 } }, { a: { other: 1, id: 2 } }]);
    });

    it('does not change the value that was given', async () => {
      const value = {};
      await write(db, (store) => store.add(value), 'in');
      expect(value).to.deep.equal({});
    });

    it('throws DataError where the key can not be put in', () => {
      const store = db.transaction('in', 'readwrite').objectStore('in');
      for (const value of [5, 'text', { a: 1 }, { a: { id: null } }]) expect(thrown(() => store.add(value))).to.equal('DataError');
    });

    it('is not reset by clear() or delete()', async () => {
      expect(await keysOf('s', (store) => [store.add('a'), store.add('b'), store.clear(), store.add('c'), store.delete(3), store.add('d')])).to.deep.equal([4]);
    });

    it('goes back when the transaction aborts', async () => {
      await write(db, (store) => {
        store.add('a');
        store.add('b').onsuccess = () => store.transaction.abort();
      });
      expect(await keysOf('s', (store) => store.add('c'))).to.deep.equal([1]);
    });

    it('goes back when the one operation fails', async () => {
      await write(db, (store) => {
        store.add({ u: 1 });
        void failure(store.add({ u: 1 }));
        store.add({ u: 2 });
      }, 'unique');
      expect(await answer(read(db, 'unique').getAllKeys())).to.deep.equal([1, 2]);
    });

    it('ends at 2^53 with ConstraintError', async () => {
      const store = db.transaction('s', 'readwrite').objectStore('s');
      await answer(store.add('a', 2 ** 53 - 1));
      expect(await answer(store.add('b'))).to.equal(2 ** 53);
      expect(await failure(store.add('c'))).to.equal('ConstraintError');
      expect(await answer(store.add('d', 'still open'))).to.equal('still open');
    });

    it('ends with a given number beyond 2^53, infinity included', async () => {
      const store = db.transaction('s', 'readwrite').objectStore('s');
      await answer(store.add('a', Infinity));
      expect(await failure(store.add('b'))).to.equal('ConstraintError');
    });
  });

  describe('in an upgrade', () => {
    it('can be renamed, and its records come along', async () => {
      const db = await freshDatabase((made) => {
        const store = made.createObjectStore('before');
        store.put('v', 1);
        store.name = 'after';
        expect([store.name, [...made.objectStoreNames]]).to.deep.equal(['after', ['after']]);
        expect(thrown(() => store.transaction.objectStore('before'))).to.equal('NotFoundError');
        expect(store.transaction.objectStore('after')).to.equal(store);
      });
      expect(await answer(read(db, 'after').get(1))).to.equal('v');
    });

    it('can not take a name that is taken: ConstraintError', () =>
      freshDatabase((made) => {
        made.createObjectStore('a');
        const store = made.createObjectStore('b');
        expect(thrown(() => (store.name = 'a'))).to.equal('ConstraintError');
        store.name = 'b';
      }));

    it('can not be renamed outside of one: InvalidStateError', async () => {
      const db = await freshDatabase((made) => made.createObjectStore('s'));
      expect(thrown(() => (read(db).name = 'x'))).to.equal('InvalidStateError');
      expect(thrown(() => read(db).createIndex('x', 'x'))).to.equal('InvalidStateError');
      expect(thrown(() => read(db).deleteIndex('x'))).to.equal('InvalidStateError');
      await later();
    });
  });

  describe('§2.3 values', () => {
    const values: Record<string, unknown> = {
      undefined: undefined, null: null, 'a boolean': false, 'a number': -0.5, NaN: NaN, 'a bigint': 10n ** 30n, 'a string with a lone surrogate': 'x\ud800', 'a Date': new Date(0), 'a RegExp': /a+/giu,
      'a Map': new Map<unknown, unknown>([[1, { a: 1 }], ['x', new Map()]]), 'a Set': new Set([1, 'a']), 'an Error': new RangeError('e'), 'an ArrayBuffer': Uint8Array.of(1, 2).buffer, 'typed arrays': [Int16Array.of(-1), Float64Array.of(0.5), BigInt64Array.of(1n), Uint8ClampedArray.of(255)],
      'a DataView': new DataView(new ArrayBuffer(3)), 'boxed primitives': [Object(1), Object('s'), Object(true)], 'a sparse array': [1, , 3],
    };

    for (const [what, value] of Object.entries(values)) {
      it(`keeps ${what}`, async () => {
        const db = await freshDatabase((made) => made.createObjectStore('s'));
        await write(db, (store) => store.put(value, 1));
        expect(await answer(read(db).get(1))).to.deep.equal(structuredClone(value));
      });
    }

    it('keeps a circle', async () => {
      const db = await freshDatabase((made) => made.createObjectStore('s'));
      const circle: { self?: unknown } = {};
      circle.self = circle;
      await write(db, (store) => store.put(circle, 1));
      const back = (await answer(read(db).get(1))) as typeof circle;
      expect(back.self).to.equal(back);
    });

    it('keeps of a view only its own part, and gives a Buffer back as Uint8Array', async () => {
      const db = await freshDatabase((made) => made.createObjectStore('s'));
      const secret = Buffer.from('secret: data');
      await write(db, (store) => store.put([secret.subarray(8), new Uint16Array(Uint8Array.of(1, 2, 3, 4).buffer, 2, 1)], 1));
      const [text, view] = (await answer(read(db).get(1))) as [Uint8Array, Uint16Array];
      expect([Object.getPrototypeOf(text), text.buffer.byteLength, Buffer.from(text).toString()]).to.deep.equal([Uint8Array.prototype, 4, 'data']);
      expect([view.length, view[0], view.buffer.byteLength]).to.deep.equal([1, 0x0403, 2]);
    });

    it('keeps an instance of a class as a plain object', async () => {
      const db = await freshDatabase((made) => made.createObjectStore('s'));
      class Point {
        x = 1;
      }
      await write(db, (store) => store.put(new Point(), 1));
      expect(Object.getPrototypeOf(await answer(read(db).get(1)))).to.equal(Object.prototype);
    });
  });
});
