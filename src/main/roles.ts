import type { LoadedConfig } from '../config/load.ts';
import type { Verb } from '../loop/loop.ts';

/**
 * What a process of Aceso does. `ingress` opens the doors (FHIR, application service), `decider` decides, `sender` acts and holds couriers,
 * `janitor` turns timers into facts and prunes. One process does all by default; on PostgreSQL any number of them share it.
 */
export const ROLES = ['ingress', 'decider', 'sender', 'janitor'] as const;
export type Role = (typeof ROLES)[number];

/** All of them when none is named. Throws when they can't be shared out: SQLite has one writer. */
export function rolesFor(config: LoadedConfig, named: readonly Role[]): readonly Role[] {
  const roles = named.length === 0 ? ROLES : ROLES.filter((role) => named.includes(role));
  if (roles.length < ROLES.length && config.store.postgres_url_file === undefined) {
    throw new Error(`start: --role ${roles.join(', ')} needs PostgreSQL: SQLite has one writer, so that one process must do everything. Name a database in store.postgres_url_file, or start without --role.`);
  }
  return roles;
}

export const verbsOf = (roles: readonly Role[]): readonly Verb[] => [
  ...(roles.includes('decider') ? ['decide' as const] : []), ...(roles.includes('sender') ? ['act' as const] : []), ...(roles.includes('janitor') ? ['tick' as const] : []),
];
