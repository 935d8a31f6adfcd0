import { sql, type Kysely } from 'kysely';
import type { Notes } from '../../ports/notes.ts';
import type { Tables } from './tables.ts';

export function createNotes(db: Kysely<Tables>, now: () => number = Date.now): Notes {
  return {
    async read(name) {
      return (await db.selectFrom('note').select('value').where('name', '=', name).executeTakeFirst())?.value;
    },
    async write(name, value) {
      const row = { value, changed_at: now() };
      await db.insertInto('note').values({ name, ...row }).onConflict((conflict) => conflict.column('name').doUpdateSet(row)).execute();
    },
    async list(prefix) {
      const rows = await db.selectFrom('note').select(['name', 'value']).where(sql`substr(name, 1, ${prefix.length})`, '=', prefix).orderBy('name').execute();
      return new Map(rows.map(({ name, value }) => [name, value]));
    },
    async remove(name) {
      await db.deleteFrom('note').where('name', '=', name).execute();
    },
  };
}
