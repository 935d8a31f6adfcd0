import { InvalidArgumentError, Option, type Command } from 'commander';
import { randomUUID } from 'node:crypto';
import type { LoadedConfig } from '../../config/load.ts';
import { as } from '../../domain/brand.ts';
import { partiesWith } from '../../loop/witness.ts';
import type { Store } from '../../ports/store.ts';
import { openStore } from '../compose.ts';
import { table, type Printed } from '../print.ts';
import { checkServer } from './check.ts';
import { listPartners } from './list.ts';
import { toolsFor } from './tools.ts';

export type PartnerParts = { readonly config: () => LoadedConfig; readonly withStore: (run: (store: Store, config: LoadedConfig) => Promise<Printed>) => Promise<void>; readonly operator: () => string; readonly print: (printed: Printed) => void };

const ARRIVES_MS = 20_000;

const seconds = (value: string): number => {
  if (!/^\d{1,4}$/u.test(value)) throw new InvalidArgumentError('give seconds, 0 to 9999.');
  return Number(value);
};

/** What partners' homeservers do (docs/agreements.md). */
export function addPartners(program: Command, { config, withStore, operator, print }: PartnerParts): void {
  const partners = program.command('partner').alias('partners').description('what the homeservers of partners do: policy server, encryption, redaction');
  partners.command('list', { isDefault: true }).description('what was seen of each, when, and how').action(() => withStore(listPartners));
  partners.command('check').description('try whether a partner\'s homeserver does what rooms rely on, and note it; exit 1 when something isn\'t as it must be').argument('<server>', 'its server name')
    .option('--as <user>', 'an account there that is for this alone; it is invited to a room without patients')
    .addOption(new Option('--wait <seconds>', 'how long to wait for whoever uses that account').default(120).argParser(seconds))
    .action(async (server: string, { as: account, wait }: { readonly as?: string; readonly wait: number }) => {
      const { failed, ...printed } = await check(config(), server, { account, waitMs: wait * 1000, by: operator() });
      if (failed) process.exitCode = 1;
      print(printed);
    });
}

async function check(config: LoadedConfig, server: string, { account, waitMs, by }: { readonly account: string | undefined; readonly waitMs: number; readonly by: string }): Promise<Printed & { readonly failed: boolean }> {
  const { store, keys } = await openStore(config, 'as-is');
  try {
    const tools = await toolsFor(config, { store, keys }, server);
    const { findings, shown } = await checkServer(tools, { account, waitMs, arrivesMs: ARRIVES_MS, tell: (text) => void process.stderr.write(`${text}\n`) }).finally(tools.close);
    const rooms = shown.length > 0 ? await partiesWith(store, server) : [];
    await store.receive(shown.map((each) => ({ source: 'operator', key: randomUUID(), aggregate: { kind: 'agreement', id: server }, at: as(Date.now()), body: { type: 'partner.seen', ...each, source: 'check', by, rooms } })));
    return {
      failed: findings.some(({ level }) => level === 'fail'), json: { partner: server, findings, noted: shown },
      text: `${table(['', 'WHAT', 'IS', 'WHAT TO DO'], findings.map(({ level, what, is, todo = '' }) => [level === 'fail' ? 'FAIL' : level, what, is, todo]), '')}\n\n${shown.length === 0 ? 'Nothing new is noted.' : `Noted: ${shown.map(({ trait, honoured }) => `${trait} ${honoured}`).join(', ')}.`} See \`aceso partner list\`.`,
    };
  } finally {
    await store.close();
  }
}
