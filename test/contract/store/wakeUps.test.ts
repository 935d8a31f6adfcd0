import { expect } from 'chai';
import { createWakeUps } from '../../../src/adapters/store/wakeUps.ts';
import { query } from '../../support/postgres.ts';
import { openTestDatabase } from '../../support/stores.ts';
import { until } from '../../support/until.ts';

describe('Wake-ups over PostgreSQL', () => {
  it('reach the other workers and not who gave them, many at once as one, and again after the connection was lost', async () => {
    const url = await openTestDatabase();
    const woken = { a: 0, b: 0 };
    const a = createWakeUps(url, 'a', () => { woken.a += 1; });
    const b = createWakeUps(url, 'b', () => { woken.b += 1; });
    try {
      await until('both to listen', () => woken.a === 1 && woken.b === 1);
      for (let index = 0; index < 50; index += 1) a.announce();
      await until('b to be woken', () => woken.b === 3);
      expect(woken.a, 'its own').to.equal(1);

      await query(url, 'select pg_terminate_backend(pid) from pg_stat_activity where application_name = \'aceso wake-ups\'');
      await until('both to listen again', () => woken.a === 2 && woken.b === 4);
      b.announce();
      await until('a to be woken', () => woken.a === 3);
    } finally {
      await Promise.all([a.stop(), b.stop()]);
    }
  });
});
