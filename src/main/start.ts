import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createFhirValidator } from '../adapters/fhir/validator.ts';
import { createMetrics } from '../adapters/log/metrics.ts';
import { createHistory } from '../adapters/matrix/history.ts';
import { createHomeserver, type HomeserverOptions } from '../adapters/matrix/homeserver.ts';
import { lockFolder } from '../adapters/store/folderLock.ts';
import { createFoundEvents } from '../adapters/store/found.ts';
import { createWakeUps } from '../adapters/store/wakeUps.ts';
import { loadTemplate, type LoadedConfig } from '../config/load.ts';
import { as, type Millis } from '../domain/brand.ts';
import type { RoomTemplate } from '../domain/rooms/template.ts';
import { createCatchUp } from '../loop/catchUp.ts';
import { startClock, type Clock } from '../loop/clock.ts';
import { createExecutors } from '../loop/executors.ts';
import { createIntake } from '../loop/intake.ts';
import { createLoop } from '../loop/loop.ts';
import type { Faults } from '../ports/faults.ts';
import type { StoreCounts } from '../ports/store.ts';
import { errorCode, type Log } from '../ports/telemetry.ts';
import { noWakeUps } from '../ports/wakeUps.ts';
import { courierLocalpart, explained, guardianLocalpart, locationOf, openStore, partiesOf, readRegistration, settingsOf, type Opened } from './compose.ts';
import { composeCouriers } from './couriers.ts';
import { bringFromFile } from './directory.ts';
import { openOperations, startDoors } from './doors.ts';
import { createHealth, type Problem } from './health.ts';
import { operationsRoutes, waitingRoutes } from './operations.ts';
import { keepPresent } from './presence.ts';
import { repeat } from './repeat.ts';
import { verbsOf, type Role } from './roles.ts';
import { createWaiting, type Waiting } from './waiting.ts';

export type Running = { /** Where it tells of itself. */ readonly operationsPort: number; /** Takes the doors' certificates as they are now; throws when they can't be used. */ reloadTls(): void; stop(): Promise<void> };

export type StartOptions = { readonly log: Log; readonly faults: Faults; readonly roles: readonly Role[] };

/** How soon what an operator asks for is begun. */
const CATCH_UP_MS = 3000;
const HOURLY_MS = 3_600_000;
const STOP_MS = 8000;
/** What each part may take of it when those before it took all. */
const STEP_MS = 200;

/**
 * Starts one process of Aceso in its roles. It tells of itself at once, also while PostgreSQL is away, which it waits for. Resolves once its doors are open, also when the
 * homeserver is down: results are taken and wait. `/readyz` says when the courier is ready too.
 */
