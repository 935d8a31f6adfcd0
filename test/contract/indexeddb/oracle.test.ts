import { expect } from 'chai';
import fc from 'fast-check';
import * as fakeIndexedDB from 'fake-indexeddb';
import { IDBKeyRange, type IDBFactory } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { play, type Implementation } from './play.ts';
import { operationsIn, script } from './scripts.ts';
import { cleanUp, freshPath, openFile } from './support.ts';

const SEED = Number(process.env.ORACLE_SEED ?? 20261124);
const IN_MEMORY = Number(process.env.ORACLE_SCRIPTS ?? 4000);
const REOPENED = IN_MEMORY / 20;

// Its own types need the DOM library, which this project is without.
const { IDBFactory: FakeFactory, IDBKeyRange: FakeKeyRange } = fakeIndexedDB as unknown as { IDBFactory: new () => IDBFactory; IDBKeyRange: typeof IDBKeyRange };

/**
 * Where fake-indexeddb leaves the specification the scripts step around it, and say so where they do: scripts.ts (values, keys), play.ts
 * (handles, deleted indexes, errors after commit). The specification's own behaviour there is in the *.spec.test.ts files.
 */
describe('the same random script on this IndexedDB and on fake-indexeddb', () => {
  afterEach(cleanUp);

  it(`gives the same answers, errors, events in order, and content: ${IN_MEMORY} scripts in memory`, async function () {
    this.timeout(180_000);
    const { indexedDB } = openFile();
    await compare(() => indexedDB, async () => undefined, IN_MEMORY);
  });

  it(`gives the same though the sealed file is closed and opened again between the parts: ${REOPENED} scripts`, async function () {
    this.timeout(180_000);
    const path = freshPath();
    const options = { key: new Uint8Array(32).fill(9), synchronous: 'NORMAL' } as const;
    let file = openFile(path, options);
    const reopen = async (): Promise<void> => {
      await file.close();
      file = openFile(path, options);
    };
    await compare(() => file.indexedDB, reopen, REOPENED);
  });
});

async function compare(indexedDB: () => IDBFactory, between: () => Promise<void>, numRuns: number): Promise<void> {
  const ours: Implementation = { indexedDB, KeyRange: IDBKeyRange, between };
  const factory = new FakeFactory();
  const fake: Implementation = { indexedDB: () => factory, KeyRange: FakeKeyRange, between: async () => undefined };
  let scripts = 0;
  let operations = 0;
  const property = fc.asyncProperty(script, async (parts) => {
    scripts++;
    operations += operationsIn(parts);
    const seen = await play(ours, `db${scripts}`, parts);
    expect(seen).to.deep.equal(await play(fake, `db${scripts}`, parts));
  });
  await fc.assert(property, { numRuns, seed: SEED });
  console.log(`      ran ${scripts} scripts, ${operations} operations, seed ${SEED}`);
}
