import type { Kysely } from 'kysely';
import type { FoundAggregate } from '../../domain/decision.ts';
import type { Store } from '../../ports/store.ts';
import type { Codec } from './dataKeys.ts';
import type { Tables } from './tables.ts';

/** Aggregates by id, and by the names they are found by. */
export function createReads(db: Kysely<Tables>, codec: Codec): Pick<Store, 'load' | 'lookup'> {
  return {
    async load({ kind, id }) {
      const row = await db.selectFrom('aggregate').selectAll().where('kind', '=', kind).where('id', '=', id).executeTakeFirst();
      if (!row) return undefined;
      const [state] = await codec.decode(db, [row.state]);
      return { state, version: row.version };
    },

    async lookup(lookups) {
      const found = new Map<string, FoundAggregate>();
      for (const { kind, name } of lookups) {
        // PostgreSQL's text can't hold it, so nothing is called so; asked all the same, it would refuse, and the fact would wait for ever, with all behind it.
        if (name.includes('\0')) continue;
        const row = await db.selectFrom('aggregate_name').innerJoin('aggregate', (join) => join.onRef('aggregate.kind', '=', 'aggregate_name.kind').onRef('aggregate.id', '=', 'aggregate_name.id'))
          .select(['aggregate.id', 'aggregate.state']).where('aggregate_name.kind', '=', kind).where('aggregate_name.name', '=', name).executeTakeFirst();
        if (!row) continue;
        const [state] = await codec.decode(db, [row.state]);
        found.set(name, { aggregate: { kind, id: row.id }, state });
      }
      return found;
    },
  };
}
