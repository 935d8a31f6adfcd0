/** What the tool is asked to do: `npm run chaos -- --help`. */
import { Command, InvalidArgumentError, Option } from 'commander';

export type ChaosOptions = {
  readonly mode: 'kills' | 'network' | 'failover' | 'policy';
  readonly kills: number;
  readonly seed: number;
  readonly store: 'sqlite' | 'postgres';
  readonly workers: number;
  readonly perSecond: number;
  readonly everySeconds: number;
  /** How long the network is bad. */
  readonly seconds: number;
  readonly lateParties: number;
  /** Keep logs and databases, whatever comes. */
  readonly keep: boolean;
  /** Falsify the evidence, to see that the check notices. */
  readonly control?: 'lost' | 'duplicated' | 'undecryptable' | 'indexReuse';
};

export function readOptions(argv: readonly string[]): ChaosOptions {
  const program = new Command('npm run chaos --')
    .description('Two hospitals on real homeservers, Aceso between them, results flowing; and what can go wrong, goes wrong. At the end every accepted result must have been read by its recipient, once.')
    .addOption(new Option('--kills <n>', 'kill -9 so many times: Aceso\'s workers, both homeservers, PostgreSQL').argParser(number(0, 100_000)))
    .addOption(new Option('--network', 'no kills: a bad network between every pair of programs').conflicts('failover'))
    .addOption(new Option('--failover', 'PostgreSQL, two workers: kill the one that holds the courier, and measure the gap'))
    .addOption(new Option('--policy', 'rooms under a policy server: kill its process, and PostgreSQL in turns where there is one, while people send what may pass and what may not').conflicts(['failover', 'network']))
    .addOption(new Option('--seed <n>', 'what is drawn by lot is drawn the same again').argParser(number(0, 2 ** 31)))
    .addOption(new Option('--store <kind>', 'where Aceso keeps its state').choices(['sqlite', 'postgres']).default('sqlite'))
    .addOption(new Option('--workers <n>', 'processes of Aceso, each with every role; 2 on PostgreSQL when left out, 1 on SQLite').argParser(number(1, 8)))
    .addOption(new Option('--rate <n>', 'results a second').argParser(number(0.1, 1000)))
    .addOption(new Option('--every <seconds>', 'from one kill to the next, on average').default(3.5).argParser(number(0.2, 600)))
    .addOption(new Option('--seconds <n>', 'how long the network is bad').default(120).argParser(number(5, 86_400)))
    .addOption(new Option('--late <n>', 'teams whose room is made while the chaos lasts').argParser(number(0, 500)))
    .addOption(new Option('--keep', 'keep all logs and databases, also when nothing is wrong'))
    .addOption(new Option('--control <kind>', 'falsify the evidence, to see that the check can fail').choices(['lost', 'duplicated', 'undecryptable', 'indexReuse']).hideHelp())
    .addHelpText('after', '\nThe last line is JSON. Exit 0: lost, duplicated, undecryptable and indexReuse are 0. 1: they aren\'t, or it couldn\'t be found out;\nwhat leads to each is printed, and the logs and databases are kept. 2: a wrong call. 130: Ctrl-C.')
    .showHelpAfterError('(see npm run chaos -- --help)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  program.parse([...argv], { from: 'user' });
  const given = program.opts<{ kills?: number; network?: true; failover?: true; policy?: true; seed?: number; store: 'sqlite' | 'postgres'; workers?: number; rate?: number; every: number; seconds: number; late?: number; keep?: true; control?: NonNullable<ChaosOptions['control']> }>();
  const mode = given.network ? 'network' : given.failover ? 'failover' : given.policy ? 'policy' : 'kills';
  const store = mode === 'failover' ? 'postgres' : given.store;
  const workers = given.workers ?? (store === 'postgres' && mode !== 'policy' ? 2 : 1);
  if (workers > 1 && store === 'sqlite') program.error('--workers: several workers need --store postgres.', { exitCode: 2 });
  if (mode === 'policy' && workers > 1) program.error('--policy: one worker.', { exitCode: 2 });
  const kills = given.kills ?? { kills: 20, network: 0, failover: 3, policy: 6 }[mode];
  return {
    mode, store, workers, kills, seed: given.seed ?? Math.floor(Date.now() / 1000) % 1_000_000, seconds: given.seconds, keep: given.keep ?? false, everySeconds: given.every,
    perSecond: given.rate ?? (mode === 'failover' ? 10 : 3), lateParties: given.late ?? (mode === 'failover' ? 0 : Math.min(24, Math.max(mode === 'policy' ? 3 : 2, Math.round(kills / 10)))),
    ...(given.control === undefined ? {} : { control: given.control }),
  };
}

const number = (low: number, high: number) => (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !(value >= low && value <= high)) throw new InvalidArgumentError(`Give a number from ${low} to ${high}.`);
  return value;
};
