import type { Command } from 'commander';
import type { LoadedConfig } from '../../config/load.ts';
import type { Store } from '../../ports/store.ts';
import type { Printed } from '../print.ts';
import { draft, showKey, sign, type DraftOptions } from './document.ts';
import { addAgreement, isFile, listAgreements, revokeAgreement, showAgreement, verifyEntry, verifyFile } from './register.ts';

export type AgreementParts = { readonly config: () => LoadedConfig; readonly withStore: (run: (store: Store, config: LoadedConfig) => Promise<Printed>) => Promise<void>; readonly operator: () => string; readonly print: (printed: Printed) => void };

/** Agreements with partners, as signed credentials (docs/agreements.md). */
export function addAgreements(program: Command, { config, withStore, operator, print }: AgreementParts): void {
  const agreements = program.command('agreements').description('what is agreed with partners: treatment trust, BAA, Part 2 QSOA');
  agreements.command('list', { isDefault: true }).description('every agreement, and where it stands').action(() => withStore(listAgreements));
  agreements.command('show').description('one, with its signatures').argument('<agreement>', 'id, or a beginning of it').action((id: string) => withStore((store, loaded) => showAgreement(store, loaded, id)));
  agreements.command('key').description('the key by which this hospital signs; made at the first use').action(async () => print(await showKey(config())));
  agreements.command('draft').description('print a new agreement, to be signed by both: aceso agreements draft … > FILE')
    .requiredOption('--partner <server>', 'Matrix server name of the other organisation')
    .requiredOption('--kind <kind>', 'treatment (between providers), baa or qsoa (42 CFR Part 2)')
    .requiredOption('--from <day>', 'its first day, e.g. 2027-01-01').requiredOption('--until <day>', 'its last day')
    .option('--stand-by', 'each side\'s policy server stands by in the other\'s rooms, for when that is away: both need one')
    .option('--name <name>', 'what the other organisation is called; as in the configuration when left out')
    .action(async (options: DraftOptions) => print(await draft(config(), options)));
  agreements.command('sign').description('sign a file for this hospital, and write it back').argument('<file>').option('--dry-run', 'only show what would be signed')
    .action(async (file: string, { dryRun }: { readonly dryRun?: true }) => print(await sign(config(), file, dryRun)));
  agreements.command('add').description('take an agreement into the register: signed by the partner, countersigned by this hospital').argument('<file>')
    .option('--confirm-key <key>', 'the partner\'s key, as they read it to you by telephone: for their first agreement, or when their key changed')
    .option('--dry-run', 'only say what would be done')
    .action((file: string, options: { readonly confirmKey?: string; readonly dryRun?: true }) => withStore((store, loaded) => addAgreement(store, loaded, file, { ...options, by: operator() })));
  agreements.command('verify').description('check the signatures of a file (offline), or of one in the register').argument('<file-or-agreement>')
    .action(async (what: string) => (isFile(what) ? print(await verifyFile(config(), what)) : withStore((store, loaded) => verifyEntry(store, loaded, what))));
  agreements.command('revoke').description('end one now: it can\'t be undone').argument('<agreement>')
    .requiredOption('--reason <code>', 'terminated, breach, key-lost, superseded or mistake').option('--dry-run', 'only say what would happen')
    .action((id: string, options: { readonly reason: string; readonly dryRun?: true }) => withStore((store) => revokeAgreement(store, id, { ...options, by: operator() })));
}
