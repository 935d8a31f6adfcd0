/** Two hospitals, clinicians with clients that decrypt, and Aceso: what parts a, b and c run on. */
import { newAceso, type Aceso, type DeliveryView } from '../test/support/aceso.ts';
import type { Client } from '../test/support/clients/client.ts';
import { startJsClient } from '../test/support/clients/jssdk.ts';
import { potassiumReport } from '../test/support/fhir.ts';
import { startHospitals, type Hospitals, type Slot } from '../test/support/lab.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { asGuardian } from '../test/support/results.ts';
import { until } from '../test/support/until.ts';
import { say } from './load.ts';
import type { Options } from './options.ts';
import { profiling, type Profiling } from './profile/profiling.ts';

export type Stage = {
  readonly hospitals: Hospitals;
  readonly clients: readonly Client[];
  readonly aceso: Aceso;
  readonly acesoPid: number;
  readonly slot: Slot;
  readonly profile: Profiling | undefined;
  /** Bytes of the content of one of Aceso's events, as JSON. */
  readonly eventBytes: number;
  push(index: number, accession: string): Promise<void>;
  /** Resolves when the clients have read as many different results as `count` whose accession number begins with `prefix`. */
  allRead(prefix: string, count: number, timeoutMs?: number): Promise<void>;
  read(prefix: string): readonly { readonly accession: string; readonly eventId: string; readonly receivedAt: number }[];
  undecryptable(): number;
  deliveries(limit: number): Promise<readonly DeliveryView[]>;
  stop(): Promise<void>;
};

export const npiOf = (index: number): string => String(4_000_000_000 + index);

/** A source that may push as fast as it can. */
export const UNLIMITED = { requests_per_minute: 1_000_000 };

export async function openStage({ recipients, store, profile: folder }: Pick<Options, 'recipients' | 'store' | 'profile'>): Promise<Stage> {
  const profile = folder === undefined ? undefined : profiling(folder);
  const hospitals = await startHospitals({ mercy: { slots: 1 }, ...(profile ? { logLevel: 'INFO' } : {}) });
  const postgres = store === 'postgres' ? await startPostgres({ fsync: 'on' }) : undefined;
  const clients: Client[] = [];
  let aceso: Aceso | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all(clients.map((client) => client.stop()));
    await aceso?.stop();
    await Promise.all([hospitals.stop(), postgres?.stop()]);
    aceso?.remove();
  };
  try {
    say(`${recipients} clinicians log in at St. Anne`);
    const users = await Promise.all(Array.from({ length: recipients }, (_, index) => hospitals.stAnne.register(`bench${index}`, 'bench-password')));
    for (const index of users.keys()) clients.push(await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: `bench${index}`, password: 'bench-password' }));
    const slot = hospitals.takeSlot();
    const url = await postgres?.createDatabase('bench');
    const running = await newAceso({
      mercy: hospitals.mercy, slot, partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], source: UNLIMITED, ...(url === undefined ? {} : { postgresUrl: url }),
      people: users.map((user, index) => ({ id: `bench${index}`, name: `Dr. Bench ${index}`, user_id: user, npi: npiOf(index) })),
    });
    aceso = running;
    const { pid } = await aceso.launch(profile?.env);
    await until('Aceso to be ready', async () => (await fetch(`${running.operationsUrl}/readyz`)).ok, 60_000);
    const push = async (index: number, accession: string): Promise<void> => {
      const { status, text } = await running.push('/DiagnosticReport', potassiumReport({ accession, mrn: accession, npi: npiOf(index % recipients) }));
      if (status !== 201) throw new Error(`a push was answered ${status}: ${text}`);
    };
    say('rooms are made and warmed');
    for (const index of users.keys()) await push(index, `W-${index}`);
    await Promise.all(clients.map((client) => client.waitForMessage(() => true, 60_000)));
    const [first] = clients.flatMap(({ messages }) => messages);
    if (!first) throw new Error('no message came');
    const { content } = await asGuardian(hospitals.mercy, slot, `/rooms/${encodeURIComponent(first.roomId)}/event/${encodeURIComponent(first.eventId)}`);
    const rooms = new Set(clients.map(({ messages }) => messages[0]?.roomId));

    const read: Stage['read'] = (prefix) => clients.flatMap(({ messages }) => messages.flatMap(({ content: { body }, eventId, receivedAt }) => {
      const accession = new RegExp(`\\b${prefix}\\d+\\b`, 'u').exec(String(body))?.[0];
      return accession === undefined ? [] : [{ accession, eventId, receivedAt }];
    }));
    return {
      hospitals, clients, aceso, acesoPid: pid, slot, profile, push, stop, read,
      eventBytes: Buffer.byteLength(JSON.stringify(content)),
      async allRead(prefix, count, timeoutMs = 600_000) {
        await until(`${count} results to be decrypted`, () => read(prefix).length >= count, timeoutMs, 20);
        const accessions = read(prefix).map(({ accession }) => accession);
        if (new Set(accessions).size !== accessions.length || accessions.length !== count) throw new Error(`${accessions.length} messages came for ${count} results (${new Set(accessions).size} different ones)`);
      },
      undecryptable: () => clients.reduce((sum, client) => sum + client.undecryptable.filter(({ roomId }) => rooms.has(roomId)).length, 0),
      deliveries: (limit) => running.cli('deliveries', 'list', '--limit', String(limit)),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
