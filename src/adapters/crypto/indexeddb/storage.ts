import type { Catalog } from './catalog.ts';
import type { Records } from './records.ts';
import type { Scheduler } from './scheduler.ts';
import type { SqliteFile, Synchronous } from './sql.ts';

/** What everything that uses one file shares. */
export type Storage = {
  readonly file: SqliteFile;
  readonly catalog: Catalog;
  readonly records: Records;
  readonly scheduler: Scheduler;
  /** For transactions of durability `default`. */
  readonly synchronous: Synchronous;
};
