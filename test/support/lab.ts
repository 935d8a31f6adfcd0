/**
 * The laboratory: two hospitals, Mercy and St. Anne, each with its own real Synapse, that federate over TLS on loopback.
 *
 * A test that only talks to them takes `await sharedHospitals()`: they start once for the whole run. A test that stops, kills or
 * reconfigures one starts its own with `startHospitals()`, and stops them.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHospital, type Hospital } from './hospital.ts';
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
const slotCount = { mercy: 12, stAnne: 3 };

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
  /** Free ones are chosen when left out. The federation port is part of the server name. */
  readonly ports?: { readonly client?: number; readonly federation?: number };
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
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'aceso-lab-'));
  const dataDirs = { mercy: join(folder, 'mercy'), stAnne: join(folder, 'st-anne') };
  for (const dataDir of Object.values(dataDirs)) mkdirSync(dataDir, { recursive: true });
  const tls: Tls = { caFile: join(folder, 'ca.pem'), certificateFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') };
  const keys = runPython('certificates.py', [folder, ...Object.values(dataDirs).map((dataDir) => join(dataDir, 'signing.key'))]);
  const postgres = options.database === 'postgres' ? await startPostgres() : undefined;

  const build = async (key: 'mercy' | 'stAnne', name: string, invitationLimits: 'default' | 'lifted'): Promise<{ hospital: Hospital; take: () => Slot }> => {
    const mine = options[key] ?? {};
    const federationPort = await portFor(`${name}'s federation API`, mine.ports?.federation);
    const serverName = `localhost:${federationPort}`;
    const slots = await createSlots(join(dataDirs[key], 'appservices'), serverName, mine.slots ?? 0);
    const hospital = createHospital({
      name, serverName, federationPort, invitationLimits, tls,
      dataDir: dataDirs[key],
      clientPort: await portFor(`${name}'s client API`, mine.ports?.client),
      database: postgres
        ? { kind: 'postgres', url: await postgres.createDatabase(`synapse_${key.toLowerCase()}`) }
        : { kind: 'sqlite', file: join(dataDirs[key], 'homeserver.db') },
      appservices: [...(mine.appservices ?? []), ...slots.map((slot) => slot.registrationFile)],
      logLevel: options.logLevel ?? 'WARNING',
      more: mine.config ?? {},
    });
    return { hospital, take: slotTaker(name, slots) };
  };

  const mercy = await build('mercy', 'Mercy', 'lifted');
  const stAnne = await build('stAnne', 'St. Anne', options.partnerLimits ?? 'lifted');
  const stop = async (): Promise<void> => {
    await Promise.all([mercy.hospital.stop(), stAnne.hospital.stop()]);
    await postgres?.stop();
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  };
  try {
    await keys;
    await Promise.all([mercy.hospital.start(), stAnne.hospital.start()]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { mercy: mercy.hospital, stAnne: stAnne.hospital, tls, folder, takeSlot: (at = 'mercy') => (at === 'mercy' ? mercy : stAnne).take(), stop };
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
