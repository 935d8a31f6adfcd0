import { expect } from 'chai';
import { Kysely, sql } from 'kysely';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sqliteDialects } from '../../src/adapters/store/sqlite.ts';
import { removeFolder, temporaryFolder } from '../support/folders.ts';

type Tables = { readonly t: { readonly name: string } };

describe('SQLite on a disk that refuses once', () => {
  let folder: string;
  beforeEach(() => { folder = temporaryFolder('sync'); });
  afterEach(() => removeFolder(folder));

  it('takes nothing for written that the disk refused, before it is in the database file', async () => {
    const path = join(folder, 'a.db');
    let refuses = false;
    const db = new Kysely<Tables>({ dialect: sqliteDialects(path, async () => { if (refuses) throw new Error('EIO'); }).durable });
    const write = (name: string): Promise<unknown> => db.insertInto('t').values({ name }).execute();
    const inFile = (): readonly unknown[] => {
      copyFileSync(path, `${path}.copy`);
      const copy = new DatabaseSync(`${path}.copy`);
      const names = copy.prepare('SELECT name FROM t').all().map(({ name }) => name);
      copy.close();
      return names;
    };
    try {
      await sql`create table t (name text primary key)`.execute(db);
      refuses = true;
      expect(await write('a').then(() => 'written', () => 'refused')).to.equal('refused');
      refuses = false;
      // Asked for again, it is known: that is an answer only once it is safe.
      await db.insertInto('t').values({ name: 'a' }).onConflict((conflict) => conflict.doNothing()).execute();
      expect(inFile()).to.deep.equal(['a']);
    } finally {
      await db.destroy();
    }
  });
});
