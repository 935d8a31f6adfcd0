/**
 * Part policy: how many questions to sign the policy server answers, and how soon, in turns with a bare HTTPS server that only verifies and signs; with few rooms
 * and with many, which the whole program made and put under it. The load, the homeserver (the stub) and what is measured share one machine's processors.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request as requestHttps } from 'node:https';
import { join } from 'node:path';
import { signerOf } from '../../src/adapters/federation/ed25519.ts';
import { makeCa, makeCertificate, type Pair } from '../../test/support/certificates.ts';
import { removeFolder, temporaryFolder } from '../../test/support/folders.ts';
import { freePort } from '../../test/support/ports.ts';
import { startProcess, type OwnedProcess } from '../../test/support/processes.ts';
import type { RoomView } from '../../test/support/results.ts';
import { newSigningKey } from '../../test/support/stub/signing.ts';
import { until } from '../../test/support/until.ts';
import { openHouse, type House } from '../house.ts';
import { inParallel, paced, percentiles, round, say } from '../load.ts';
import type { Options } from '../options.ts';
import { peak, usage } from '../usage.ts';
import { createQuestions, SIGN_PATH, wrong, type Question } from './policyEvents.ts';
import type { FloorOptions } from './policyFloorProcess.ts';

const AT_ONCE = [1, 8, 32] as const;
const TURNS = 3;
const QUESTIONS_PER_RESULT = 10;
const PARTNER = 'partner.example';
/** Connections of a homeserver that asks without pause. */
const CONNECTIONS = 32;
/** An answer that takes longer is none. */
const ANSWER_MS = 30_000;
/** Of the steady stream: what began so much later than its time shows that the driver doesn't keep up. */
const LATE_MS = 100;
/** What isn't used for so long is closed from here, before a server does it while a question is on its way. */
const IDLE_MS = 20_000;

type Answer = { readonly status: number; readonly text: string };
type Side = { readonly pid: number; readonly publicKey: string; ask(question: Question): Promise<Answer> };
type Place = { readonly roomId: string; readonly member: string };
type Bench = { readonly serverName: string; readonly aceso: Side; readonly floor: Side; readonly next: (place: Place) => Question; readonly house: House };

export async function policy({ rooms: { few, stub: many }, results, hold, profile }: Options): Promise<Record<string, unknown>> {
  const folder = temporaryFolder('bench-policy');
  const ca = makeCa(folder, 'ca');
  const tls = makeCertificate(folder, 'policy', ca, { subject: '/CN=localhost', names: 'DNS:localhost', use: 'serverAuth' });
  const port = await freePort();
  const serverName = `localhost:${port}`;
  const partner = { name: PARTNER, key: newSigningKey() };
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS, timeout: IDLE_MS, ca: readFileSync(ca.certificate) });
  const questions = createQuestions(partner, serverName);
  const floor = await openFloor(tls, { serverName, publicKey: partner.key.publicKey }, agent, folder);
  const house = await openHouse('stub', {
    // It looks at nobody's devices, and without them rooms are made in half the time.
    profile, devices: 0, policyServer: { server_name: serverName, port, tls },
    federation: { vouched: new Map([[PARTNER, partner.key]]), guests: new Map([[serverName, once((keyId) => publishedKey(agent, port, keyId))]]) },
  });
  const bench: Bench = { serverName, floor: floor.side, house, next: ({ roomId, member }) => questions(roomId, member), aceso: { get pid() { return house.acesoPid; }, publicKey: policyKeyOf(house), ask: asker(agent, port) } };
  try {
    const each = results * QUESTIONS_PER_RESULT;
    const before = await measured(bench, few, each);
    const after = await measured(bench, many, each);
    const held = hold === undefined ? {} : { hold: await holding(bench, after.places, hold) };
    const flat = AT_ONCE.map((atOnce, index) => [atOnce, round((after.cells[index]?.ratio ?? 0) / (before.cells[index]?.ratio ?? 1))] as const);
    return { questions: each * TURNS, cells: [...before.cells, ...after.cells], ratioWithManyToFew: Object.fromEntries(flat), firstQuestionsPerSecond: after.firstPerSecond, roomsPerSecond: after.roomsPerSecond, ...held, complaints: house.stub?.complaints ?? [], ...(house.profile ? { profile: house.profile.report() } : {}) };
  } finally {
    agent.destroy();
    await house.stop();
    await floor.stop();
    removeFolder(folder);
  }
}

type Figures = { readonly perSecond: number; readonly ms: ReturnType<typeof percentiles>; readonly cpuMs: number };
type Cell = { readonly rooms: number; readonly atOnce: number; readonly aceso: Figures; readonly floor: Figures; /** Of what Aceso signs to what the floor does. */ readonly ratio: number; /** Rooms that Aceso read meanwhile: what it knows of one counts for a minute. */ readonly roomsRead: number; readonly rssMb: number };

