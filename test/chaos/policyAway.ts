/** Who is the policy server is killed, or its database, while people talk in a room under it: nothing forbidden may pass, and what may pass goes on. */
import { isDoorOpen, startPolicyStreams, storedWith, type PolicyStreams } from '../support/policyStreams.ts';
import { until } from '../support/until.ts';
import { keepRunning } from './kills.ts';
import type { ChaosOptions } from './options.ts';
import { randomOf } from './random.ts';
import type { Figures, Scene } from './run.ts';
import { victimsOf, type Victim } from './victims.ts';

/** From when the door answers again until everybody has sent. */
const TARGET_SECONDS = 5;
const LONGEST_MS = 90_000;
/** A team with a client at each hospital. */
const TEAM = 2;

export async function policyAway({ kills: wanted, seed }: ChaosOptions, scene: Scene): Promise<Figures> {
  const { stage, progress, note, say, signal } = scene;
  const random = randomOf(seed, 'policy');
  const streams = await talk(scene);
  const keeping = new AbortController();
  const keeper = keepRunning(victimsOf(stage), AbortSignal.any([keeping.signal, signal]));
  const [aceso, database] = ['Aceso', 'PostgreSQL'].map((name) => keeper.victims.find((victim) => victim.name === name));
  const resumed: number[] = [];
  const gaps: number[] = [];
  /** When the database was away, ms since 1970. */
  const away: { readonly from: number; readonly to: number }[] = [];
  for (let count = 1; count <= wanted && !signal.aborted; count += 1) {
    await pause(random.between(2000, 5000));
    const victim = (count % 2 === 0 ? database : undefined) ?? aceso;
    if (!victim) break;
    const downMs = random.between(0, 4000);
    note(`kill ${count} of ${wanted}: ${victim.name}, down for ${downMs} ms`);
    if (victim === database) away.push(await databaseAway(victim, downMs));
    else {
      const { seconds, gap } = await acesoAway(victim, downMs);
      resumed.push(seconds);
      gaps.push(gap);
      say(`kill ${count}: messages pass ${seconds} s after the door answers again, ${gap} s after the kill`);
    }
    progress(count / wanted);
  }
  await keeper.settle();
  keeping.abort();
  const givenUp = await streams.stop(30_000);
  return { kills: resumed.length + away.length, ...figuresOf(streams, away, stage), resumedSeconds: resumed, gaps, target: TARGET_SECONDS, endedByThemselves: keeper.ownEnds, failedStarts: keeper.failedStarts.length, wrong: wrongs() };

  async function acesoAway(victim: Victim, downMs: number): Promise<{ readonly seconds: number; readonly gap: number }> {
    const killedAt = Date.now();
    await keeper.kill(victim, downMs);
    await until('the policy server to answer again', () => signal.aborted || isDoorOpen(stage.policyPort ?? 0, stage.hospitals.tls.caFile), LONGEST_MS, 20);
    const backAt = Date.now();
    await until('everybody to send again', () => signal.aborted || streams.flowsSince(backAt), LONGEST_MS, 20);
    return { seconds: seconds(Date.now() - backAt), gap: seconds(Date.now() - killedAt) };
  }

  async function databaseAway(victim: Victim, downMs: number): Promise<{ readonly from: number; readonly to: number }> {
    await keeper.kill(victim, downMs);
    const from = Date.now();
    await until('everybody to send while the database is away', () => signal.aborted || streams.flowsSince(from), LONGEST_MS, 20);
    await until('the database to run again', () => signal.aborted || victim.isRunning(), LONGEST_MS);
    return { from, to: Date.now() };
  }

  function wrongs(): readonly string[] {
    const { forbiddenPassed, forbiddenStored, refusedWhileDatabaseAway } = figuresOf(streams, away, stage);
    return [
      ...(forbiddenPassed === 0 ? [] : [`forbidden events that were taken: ${forbiddenPassed}`]),
      ...(forbiddenStored === 0 ? [] : [`forbidden events on the homeservers' disks: ${forbiddenStored}`]),
      ...(refusedWhileDatabaseAway === 0 ? [] : [`messages that were refused while the database was away: ${refusedWhileDatabaseAway}`]),
      ...(givenUp === 0 ? [] : [`messages that never passed, sent again under their own transaction id: ${givenUp}`]),
      ...(streams.passed.length === new Set(streams.passed.map(({ eventId }) => eventId)).size ? [] : ['one event was given for two messages']),
      ...resumed.filter((each) => each > TARGET_SECONDS).map((each) => `messages passed only ${each} s after the policy server was back`),
    ];
  }
}

/** Two people of two hospitals in one room that is under the policy server. */
async function talk({ stage: { late, clients, hospitals }, laboratory }: Scene): Promise<PolicyStreams> {
  const team = late[TEAM];
  if (!team) throw new Error('--policy needs --late 3 or more: the third team has a member at each hospital');
  await laboratory.push(team);
  const members = clients.filter(({ userId }) => team.readers.includes(userId));
  const roomId = await until('both to read the first result of their team', () => {
    const rooms = members.map(({ messages }) => new Set(messages.map((message) => message.roomId)));
    return [...rooms[0] ?? []].find((id) => rooms.every((ids) => ids.has(id)));
  }, LONGEST_MS, 100);
  const streams = startPolicyStreams(roomId, members.map(({ userId, accessToken }) => ({ userId, accessToken, baseUrl: (userId.endsWith(`:${hospitals.mercy.serverName}`) ? hospitals.mercy : hospitals.stAnne).baseUrl })));
  await until('both to send, and what is forbidden to be refused by its rule', () => streams.flowsSince(0) && streams.forbidden.filter(({ rule }) => rule !== undefined).length > 10, 30_000);
  return streams;
}

function figuresOf({ passed, delayed, forbidden, marker }: PolicyStreams, away: readonly { readonly from: number; readonly to: number }[], { hospitals }: Scene['stage']) {
  return {
    allowedSent: passed.length, allowedRefusedMeanwhile: delayed.length, passedWhenSentAgain: passed.filter(({ refused }) => refused > 0).length,
    forbiddenTried: forbidden.length, forbiddenPassed: forbidden.filter(({ status }) => status >= 200 && status < 300).length, forbiddenStored: storedWith(hospitals.mercy, marker) + storedWith(hospitals.stAnne, marker),
    databaseKills: away.length, sentWhileDatabaseAway: passed.filter(({ at }) => isIn(at, away)).length, refusedWhileDatabaseAway: delayed.filter(({ at }) => isIn(at, away)).length,
  };
}

const isIn = (at: number, times: readonly { readonly from: number; readonly to: number }[]): boolean => times.some(({ from, to }) => at >= from && at <= to);
const seconds = (ms: number): number => Math.round(ms / 10) / 100;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
