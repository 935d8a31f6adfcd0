import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { createFhirValidator } from '../adapters/fhir/validator.ts';
import { createMetrics } from '../adapters/log/metrics.ts';
import { createHistory } from '../adapters/matrix/history.ts';
import { createHomeserver, type HomeserverOptions } from '../adapters/matrix/homeserver.ts';
import { createRoomSource } from '../adapters/matrix/roomSource.ts';
import { lockFolder } from '../adapters/store/folderLock.ts';
import { createFoundEvents } from '../adapters/store/found.ts';
import { createWakeUps } from '../adapters/store/wakeUps.ts';
import type { LoadedConfig } from '../config/load.ts';
import { printsOf } from '../config/sections.ts';
import type { Keepers } from '../domain/agreements/terms.ts';
import { as, type Millis } from '../domain/brand.ts';
import type { Ours } from '../domain/rooms/standard.ts';
import { createCatchUp } from '../loop/catchUp.ts';
import { startClock, type Clock } from '../loop/clock.ts';
import { createExecutors } from '../loop/executors.ts';
import { createGathered } from '../loop/gathered.ts';
import { createIntake } from '../loop/intake.ts';
import { createLoop } from '../loop/loop.ts';
import { createSweep } from '../loop/sweep.ts';
import type { Faults } from '../ports/faults.ts';
import type { StoreCounts } from '../ports/store.ts';
import { errorCode, type LeveledLog, type Log } from '../ports/telemetry.ts';
import { noWakeUps } from '../ports/wakeUps.ts';
import { courierLocalpart, explained, guardianLocalpart, locationOf, openStore, partiesOf, readRegistration, settingsOf, type Opened } from './compose.ts';
import { createAgreed } from './agreements/agreed.ts';
import { createDemands, withKeepers } from './agreements/roomDemands.ts';
import { oursOf, peopleOf } from './rooms/ours.ts';
import { composeCouriers } from './couriers.ts';
import { bringAtStart, bringFromFile, checkFromFile } from './directory.ts';
import { createMeanings } from './feeds.ts';
import { openOperations, startDoors, type PrepareDoor } from './doors.ts';
import { createHealth, type Problem } from './health.ts';
import { operationsRoutes, waitingRoutes } from './operations.ts';
import { applyPolicy, leavePolicy, sharePolicy } from './policy/apply.ts';
import { policyAtStart, readPolicy } from './policy/inForce.ts';
import { composePolicyServer, protectRooms } from './policyServer.ts';
import { keepPresent } from './presence.ts';
import { inForceOf, type InForce } from './reload/inForce.ts';
import { createReload } from './reload/reload.ts';
import { repeat } from './repeat.ts';
import { verbsOf, type Role } from './roles.ts';
import { createSourceFiles } from './sourceFiles.ts';
import { moduleRoutes, moduleTokenOf } from './synapseModule.ts';
import { createWaiting, type Waiting } from './waiting.ts';

export type Running = { /** Where it tells of itself. */ readonly operationsPort: number; /** Takes the doors' certificates as they are now; throws when they can't be used. */ reloadTls(): void; /** Takes over what the configuration file says by now, if it can be. */ reload(by: string): Promise<void>; stop(): Promise<void> };

export type StartOptions = {
  readonly log: LeveledLog; readonly faults: Faults; readonly roles: readonly Role[];
  /** In place of what the file says. */
  readonly addresses?: { readonly port?: number | undefined; readonly operations?: Partial<LoadedConfig['operations']> | undefined };
};

/** How soon what an operator asks for is begun. */
const CATCH_UP_MS = 3000;
const RELOAD_MS = 1000;
const POLICY_MS = 5000;
/** How soon the policy server hears of agreements; decisions and senders ask each time. */
const AGREEMENTS_MS = 2000;
/** Drift that no event told is to be found within ten seconds, as far as Aceso can know of it by itself; the homeserver is asked gently. */
const SWEEP_MS = 5000;
const LOOKS = 25;
const HOURLY_MS = 3_600_000;
const STOP_MS = 8000;
/** What each part may take of it when those before it took all. */
const STEP_MS = 200;

/**
 * Starts one process of Aceso in its roles. It tells of itself at once, also while PostgreSQL is away, which it waits for. Resolves once its doors are open, also when the
 * homeserver is down: results are taken and wait. `/readyz` says when the courier is ready too.
 */
