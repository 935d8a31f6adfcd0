import { Command, InvalidArgumentError, Option } from 'commander';
import { userInfo } from 'node:os';
import { createLog } from './adapters/log/log.ts';
import { ConfigError, configJsonSchema, loadConfig, type LoadedConfig } from './config/load.ts';
import { addAgreements } from './main/agreements/commands.ts';
import { checkConfig } from './main/check.ts';
import { faultsFromEnvironment } from './main/faults.ts';
import { assignHeld, closeHeld, listDeliveries, listHeld, retryHeld, showDelivery } from './main/deliveries.ts';
import { forget, listUnmatched, showPerson } from './main/feeds.ts';
import { init, registration, type InitOptions } from './main/init.ts';
import { openStore } from './main/compose.ts';
import { acceptIdentity, enrol, enrolCsv, knownRoles, listPeople, type StandingOptions } from './main/people.ts';
import { askReload } from './main/reload/ask.ts';
import { addPartners } from './main/partners/commands.ts';
import { addPolicy } from './main/policy/commands.ts';
import { ROLES, rolesFor, type Role } from './main/roles.ts';
import type { Printed } from './main/print.ts';
import { addRooms } from './main/rooms/commands.ts';
import { sourceCertificate, sourceCheck, sourceJwks, sourceToken } from './main/sources.ts';
import { status, statusOfServer } from './main/status.ts';
import { addUpkeep } from './main/upkeep.ts';
import type { KeyRing } from './ports/keys.ts';
import type { Notes } from './ports/notes.ts';
import { errorCode } from './ports/telemetry.ts';
import type { Store } from './ports/store.ts';

/** The command line. Each command prints for people, or with `--json` for programs; exit 0 is done, 1 is not, 2 is a wrong call. */
const program = new Command('aceso')
  .description('Clinical messages over Matrix, end-to-end encrypted.')
  .option('-c, --config <file>', 'configuration file', process.env['ACESO_CONFIG'] ?? 'aceso.yaml')
  .option('--json', 'print JSON')
  .showHelpAfterError()
  .configureHelp({ showGlobalOptions: true })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

