import { expect } from 'chai';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { GroupCommit, type Manner } from '../../src/adapters/store/groupCommit.ts';
import { removeFolder, temporaryFolder } from '../support/folders.ts';
import { until } from '../support/until.ts';

describe('Transactions that are committed in groups', () => {
  let folder: string;
  let database: DatabaseSync;
  let group: GroupCommit;
  let commits: number;
  let syncs: PromiseWithResolvers<undefined>[];

  beforeEach(() => {
    folder = temporaryFolder('group');
    const file = new DatabaseSync(join(folder, 'a.db'));
    file.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE t (name TEXT PRIMARY KEY)');
    [database, commits, syncs] = [file, 0, []];
    group = new GroupCommit({
      exec: (sql) => {
        if (sql === 'commit') commits += 1;
        file.exec(sql);
      },
      get isTransaction() { return file.isTransaction; },
      sync: async () => {
        const sync = Promise.withResolvers<undefined>();
        syncs.push(sync);
        await sync.promise;
      },
    });
  });
  afterEach(() => {
    database.close();
    removeFolder(folder);
  });

  const insert = (name: string): unknown => database.prepare('INSERT INTO t VALUES (?)').run(name);
  const names = (): readonly unknown[] => database.prepare('SELECT name FROM t ORDER BY name').all().map(({ name }) => name);

  async function write(name: string, manner?: Manner): Promise<string> {
    await group.begin();
    try {
      insert(name);
      await Promise.resolve();
    } catch {
      group.rollback();
      return `${name} refused`;
    }
    await group.commit(manner);
    return name;
  }
  const settled = async (promise: Promise<unknown>): Promise<string> => Promise.race([promise.then(() => 'resolved', () => 'rejected'), new Promise<string>((resolve) => setImmediate(() => setImmediate(() => resolve('pending'))))]);
  const synced = async (number: number): Promise<void> => {
    await until(`sync ${number}`, () => syncs.length >= number, 2000, 1);
    syncs[number - 1]?.resolve(undefined);
  };

  it('takes those that come together to the disk together', async () => {
    const all = Promise.all(['a', 'b', 'c', 'd'].map((name) => write(name)));
    await synced(1);
    expect(await all).to.deep.equal(['a', 'b', 'c', 'd']);
    expect({ commits, syncs: syncs.length, names: names() }).to.deep.equal({ commits: 1, syncs: 1, names: ['a', 'b', 'c', 'd'] });
  });

  it('says nothing is stored before it is on the disk', async () => {
    const written = write('a');
    await until('the commit', () => commits === 1, 2000, 1);
    expect(await settled(written)).to.equal('pending');
    await synced(1);
    expect(await settled(written)).to.equal('resolved');
  });

  it('gives out nothing that was read of what is not on the disk yet', async () => {
    const written = write('a');
    const within = group.read(() => names());
    await until('the commit', () => commits === 1, 2000, 1);
    const after = group.read(() => names());
    expect([await settled(within), await settled(after)]).to.deep.equal(['pending', 'pending']);
    await synced(1);
    expect([await within, await after]).to.deep.equal([['a'], ['a']]);
    await written;
  });

  it('lets a decision be made on what is not on the disk yet: its own commit gets there after it', async () => {
    const written = write('a');
    await until('the commit', () => commits === 1, 2000, 1);
    expect(await group.read(() => names(), 'early')).to.deep.equal(['a']);
    const decided = write('b', 'early');
    await synced(1);
    expect([await settled(written), await settled(decided)]).to.deep.equal(['resolved', 'pending']);
    await synced(2);
    expect(await decided).to.equal('b');
  });

  it('keeps one that fails from the others', async () => {
    const all = Promise.all(['a', 'a', 'b'].map((name) => write(name)));
    await synced(1);
    expect(await all).to.deep.equal(['a', 'a refused', 'b']);
    expect(names()).to.deep.equal(['a', 'b']);
  });

  it('fails all of a group that the disk refuses, and goes on', async () => {
    const refused = Promise.allSettled([write('a'), write('b')]);
    await until('the sync', () => syncs.length === 1, 2000, 1);
    syncs[0]?.reject(new Error('no space left'));
    expect((await refused).map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
    const next = write('c');
    await synced(2);
    expect(await next).to.equal('c');
  });

  it('fails all of a group that SQLite itself rolled back', async () => {
    const first = write('a');
    await group.begin();
    database.exec('rollback'); // as SQLite does when the disk is full
    group.rollback();
    expect(await settled(first)).to.equal('rejected');
    expect(names()).to.deep.equal([]);
    const next = write('b');
    await synced(1);
    expect(await next).to.equal('b');
  });

  it('gives out nothing that was read of what could not be synced, before it is', async () => {
    const first = write('a');
    await until('the first sync', () => syncs.length === 1, 2000, 1);
    syncs[0]?.reject(new Error('EIO'));
    expect(await settled(first)).to.equal('rejected');
    const read = group.read(names);
    expect(await settled(read)).to.equal('pending');
    await synced(2);
    expect(await read).to.deep.equal(['a']);
  });

  it('serves all that is committed while the disk is busy with one more write to it', async () => {
    const first = write('a');
    await until('the first sync', () => syncs.length === 1, 2000, 1);
    const second = write('b');
    await until('the second commit', () => commits === 2, 2000, 1);
    const third = write('c');
    await until('the third commit', () => commits === 3, 2000, 1);
    await synced(1);
    await first;
    expect(await settled(Promise.race([second, third]))).to.equal('pending');
    await synced(2);
    await Promise.all([second, third]);
    expect(syncs).to.have.length(2);
  });

  it('waits for what is under way when it is to end', async () => {
    const written = write('a');
    const finished = group.finish();
    await synced(1);
    await Promise.all([written, finished]);
    expect(names()).to.deep.equal(['a']);
  });

  it('lets a relaxed one go without a write to the disk when all that it can have read is there', async () => {
    expect(await write('claim', 'relaxed')).to.equal('claim');
    expect(await group.read(names)).to.deep.equal(['claim']);
    expect({ commits, syncs: syncs.length }).to.deep.equal({ commits: 1, syncs: 0 });
  });

  it('gives a relaxed one out only once what came before it is on the disk, in its group or in an earlier one', async () => {
    const first = write('a');
    const beside = write('b', 'relaxed');
    await until('the first commit', () => commits === 1, 2000, 1);
    const later = write('c', 'relaxed');
    await until('the second commit', () => commits === 2, 2000, 1);
    expect(await settled(Promise.race([first, beside, later]))).to.equal('pending');
    await synced(1);
    expect(await Promise.all([first, beside, later])).to.deep.equal(['a', 'b', 'c']);
    expect(syncs).to.have.length(1);
  });

  it('doesn\'t make a relaxed one wait for what joins its group later', async () => {
    const claim = write('a', 'relaxed');
    const durable = write('b');
    expect(await claim).to.equal('a');
    expect(await settled(durable)).to.equal('pending');
    await synced(1);
    expect(await durable).to.equal('b');
  });

  it('gives a relaxed one out no more than a read when what it can have read could not be synced', async () => {
    const first = write('a');
    await until('the first sync', () => syncs.length === 1, 2000, 1);
    syncs[0]?.reject(new Error('EIO'));
    expect(await settled(first)).to.equal('rejected');
    const claim = write('b', 'relaxed');
    expect(await settled(claim)).to.equal('pending');
    await synced(2);
    expect(await claim).to.equal('b');
  });
});
