/** What lies on a hospital's disk though nobody is shown it: its homeserver keeps what it refused. */
import { DatabaseSync } from 'node:sqlite';
import type { Hospital } from '../support/lab.ts';

export type OnDisk = { /** Accepted by the rules of rooms, hidden since the policy server didn't sign it. */ readonly softFailed: ReadonlySet<string>; /** Against the rules of rooms. */ readonly rejected: ReadonlySet<string> };

export function onDisk({ databaseFile }: Pick<Hospital, 'databaseFile'>): OnDisk {
  const database = new DatabaseSync(databaseFile, { readOnly: true });
  try {
    const ids = (sql: string): ReadonlySet<string> => new Set(database.prepare(sql).all().map(({ event_id: id }) => String(id)));
    return { softFailed: ids('SELECT event_id FROM event_json WHERE internal_metadata LIKE \'%"soft_failed":true%\''), rejected: ids('SELECT event_id FROM rejections') };
  } finally {
    database.close();
  }
}
