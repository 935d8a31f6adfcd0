import { expect } from 'chai';
import { sql } from 'kysely';
import { openPostgres } from '../../src/adapters/store/database.ts';
import { openTestDatabase } from '../support/stores.ts';
import { query } from '../support/postgres.ts';
import { until } from '../support/until.ts';

describe('A connection to PostgreSQL that breaks between two statements of a transaction', () => {
  it('ends that transaction, never the process', async () => {
    const url = await openTestDatabase();
    const { db } = openPostgres(url);
    const outcome = await db.transaction().execute(async (transaction) => {
      const pid = (await sql<{ pid: number }>`SELECT pg_backend_pid() AS pid`.execute(transaction)).rows[0]?.pid ?? 0;
      await query(url, `SELECT pg_terminate_backend(${pid})`);
      await until('the connection to be gone', async () => (await query(url, `SELECT 1 FROM pg_stat_activity WHERE pid = ${pid}`)).length === 0);
      await new Promise((resolve) => setImmediate(resolve)); // what the socket has to tell is told: unheard, it would end this process here
      return sql`SELECT 1`.execute(transaction);
    }).then(() => 'committed', () => 'failed');
    expect(outcome).to.equal('failed');
    expect((await sql`SELECT 1 AS one`.execute(db)).rows, 'the next one works').to.deep.equal([{ one: 1 }]);
    await db.destroy();
  });
});
