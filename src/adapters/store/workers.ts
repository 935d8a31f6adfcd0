import type { Kysely } from 'kysely';
import { as, type Millis } from '../../domain/brand.ts';
import type { Store } from '../../ports/store.ts';
import type { Tables } from './tables.ts';

/** A worker that said nothing for this long is forgotten. */
const FORGOTTEN_MS = 3_600_000;

/** Who is at work, for people who look: nothing is decided by it. */
export function createWorkers(db: Kysely<Tables>): Pick<Store, 'present' | 'absent' | 'workers' | 'seats'> {
  return {
    async present({ id, roles, address, startedAt, seenAt }) {
      const { numUpdatedRows } = await db.updateTable('worker').set({ seen_at: seenAt }).where('id', '=', id).executeTakeFirst();
      if (numUpdatedRows > 0n) return;
      await db.deleteFrom('worker').where('seen_at', '<', seenAt - FORGOTTEN_MS).execute();
      await db.insertInto('worker').values({ id, roles: roles.join(' '), address, started_at: startedAt, seen_at: seenAt }).onConflict((conflict) => conflict.column('id').doUpdateSet({ seen_at: seenAt })).execute();
    },

    async absent(id) {
      await db.deleteFrom('worker').where('id', '=', id).execute();
    },

    async workers() {
      const rows = await db.selectFrom('worker').selectAll().orderBy('started_at').orderBy('id').execute();
      return rows.map((row) => ({ id: row.id, roles: row.roles.split(' ').filter((role) => role !== ''), address: row.address, startedAt: as<Millis>(row.started_at), seenAt: as<Millis>(row.seen_at) }));
    },

    async seats() {
      const leases = await db.selectFrom('lease').selectAll().where('name', 'like', 'courier/%').execute();
      const devices = await db.selectFrom('courier_seat').selectAll().execute();
      const seats = [...new Set([...leases.map(({ name }) => Number(name.slice('courier/'.length))), ...devices.map(({ seat }) => seat)])].filter(Number.isInteger).sort((a, b) => a - b);
      return seats.map((seat) => {
        const lease = leases.find(({ name }) => name === `courier/${seat}`);
        const device = devices.find((row) => row.seat === seat);
        return { seat, ...(lease?.worker ? { worker: lease.worker, until: as<Millis>(lease.lease_until), generation: lease.generation } : {}), ...(device ? { deviceId: device.device_id } : {}) };
      });
    },
  };
}
