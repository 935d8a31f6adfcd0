import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Aceso } from './aceso.ts';

/** An agreement drafted by one hospital, signed by its partner, and taken into the register of the first. Gives its id. */
export async function agree(one: Pick<Aceso, 'cli' | 'folder'>, partner: Pick<Aceso, 'cli'> & { readonly serverName: string }, name: string, until = '2199-12-31', how: readonly '--stand-by'[] = []): Promise<string> {
  const file = join(one.folder, `${name}.json`);
  const command = (at: Pick<Aceso, 'cli'>, ...args: readonly string[]): Promise<Readonly<Record<string, unknown>>> => at.cli('agreements', ...args);
  await command(one, 'key');
  writeFileSync(file, JSON.stringify(await command(one, 'draft', '--partner', partner.serverName, '--kind', 'treatment', '--from', '2026-01-01', '--until', until, ...how)));
  const { key } = await command(partner, 'key');
  await command(partner, 'sign', file);
  const { added } = await command(one, 'add', file, '--confirm-key', String(key));
  return String(added);
}
