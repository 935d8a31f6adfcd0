import { sql, type Kysely } from 'kysely';
import { as, type Millis } from '../../domain/brand.ts';
import type { KeyRing } from '../../ports/keys.ts';
import type { Lease, Store } from '../../ports/store.ts';
import { addToAudit } from './audit.ts';
import { WAITING } from './settle.ts';
import type { Tables } from './tables.ts';
import { inTransaction } from './transaction.ts';

/** Rights that one worker has at a time, and what is written in their name. */
export function createLeases(db: Kysely<Tables>, keyRing: KeyRing, now: () => number): Pick<Store, 'lease' | 'release' | 'leases' | 'seat' | 'saveSeat' | 'removeSeat' | 'seatsFrom' | 'secret' | 'saveSecret'> {
  /** Runs `write` when the lease is still ours. Its row stays locked till the end of the transaction: nobody can take it in between. */
  const fenced = ({ name, worker, generation }: Lease, write: (tx: Kysely<Tables>) => Promise<unknown>): Promise<boolean> => inTransaction(db, async (tx) => {
    const { numUpdatedRows } = await tx.updateTable('lease').set({ generation }).where('name', '=', name).where('worker', '=', worker).where('generation', '=', generation).executeTakeFirst();
    if (numUpdatedRows !== 1n) return false;
    await write(tx);
    return true;
  });

  return {
    /** One statement, so that of two who race for it one gets it. */
    async lease(name, worker, at, leaseMs) {
      const row = await db.insertInto('lease').values({ name, worker, generation: 1, lease_until: at + leaseMs })
        .onConflict((conflict) => conflict.column('name')
          .doUpdateSet({ worker, lease_until: at + leaseMs, generation: sql`case when lease.worker = ${worker} then lease.generation else lease.generation + 1 end` })
          .where(({ or, eb }) => or([eb('lease.worker', '=', worker), eb('lease.worker', 'is', null), eb('lease.lease_until', '<=', at), eb('lease.lease_until', '>', at + FAR * leaseMs)])))
        .returning('generation').executeTakeFirst();
      return row && { name, worker, generation: row.generation };
    },

    async release({ name, worker, generation }) {
      await db.updateTable('lease').set({ worker: null, lease_until: 0 }).where('name', '=', name).where('worker', '=', worker).where('generation', '=', generation).execute();
    },

    async leases(prefix) {
      const rows = await db.selectFrom('lease').selectAll().where('name', 'like', `${prefix}%`).orderBy('name').execute();
      return rows.map(({ name, worker, generation, lease_until: until }) => ({ name, worker: worker ?? undefined, generation, until: as<Millis>(until) }));
    },

    async seat(seat) {
      const row = await db.selectFrom('courier_seat').selectAll().where('seat', '=', seat).executeTakeFirst();
      return row && { seat: row.seat, deviceId: row.device_id, storeId: row.store_id, bornAt: as<Millis>(row.born_at) };
    },

    saveSeat: (lease, { seat, deviceId, storeId, bornAt }, note) => fenced(lease, async (tx) => {
      const row = { device_id: deviceId, store_id: storeId, born_at: bornAt };
      await tx.insertInto('courier_seat').values({ seat, ...row }).onConflict((conflict) => conflict.column('seat').doUpdateSet(row)).execute();
      await addToAudit(tx, note);
    }),

    removeSeat: (lease, seat, note) => fenced(lease, async (tx) => {
      await tx.deleteFrom('courier_seat').where('seat', '=', seat).execute();
      await addToAudit(tx, note);
    }),

    async seatsFrom(seat) {
      const devices = await db.selectFrom('courier_seat').select('seat').where('seat', '>=', seat).execute();
      const effects = await db.selectFrom('outbox').select(['seat', sql<number>`count(*)`.as('n')]).where('state', '=', WAITING).where('seat', '>=', seat).groupBy('seat').execute();
      const waiting = new Map(effects.map((row) => [row.seat, row.n]));
      return [...new Set([...devices.map((row) => row.seat), ...effects.map((row) => row.seat)])].filter((each) => each !== null).sort((a, b) => a - b).map((each) => ({ seat: each, waiting: waiting.get(each) ?? 0 }));
    },

    async secret(name) {
      const row = await db.selectFrom('secret').selectAll().where('name', '=', name).executeTakeFirst();
      return row && keyRing.unwrap(row.wrapped, subjectOf(name), row.key_id);
    },

    saveSecret: (lease, name, value) => fenced(lease, async (tx) => {
      const row = { key_id: keyRing.keyId, wrapped: keyRing.wrap(value, subjectOf(name)), changed_at: now() };
      await tx.insertInto('secret').values({ name, ...row }).onConflict((conflict) => conflict.column('name').doUpdateSet(row)).execute();
    }),
  };
}

/** No lease is so many times longer than the one that is asked for: it was given by a clock that was ahead and was set back. */
export const FAR = 10;

/** Keeps a secret's wrapping from being taken for a patient's data key. */
const subjectOf = (name: string): string => `secret:${name}`;