async function measured(bench: Bench, rooms: number, each: number): Promise<{ readonly cells: readonly Cell[]; readonly places: readonly Place[]; readonly firstPerSecond: number; readonly roomsPerSecond: number }> {
  say(`policy: ${rooms} rooms are made and put under the policy server`);
  const growSeconds = await bench.house.grow(rooms);
  const places = await placesOf(bench.house);
  // The first question about each room reads it.
  const first = places.map(bench.next);
  const firstSeconds = (await turn(bench, bench.aceso, first, 8)).seconds;
  const cells: Cell[] = [];
  let at = 0;
  for (const atOnce of AT_ONCE) {
    const sides = { aceso: [] as Turn[], floor: [] as Turn[] };
    const readBefore = roomsRead(bench.house);
    for (let count = 0; count < TURNS; count += 1) {
      const asked = Array.from({ length: each }, () => bench.next(places[(at += 1) % places.length] as Place));
      sides.floor.push(await turn(bench, bench.floor, asked, atOnce));
      await bench.house.profile?.begin();
      sides.aceso.push(await turn(bench, bench.aceso, asked, atOnce));
      await bench.house.profile?.end(each);
    }
    const [aceso, floor] = [figuresOf(sides.aceso), figuresOf(sides.floor)];
    const cell = { rooms: places.length, atOnce, aceso, floor, ratio: round(aceso.perSecond / floor.perSecond), roomsRead: roomsRead(bench.house) - readBefore, rssMb: round(usage(bench.aceso.pid).rssMb, 0) };
    say(`  ${JSON.stringify(cell)}`);
    cells.push(cell);
  }
  return { cells, places, firstPerSecond: round(first.length / firstSeconds, 0), roomsPerSecond: round(rooms / growSeconds) };
}

type Turn = { readonly seconds: number; readonly times: readonly number[]; readonly cpuMs: number };

/** All of them, so many at a time. Throws unless each is answered with its signature. */
async function turn({ serverName }: Bench, side: Side, asked: readonly Question[], atOnce: number): Promise<Turn> {
  const times: number[] = [];
  const answers: Answer[] = [];
  const cpuBefore = usage(side.pid).cpuMs;
  const seconds = await inParallel(asked.length, atOnce, async (index) => {
    const began = performance.now();
    answers[index] = await side.ask(asked[index] as Question);
    times.push(performance.now() - began);
  });
  const cpuMs = usage(side.pid).cpuMs - cpuBefore;
  for (const [index, question] of asked.entries()) {
    const why = wrong(question, answers[index] as Answer, serverName, side.publicKey);
    if (why !== undefined) throw new Error(`a question was answered: ${why}`);
  }
  return { seconds, times, cpuMs };
}

function figuresOf(turns: readonly Turn[]): Figures {
  const times = turns.flatMap((each) => each.times);
  const sum = (of: (each: Turn) => number): number => turns.reduce((total, each) => total + of(each), 0);
  return { perSecond: round(times.length / sum(({ seconds }) => seconds), 0), ms: percentiles(times, 2), cpuMs: round(sum(({ cpuMs }) => cpuMs) / times.length) };
}

