/** What the tool is asked to do: `npm run federation -- --help`. */
import { Command, InvalidArgumentError, Option } from 'commander';

export type FederationOptions = {
  readonly events: number;
  readonly seed: number;
  /** Events that are under way at one time. */
  readonly lanes: number;
  readonly rooms: number;
  /** Messages sent with and without a policy server, side by side. */
  readonly pairs: number;
  /** Whether the hospitals' Synapses carry Aceso's mend (docs/synapse-module.md), or are as they come. */
  readonly synapse: 'mended' | 'as-it-comes';
  readonly dendrite: 'if-it-can-be-built' | 'if-it-is-built' | 'left-out';
  /** From when it was sent until a forbidden event may not be shown any more. */
  readonly shownForMs: number;
  /** Keep logs and databases, whatever comes. */
  readonly keep: boolean;
  readonly progress: 'shown' | 'silent';
};

export function readOptions(argv: readonly string[]): FederationOptions {
  const program = new Command('npm run federation --')
    .description('Two hospitals with Aceso, a homeserver that cheats, and one that knows no policy servers, in the same rooms over real federation: forbidden events of many kinds among allowed ones. None of the former may be seen at a hospital 10 s after it was sent; all of the latter must.')
    .addOption(new Option('--events <n>', 'so many events in all').argParser(number(50, 1_000_000)))
    .addOption(new Option('--seed <n>', 'what is drawn by lot is drawn the same again').argParser(number(0, 2 ** 31)))
    .addOption(new Option('--lanes <n>', 'events under way at one time').default(8).argParser(number(1, 64)))
    .addOption(new Option('--rooms <n>', 'rooms of all three servers').default(4).argParser(number(1, 100)))
    .addOption(new Option('--pairs <n>', 'messages with and without a policy server, sent in turn, for what it costs').default(50).argParser(number(0, 10_000)))
    .addOption(new Option('--no-dendrite', 'leave Dendrite out'))
    .addOption(new Option('--no-mend', 'leave the hospitals\' Synapses as they come, without Aceso\'s mend (docs/synapse-module.md)'))
    .addOption(new Option('--keep', 'keep all logs and databases, also when nothing is wrong'))
    .addOption(new Option('--json', 'nothing but the last line'))
    .addHelpText('after', '\nThe last line is JSON. Exit 0: forbiddenAccepted and allowedRefused are 0. 1: they aren\'t, or it couldn\'t be found out;\nwhat leads to each is printed, and the logs and databases are kept. 2: a wrong call. 130: Ctrl-C.')
    .showHelpAfterError('(see npm run federation -- --help)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  program.parse([...argv], { from: 'user' });
  const given = program.opts<{ events?: number; seed?: number; lanes: number; rooms: number; pairs: number; dendrite: boolean; mend: boolean; keep?: true; json?: true }>();
  return {
    events: given.events ?? 400, seed: given.seed ?? Math.floor(Date.now() / 1000) % 1_000_000, lanes: given.lanes, rooms: given.rooms, pairs: given.pairs,
    synapse: given.mend ? 'mended' : 'as-it-comes', dendrite: given.dendrite ? 'if-it-can-be-built' : 'left-out', shownForMs: 10_000, keep: given.keep ?? false, progress: given.json ? 'silent' : 'shown',
  };
}

const number = (low: number, high: number) => (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < low || value > high) throw new InvalidArgumentError(`Give a whole number from ${low} to ${high}.`);
  return value;
};
