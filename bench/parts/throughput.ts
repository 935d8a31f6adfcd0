/**
 * Part a: what Synapse takes when it is only asked to send, beside what comes of pushes to Aceso. They take turns, so that what else the
 * machine does falls on both; and a turn begins when what the one before left to the other hospital's server is done there.
 */
import type { Client } from '../../test/support/clients/client.ts';
import type { Session } from '../../test/support/lab.ts';
import { matrix, text } from '../../test/support/matrixHttp.ts';
import { until } from '../../test/support/until.ts';
import { inParallel, round, say } from '../load.ts';
import type { Options } from '../options.ts';
import type { Stage } from '../stage.ts';
import { usage } from '../usage.ts';

/** The most effects that Aceso has under way at once. */
const ACESO_AT_ONCE = 16;
const TURNS = 3;

export async function throughput(stage: Stage, { results, concurrency, recipients }: Options): Promise<Record<string, unknown>> {
  const rooms = await rawRooms(stage);
  const each = Math.ceil(results / TURNS);
  const rawAtOnce = Math.min(ACESO_AT_ONCE, recipients);
  const seconds = { raw: 0, rawArrived: 0, accepted: 0, sent: 0, delivered: 0 };
  const cpu = { raw: 0, synapse: 0, aceso: 0, partnerRaw: 0, partner: 0 };
  for (let turn = 0; turn < TURNS; turn += 1) {
    say(`a: turn ${turn + 1} of ${TURNS}: ${each} raw sends of ${stage.eventBytes} bytes, ${rawAtOnce} at a time, then ${each} pushes, ${concurrency} at a time`);
    const before = cpuOf(stage);
    const rawStarted = performance.now();
    seconds.raw += await rawSends(stage, rooms, each, rawAtOnce, turn);
    await rawArrived(stage, rooms, each * (turn + 1));
    seconds.rawArrived += (performance.now() - rawStarted) / 1000;
    await stage.profile?.begin();
    const between = cpuOf(stage);
    const startedAt = Date.now();
    const started = performance.now();
    seconds.accepted += await inParallel(each, concurrency, (index) => stage.push(index, `A${turn}-${index}`));
    await stage.allRead(`A${turn}-`, each);
    seconds.delivered += (performance.now() - started) / 1000;
    const after = cpuOf(stage);
    await stage.profile?.end(each);
    seconds.sent += (Math.max(...(await stage.deliveries(each)).map(({ sentAt = Infinity }) => sentAt)) - startedAt) / 1000;
    cpu.raw += between.synapse - before.synapse;
    cpu.partnerRaw += between.partner - before.partner;
    cpu.partner += after.partner - between.partner;
    cpu.synapse += after.synapse - between.synapse;
    cpu.aceso += after.aceso - between.aceso;
  }
  const total = each * TURNS;
  const rawPerSecond = total / seconds.raw;
  const rawArrivedPerSecond = total / seconds.rawArrived;
  const deliveredPerSecond = total / seconds.delivered;
  return {
    results: total, recipients, eventBytes: stage.eventBytes, rawPerSecond: round(rawPerSecond), rawArrivedPerSecond: round(rawArrivedPerSecond), acceptedPerSecond: round(total / seconds.accepted), sentPerSecond: round(total / seconds.sent),
    deliveredPerSecond: round(deliveredPerSecond), ratioToRaw: round(deliveredPerSecond / rawPerSecond), ratioToRawArrived: round(deliveredPerSecond / rawArrivedPerSecond), undecryptable: stage.undecryptable(),
    cpuMsPerResult: { aceso: round(cpu.aceso / total, 1), synapse: round(cpu.synapse / total, 1), synapseRaw: round(cpu.raw / total, 1), partner: round(cpu.partner / total, 1), partnerRaw: round(cpu.partnerRaw / total, 1) }, rssMb: round(usage(stage.acesoPid).rssMb, 0),
  };
}

const cpuOf = ({ hospitals, acesoPid }: Stage): { readonly synapse: number; readonly partner: number; readonly aceso: number } => ({ synapse: usage(hospitals.mercy.pid).cpuMs, partner: usage(hospitals.stAnne.pid).cpuMs, aceso: usage(acesoPid).cpuMs });

/** Clients of the other hospital have all of them, and can read none. */
const rawArrived = ({ clients }: Stage, { rooms }: RawRooms, count: number): Promise<unknown> =>
  until('the raw events to arrive', () => clients.reduce((sum, { undecryptable }) => sum + undecryptable.filter(({ roomId }) => rooms.includes(roomId)).length, 0) >= count, 120_000, 20);

type RawRooms = { readonly session: Session; readonly rooms: readonly string[] };

/** Rooms of an ordinary user, each with one of the clinicians. */
export async function rawRooms({ hospitals: { mercy }, clients }: Pick<Stage, 'hospitals' | 'clients'>): Promise<RawRooms> {
  await mercy.register('baseline', 'bench-password');
  const session = await mercy.login('baseline', 'bench-password');
  const rooms = await Promise.all(clients.map((client) => roomWith(mercy.baseUrl, session.accessToken, client)));
  return { session, rooms };
}

/** An encrypted room with the clinician in it. */
export async function roomWith(baseUrl: string, token: string, { userId, joinedRooms }: Client): Promise<string> {
  const encryption = { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } };
  const room = text(await matrix(baseUrl, '/_matrix/client/v3/createRoom', { method: 'POST', token, body: { preset: 'private_chat', invite: [userId], initial_state: [encryption] } }), 'room_id');
  await until('a clinician to join', () => joinedRooms.has(room));
  return room;
}

function rawSends({ hospitals: { mercy }, eventBytes }: Stage, { session, rooms }: RawRooms, count: number, atOnce: number, turn: number): Promise<number> {
  const frame = { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: '', session_id: 'x'.repeat(43), device_id: 'BASELINE', sender_key: 'x'.repeat(43) };
  const content = { ...frame, ciphertext: 'x'.repeat(Math.max(0, eventBytes - JSON.stringify(frame).length)) };
  return inParallel(count, atOnce, async (index) => {
    await matrix(mercy.baseUrl, `/_matrix/client/v3/rooms/${encodeURIComponent(rooms[index % rooms.length] ?? '')}/send/m.room.encrypted/raw-${turn}-${index}`, { method: 'PUT', token: session.accessToken, body: content });
  });
}
