/** What the demo is asked to do: `npm run demo -- --help`. */
import { existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { freePort, portFor } from '../support/ports.ts';

/** Below the ports that systems give to outgoing connections and that the tests choose from. */
const PORTS = {
  'mercy-client': { port: 17_008, purpose: 'Mercy\'s client API' },
  'mercy-federation': { port: 17_448, purpose: 'Mercy\'s federation API' },
  'st-anne-client': { port: 18_008, purpose: 'St. Anne\'s client API' },
  'st-anne-federation': { port: 18_448, purpose: 'St. Anne\'s federation API' },
  'aceso-appservice': { port: 19_100, purpose: 'what Mercy\'s Synapse sends to Aceso' },
  'aceso-fhir': { port: 19_101, purpose: 'Aceso\'s FHIR endpoint' },
  'aceso-policy': { port: 19_448, purpose: 'Aceso\'s policy server' },
  'aceso-operations': { port: 19_102, purpose: 'Aceso\'s health and metrics' },
} as const;

export type PortName = keyof typeof PORTS;
export type Ports = Readonly<Record<PortName, number>>;
export type PortWishes = 'free' | Readonly<Partial<Record<PortName, number>>>;

export type DemoOptions = {
  readonly ports: PortWishes;
  /** Say nothing but the last line. */
  readonly json: boolean;
  /** Stay up at the end without being asked. */
  readonly stay: boolean;
  /** Where to leave everything; a temporary folder, removed at the end, when left out. */
  readonly keep?: string;
};

/** Reads the command line; prints help (exit 0) or what is wrong with it (exit 2) and ends. */
export function readOptions(argv: readonly string[]): DemoOptions {
  const program = new Command('npm run demo --')
    .usage('[options]')
    .description('Two hospitals, a laboratory, a clinician: a critical potassium goes from a FHIR push at Mercy to a device at St. Anne, end-to-end encrypted, on real homeservers that this starts on 127.0.0.1 and ends again.')
    .addOption(new Option('--ports <name=port,…>', `other ports, or "free" for any that are free\n(${Object.entries(PORTS).map(([name, { port }]) => `${name}=${port}`).join(', ')})`).env('ACESO_DEMO_PORTS').argParser(portWishes))
    .addOption(new Option('--stay', 'stay up at the end until Ctrl-C, with URLs and log-ins for a client of your own\n(on a terminal it asks; no answer is no)'))
    .addOption(new Option('--keep <folder>', 'write everything there (a new or empty folder) and leave it: configuration, databases, logs').argParser(newFolder))
    .addOption(new Option('--json', 'print only the last line').conflicts('stay'))
    .addHelpText('after', '\nThe last line is JSON. Exit 0: all that it claims was seen to hold. 1: something wasn\'t (what and where the logs are is said).\n2: a wrong call. 130: Ctrl-C. NO_COLOR is respected.')
    .showHelpAfterError('(see npm run demo -- --help)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  program.parse([...argv], { from: 'user' });
  const { ports = {}, json = false, stay = false, keep } = program.opts<Partial<DemoOptions>>();
  return { ports, json, stay, ...(keep === undefined ? {} : { keep }) };
}

/** The ports to use, each free at this moment; the error names every one that isn't, and says what to do. */
export async function choosePorts(wishes: PortWishes): Promise<Ports> {
  const chosen: Record<string, number> = {};
  const problems: string[] = [];
  for (const name of portNames) {
    const { port, purpose } = PORTS[name];
    try {
      chosen[name] = wishes === 'free' ? await freePort() : await portFor(purpose, wishes[name] ?? port);
    } catch (error) {
      problems.push(`${error instanceof Error ? error.message : String(error)} Here: npm run demo -- --ports ${name}=<another>`);
    }
  }
  if (problems.length > 0) throw new Error([...problems, 'Or let the demo choose any free ports: npm run demo -- --ports free'].join('\n'));
  return chosen as Ports;
}

const portNames = Object.keys(PORTS) as readonly PortName[];

function portWishes(text: string): PortWishes {
  if (text === 'free') return 'free';
  const wishes: Partial<Record<PortName, number>> = {};
  for (const part of text.split(',')) {
    const [name = '', value = ''] = part.trim().split('=');
    const known = portNames.find((each) => each === name);
    const port = Number(value);
    if (!known) throw new InvalidArgumentError(`There is no port ${name}: take ${portNames.join(', ')}.`);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new InvalidArgumentError(`${name}: ${value} is not a port.`);
    wishes[known] = port;
  }
  const used = portNames.map((name) => wishes[name] ?? PORTS[name].port);
  const twice = used.find((port, index) => used.indexOf(port) !== index);
  if (twice !== undefined) throw new InvalidArgumentError(`${twice} is wanted twice.`);
  return wishes;
}

function newFolder(path: string): string {
  const folder = resolve(path);
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new InvalidArgumentError(`${folder} isn't empty. Name another, or remove it.`);
  return folder;
}
