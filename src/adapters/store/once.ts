import type { Kysely } from 'kysely';
import type { KeyRing } from '../../ports/keys.ts';
import type { Remember } from '../../ports/once.ts';
import type { Tables } from './tables.ts';

/** What is over is cleared away this often. */
const CLEAR_MS = 60_000;

/** One statement decides, so that of two workers that see the same name at the same time one is the first. */
export function createRemember(db: Kysely<Tables>, keyRing: KeyRing): Remember {
  let cleared = 0;
  return async (name, until, now) => {
    if (now - cleared >= CLEAR_MS) {
      cleared = now;
      await db.deleteFrom('once').where('until', '<', now).execute();
    }
    const written = await db.insertInto('once').values({ name: keyRing.pseudonym('once', name), until })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ until }).where('once.until', '<', now)).returning('name').execute();
    return written.length === 1;
  };
}
