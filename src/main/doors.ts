import { Worker } from 'node:worker_threads';
import { startHttpServer, type DoorRefusal, type HttpServer, type HttpServerOptions } from '../adapters/http/server.ts';
import { createAppserviceRoutes, type AppserviceOptions } from '../adapters/matrix/appservice.ts';
import { createFhirPush, createPool, nothingUsed, type Pool } from '../../bridges/fhir-push/index.ts';
import { createLimits, createScim, type ScimConfig } from '../../bridges/scim/index.ts';
import type { LoadedConfig } from '../config/load.ts';
import { as, type Millis } from '../domain/brand.ts';
import { createPace } from '../loop/pace.ts';
import { createBridgeHost, type SourceTerms } from '../loop/receive.ts';
import { createRefusals, type Refusals } from '../loop/refusals.ts';
import { createStaffDesk } from '../loop/staffDesk.ts';
import type { FhirValidator, HttpRoute } from '../ports/bridge.ts';
import type { Faults } from '../ports/faults.ts';
import type { KeyRing } from '../ports/keys.ts';
import type { Store } from '../ports/store.ts';
import { errorCode, type Log, type Metrics } from '../ports/telemetry.ts';
import { healthz } from './operations.ts';
import type { ModuleDoorParts } from './synapseModule.ts';
import { createTrust, createTrustMemory, staffTypesOf } from './trust.ts';
import { notYetForHomeserver, notYetForSources } from './waiting.ts';

export type DoorParts = {
  readonly store: Store; readonly keys: KeyRing; readonly log: Log; readonly metrics: Metrics; readonly now: () => Millis; readonly faults: Faults;
  readonly nudge: () => void;
  readonly validator: FhirValidator;
  readonly appservice: Pick<AppserviceOptions, 'hsToken' | 'take' | 'isOurs'>;
  /** Beside it, where the homeserver has Aceso's module. */
  readonly module?: (door: Pick<ModuleDoorParts, 'refusals' | 'failed'>) => HttpRoute;
};

/** Makes the sources' door for another configuration; what is given opens it. Throws, and changes nothing, when it can't be made. */
export type PrepareDoor = (config: LoadedConfig) => () => void;

export type Doors = {
  readonly httpPort: number;
  /** Where the homeserver pushes. */
  readonly appservicePort: number;
  /** From now on what comes is taken; until then whoever comes is told to come again. Gives what makes the sources' door anew. */
  open(parts: DoorParts): PrepareDoor;
  /** Takes the certificates as they are now. Throws, and changes nothing, when they can't be used. */
  reloadTls(): void;
  stop(withinMs: number): Promise<void>;
};

/** Both doors: for sources (FHIR, tokens) and for the homeserver. What either refuses, once they are open, is counted and audited. */
export async function startDoors(config: LoadedConfig, log: Log): Promise<Doors> {
  let refusals: Refusals | undefined;
  let pool: Pool | undefined;
  const failed = (error: unknown): void => log.error('http.failed', { error: errorCode(error) });
  const noting = (door: string) => (refusal: Omit<DoorRefusal, 'code'> & { readonly code: string }): void => refusals?.note({ door, ...refusal });
  const doors = await Promise.all([
    startHttpServer({ ...httpOptions(config), failed, refused: noting('http'), routes: [healthz, notYetForSources] }),
    startHttpServer({ ...appserviceOptions(config), failed, refused: noting('appservice'), routes: [notYetForHomeserver] }),
  ]);
  const [http, appservice] = doors;
  return {
    httpPort: http.port,
    appservicePort: appservice.port,
    open(parts) {
      const { store, keys, now, metrics } = parts;
      refusals = createRefusals({ store, keys, log, metrics, now });
      pool = poolOf(config);
      const routesFor = sourcesDoor({ ...parts, refusals, pool });
      http.serve(routesFor(config));
      appservice.serve([...(parts.module === undefined ? [] : [parts.module({ refusals, failed })]), createAppserviceRoutes({ ...parts.appservice, failed, refused: noting('appservice') })]);
      return (next) => {
        const routes = routesFor(next);
        return () => http.serve(routes);
      };
    },
    reloadTls: () => { for (const door of doors) door.reloadTls(); },
    async stop(withinMs) {
      await Promise.all(doors.map((door) => door.stop(withinMs)));
      await pool?.stop();
      await refusals?.stop();
    },
  };
}

