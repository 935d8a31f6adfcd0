import { expect } from 'chai';
import { IDBEvent } from '../../../src/adapters/crypto/indexeddb/events.ts';
import type { IDBDatabase, IDBObjectStore, IDBTransaction } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { answer, cleanUp, database, failure, freshDatabase, later, next, openFile, outcome, thrown } from './support.ts';

/** Runs `work` where an exception that a listener throws is caught as the process would see it. */
async function uncaught(work: () => Promise<unknown>): Promise<unknown> {
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  let seen: unknown = null;
  process.on('uncaughtException', (error) => (seen = error));
  await work();
  await later();
  process.removeAllListeners('uncaughtException');
  for (const other of others) process.on('uncaughtException', other);
  return seen;
}

describe('§2.7.1 the life of a transaction', () => {
  afterEach(cleanUp);
  let db: IDBDatabase;
  beforeEach(async () => {
    db = await freshDatabase((made) => ['a', 'b', 'c'].forEach((name) => made.createObjectStore(name)));
  });

  const writing = (name = 'a'): IDBTransaction => db.transaction(name, 'readwrite');
  const isActive = (store: IDBObjectStore): boolean => thrown(() => store.get(0)) === 'nothing';

  it('is active from its making until control returns to the event loop', async () => {
    const store = writing().objectStore('a');
    expect(isActive(store)).to.equal(true);
    await later();
    expect(isActive(store)).to.equal(false);
  });

  it('is still active in microtasks of the task that made it, however many follow one another', async () => {
    const store = writing().objectStore('a');
    for (let i = 0; i < 100; i++) await Promise.resolve();
    expect(isActive(store)).to.equal(true);
  });

  it('is active in a listener, and in promises that the listener resolves', async () => {
    const store = writing().objectStore('a');
    await answer(store.put(1, 1));
    for (let i = 0; i < 100; i++) await Promise.resolve();
    expect(await answer(store.get(1))).to.equal(1);
    expect(await answer(store.get(1))).to.equal(1);
  });

  it('is not active between its events', async () => {
    const store = writing().objectStore('a');
    let between = true;
    let spinning = true;
    const spin = (): void => void (store.get(0).onsuccess = () => spinning && spin());
    spin();
    setTimeout(() => {
      between = isActive(store);
      spinning = false;
    }, 5);
    await outcome(store.transaction);
    expect(between).to.equal(false);
  });

  it('lives as long as requests are placed, and completes when none is left', async () => {
    const transaction = writing();
    const store = transaction.objectStore('a');
    let left = 50;
    const again = (): void => void (store.put(left, left).onsuccess = () => --left > 0 && again());
    again();
    expect(await outcome(transaction)).to.equal('complete');
    expect(left).to.equal(0);
  });

  it('without any request completes', async () => {
    expect(await outcome(writing())).to.equal('complete');
    expect(await outcome(db.transaction('a'))).to.equal('complete');
  });

  it('handles its requests in the order they were placed', async () => {
    const store = writing().objectStore('a');
    const order: string[] = [];
    store.put('v', 1).onsuccess = () => order.push('put');
    store.get(1).onsuccess = () => order.push('get');
    store.delete(1).onsuccess = () => order.push('delete');
    store.count().onsuccess = (event) => order.push(`count ${String((event.target as unknown as { result: number }).result)}`);
    await outcome(store.transaction);
    expect(order).to.deep.equal(['put', 'get', 'delete', 'count 0']);
  });

  it('a promise from one request can place the next, through async functions', async () => {
    const transaction = writing();
    const store = transaction.objectStore('a');
    const copy = async (): Promise<void> => {
      await answer(store.put(1, 'x'));
      const value = (await answer(store.get('x'))) as number;
      await answer(store.put(value + 1, 'y'));
    };
    await Promise.all([copy(), outcome(transaction)]);
    expect(await answer(db.transaction('a').objectStore('a').get('y'))).to.equal(2);
  });

  describe('§4.10 commit()', () => {
    it('lets what is placed run, refuses more with TransactionInactiveError, and completes', async () => {
      const transaction = writing();
      const store = transaction.objectStore('a');
      const put = answer(store.put('v', 1));
      transaction.commit();
      expect(thrown(() => store.put('w', 2))).to.equal('TransactionInactiveError');
      expect(await put).to.equal(1);
      expect(await outcome(transaction)).to.equal('complete');
    });

    it('makes events come with the transaction not active', async () => {
      const transaction = writing();
      const store = transaction.objectStore('a');
      let active = true;
      store.put('v', 1).onsuccess = () => (active = isActive(store));
      transaction.commit();
      await outcome(transaction);
      expect(active).to.equal(false);
    });

    it('twice, when not active, or when finished throws InvalidStateError', async () => {
      const transaction = writing();
      transaction.commit();
      expect(thrown(() => transaction.commit())).to.equal('InvalidStateError');
      expect(thrown(() => transaction.abort())).to.equal('InvalidStateError');
      await outcome(transaction);
      expect(thrown(() => transaction.commit())).to.equal('InvalidStateError');
    });

    it('§5.6 an error after it aborts, and no listener can prevent that', async () => {
      const transaction = writing();
      const store = transaction.objectStore('a');
      store.put('v', 1);
      const second = store.add('w', 1);
      second.onerror = (event) => event.preventDefault();
      transaction.commit();
      expect(await outcome(transaction)).to.equal('abort ConstraintError');
      expect(second.error?.name).to.equal('AbortError');
      expect(await answer(db.transaction('a').objectStore('a').count())).to.equal(0);
    });

    it('§5.9 a listener that throws after it does not abort', async () => {
      const transaction = writing();
      transaction.objectStore('a').put('v', 1).onsuccess = () => {
        throw new RangeError('mine');
      };
      transaction.commit();
      const error = await uncaught(async () => expect(await outcome(transaction)).to.equal('complete'));
      expect(error).to.be.instanceOf(RangeError);
    });
  });

  describe('§5.5 abort()', () => {
    it('undoes everything, with an error of null', async () => {
      const transaction = writing();
      await answer(transaction.objectStore('a').put('v', 1));
      transaction.abort();
      expect(transaction.error).to.equal(null);
      expect(await outcome(transaction)).to.equal('abort');
      expect(await answer(db.transaction('a').objectStore('a').count())).to.equal(0);
    });

    it('fails pending requests with AbortError, in their order, before the abort event', async () => {
      const transaction = writing();
      const store = transaction.objectStore('a');
      const order: string[] = [];
      for (const n of [1, 2]) {
        const request = store.put('v', n);
        request.onerror = () => order.push(`${n} ${request.error?.name} ${String(request.result)}`);
      }
      transaction.onabort = () => order.push('abort');
      transaction.abort();
      expect(store.transaction.error).to.equal(null);
      await outcome(transaction);
      expect(order).to.deep.equal(['1 AbortError undefined', '2 AbortError undefined', 'abort']);
    });

    it('of a transaction that waits for its turn works at once', async () => {
      const first = writing();
      first.objectStore('a').put('v', 1);
      const second = writing();
      second.abort();
      expect(await Promise.all([outcome(first), outcome(second)])).to.deep.equal(['complete', 'abort']);
    });

    it('twice or when finished throws InvalidStateError', async () => {
      const transaction = writing();
      transaction.abort();
      expect(thrown(() => transaction.abort())).to.equal('InvalidStateError');
      expect(thrown(() => transaction.objectStore('a'))).to.equal('InvalidStateError');
      const complete = writing();
      await outcome(complete);
      expect(thrown(() => complete.abort())).to.equal('InvalidStateError');
    });

    it('makes the next transaction run', async () => {
      const first = writing();
      const second = writing();
      const put = answer(second.objectStore('a').put('v', 1));
      first.abort();
      expect(await put).to.equal(1);
    });

    it('in a getter of a value makes put() throw TransactionInactiveError', async () => {
      const transaction = writing();
      const value = { get a() { transaction.abort(); return 1; } };
      expect(thrown(() => transaction.objectStore('a').put(value, 1))).to.equal('TransactionInactiveError');
      expect(await outcome(transaction)).to.equal('abort');
    });
  });

  describe('§5.9 and §5.10 events of requests', () => {
    it('success does not bubble and can not be cancelled', async () => {
      const transaction = writing();
      transaction.addEventListener('success', () => expect.fail('success came up'));
      const event = await next(transaction.objectStore('a').put(1, 1), 'success');
      expect([event.bubbles, event.cancelable]).to.deep.equal([false, false]);
    });

    it('error bubbles from the request to the transaction and the database, and can be cancelled', async () => {
      const transaction = writing();
      const store = transaction.objectStore('a');
      store.put(1, 1);
      const request = store.add(1, 1);
      const path: string[] = [];
      const note = (who: string) => (event: IDBEvent): void => void path.push(`${who} ${event.eventPhase} ${String(event.target === request)} ${String(event.bubbles && event.cancelable)}`);
      db.onerror = note('db');
      transaction.onerror = note('tx');
      request.onerror = note('request');
      db.addEventListener('error', note('db capture'), true);
      transaction.addEventListener('error', note('tx capture'), { capture: true });
      await outcome(transaction);
      expect(path).to.deep.equal(['db capture 1 true true', 'tx capture 1 true true', 'request 2 true true', 'tx 3 true true', 'db 3 true true']);
    });

    it('an error whose default is prevented, wherever on its way, does not abort', async () => {
      for (const where of ['request', 'transaction', 'db'] as const) {
        const transaction = writing('b');
        const store = transaction.objectStore('b');
        store.put(1, 1);
        const request = store.add(1, 1);
        ({ request, transaction, db })[where].onerror = (event) => event.preventDefault();
        expect(await outcome(transaction)).to.equal('complete');
      }
    });

    it('an error whose propagation is stopped still aborts', async () => {
      const transaction = writing();
      transaction.objectStore('a').put(1, 1);
      transaction.objectStore('a').add(1, 1).onerror = (event) => event.stopPropagation();
      transaction.onerror = () => expect.fail('it came up');
      expect(await outcome(transaction)).to.equal('abort ConstraintError');
    });

    it('abort bubbles to the database, complete does not', async () => {
      const seen: string[] = [];
      db.onabort = (event) => seen.push(`${event.type} ${event.bubbles}`);
      db.addEventListener('complete', () => seen.push('complete'));
      const aborted = writing();
      aborted.abort();
      await Promise.all([outcome(aborted), outcome(writing())]);
      expect(seen).to.deep.equal(['abort true']);
    });

    it('a listener that throws aborts with AbortError, even when the others ran', async () => {
      const transaction = writing();
      const request = transaction.objectStore('a').put(1, 1);
      let other = false;
      request.addEventListener('success', () => {
        throw new RangeError('mine');
      });
      request.addEventListener('success', () => (other = true));
      const error = await uncaught(async () => expect(await outcome(transaction)).to.equal('abort AbortError'));
      expect([error instanceof RangeError, other]).to.deep.equal([true, true]);
    });

    it('a listener of error that throws aborts with AbortError, though it prevented the default', async () => {
      const transaction = writing();
      transaction.objectStore('a').put(1, 1);
      transaction.objectStore('a').add(1, 1).onerror = (event) => {
        event.preventDefault();
        throw new RangeError('mine');
      };
      await uncaught(async () => expect(await outcome(transaction)).to.equal('abort AbortError'));
    });

    it('in a listener of error new requests can be placed', async () => {
      const store = writing().objectStore('a');
      store.put(1, 1);
      const request = store.add(1, 1);
      request.onerror = (event) => {
        event.preventDefault();
        store.put('after', 2);
      };
      await outcome(store.transaction);
      expect(await answer(db.transaction('a').objectStore('a').get(2))).to.equal('after');
    });

    it('§4.1 readyState, result, error, source and transaction are as they should be at each time', async () => {
      const transaction = writing();
      const store = transaction.objectStore('a');
      const request = store.put(1, 'k');
      expect([request.readyState, request.source === store, request.transaction === transaction, thrown(() => request.result)]).to.deep.equal(['pending', true, true, 'InvalidStateError']);
      await answer(request);
      expect([request.readyState, request.result, request.error]).to.deep.equal(['done', 'k', null]);
      const failed = store.add(1, 'k');
      await failure(failed);
      expect([failed.readyState, failed.result, failed.error?.name]).to.deep.equal(['done', undefined, 'ConstraintError']);
    });
  });

  describe('§2.7.2 scheduling', () => {
    it('a writer waits for the earlier writer of its store', async () => {
      const [first, second] = [writing(), writing()];
      const order: string[] = [];
      second.objectStore('a').get(1).onsuccess = (event) => order.push(`second sees ${String((event.target as unknown as { result: unknown }).result)}`);
      first.oncomplete = () => order.push('first complete');
      await answer(first.objectStore('a').put('v', 1));
      await outcome(second);
      expect(order).to.deep.equal(['first complete', 'second sees v']);
    });

    it('a reader made after a writer of its store sees what it wrote', async () => {
      writing().objectStore('a').put('v', 1);
      expect(await answer(db.transaction('a').objectStore('a').get(1))).to.equal('v');
    });

    it('a reader made before a writer of its store does not see what it writes', async () => {
      const reader = db.transaction('a').objectStore('a');
      const before = answer(reader.get(1));
      writing().objectStore('a').put('v', 1);
      expect(await before).to.equal(undefined);
      expect(await answer(reader.get(1))).to.equal(undefined);
    });

    it('readers run side by side', async () => {
      const [first, second] = [db.transaction('a'), db.transaction(['a', 'b'])];
      let spinning = true;
      const spin = (): void => void (first.objectStore('a').get(1).onsuccess = () => spinning && spin());
      spin();
      await answer(second.objectStore('a').get(1));
      spinning = false;
      await outcome(first);
    });

    it('a reader of other stores runs beside a writer', async () => {
      const writer = writing();
      let spinning = true;
      const spin = (): void => void (writer.objectStore('a').put(1, 1).onsuccess = () => spinning && spin());
      spin();
      await answer(db.transaction('b').objectStore('b').get(1));
      spinning = false;
      await outcome(writer);
    });

    it('writers of different stores run one after the other, in the order they were made (the specification lets an implementation do so)', async () => {
      const order: string[] = [];
      const transactions = ['a', 'b', 'c'].map((name) => {
        const transaction = writing(name);
        transaction.objectStore(name).put(1, 1);
        transaction.oncomplete = () => order.push(name);
        return outcome(transaction);
      });
      await Promise.all(transactions);
      expect(order).to.deep.equal(['a', 'b', 'c']);
    });

    it('a reader does not overtake a waiting writer of its store', async () => {
      const first = db.transaction('a');
      first.objectStore('a').get(1);
      writing().objectStore('a').put('v', 1);
      const second = db.transaction('a');
      expect(await answer(second.objectStore('a').get(1))).to.equal('v');
    });

    it('100 transactions that each add one to a number end with 100', async () => {
      await answer(writing().objectStore('a').put(0, 'n'));
      await Promise.all(Array.from({ length: 100 }, async () => {
        const store = writing().objectStore('a');
        await answer(store.put(((await answer(store.get('n'))) as number) + 1, 'n'));
      }));
      expect(await answer(db.transaction('a').objectStore('a').get('n'))).to.equal(100);
    });

    it('goes over connections and databases of the file', async () => {
      const { indexedDB } = openFile();
      const make = (made: IDBDatabase): unknown => made.createObjectStore('s');
      const [one, two] = [await database(indexedDB, make, 'one'), await database(indexedDB, make, 'two')];
      const again = await database(indexedDB, undefined, 'one');
      const order: string[] = [];
      await Promise.all([[one, '1'], [two, '2'], [again, '3']].map(([connection, label]) => {
        const transaction = (connection as IDBDatabase).transaction('s', 'readwrite');
        transaction.objectStore('s').put(label, 1);
        transaction.oncomplete = () => order.push(label as string);
        return outcome(transaction);
      }));
      expect(order).to.deep.equal(['1', '2', '3']);
    });
  });
});

