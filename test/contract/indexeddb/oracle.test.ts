import { expect } from 'chai';
import fc from 'fast-check';
import { IDBFactory as FakeFactory, IDBKeyRange as FakeKeyRange } from 'fake-indexeddb';
import { IDBKeyRange, type IDBFactory } from '../../../src/adapters/crypto/indexeddb/mod.ts';
import { play, type Implementation } from './play.ts';
import { operationsIn, script } from './scripts.ts';
import { cleanUp, openFile } from './support.ts';

const SCRIPTS = Number(process.env.ORACLE_SCRIPTS ?? 2000);
const SEED = Number(process.env.ORACLE_SEED ?? 20261124);

const fake: Implementation = { indexedDB: new FakeFactory() as unknown as IDBFactory, KeyRange: FakeKeyRange as unknown as typeof IDBKeyRange };

describe('the same random script on this IndexedDB and on fake-indexeddb', () => {
  afterEach(cleanUp);

  it(`gives the same answers, errors, events in order, and content (${SCRIPTS} scripts)`, async function () {
    this.timeout(120_000);
    const ours: Implementation = { indexedDB: openFile().indexedDB, KeyRange: IDBKeyRange };
    let scripts = 0;
    let operations = 0;
    await fc.assert(
      fc.asyncProperty(script, async (parts) => {
        scripts++;
        operations += operationsIn(parts);
        const [seen, expected] = [await play(ours, `db${scripts}`, parts), await play(fake, `db${scripts}`, parts)];
        expect(seen).to.deep.equal(expected);
      }),
      { numRuns: SCRIPTS, seed: SEED },
    );
    console.log(`      ${scripts} scripts with ${operations} operations`);
  });
});
