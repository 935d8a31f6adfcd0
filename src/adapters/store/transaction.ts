import type { Kysely, Transaction } from 'kysely';
import type { Tables } from './tables.ts';

/** PostgreSQL ended one of several transactions that waited for each other (deadlock_detected, serialization_failure): it left no trace. */
const TRY_AGAIN = new Set(['40P01', '40001']);
const TRIES = 4;

/** One transaction; tried again when the database says that trying again is all that is needed. */
export async function inTransaction<T>(db: Kysely<Tables>, run: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await db.transaction().execute(run);
    } catch (error) {
      if (tries >= TRIES || !TRY_AGAIN.has(String((error as { readonly code?: unknown }).code))) throw error;
    }
  }
}
