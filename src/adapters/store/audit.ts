import type { Kysely } from 'kysely';
import type { AuditNote } from '../../ports/store.ts';
import type { Tables } from './tables.ts';

/** Lines of the audit that no decision made, written with whatever else the transaction writes. */
export async function addToAudit(db: Kysely<Tables>, ...notes: readonly (AuditNote | undefined)[]): Promise<void> {
  const rows = notes.flatMap((note) => (note === undefined ? [] : [{ ...note, fact: '', detail: JSON.stringify(note.detail ?? {}) }]));
  if (rows.length > 0) await db.insertInto('audit').values(rows).execute();
}