/** The routes of the sources' door for a configuration. What sources have used of their limits, failed log-ins and fetched keys outlive each of them. */
function sourcesDoor({ refusals, pool, ...parts }: DoorParts & { readonly refusals: Refusals; readonly pool: Pool | undefined }): (config: LoadedConfig) => readonly HttpRoute[] {
  const { store, keys, now, validator } = parts;
  const memory = createTrustMemory(now);
  const used = nothingUsed();
  const limits = createLimits();
  const pace = createPace(store.undecided, () => performance.now());
  return (config) => {
    const host = createBridgeHost({ ...parts, refusals, pace, terms: termsOf(config) });
    const trust = createTrust(config, { keys, remember: store.remember, now, memory, observe: (event) => host.observe({ bridge: 'auth', ...event }) });
    const bridge = createFhirPush(fhirPushConfig(config), { host, used, validator, authenticator: trust.authenticator, ...(pool === undefined ? {} : { pool }) });
    const scim = createScim(scimConfig(config), { desk: createStaffDesk({ store, log: parts.log, host }), authenticator: trust.authenticator, limits });
    return [...trust.routes, ...bridge.routes, ...scim.routes, healthz];
  };
}

/** Health and figures, on a port that sources don't reach. Plain HTTP, whatever the doors speak: probes hold no certificate. */
export async function openOperations({ operations: { host, port } }: LoadedConfig, routes: readonly HttpRoute[], log: Log): Promise<HttpServer> {
  return startHttpServer({ host, port, routes, failed: (error) => log.error('http.failed', { error: errorCode(error) }) });
}

/** Bodies over 256 KiB take 50 ms and more of a processor: `node bench/largeBodies.ts` shows what they do to the door without threads. */
function poolOf({ http: { large_body_threads: threads } }: LoadedConfig): Pool | undefined {
  if (threads === 0) return undefined;
  const entry = new URL(import.meta.url.endsWith('.ts') ? './fhirThread.ts' : './fhirThread.js', import.meta.url);
  const open = (): Worker => new Worker(entry, { name: 'aceso-fhir', stdout: true, stderr: true, resourceLimits: { maxOldGenerationSizeMb: 2048 } });
  return createPool({ open, threads, aboveBytes: 256 * 1024, mostWaiting: 16, withinMs: 60_000, idleMs: 300_000 });
}

function httpOptions({ http, at }: LoadedConfig): Pick<HttpServerOptions, 'host' | 'port' | 'tls' | 'proxies' | 'maxBytesInFlight'> {
  const { host, port, tls, trusted_proxies: proxies, max_bytes_in_flight: maxBytesInFlight } = http;
  return {
    host, port, maxBytesInFlight,
    ...(tls === undefined ? {} : { tls: { certificate: at(tls.certificate), key: at(tls.key), ...(tls.client_ca === undefined ? {} : { clientCa: at(tls.client_ca) }) } }),
    ...(proxies === undefined ? {} : { proxies: { addresses: proxies.addresses, ...(proxies.secret_sha256 === undefined ? {} : { secretSha256: proxies.secret_sha256 }), ...(proxies.certificate_header === undefined ? {} : { certificateHeader: proxies.certificate_header }) } }),
  };
}

function appserviceOptions({ appservice: { host, port, tls }, at }: LoadedConfig): Pick<HttpServerOptions, 'host' | 'port' | 'tls'> {
  return { host, port, ...(tls === undefined ? {} : { tls: { certificate: at(tls.certificate), key: at(tls.key) } }) };
}

function termsOf(config: LoadedConfig): (source: string) => SourceTerms {
  const terms = new Map(config.sources.map(({ id, owner, pool }) => [id, { owner, ...(pool === undefined ? {} : { pool }) }]));
  return (source) => terms.get(source) ?? { owner: config.organisation.name };
}

/** Only sources that are told to be its clients. */
const scimConfig = ({ http: { public_url: url }, sources }: LoadedConfig): ScimConfig => ({
  baseUrl: url === undefined ? undefined : `${url.replace(/\/$/u, '')}/scim/v2`,
  sources: sources.flatMap(({ id, directory, requests_per_minute: requestsPerMinute, max_in_flight: maxInFlight }) => (directory?.scim === undefined ? [] : [{ id: as(id), matrixId: directory.scim.matrix_id, identifiers: directory.scim.identifiers, requestsPerMinute, maxInFlight }])),
});

const fhirPushConfig = (config: LoadedConfig): Parameters<typeof createFhirPush>[0] => ({
  ...(config.http.public_url === undefined ? {} : { baseUrl: `${config.http.public_url.replace(/\/$/u, '')}/fhir`, tokenUrl: `${config.http.public_url.replace(/\/$/u, '')}/auth/token` }),
  sources: config.sources.map((source) => ({
    id: as(source.id), name: source.name, resourceTypes: source.resource_types, maxBytes: source.max_bytes, maxEntries: source.max_entries,
    requestsPerMinute: source.requests_per_minute, maxInFlight: source.max_in_flight, fhirBase: source.fhir_base, identifierSystems: source.identifier_systems,
    directory: source.directory === undefined ? undefined : { types: staffTypesOf(source.directory), matrixId: source.directory.matrix_id },
    attachments: { maxBytes: source.attachments.max_bytes, maxCount: source.attachments.max_count, types: source.attachments.types, fetches: source.attachments.fetch === undefined ? 'nothing' : 'under-base' },
  })),
});
