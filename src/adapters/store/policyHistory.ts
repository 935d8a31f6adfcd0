import type { Kysely } from 'kysely';
import { as } from '../../domain/brand.ts';
import type { PolicyHistory, PolicyRevision } from '../../ports/policyHistory.ts';
import type { Tables } from './tables.ts';

export function createPolicyHistory(db: Kysely<Tables>): PolicyHistory {
  const newestFirst = async (limit?: number): Promise<readonly PolicyRevision[]> => {
    const query = db.selectFrom('policy_revision').selectAll().orderBy('last_loaded_at', 'desc').orderBy('revision');
    const rows = await (limit === undefined ? query : query.limit(limit)).execute();
    return rows.map(({ revision, text, first_loaded_at: first, last_loaded_at: last }) => ({ revision, text, firstLoadedAt: as(first), lastLoadedAt: as(last) }));
  };
  return {
    async loaded(revision, text, at) {
      await db.insertInto('policy_revision').values({ revision, text, first_loaded_at: at, last_loaded_at: at }).onConflict((conflict) => conflict.column('revision').doUpdateSet({ last_loaded_at: at })).execute();
    },
    last: async () => (await newestFirst(1))[0],
    list: () => newestFirst(),
  };
}
