/**
 * The laboratory: two hospitals, Mercy and St. Anne, each with its own real Synapse, that federate over TLS on loopback.
 *
 * A test that only talks to them takes `await sharedHospitals()`: they start once for the whole run. A test that stops, kills or
 * reconfigures one starts its own with `startHospitals()`, and stops them.
 */
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { removeFolder, temporaryFolder } from './folders.ts';
import { createHospital, type Hospital, type HospitalOptions } from './hospital.ts';
import { portFor } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { runPython } from './python.ts';
import { shared } from './shared.ts';
import { createSlots, slotTaker, type Slot } from './slots.ts';
import type { SynapseSettings, Tls } from './synapseConfig.ts';

export type { Hospital, Session } from './hospital.ts';
export type { Slot } from './slots.ts';
export { dumpDatabase } from './dump.ts';

/** How many appservices each shared hospital is started with. */
const slotCount = { mercy: 48, stAnne: 3 };

export type HospitalsOptions = {
  /** Where everything is written; a temporary folder that is removed at the end when left out. A given folder is kept and can be used again. */
  readonly folder?: string;
  /** St. Anne's limits on invitations from elsewhere: Synapse's own (5 at once for one person, then 1 in 5 minutes), or none, which is the default. */
  readonly partnerLimits?: 'default' | 'lifted';
  /** Where the Synapses keep their data. */
  readonly database?: 'sqlite' | 'postgres';
  readonly logLevel?: SynapseSettings['logLevel'];
  readonly mercy?: OneHospital;
  readonly stAnne?: OneHospital;
};

export type OneHospital = {
  /**
   * Free ones are chosen when left out. The federation port is part of the server name. With `federationListener` the server listens
   * there instead, and whoever stands on the federation port passes on what comes.
   */
  readonly ports?: { readonly client?: number; readonly federation?: number; readonly federationListener?: number };
  /** Paths of application service registrations. */
  readonly appservices?: readonly string[];
  /** How many ready-made appservices to register; `takeSlot` hands them out. */
  readonly slots?: number;
  /** Further keys of homeserver.yaml. */
  readonly config?: Readonly<Record<string, unknown>>;
};

export type Hospitals = {
  readonly mercy: Hospital;
  readonly stAnne: Hospital;
  /** The certificate authority both trust, and a certificate for `localhost` that a further server may use. */
  readonly tls: Tls;
  readonly folder: string;
  /** An appservice of Mercy (or St. Anne) that no one has taken yet. */
  takeSlot(at?: 'mercy' | 'stAnne'): Slot;
  stop(): Promise<void>;
};

/** Starts both, side by side; resolves when both answer. Stop them with `stop()`; at the latest they end with this process. */
export async function startHospitals(options: HospitalsOptions = {}): Promise<Hospitals> {
  const folder = options.folder ?? temporaryFolder('lab');
  const tls: Tls = { caFile: join(folder, 'ca.pem'), certificateFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') };
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.toReversed()) await end();
    if (options.folder === undefined) removeFolder(folder);
  };
  try {
    const plans = {
      mercy: await plan('Mercy', join(folder, 'mercy'), options.mercy),
      stAnne: await plan('St. Anne', join(folder, 'st-anne'), options.stAnne),
    };
    const postgres = options.database === 'postgres' ? await startPostgres() : undefined;
    if (postgres) stops.push(() => postgres.stop());
    await runPython('certificates.py', [folder, ...Object.values(plans).map(({ dataDir }) => join(dataDir, 'signing.key'))]);
    const build = async ({ slots, ...planned }: Plan, invitationLimits: 'default' | 'lifted'): Promise<Hospital> => createHospital({
      ...planned, tls, invitationLimits,
      database: postgres ? { kind: 'postgres', url: await postgres.createDatabase(basename(planned.dataDir)) } : { kind: 'sqlite', file: join(planned.dataDir, 'homeserver.db') },
      logLevel: options.logLevel ?? 'WARNING',
    });
    const mercy = await build(plans.mercy, 'lifted');
    const stAnne = await build(plans.stAnne, options.partnerLimits ?? 'lifted');
    stops.push(async () => {
      await Promise.all([mercy.stop(), stAnne.stop()]);
    });
    await Promise.all([mercy.start(), stAnne.start()]);
    const takers = { mercy: slotTaker(mercy.name, plans.mercy.slots), stAnne: slotTaker(stAnne.name, plans.stAnne.slots) };
    return { mercy, stAnne, tls, folder, takeSlot: (at = 'mercy') => takers[at](), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Plan = Pick<HospitalOptions, 'name' | 'serverName' | 'dataDir' | 'clientPort' | 'federationPort' | 'appservices' | 'more'> & { readonly slots: readonly Slot[] };

/** Everything about a hospital that is settled before anything starts: its folder, ports, names and appservices. */
async function plan(name: string, dataDir: string, options: OneHospital = {}): Promise<Plan> {
  mkdirSync(dataDir, { recursive: true });
  const federationPort = await portFor(`${name}'s federation API`, options.ports?.federation);
  const clientPort = await portFor(`${name}'s client API`, options.ports?.client);
  const serverName = `localhost:${federationPort}`;
  const slots = await createSlots(join(dataDir, 'appservices'), serverName, options.slots ?? 0);
  return {
    name, serverName, dataDir, clientPort, federationPort: options.ports?.federationListener ?? federationPort, slots,
    appservices: [...(options.appservices ?? []), ...slots.map((slot) => slot.registrationFile)],
    more: options.config ?? {},
  };
}

/** The hospitals of this test run, started when first asked for, stopped when the run ends. Limits are lifted. Don't stop or reconfigure them. */
export function sharedHospitals(): Promise<Hospitals> {
  return shared('hospitals', async () => {
    const hospitals = await startHospitals({ mercy: { slots: slotCount.mercy }, stAnne: { slots: slotCount.stAnne } });
    return { value: hospitals, stop: () => hospitals.stop() };
  });
}

/** An appservice of the shared hospitals for one test file's own Aceso. */
export async function takeSlot(at: 'mercy' | 'stAnne' = 'mercy'): Promise<Slot> {
  return (await sharedHospitals()).takeSlot(at);
}
