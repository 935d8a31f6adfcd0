import type { LoadedConfig } from '../config/load.ts';
import { askCatchUp } from '../loop/catchUp.ts';
import { openStore } from './compose.ts';
import type { Printed } from './print.ts';

/** Asks the running server to read its rooms from a time on. */
export async function catchUpSince(config: LoadedConfig, text: string): Promise<Printed> {
  const since = Date.parse(text);
  if (!Number.isFinite(since) || since > Date.now()) throw new Error(`${text} is not a time that has been. Write it like 2026-11-24T13:00:00Z.`);
  const { store, notes } = await openStore(config, 'as-is');
  try {
    for (const [name, value] of Object.entries(askCatchUp(since, 'asked'))) await notes.write(name, value);
  } finally {
    await store.close();
  }
  return { json: { since: new Date(since).toISOString() }, text: `The running server reads its rooms from ${new Date(since).toISOString()} on; its log says catch-up.done.` };
}
