/**
 * How fast results go from the push to the room, beside what the homeserver alone can take: `npm run bench [-- --results N --recipients N --concurrency N --store sqlite|postgres]`.
 * Both run in the same minute on the same machine; what counts is the ratio. The last line is JSON.
 */
import { parseArgs } from 'node:util';
import { newAceso, type Aceso } from '../test/support/aceso.ts';
import type { Client } from '../test/support/clients/client.ts';
import { startJsClient } from '../test/support/clients/jssdk.ts';
import { potassiumReport } from '../test/support/fhir.ts';
import { startHospitals, type Hospitals, type Session } from '../test/support/lab.ts';
import { matrix, text } from '../test/support/matrixHttp.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { until } from '../test/support/until.ts';

const { values } = parseArgs({ options: { results: { type: 'string', default: '300' }, recipients: { type: 'string', default: '4' }, concurrency: { type: 'string', default: '16' }, store: { type: 'string', default: 'sqlite' }, help: { type: 'boolean' } } });
const results = Number(values.results);
const recipients = Number(values.recipients);
const concurrency = Number(values.concurrency);
const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
const npiOf = (index: number): string => String(4_000_000_000 + index);

if (values.help) {
  process.stdout.write('npm run bench -- [--results 300] [--recipients 4] [--concurrency 16] [--store sqlite|postgres]\n');
} else {
  const hospitals = await startHospitals({ mercy: { slots: 1 } });
  const postgres = values.store === 'postgres' ? await startPostgres({ fsync: 'on' }) : undefined;
  const url = await postgres?.createDatabase('bench');
  const clients: Client[] = [];
  let aceso: Aceso | undefined;
  try {
    say(`${recipients} clinicians log in at St. Anne`);
    const users = await Promise.all(Array.from({ length: recipients }, (_, index) => hospitals.stAnne.register(`bench${index}`, 'bench-password')));
    for (const index of users.keys()) clients.push(await startJsClient({ baseUrl: hospitals.stAnne.baseUrl, user: `bench${index}`, password: 'bench-password' }));
    aceso = await newAceso({
      mercy: hospitals.mercy, slot: hospitals.takeSlot(), partners: [{ server_name: hospitals.stAnne.serverName, name: 'St. Anne' }], ...(url === undefined ? {} : { postgresUrl: url }),
      people: users.map((user, index) => ({ id: `bench${index}`, name: `Dr. Bench ${index}`, user_id: user, npi: npiOf(index) })),
    });
    await aceso.start();
    say('rooms are made and warmed');
    for (const index of users.keys()) await aceso.push('/DiagnosticReport', potassiumReport({ accession: `warm-${index}`, npi: npiOf(index) }));
    await Promise.all(clients.map((client) => client.waitForMessage(() => true, 60_000)));

    say(`baseline: ${results} raw sends at Mercy, ${concurrency} at a time`);
    const baseline = await rawSends(hospitals, clients);
    say(`Aceso: ${results} pushes, ${concurrency} at a time`);
    const measured = await pushes(aceso, clients);
    process.stdout.write(`${JSON.stringify({ store: values.store, results, recipients, concurrency, rawSendsPerSecond: round(baseline), ...measured, ratioToRaw: round(measured.deliveredPerSecond / baseline) })}\n`);
  } finally {
    await Promise.all(clients.map((client) => client.stop()));
    await aceso?.stop();
    await Promise.all([hospitals.stop(), postgres?.stop()]);
    aceso?.remove();
  }
}

/** Ciphertext-sized events by an ordinary user in rooms with the same remote members: what the homeserver takes, events/s. */
async function rawSends({ mercy }: Hospitals, clients: readonly Client[]): Promise<number> {
  await mercy.register('baseline', 'bench-password');
  const session: Session = await mercy.login('baseline', 'bench-password');
  const rooms = await Promise.all(clients.map(async ({ userId, joinedRooms }) => {
    const room = text(await matrix(mercy.baseUrl, '/_matrix/client/v3/createRoom', { method: 'POST', token: session.accessToken, body: { preset: 'private_chat', invite: [userId], initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }] } }), 'room_id');
    await until('a clinician to join', () => joinedRooms.has(room));
    return room;
  }));
  const content = { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: 'x'.repeat(6000), session_id: 'x', device_id: 'X', sender_key: 'x' };
  const seconds = await inParallel(async (index) => {
    await matrix(mercy.baseUrl, `/_matrix/client/v3/rooms/${encodeURIComponent(rooms[index % rooms.length] ?? '')}/send/m.room.encrypted/b${index}`, { method: 'PUT', token: session.accessToken, body: content });
  });
  return results / seconds;
}

async function pushes(aceso: Aceso, clients: readonly Client[]): Promise<{ readonly acceptedPerSecond: number; readonly deliveredPerSecond: number; readonly decrypted: number; readonly undecryptable: number; readonly medianMsToEvent: number; readonly rssMb: number }> {
  const started = performance.now();
  const seconds = await inParallel(async (index) => {
    const { status } = await aceso.push('/DiagnosticReport', potassiumReport({ accession: `B-${index}`, mrn: String(index), npi: npiOf(index % recipients) }));
    if (status !== 201) throw new Error(`a push was answered ${status}`);
  });
  const rooms = new Set(clients.map(({ messages }) => messages[0]?.roomId));
  const decryptedOf = (): number => clients.reduce((sum, { messages }) => sum + messages.filter(({ content }) => String(content['body']).includes('B-')).length, 0);
  await until('every result to be decrypted', () => decryptedOf() >= results, 600_000, 20);
  const delivered = (performance.now() - started) / 1000;
  const deliveries = (await aceso.cli<readonly { readonly acceptedAt: number; readonly sentAt?: number }[]>('deliveries', 'list', '--limit', String(results))).map(({ acceptedAt, sentAt = Infinity }) => sentAt - acceptedAt).sort((a, b) => a - b);
  const metrics = await (await fetch(`${aceso.baseUrl}/metrics`)).text();
  const rss = Number(/^aceso_process_resident_memory_bytes (\S+)/mu.exec(metrics)?.[1] ?? 0);
  return {
    acceptedPerSecond: round(results / seconds), deliveredPerSecond: round(results / delivered), decrypted: decryptedOf(), undecryptable: clients.reduce((sum, { undecryptable }) => sum + undecryptable.filter(({ roomId }) => rooms.has(roomId)).length, 0),
    medianMsToEvent: deliveries[Math.floor(deliveries.length / 2)] ?? Infinity, rssMb: Math.round(rss / 1e6),
  };
}

/** Runs `task` for each index, `concurrency` at a time; gives the seconds it took. */
async function inParallel(task: (index: number) => Promise<void>): Promise<number> {
  const started = performance.now();
  let next = 0;
  await Promise.all(Array.from({ length: concurrency }, async () => {
    while (next < results) {
      next += 1;
      await task(next - 1);
    }
  }));
  return (performance.now() - started) / 1000;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