const config = (): LoadedConfig => loadConfig(program.opts<{ readonly config: string }>().config);
/** Who has the running workers read it hears that they go on when it is wrong. */
const configToReload = (): LoadedConfig => {
  try {
    return config();
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : 'the configuration can\'t be read'}\nNothing was asked of the running workers: they go on with what they have.`, { cause: error });
  }
};
const operator = (): string => process.env['ACESO_OPERATOR'] ?? userInfo().username;

const print = ({ text, json }: Printed): void => {
  process.stdout.write(`${program.opts<{ readonly json?: true }>().json ? JSON.stringify(json, null, 2) : text}\n`);
};

/** Runs a command over the store, and closes it. */
const withStore = async (run: (store: Store, loaded: LoadedConfig, notes: Notes, keys: KeyRing) => Promise<Printed>, read = config): Promise<void> => {
  const loaded = read();
  const { store, notes, keys } = await openStore(loaded, 'as-is');
  try {
    print(await run(store, loaded, notes, keys));
  } finally {
    await store.close();
  }
};

const count = (value: string): number => {
  if (!/^[1-9]\d{0,5}$/u.test(value)) throw new InvalidArgumentError('give a number from 1 to 999999.');
  return Number(value);
};

/** Tells a person who watches whom it waits for; a log or a pipe gets nothing. */
const waiting = (workers: number): void => {
  if (process.stderr.isTTY) process.stderr.write(workers > 0 ? `\r\u001b[Kwaiting for ${workers} worker(s)` : '\r\u001b[K');
};

const portNumber = (value: string): number => {
  if (!/^\d{1,5}$/u.test(value) || Number(value) > 65_535) throw new InvalidArgumentError('give a port, 0 to 65535.');
  return Number(value);
};

type ListenAddress = { readonly host?: string; readonly port: number };

const listenAddress = (value: string): ListenAddress => {
  const at = value.lastIndexOf(':');
  return { ...(at < 0 ? {} : { host: value.slice(0, at).replace(/^\[|\]$/gu, '') }), port: portNumber(value.slice(at + 1)) };
};

const collectRole = (value: string, before: readonly Role[] | undefined): readonly Role[] => {
  const role = ROLES.find((known) => known === value);
  if (!role) throw new InvalidArgumentError(`it is one of ${ROLES.join(', ')}.`);
  return [...(before ?? []), role];
};

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

program.command('init').description('make configuration, keys, templates and registration; keeps what is there')
  .argument('[folder]', 'where', '.')
  .requiredOption('--organisation <name>', 'the hospital\'s name, as clinicians see it')
  .requiredOption('--server-name <name>', 'the homeserver\'s server name')
  .option('--homeserver-url <url>', 'where Aceso reaches the homeserver', 'http://127.0.0.1:8008')
  .option('--url <url>', 'where the homeserver reaches Aceso', 'http://127.0.0.1:9100')
  .action((folder: string, options: InitOptions) => print(init(folder, options)));

program.command('start').description('run Aceso until it is told to stop (SIGTERM, Ctrl-C)')
  .addOption(new Option('--role <role>', 'do this only, beside other processes on the same PostgreSQL (repeat it for several roles)').choices(ROLES).argParser(collectRole))
  .option('--port <port>', 'port of the FHIR door; http.port when left out', portNumber)
  .option('--operations <address>', 'where health and metrics are, e.g. 9103 or 0.0.0.0:9102; as in the configuration when left out', listenAddress)
  .action(async ({ role = [], port, operations }: { readonly role?: readonly Role[]; readonly port?: number; readonly operations?: ListenAddress }) => {
  const loaded = config();
  const roles = rolesFor(loaded, role);
  const log = createLog(loaded.log.level);
  const { startAceso } = await import('./main/start.ts');
  const stopping = new Promise<string>((resolve) => { for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal)); });
  // A bug in one unit of work ends that unit, never the process silently.
  process.on('unhandledRejection', (error) => log.error('process.unhandled', { error: errorCode(error) }));
  const starting = startAceso(loaded, { log, faults: faultsFromEnvironment(), roles, addresses: { port, operations } });
  process.on('SIGHUP', () => {
    void starting.then(async (running) => {
      try {
        running.reloadTls();
        log.info('tls.reloaded');
      } catch (error) {
        log.error('tls.not-reloaded', { error: errorCode(error) });
      }
      await running.reload('signal');
    }, () => undefined);
  });
  const running = await Promise.race([starting, stopping]);
  if (typeof running === 'string') process.exit(0);
  log.info('process.stopping', { signal: await stopping });
  await running.stop();
  process.exit(0);
});

program.command('status').description('what is waiting, what is held, and whether the server is ready').action(async () => {
  try {
    await withStore(status);
  } catch (error) {
    // What the server says is all the more of use when the database doesn't open.
    print(await statusOfServer(config(), error));
    process.exitCode = 1;
  }
});

const people = program.command('people').description('the directory: who can be responsible');
people.command('list').description('everybody, with their results room').action(() => withStore(listPeople));
people.command('show').description('one person, and who says what of them: file, command or a source').argument('<id>', 'short name').action((id: string) => withStore((store) => showPerson(store, id)));
people.command('forget').description('take back what a source said of somebody, until it says something new').argument('<id>', 'short name').argument('<source>', 'its id').action((id: string, source: string) => withStore((store) => forget(store, id, source, operator())));
people.command('unmatched').description('what sources say of people that counts for nobody, and why').action(() => withStore(listUnmatched));
people.command('enrol').description('put a person or team into the directory and make their results room')
  .argument('[id]', 'short name, e.g. dr-okafor')
  .option('--name <name>', 'name, as colleagues write it')
  .option('--user-id <id>', 'Matrix id (repeat it for a team)', collect)
  .option('--npi <npi>', 'National Provider Identifier')
  .option('--identifier <system|value>', 'how sources name them (may be repeated)', collect)
  .option('--role <role>', 'role of the policy (repeat it for several): `aceso policy roles`', collect)
  .option('--organisation <id>', 'whose staff they are, when it isn\'t that of their server').option('--department <name>', 'department')
  .option('--trained <day>', 'their last security and privacy training, e.g. 2026-09-30')
  .addOption(new Option('--mfa <answer>', 'whether their account logs in with a second factor').choices(['yes', 'no']))
  .addOption(new Option('--devices <state>', 'what device management says of their devices').choices(['good', 'bad', 'unknown']))
  .option('--team', 'several people who share a results room')
  .option('--csv <file>', 'enrol everybody of a file with the columns id,name,user_id,npi; also roles (with semicolons), department, trained_at')
  .option('--dry-run', 'with --csv: only say what would be done')
  .action((id: string | undefined, options: { readonly name?: string; readonly userId?: readonly string[]; readonly npi?: string; readonly identifier?: readonly string[]; readonly team?: true; readonly csv?: string; readonly dryRun?: true } & StandingOptions) => withStore(async (store, loaded) => {
    const check = (roles: readonly string[]): Promise<void> => knownRoles(loaded, roles);
    if (options.csv !== undefined) return enrolCsv(store, options.csv, operator(), options.dryRun, check);
    await check(options.role ?? []);
    if (id === undefined) throw new Error('Give the short name of whom to enrol, or --csv.');
    return enrol(store, id, { ...options, by: operator() });
  }));

people.command('accept').description('somebody\'s new cryptographic identity, once they confirmed by telephone that it is theirs').argument('<id>', 'short name of the person or team').argument('[user]', 'Matrix id, for a team')
  .action((id: string, user: string | undefined) => withStore((store) => acceptIdentity(store, id, user, operator())));

const held = program.command('held').description('what can\'t proceed, why, and who answers for it');
held.command('list', { isDefault: true }).description('everything that is held').action(() => withStore(listHeld));
held.command('show').description('one delivery, with its history').argument('<delivery>').action((id: string) => withStore((store) => showDelivery(store, id)));
held.command('retry').description('try again: these, or all that is held').argument('[deliveries...]').action((ids: readonly string[]) => withStore((store) => retryHeld(store, ids, operator())));
held.command('close').description('an answer that can\'t be read was asked for by telephone').argument('<delivery>').action((id: string) => withStore((store) => closeHeld(store, id, operator())));
held.command('assign').description('give a delivery without a recipient to somebody').argument('<delivery>').argument('<party>').action((id: string, party: string) => withStore((store) => assignHeld(store, id, party, operator())));

const deliveries = program.command('deliveries').description('messages on their way, and where they are');
deliveries.command('list', { isDefault: true }).description('the newest').addOption(new Option('--limit <n>', 'how many').default(50).argParser(count)).action(({ limit }: { readonly limit: number }) => withStore((store) => listDeliveries(store, limit)));
deliveries.command('show').description('one, with its history').argument('<delivery>', 'id, or a beginning of it').action((id: string) => withStore((store) => showDelivery(store, id)));

const configuration = program.command('config').description('the configuration');
configuration.command('check').description('say everything that is wrong with it').action(async () => print(await checkConfig(config())));
configuration.command('reload').description('have the running workers take over what the file says by now, as far as that needs no restart; exit 0 when all of it is in force')
  .option('--dry-run', 'only say what would change')
  .addOption(new Option('--wait <seconds>', 'how long to wait for the workers').default(30).argParser(count))
  .action(async ({ dryRun, wait }: { readonly dryRun?: true; readonly wait: number }) => withStore(async (store, loaded, notes) => {
    const { failed, ...printed } = await askReload({ store, notes, path: loaded.path, by: operator(), mode: dryRun ? 'try' : 'take', withinMs: wait * 1000, waiting });
    if (failed) process.exitCode = 1;
    return printed;
  }, configToReload));
configuration.command('schema').description('its JSON Schema').action(() => print({ json: configJsonSchema(), text: JSON.stringify(configJsonSchema(), null, 2) }));

addPolicy(program, { config, print });
addAgreements(program, { config, withStore, operator, print });
addPartners(program, { config, withStore, operator, print });
addRooms(program, { withStore, operator });
addUpkeep(program, { config, configFile: () => program.opts<{ readonly config: string }>().config, print, withStore, operator });

program.command('registration').description('the registration file that the homeserver loads').option('--renew', 'make new tokens').action(({ renew }: { readonly renew?: true }) => print(registration(config(), renew)));

const sources = program.command('source').description('systems that push, and how they prove themselves');
sources.command('token').description('make a bearer token').option('--until <date>', 'the day from which it counts no more').action(({ until }: { readonly until?: string }) => print(sourceToken(until)));
sources.command('jwks').description('make the JWK Set of a SMART client').argument('<public-keys...>', 'PEM files').action(async (files: readonly string[]) => print(await sourceJwks(files)));
sources.command('certificate').description('show what the configuration may say of a client certificate').argument('<file>', 'PEM file').action((file: string) => print(sourceCertificate(file)));
sources.command('check').description('how sources may prove themselves now; fetches their keys').argument('[source]', 'its id').action(async (id: string | undefined) => print(await sourceCheck(config(), id)));

try {
  await program.parseAsync();
} catch (error) {
  const message = error instanceof ConfigError || error instanceof Error ? error.message : String(error);
  process.stderr.write(program.opts<{ readonly json?: true }>().json ? `${JSON.stringify({ error: message })}\n` : `aceso: ${message}\n`);
  process.exit(1);
}
