/** `npm run demo`: a critical potassium goes from Mercy's laboratory to a clinician's device at St. Anne. See README.md here. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adaReplies, correction, historyShows, sameAgain } from './afterwards.ts';
import { deviceShows, disksHold, labPushes, roomTakesNoClearText } from './delivered.ts';
import { storedEvent } from './evidence.ts';
import { choosePorts, readOptions } from './options.ts';
import { reportAt } from './report.ts';
import { createResources } from './resources.ts';
import { createScreen, duration } from './screen.ts';
import { setTheStage, type Stage } from './stage.ts';
import { stayUp, wantsToStay } from './stay.ts';

/** The last line. Times in ms from the laboratory's push of the first result. */
type Figures = {
  /** Messages that are in both homeservers' databases as sent. */
  delivered: number;
  /** Of those, how many the independent client decrypted. */
  decrypted: number;
  /** Until Mercy's homeserver had the event stored in the room. */
  msToEvent: number | null;
  /** Until the device at St. Anne had decrypted it. */
  msToDevice: number | null;
  /** Until the laboratory had its 201. */
  msToAnswer: number | null;
  /** Until St. Anne's homeserver had the event stored. */
  msToPartner: number | null;
  /** From the push of the correction until its decryption. */
  msToDeviceCorrection: number | null;
  /** From the start to the end of the story; without what follows it. */
  msTotal: number;
};

const started = Date.now();
const options = readOptions(process.argv.slice(2));
const screen = createScreen(options.json ? 'quiet' : 'tell');
const resources = createResources();
const figures: Figures = { delivered: 0, decrypted: 0, msToEvent: null, msToDevice: null, msToAnswer: null, msToPartner: null, msToDeviceCorrection: null, msTotal: 0 };
let folder: string | undefined;
/** The story is told: Ctrl-C is then no failure. */
let isTold = false;

class Interrupted extends Error {}

const interrupted = new Promise<never>((_, reject) => {
  const stop = (why: string): void => {
    if (!resources.signal.aborted) reject(new Interrupted(`interrupted (${why})`));
  };
  // npm and the terminal may each send it: the second one changes nothing.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(signal));
  process.stdout.on('error', () => stop('nobody reads what it says'));
});

process.exit(await main());

async function main(): Promise<number> {
  let failure: string | undefined;
  let isEarly = false;
  try {
    await Promise.race([tell(), interrupted]);
  } catch (error) {
    isEarly = error instanceof Interrupted && !isTold;
    if (error instanceof Interrupted && !options.json) process.stderr.write('\nEnding what was started …\n');
    if (isEarly || !(error instanceof Interrupted)) failure = error instanceof Error ? error.message : String(error);
  }
  const problems = await resources.close();
  const failures = [...(failure === undefined ? [] : [failure]), ...screen.failures, ...problems];
  if (folder !== undefined && options.keep === undefined && (isEarly || failures.length === 0)) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  if (failures.length > 0) complain(failures, isEarly);
  else if (options.keep !== undefined) screen.say(`Kept: ${options.keep}`);
  process.stdout.write(`${JSON.stringify({ ...figures, ...(failures.length > 0 ? { failed: failures } : {}) })}\n`);
  if (isEarly) return 130;
  return failures.length > 0 ? 1 : 0;
}

async function tell(): Promise<void> {
  screen.title('Aceso: a critical potassium, from Mercy\'s laboratory to a clinician at St. Anne, end-to-end encrypted');
  const ports = await choosePorts(options.ports);
  folder = options.keep ?? mkdtempSync(join(tmpdir(), 'aceso-demo-'));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stage = await setTheStage({ folder, ports, screen, resources });
  await story(stage);
  const terminal = process.stdin.isTTY && process.stdout.isTTY && !options.json;
  if (screen.failures.length > 0) return;
  isTold = true;
  if (!options.stay && !(terminal && await wantsToStay(resources.signal))) return;
  await stayUp(stage, screen, resources.signal);
}

async function story(stage: Stage): Promise<void> {
  const now = Date.now();
  const report = reportAt(now);
  const pushed = await labPushes(stage, screen, report);
  figures.msToAnswer = Math.round(pushed.ms);
  const message = await deviceShows(stage, screen, report, pushed);
  figures.msToDevice = message.receivedAt - pushed.postedAt;
  await disksHold(stage, screen, message);
  await roomTakesNoClearText(stage, screen);
  const delivery = await historyShows(stage, screen, message);
  await sameAgain(stage, screen, report, pushed);
  const corrected = await correction(stage, screen, reportAt(now, { status: 'corrected', value: 4.2, flag: 'N', note: 'The first value was another tube\'s.' }), delivery);
  figures.msToDeviceCorrection = corrected.ms;
  await adaReplies(stage, screen, corrected);
  sum(stage, [message.eventId, corrected.message.eventId], pushed.postedAt);
}

/** Counts what is stored, by the homeservers' own clocks. */
function sum({ hospitals, ada }: Stage, eventIds: readonly string[], postedAt: number): void {
  const stored = eventIds.map((id) => [storedEvent(hospitals.mercy, id), storedEvent(hospitals.stAnne, id)] as const);
  const [first] = stored;
  figures.delivered = stored.filter(([mercy, stAnne]) => mercy && stAnne).length;
  figures.decrypted = ada.messages.filter(({ eventId, wasEncrypted }) => wasEncrypted && eventIds.includes(eventId)).length;
  figures.msToEvent = first?.[0] ? first[0].storedAt - postedAt : null;
  figures.msToPartner = first?.[1] ? first[1].storedAt - postedAt : null;
  figures.msTotal = Date.now() - started;
  screen.step('In short');
  screen.rows([
    ['delivered', `${figures.delivered} messages, in both homeservers`],
    ['decrypted', `${figures.decrypted}, by an independent client at the other hospital`],
    ['first result', `201 after ${figures.msToAnswer ?? '?'} ms, in the room after ${figures.msToEvent ?? '?'} ms, at St. Anne after ${figures.msToPartner ?? '?'} ms, readable on the device after ${figures.msToDevice ?? '?'} ms`],
    ['all of it', duration(figures.msTotal)],
  ]);
  screen.check('both messages were delivered and decrypted', figures.delivered === 2 && figures.decrypted === 2, figures);
}

function complain(failures: readonly string[], isEarly: boolean): void {
  process.stderr.write(`\nThe demo ${isEarly ? 'was ended early' : 'failed'}:\n${failures.map((failure) => `  - ${failure.replaceAll('\n', '\n    ')}`).join('\n')}\n`);
  if (folder !== undefined && !isEarly) process.stderr.write(`The logs are kept: ${join(folder, 'aceso', 'aceso.log')}, ${join(folder, 'hospitals')}/*/synapse.log\n`);
}