export async function startAceso(config: LoadedConfig, { log, faults, roles }: StartOptions): Promise<Running> {
  const worker = randomUUID();
  const { asToken, hsToken } = readRegistration(config);
  const template = templateOf(config);
  const lock = config.store.postgres_url_file === undefined ? lockFolder(config.at(config.data_dir)) : undefined;
  const waiting = createWaiting(log);
  const late: { counts?: () => Promise<StoreCounts>; problems: () => readonly Problem[]; take?: ReturnType<typeof createIntake> } = { problems: waiting.known };
  const metrics = createMetrics(async () => late.counts?.(), () => late.problems());
  const operations = await openOperations(config, waitingRoutes({ known: waiting.known, metrics }), log);
  const doors = roles.includes('ingress') ? await startDoors(config, log) : undefined;
  const { keys, store, notes, database, migrated, clock, brought, postgres } = await openWhenThere(config, roles, waiting);
  const { now } = clock;
  late.counts = () => store.counts(now());
  log.info('store.opened', { kind: postgres === undefined ? 'sqlite' : 'postgres', migrated: migrated.length });
  log.info('directory.loaded', { changed: brought.length });

  const { url, server_name: serverName } = config.homeserver;
  const homeserverOptions: HomeserverOptions = {
    url, serverName, asToken, guardianLocalpart: guardianLocalpart(config), courierLocalpart: courierLocalpart(config),
    names: { guardian: `${config.organisation.name} (guardian)`, courier: config.courier.display_name ?? `${config.organisation.name} results` },
  };
  const homeserver = createHomeserver(homeserverOptions);
  const couriers = roles.includes('sender') ? composeCouriers({ config, store, keys, worker, userId: homeserver.courier, asToken, log, metrics, faults, taken: () => loop.nudge() }) : undefined;

  const parts = { store, log, metrics, now, faults };
  const catchUp = await createCatchUp({
    ...parts, notes, found: createFoundEvents(database.db), history: createHistory(homeserverOptions, async () => (await store.seat(0))?.deviceId ?? config.courier.device_id), worker, courier: homeserver.courier, ownUsers: [homeserver.guardian, homeserver.courier],
    take: async (transaction) => { await late.take?.(transaction); },
  });
  const wakeUps = postgres === undefined ? noWakeUps : createWakeUps(postgres, worker, () => loop.look());
  const loop = createLoop({
    ...parts, worker, verbs: verbsOf(roles), announce: wakeUps.announce,
    settings: settingsOf(config),
    seats: () => couriers?.held() ?? [],
    executors: catchUp.around(createExecutors({
      ...parts, homeserver, couriers: couriers ?? { at: () => undefined }, keys, template, aliasPrefix: config.appservice.prefix,
      people: { ownServer: serverName, guardian: homeserver.guardian, partnerVersions: Object.fromEntries(config.partners.flatMap(({ server_name: name, room_version: version }) => (version === undefined ? [] : [[name, version]]))) },
    }), (id) => keys.pseudonym('txn', id)),
  });
  const take = createIntake({ ...parts, guardian: homeserver.guardian, ownUsers: [homeserver.guardian, homeserver.courier], nudge: loop.nudge });
  late.take = take;
  couriers?.onKeys(({ kind }) => {
    void loop.wake(kind === 'devices' ? 'no-device' : 'keys-missing').catch((error: unknown) => log.warn('wake.failed', { error: errorCode(error) }));
  });
  const isOurs = (name: string): boolean => name === homeserver.guardian || name === homeserver.courier;

  // Waits grow while an outage lasts; when it ends, nothing waits out the last of them.
  const wakeAll = (): void => {
    for (const code of ['unavailable', 'unauthorized', 'limited', 'invalid', 'engine']) void loop.wake(code).catch((error: unknown) => log.warn('wake.failed', { error: errorCode(error) }));
  };
  const health = createHealth({ store, courier: couriers, homeserver, log, dataDir: config.at(config.data_dir), now: () => as<Millis>(Date.now()), steady: () => performance.now(), ended: wakeAll });
  const stopWatching = health.watch();
  late.problems = health.known;
  operations.serve(operationsRoutes({ couriers, health, metrics, steady: () => performance.now() }));
  doors?.open({ ...parts, keys, nudge: loop.nudge, validator: await createFhirValidator(), appservice: { hsToken, isOurs, take } });
  couriers?.start();
  loop.start();
  const catchingUp = repeat(CATCH_UP_MS, () => catchUp.run());
  const pruning = setInterval(() => void couriers?.prune(now() - config.courier.keep_days * 86_400_000), HOURLY_MS).unref();
  const leave = keepPresent(store, clock, log, { id: worker, roles, address: `${config.operations.host}:${operations.port}` });
  log.info('aceso.started', { worker, roles: roles.join(' '), operations: operations.port, http: doors?.httpPort, appservice: doors?.appservicePort });
  return {
    operationsPort: operations.port,
    reloadTls: () => doors?.reloadTls(),
    stop: () => stopInOrder(log, [async () => clearInterval(pruning), async () => stopWatching(), catchingUp.stop, async () => doors?.stop(2000), () => loop.stop(STOP_MS - 3000), async () => couriers?.stop(), () => wakeUps.stop(), leave, () => operations.stop(500), () => store.close(), async () => lock?.release()]),
  };
}

type OpenedHospital = Opened & { readonly clock: Clock; /** Parties that the file changed. */ readonly brought: readonly unknown[]; /** Its address, when it is PostgreSQL. */ readonly postgres: string | undefined };

/** All that the database is asked for before the work begins, as one try. SQLite is there or isn't: what is wrong with it, no waiting ends. */
function openWhenThere(config: LoadedConfig, roles: readonly Role[], waiting: Waiting): Promise<OpenedHospital> {
  const open = async (): Promise<OpenedHospital> => {
    const location = locationOf(config);
    const opened = await openStore(config, 'migrate');
    try {
      const clock = await startClock(opened.store, () => performance.now());
      const brought = roles.includes('decider') ? await bringFromFile(opened.store, opened.notes, partiesOf(config)) : [];
      return { ...opened, clock, brought, postgres: location.kind === 'postgres' ? location.url : undefined };
    } catch (error) {
      await opened.store.close().catch(() => undefined);
      throw explained(error);
    }
  };
  return config.store.postgres_url_file === undefined ? open() : waiting.until(open);
}

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

function templateOf(config: LoadedConfig): RoomTemplate {
  const { id, room_version: roomVersion, name, topic, history_visibility: history, encryption } = loadTemplate(config.at(join(config.templates_dir, 'results.yaml')));
  return { id, roomVersion, name, topic, history, rotation: { periodMs: encryption.rotation_period_ms, messages: encryption.rotation_period_msgs } };
}
