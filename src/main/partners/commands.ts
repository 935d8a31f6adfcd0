import type { Command } from 'commander';
import type { LoadedConfig } from '../../config/load.ts';
import type { Store } from '../../ports/store.ts';
import type { Printed } from '../print.ts';
import { listPartners } from './list.ts';

export type PartnerParts = { readonly withStore: (run: (store: Store, config: LoadedConfig) => Promise<Printed>) => Promise<void> };

/** What partners' homeservers do (docs/agreements.md). */
export function addPartners(program: Command, { withStore }: PartnerParts): void {
  const partners = program.command('partner').alias('partners').description('what the homeservers of partners do: policy server, encryption, redaction');
  partners.command('list', { isDefault: true }).description('what was seen of each, when, and how').action(() => withStore(listPartners));
}