export async function startAceso(file: LoadedConfig, { log, faults, roles, addresses = {} }: StartOptions): Promise<Running> {
  const config: LoadedConfig = { ...file, http: { ...file.http, port: addresses.port ?? file.http.port }, operations: { ...file.operations, ...addresses.operations } };
  const worker = randomUUID();
  const { asToken, hsToken } = readRegistration(config);
  const moduleToken = moduleTokenOf(config);
  const settled = inForceOf(config, printsOf(file));
  const fromFolder = readPolicy(config);
  const lock = config.store.postgres_url_file === undefined ? lockFolder(config.at(config.data_dir)) : undefined;
  const waiting = createWaiting(log);
  const late: { counts?: () => Promise<StoreCounts>; problems: () => readonly Problem[]; take?: ReturnType<typeof createIntake>; door?: PrepareDoor } = { problems: waiting.known };
  const metrics = createMetrics(async () => late.counts?.(), () => late.problems());
  const operations = await openOperations(config, waitingRoutes({ known: waiting.known, metrics }), log);
  const doors = roles.includes('ingress') ? await startDoors(config, log) : undefined;
  const { keys, store, notes, policies, database, migrated, clock, brought, held, postgres } = await openWhenThere(config, roles, waiting);
  const { now } = clock;
  late.counts = () => store.counts(now());
  log.info('store.opened', { kind: postgres === undefined ? 'sqlite' : 'postgres', migrated: migrated.length });
  log.info('directory.loaded', { changed: brought.length, held: held.length });
  for (const entry of held) log.error('directory.held', { entry });
  let heldEntries = held.length;
  const isDecider = roles.includes('decider');
  const { policy, problem } = await whenThere(config, waiting, () => policyAtStart(fromFolder, policies));
  log[problem ? 'error' : 'info'](problem ? 'rules.not-loaded' : 'rules.loaded', { revision: policy.revision, rules: policy.rules.length });
  const applying = { store, notes, worker };
  const bringPolicy = async (next: InForce): Promise<void> => {
    await policies.loaded(next.policy.revision, next.policy.text, now());
    if (isDecider) await applyPolicy(applying, next.policy.revision, next.settings.organisations);
  };
  const started = { ...settled, policy };
  await whenThere(config, waiting, () => bringPolicy(started));
  const bringMeanings = createMeanings(store, notes);
  if (isDecider) await whenThere(config, waiting, () => bringMeanings(started.settings));
  const reload = createReload({
    started, store, notes, log, metrics, now, faults, worker,
    prepareDoor: (next) => late.door?.(next) ?? (() => undefined),
    checkDirectory: async (next) => { if (isDecider) await checkFromFile(store, notes, partiesOf(next)); },
    bringDirectory: async (next) => {
      if (!isDecider) return;
      await bringFromFile(store, notes, partiesOf(next));
      heldEntries = 0;
      await bringMeanings(settingsOf(next));
    },
    bringPolicy,
  });

  const demandsBy = createDemands(config.homeserver.server_name);
  const keepers = (): Keepers | undefined => policyServer && { guardian: homeserver.guardian, courier: homeserver.courier, policyServer: policyServer.server };
  const agreed = createAgreed({ store, config: () => reload.inForce().config, settings: () => reload.inForce().settings, demands: () => { const { policy: rules, templates } = reload.inForce(); return withKeepers(demandsBy(rules, templates), keepers()); }, now, log });
  await agreed.look();

  const { url, server_name: serverName } = config.homeserver;
  const homeserverOptions: HomeserverOptions = {
    url, serverName, asToken, guardianLocalpart: guardianLocalpart(config), courierLocalpart: courierLocalpart(config),
    names: { guardian: `${config.organisation.name} (guardian)`, courier: config.courier.display_name ?? `${config.organisation.name} results` },
  };
  const homeserver = createHomeserver(homeserverOptions);
  const policyServer = composePolicyServer(config, { store, keys, log, metrics, now, guardian: homeserver.guardian, courier: homeserver.courier, homeserver: homeserverOptions, templates: () => reload.inForce().templates, judge: (question) => reload.inForce().policy.judge(question), agreed, nudge: () => loop.nudge() });
  const couriers = roles.includes('sender') ? composeCouriers({ config, whenServerAway: () => reload.inForce().config.delivery.when_server_away, store, keys, worker, userId: homeserver.courier, asToken, log, metrics, faults, taken: () => {
    loop.nudge();
    for (const code of ['no-device', 'keys-missing']) void wake(code).catch(() => undefined);
  } }) : undefined;

  const parts = { store, log, metrics, now, faults };
  const catchUp = await whenThere(config, waiting, () => createCatchUp({
    ...parts, notes, found: createFoundEvents(database.db), history: createHistory(homeserverOptions, async () => (await store.seat(0))?.deviceId ?? config.courier.device_id), worker, courier: homeserver.courier, ownUsers: [homeserver.guardian, homeserver.courier],
    take: async (transaction) => { await late.take?.(transaction); },
  }));
  const wakeUps = postgres === undefined ? noWakeUps : createWakeUps(postgres, worker, () => loop.look());
  const loop = createLoop({
    ...parts, worker, verbs: verbsOf(roles), announce: wakeUps.announce,
    settings: () => reload.inForce().settings,
    judge: (question) => reload.inForce().policy.judge(question),
    vouched: agreed.vouched,
    seats: () => couriers?.held() ?? [],
    executors: catchUp.around(createExecutors({
      ...parts, homeserver, sourceFiles: createSourceFiles(() => reload.inForce().config), couriers: couriers ?? { at: () => undefined }, keys, template: () => reload.inForce().template, templates: () => reload.inForce().templates, aliasPrefix: config.appservice.prefix,
      ...(policyServer === undefined ? {} : { policyServer: policyServer.server }),
      strangerAmong: agreed.strangerAmong,
      handedTo: agreed.handedTo,
      standsBy: agreed.standsBy,
      people: () => peopleOf(reload.inForce().config, homeserver.guardian, agreed.standbys(), agreed.keepers()),
    }), (id) => keys.pseudonym('txn', id)),
  });
  const ours = (): Ours => oursOf(reload.inForce(), homeserver, agreed.standbys(), agreed.keepers(), policyServer?.server);
  async function wake(code: string, people?: readonly string[]): Promise<void> {
    try {
      await loop.wake(code, people);
    } catch (error) {
      log.warn('wake.failed', { error: errorCode(error) });
      throw error;
    }
  }
  const take = createIntake({ ...parts, guardian: homeserver.guardian, ownUsers: [homeserver.guardian, homeserver.courier], nudge: loop.nudge, ...(policyServer === undefined ? {} : { policy: policyServer.server, standbys: agreed.standbys, handed: agreed.handed }) });
  late.take = take;
  const came = { devices: createGathered((people) => wake('no-device', people)), 'room-keys': createGathered((people) => wake('keys-missing', people)) };
  couriers?.onKeys(({ kind, userIds }) => came[kind](userIds));
  const isOurs = (name: string): boolean => name === homeserver.guardian || name === homeserver.courier;

  // Waits grow while an outage lasts; when it ends, nothing waits out the last of them.
  const wakeAll = (): void => {
    for (const code of ['unavailable', 'unauthorized', 'limited', 'invalid', 'engine']) void wake(code).catch(() => undefined);
  };
  const health = createHealth({ ...(policyServer === undefined ? {} : { policyServer: () => policyServer.problem() }), config: () => reload.problem() ?? entriesHeld(heldEntries), agreements: agreed.problem, policy: () => (reload.inForce().policy === policy ? problem : undefined), store, courier: couriers, homeserver, log, dataDir: config.at(config.data_dir), now: () => as<Millis>(Date.now()), steady: () => performance.now(), ended: wakeAll });
  const stopWatching = health.watch();
  late.problems = health.known;
  operations.serve(operationsRoutes({ couriers, health, metrics, steady: () => performance.now() }));
  const heard: typeof take = async (transaction) => { policyServer?.server.heard(transaction.events); await take(transaction); };
  const door = doors?.open({ ...parts, keys, nudge: loop.nudge, validator: await createFhirValidator(), appservice: { hsToken, isOurs, take: heard }, ...(moduleToken === undefined ? {} : { module: (door_) => moduleRoutes(moduleToken, { ...parts, ...door_, guardian: homeserver.guardian, courier: homeserver.courier, source: createRoomSource(homeserverOptions), ...(policyServer === undefined ? {} : { policyUser: policyServer.server.userId }), inForce: () => ({ ...reload.inForce(), settings: agreed.settings() }) }) }) });
  if (door !== undefined) late.door = door;
  const policyPort = roles.includes('ingress') ? await policyServer?.listen() : undefined;
  if (policyServer && isDecider) await whenThere(config, waiting, () => protectRooms(store, policyServer.server, now()));
  couriers?.start();
  loop.start();
  const catchingUp = repeat(CATCH_UP_MS, () => catchUp.run());
  const agreeing = repeat(AGREEMENTS_MS, agreed.look);
  const reloading = repeat(RELOAD_MS, () => reload.look().catch((error: unknown) => log.warn('config.not-looked', { error: errorCode(error) })));
  const sweeping = roles.includes('janitor') ? startSweep(createSweep({ ...parts, notes, homeserver, worker, nudge: loop.nudge, vouched: agreed.vouched, judge: (question) => reload.inForce().policy.judge(question), settings: () => reload.inForce().settings, ours, looks: LOOKS, ...(policyServer === undefined ? {} : { policy: policyServer.server, handed: agreed.handed }) })) : undefined;
  const sharing = isDecider ? repeat(POLICY_MS, () => sharePolicy(applying, reload.inForce().policy.revision, reload.inForce().settings.organisations).then(() => undefined, (error: unknown) => log.warn('rules.not-shared', { error: errorCode(error) }))) : undefined;
  const pruning = setInterval(() => void couriers?.prune(now() - config.courier.keep_days * 86_400_000), HOURLY_MS).unref();
  const leave = keepPresent(store, clock, log, { id: worker, roles, address: `${config.operations.host}:${operations.port}` });
  log.info('aceso.started', { worker, roles: roles.join(' '), operations: operations.port, http: doors?.httpPort, appservice: doors?.appservicePort, policy: policyPort });
  return {
    operationsPort: operations.port,
    reloadTls: () => { doors?.reloadTls(); policyServer?.reloadTls(); },
    reload: reload.take,
    stop: () => stopInOrder(log, [async () => clearInterval(pruning), async () => stopWatching(), catchingUp.stop, agreeing.stop, reloading.stop, async () => sweeping?.stop(), async () => sharing?.stop(), reload.leave, async () => doors?.stop(2000), async () => policyServer?.stop(), () => loop.stop(STOP_MS - 3000), async () => couriers?.stop(), () => wakeUps.stop(), leave, () => leavePolicy(applying), () => operations.stop(500), () => store.close(), async () => lock?.release()]),
  };
}