describe('DOM events, as far as IndexedDB uses them', () => {
  afterEach(cleanUp);
  let db: IDBDatabase;
  beforeEach(async () => {
    db = await freshDatabase((made) => made.createObjectStore('s'));
  });

  it('a listener is called once however often it was added, and not after it was removed', () => {
    let calls = 0;
    const listener = (): number => ++calls;
    db.addEventListener('x', listener);
    db.addEventListener('x', listener);
    db.dispatchEvent(new IDBEvent('x'));
    db.removeEventListener('x', listener);
    db.dispatchEvent(new IDBEvent('x'));
    expect(calls).to.equal(1);
  });

  it('once, handleEvent and signal work', () => {
    const calls: string[] = [];
    const stop = new AbortController();
    db.addEventListener('x', () => calls.push('once'), { once: true });
    db.addEventListener('x', { handleEvent: (event) => calls.push(event.type) });
    db.addEventListener('x', () => calls.push('signal'), { signal: stop.signal });
    db.dispatchEvent(new IDBEvent('x'));
    stop.abort();
    db.dispatchEvent(new IDBEvent('x'));
    expect(calls).to.deep.equal(['once', 'x', 'signal', 'x']);
  });

  it('an on… handler keeps its place among the listeners when it is replaced, and loses it when it is set to null', () => {
    const calls: string[] = [];
    const put = db.transaction('s');
    put.onabort = () => calls.push('first');
    put.addEventListener('abort', () => calls.push('listener'));
    put.onabort = () => calls.push('handler');
    put.dispatchEvent(new IDBEvent('abort'));
    put.onabort = null;
    put.onabort = () => calls.push('handler');
    put.dispatchEvent(new IDBEvent('abort'));
    expect(calls).to.deep.equal(['handler', 'listener', 'listener', 'handler']);
    expect(put.onabort).to.be.a('function');
  });

  it('`this` of a listener is the object it listens to', () => {
    const seen: unknown[] = [];
    db.addEventListener('x', function (this: unknown) {
      seen.push(this);
    });
    db.dispatchEvent(new IDBEvent('x'));
    expect(seen).to.deep.equal([db]);
  });

  it('stopImmediatePropagation() keeps the listeners that follow from being called', () => {
    const calls: number[] = [];
    db.addEventListener('x', (event) => {
      calls.push(1);
      event.stopImmediatePropagation();
    });
    db.addEventListener('x', () => calls.push(2));
    db.dispatchEvent(new IDBEvent('x'));
    expect(calls).to.deep.equal([1]);
  });

  it("dispatchEvent() takes Node's own Event, and says whether the default was prevented", () => {
    db.addEventListener('x', (event) => event.preventDefault());
    const event = new Event('x', { cancelable: true });
    expect([db.dispatchEvent(event), event.defaultPrevented, db.dispatchEvent(new Event('x'))]).to.deep.equal([false, true, true]);
  });

  it('composedPath() shows the way during the dispatch', () => {
    const transaction = db.transaction('s');
    const request = transaction.objectStore('s').get(1);
    let path: readonly unknown[] = [];
    request.addEventListener('x', (event) => (path = event.composedPath()));
    request.dispatchEvent(new IDBEvent('x'));
    expect(path).to.deep.equal([request, transaction, db]);
  });
});
