import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { findStore } from '../../src/adapters/crypto/storeFile.ts';
import { removeFolder, temporaryFolder } from '../support/folders.ts';

describe('The file of a courier\'s store', () => {
  let folder: string;
  let file: string;
  beforeEach(() => { folder = temporaryFolder('found'); file = join(folder, 'courier.db'); });
  afterEach(() => removeFolder(folder));

  it('is no store when it isn\'t there, and one without a name when it is damaged', () => {
    expect(findStore(file)).to.equal(undefined);
    writeFileSync(file, 'not a database, and never will be one '.repeat(100));
    expect(findStore(file)).to.deep.equal({ storeId: undefined, generation: 0 });
  });

  it('is not taken for lost when it can\'t be read now', () => {
    const holder = new DatabaseSync(file);
    holder.exec("CREATE TABLE courier_fence (one INTEGER, generation INTEGER, store_id TEXT); INSERT INTO courier_fence VALUES (1, 7, 's'); PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE");
    expect(() => findStore(file)).to.throw('can\'t be read');
    holder.close();
    expect(findStore(file)).to.deep.equal({ storeId: 's', generation: 7 });
  });
});