type OpenedHospital = Opened & { readonly clock: Clock; /** Parties that the file changed, and entries of it that the directory can't take. */ readonly brought: readonly unknown[]; readonly held: readonly string[]; /** Its address, when it is PostgreSQL. */ readonly postgres: string | undefined };

/** What the configuration file says of people and can't be taken: the directory stays as it is for them, until a reload takes the file. */
const entriesHeld = (count: number): Omit<Problem, 'since'> | undefined => (count === 0 ? undefined : { part: 'config', code: 'directory-held', message: `${count} of the people and teams in the configuration file are not taken, because an identifier of theirs belongs to somebody else by now: \`aceso doctor\` names them; take it from there (\`aceso people forget\`) or out of the file, then \`aceso config reload\`` });

/** Opens the database, with what is asked of it before anything else, as one try. */
function openWhenThere(config: LoadedConfig, roles: readonly Role[], waiting: Waiting): Promise<OpenedHospital> {
  return whenThere(config, waiting, async () => {
    const location = locationOf(config);
    const opened = await openStore(config, 'migrate');
    try {
      const clock = await startClock(opened.store, () => performance.now());
      const brought = roles.includes('decider') ? await bringAtStart(opened.store, opened.notes, partiesOf(config)) : { brought: [], held: [] };
      return { ...opened, clock, ...brought, postgres: location.kind === 'postgres' ? location.url : undefined };
    } catch (error) {
      await opened.store.close().catch(() => undefined);
      throw error;
    }
  });
}

/** PostgreSQL is waited for, whatever is asked of it; asked again, it must change nothing more. SQLite is there or isn't: what is wrong with it, no waiting ends. */
function whenThere<T>(config: LoadedConfig, waiting: Waiting, ask: () => Promise<T>): Promise<T> {
  const asked = (): Promise<T> => ask().catch((error: unknown) => { throw explained(error); });
  return config.store.postgres_url_file === undefined ? asked() : waiting.until(asked);
}

const startSweep = (once: () => Promise<number>): ReturnType<typeof repeat> => repeat(SWEEP_MS, async () => { await once(); });

/** Each part gets its turn, and none may hold up the stop of the next: one that waits for a database or homeserver that hangs is left behind. */
async function stopInOrder(log: Log, steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const deadline = performance.now() + STOP_MS;
  for (const step of steps) {
    const over = pause(Math.max(STEP_MS, deadline - performance.now()), 'over', { ref: false });
    const ended = await Promise.race([step(), over]).catch((error: unknown) => log.warn('stop.failed', { error: errorCode(error) }));
    if (ended === 'over') log.warn('stop.failed', { error: 'took-too-long' });
  }
  log.info('aceso.stopped');
}
