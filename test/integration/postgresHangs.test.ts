import { expect } from 'chai';
import { sql } from 'kysely';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { openPostgres, type Database } from '../../src/adapters/store/database.ts';
import { troubleOf } from '../../src/adapters/store/trouble.ts';
import { createWakeUps } from '../../src/adapters/store/wakeUps.ts';
import { startProxy, type Proxy } from '../chaos/proxy.ts';
import { randomOf } from '../chaos/random.ts';
import { freePort } from '../support/ports.ts';
import { query } from '../support/postgres.ts';
import { openTestDatabase } from '../support/stores.ts';
import { until } from '../support/until.ts';

const LIMITS = { connectMs: 400, queryMs: 600, statementMs: 300, lockMs: 300, idleInTransactionMs: 400 };

const pidOf = async ({ db }: Pick<Database, 'db'>): Promise<number> => (await sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`.execute(db)).rows[0]?.pid ?? 0;
const troubleIn = (asked: Promise<unknown>): Promise<string> => asked.then(() => 'none', (error: unknown) => troubleOf(error).error.code);

describe('A PostgreSQL that says nothing any more, and closes no connection', function () {
  this.timeout(60_000);
  let url: string;
  let proxy: Proxy;
  let database: Database;

  beforeEach(async () => {
    url = await openTestDatabase();
    const address = new URL(url);
    proxy = await startProxy({ name: 'postgres', port: await freePort(), targets: [Number(address.port)], random: randomOf(1, 'postgres') });
    address.port = String(proxy.port);
    database = openPostgres(address.href, LIMITS);
    await query(url, 'CREATE TABLE kept (name text PRIMARY KEY)');
  });
  afterEach(async () => {
    await proxy.set(undefined);
    await Promise.all([database.db.destroy(), database.relaxed.destroy()]);
    await proxy.stop();
  });

  it('is waited for so long and no longer, and the connection that hung is never used again', async () => {
    const before = await pidOf(database);
    await proxy.set({ kind: 'partition', then: 'heal' });
    expect(await troubleIn(pidOf(database)), 'on the connection of before').to.equal('unreachable');
    expect(await troubleIn(pidOf(database)), 'on a new one').to.equal('unreachable');
    await proxy.set(undefined);
    expect(await until('it to answer', () => pidOf(database).catch(() => undefined))).not.to.equal(before);
  });

  it('keeps nobody waiting for a connection longer than that, when all of them hang', async () => {
    await Promise.all(Array.from({ length: 10 }, () => sql`SELECT pg_sleep(0.05)`.execute(database.db)));
    await proxy.set({ kind: 'partition', then: 'heal' });
    const began = performance.now();
    const troubles = await Promise.all(Array.from({ length: 30 }, () => troubleIn(pidOf(database))));
    expect([...new Set(troubles)]).to.deep.equal(['unreachable']);
    expect(performance.now() - began).to.be.below(3 * (LIMITS.connectMs + LIMITS.queryMs));
  });

  it('is listened to again on a new connection, when it doesn\'t answer an announcement', async () => {
    const port = Number(new URL(url).port);
    const sockets: Socket[] = [];
    let passes = 'yes';
    const way = createServer((client) => {
      sockets.push(client.on('error', () => undefined));
      if (passes !== 'yes') return;
      const target = connect(port, '127.0.0.1').on('error', () => undefined);
      sockets.push(target);
      client.on('data', (data) => { if (passes === 'yes') target.write(data); });
      target.on('data', (data) => { if (passes === 'yes') client.write(data); });
    });
    await new Promise<void>((resolve) => { way.listen(0, '127.0.0.1', resolve); });
    const address = new URL(url);
    address.port = String((way.address() as AddressInfo).port);
    let woken = 0;
    const wakeUps = createWakeUps(address.href, 'one', () => { woken += 1; });
    try {
      await until('it to listen', () => woken > 0);
      passes = 'no';
      const before = sockets.length;
      wakeUps.announce();
      await until('another connection', () => sockets.length > before, 60_000);
      passes = 'yes';
      await until('it to listen again', () => woken > 1, 60_000);
    } finally {
      for (const socket of sockets) socket.destroy();
      way.close();
      await wakeUps.stop();
    }
  });

  it('ends the transaction that was under way, at its next statement and for good', async () => {
    const outcome = await troubleIn(database.db.transaction().execute(async (tx) => {
      await sql`INSERT INTO kept VALUES ('half')`.execute(tx);
      await proxy.set({ kind: 'partition', then: 'heal' });
      await sql`INSERT INTO kept VALUES ('whole')`.execute(tx);
    }));
    expect(outcome).to.equal('unreachable');
    await proxy.set(undefined);
    await until('the name to be free', () => sql`INSERT INTO kept VALUES ('half')`.execute(database.db).then(() => true, () => undefined));
    expect(await query(url, 'SELECT name FROM kept')).to.deep.equal([{ name: 'half' }]);
  });
});

describe('A limit that PostgreSQL keeps itself', function () {
  this.timeout(60_000);
  let url: string;
  let database: Database;
  before(async () => {
    url = await openTestDatabase();
    await query(url, 'CREATE TABLE kept (name text PRIMARY KEY)');
    database = openPostgres(url, LIMITS);
  });
  after(() => Promise.all([database.db.destroy(), database.relaxed.destroy()]));

  it('says that a statement took too long, and the connection is of use as before', async () => {
    const before = await pidOf(database);
    expect(await troubleIn(sql`SELECT pg_sleep(5)`.execute(database.db))).to.equal('slow');
    expect(await pidOf(database)).to.equal(before);
  });

  it('says that a lock was waited for too long, and frees what a frozen transaction holds', async () => {
    const second = openPostgres(url, { ...LIMITS, lockMs: 100 });
    const take = (): Promise<string> => troubleIn(sql`INSERT INTO kept VALUES ('mine')`.execute(second.db));
    await pidOf(second);
    const [begun, thawed] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
    const fate = troubleIn(database.db.transaction().execute(async (tx) => {
      await sql`INSERT INTO kept VALUES ('mine')`.execute(tx);
      begun.resolve(undefined);
      await thawed.promise;
      await sql`INSERT INTO kept VALUES ('too late')`.execute(tx);
    }));
    await begun.promise;
    expect(await take()).to.equal('locked');
    await until('the lock to be free', async () => (await take()) === 'none');
    thawed.resolve(undefined);
    expect(await fate).to.equal('unreachable');
    await second.db.destroy();
  });

  it('doesn\'t hold for a migration or a restore', async () => {
    expect(await troubleIn(database.unhurried((db) => sql`SELECT pg_sleep(0.8)`.execute(db)))).to.equal('none');
  });
});