/** An open load: each question at its time, whatever became of those before; what is late counts from when it should have begun. */
async function holding({ aceso, serverName, next, house }: Bench, places: readonly Place[], { seconds, rate }: NonNullable<Options['hold']>): Promise<Record<string, unknown>> {
  say(`policy: ${rate} questions a second for ${seconds} s, in ${places.length} rooms`);
  const place = (index: number): Place => places[index % places.length] as Place;
  const ready = Array.from({ length: rate }, (_, index) => next(place(index)));
  const times: number[] = [];
  const firstErrors: string[] = [];
  let [begun, beganLate, dropped, wrongly, told, mostRssMb] = [0, 0, 0, 0, 0, 0];
  const before = usage(aceso.pid);
  const readBefore = roomsRead(house);
  const sampling = setInterval(() => {
    const { rssMb } = usage(aceso.pid);
    mostRssMb = Math.max(mostRssMb, rssMb);
    const { p50, p95, p99, max } = percentiles(times.slice(told), 1);
    say(`  ${times.length} of ${seconds * rate} answered, ${begun - times.length - dropped} under way, ${dropped} dropped, ${wrongly} wrong, ${beganLate} begun late; since the last line ${times.length - told} in ${p50} / ${p95} / ${p99} / ${max} ms; ${Math.round(rssMb)} MB`);
    told = times.length;
  }, 10_000);
  const started = performance.now();
  const took = await paced(seconds * rate, rate, async (index) => {
    const since = (): number => performance.now() - started - (index * 1000) / rate;
    begun += 1;
    if (since() > LATE_MS) beganLate += 1;
    const question = ready[index % rate] as Question;
    const answered = aceso.ask(question).catch((error: unknown) => String(error));
    // The one of a second later is made while this one is under way.
    ready[index % rate] = next(place(index + rate));
    const answer = await answered;
    const why = typeof answer === 'string' ? answer : wrong(question, answer, serverName, aceso.publicKey);
    if (typeof answer === 'string') dropped += 1;
    else times.push(since());
    if (why === undefined) return;
    if (typeof answer !== 'string') wrongly += 1;
    if (firstErrors.length < 5) firstErrors.push(why);
  });
  clearInterval(sampling);
  const after = usage(aceso.pid);
  return {
    seconds, rate, asked: begun, answered: times.length, dropped, wrong: wrongly, beganLate, overASecond: times.filter((ms) => ms > 1000).length, firstErrors, keptRate: round(begun / Math.max(took, seconds)), ms: percentiles(times, 2), cpuMs: round((after.cpuMs - before.cpuMs) / begun),
    roomsRead: roomsRead(house) - readBefore, rssMb: { before: round(before.rssMb, 0), after: round(after.rssMb, 0), most: round(Math.max(mostRssMb, after.rssMb), 0), peak: round(peak(aceso.pid).peakRssMb, 0) },
  };
}

const roomsRead = ({ stub }: House): number => stub?.counts.requests['GET /_matrix/client/v3/rooms/:room/state'] ?? 0;

/** Rooms with a member in them, as Aceso knows them. */
async function placesOf({ aceso }: House): Promise<readonly Place[]> {
  const people = await aceso.cli<readonly { readonly room?: RoomView }[]>('people', 'list');
  return people.flatMap(({ room }) => {
    const member = Object.entries(room?.members ?? {}).find(([, is]) => is === 'joined')?.[0];
    return room?.roomId === undefined || member === undefined ? [] : [{ roomId: room.roomId, member }];
  });
}

function policyKeyOf({ aceso }: House): string {
  const { policy: { seed } } = JSON.parse(readFileSync(join(aceso.folder, 'policy-server.json'), 'utf8')) as { readonly policy: { readonly seed: string } };
  return signerOf(Buffer.from(seed, 'base64')).publicKey;
}

async function openFloor(tls: Pair, parts: Pick<FloorOptions, 'serverName' | 'publicKey'>, agent: Agent, folder: string): Promise<{ readonly side: Side; stop(): Promise<void> }> {
  const port = await freePort();
  const seed = randomBytes(32).toString('base64');
  const options: FloorOptions = { ...parts, ...tls, port, seed };
  const child: OwnedProcess = await startProcess(process.execPath, ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'policyFloorProcess.ts'), JSON.stringify(options)], { cwd: folder, logFile: join(folder, 'floor.log') });
  const ask = asker(agent, port);
  await until('the bare server to listen', () => ask({ body: Buffer.from('{}'), authorization: '', signable: Buffer.alloc(0) }));
  return { side: { pid: child.pid, publicKey: signerOf(Buffer.from(seed, 'base64')).publicKey, ask }, stop: () => child.stop() };
}

const asker = (agent: Agent, port: number) => ({ body, authorization }: Question): Promise<Answer> => send(agent, port, 'POST', SIGN_PATH, { authorization, body });

/** A homeserver keeps the keys of others, too. */
function once<Value>(find: (keyId: string) => Promise<Value>): (keyId: string) => Promise<Value> {
  const found = new Map<string, Promise<Value>>();
  return (keyId) => {
    const asked = found.get(keyId) ?? find(keyId);
    found.set(keyId, asked);
    asked.catch(() => found.delete(keyId));
    return asked;
  };
}

async function publishedKey(agent: Agent, port: number, keyId: string): Promise<string | undefined> {
  const { text } = await send(agent, port, 'GET', '/_matrix/key/v2/server');
  return (JSON.parse(text) as { readonly verify_keys: Readonly<Record<string, { readonly key: string }>> }).verify_keys[keyId]?.key;
}

function send(agent: Agent, port: number, method: string, path: string, { authorization, body }: { readonly authorization?: string; readonly body?: Buffer } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { ...(authorization === undefined ? {} : { authorization }), ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }) };
    const call = requestHttps({ agent, host: 'localhost', port, method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; }).on('end', () => resolve({ status: response.statusCode ?? 0, text })).on('error', reject);
    }).on('error', reject).setTimeout(ANSWER_MS, () => call.destroy(new Error(`no answer in ${ANSWER_MS} ms`)));
    call.end(body);
  });
}
