import type { LoadedConfig } from '../config/load.ts';
import { as, type Millis } from '../domain/brand.ts';
import type { SeatSeen, Store, WorkerSeen } from '../ports/store.ts';
import type { Readiness } from './operations.ts';
import { askOwnDoor } from './ownDoor.ts';
import { GONE_MS } from './presence.ts';
import { age, type Printed } from './print.ts';

/** What the database holds, and what the running server says of itself. */
export async function status(store: Store, config: LoadedConfig): Promise<Printed> {
  const counts = await store.counts(as(Date.now()));
  const server = await readiness(config);
  const [now, workers, seats] = await Promise.all([store.clock(), store.workers(), store.seats()]);
  const phases = Object.entries(counts.deliveries).map(([phase, count]) => `${count} ${phase}`).join(', ');
  return {
    json: { server, ...counts, workers: workers.map((worker) => ({ ...worker, seenMs: Math.max(0, now - worker.seenAt), state: stateOf(worker, now) })), seats },
    text: [
      ...lines(server),
      ...workers.map((worker) => workerLine(worker, now)),
      ...(server?.seats.length ? [] : seats.map((seat) => seatLine(seat, now))),
      `Deliveries  ${phases || 'none yet'}`,
      `Held        ${counts.held}${counts.held > 0 ? ': see `aceso held list`' : ''}`,
      `Undecided   ${counts.undecided}${counts.undecided > 0 ? `, the oldest for ${age(counts.oldestUndecidedMs)}` : ''}`,
      `To do       ${counts.effects}${counts.waitingEffects > 0 ? `, of which ${counts.waitingEffects} are being tried again` : ''}`,
    ].join('\n'),
  };
}

/** When the database doesn't open: why, and what the running server says. */
export async function statusOfServer(config: LoadedConfig, error: unknown): Promise<Printed> {
  const server = await readiness(config);
  const message = error instanceof Error ? error.message : 'the database can\'t be opened';
  return { json: { server, error: message }, text: [...lines(server), `Database    ${message}`].join('\n') };
}

const lines = (server: Readiness | undefined): readonly string[] => [
  `Server      ${server === undefined ? 'not running here' : server.ready ? 'ready' : `not ready (store ${server.store}, courier ${server.courier}, homeserver ${server.homeserver})`}`,
  ...(server?.problems ?? []).map(({ part, code, message, since }) => `Problem     ${part}: ${message} [${code}, for ${age(Date.now() - since)}]`),
  ...(server?.seats ?? []).map(({ seat, state, holder, deviceId, leaving }) => `Courier ${seat}   ${state}${deviceId === undefined ? '' : `, device ${deviceId}`}${holder === undefined ? '' : `, with worker ${holder}`}${leaving === undefined ? '' : `; leaves, as there are fewer seats, once ${leaving.waiting} effect(s) are done`}`),
];

const stateOf = ({ seenAt }: WorkerSeen, now: number): 'alive' | 'gone' => (now - seenAt > GONE_MS ? 'gone' : 'alive');

const workerLine = (worker: WorkerSeen, now: Millis): string => {
  const { id, roles, address, startedAt, seenAt } = worker;
  return `Worker      ${roles.join(', ')} at ${address}: ${stateOf(worker, now)}, seen ${age(Math.max(0, now - seenAt))} ago, for ${age(seenAt - startedAt)} [${id.slice(0, 8)}]`;
};

function seatLine({ seat, worker, deviceId, until = as<Millis>(0) }: SeatSeen, now: Millis): string {
  const holder = worker === undefined ? 'nobody holds it: start a worker with the role sender' : until <= now ? `its holder ${worker.slice(0, 8)} is gone; the next takes it` : `with ${worker.slice(0, 8)}`;
  return `Courier     seat ${seat}${deviceId === undefined ? '' : ` (${deviceId})`}: ${holder}`;
}

/** What the server that runs here says of itself; undefined when none does. */
export async function readiness(config: LoadedConfig): Promise<Readiness | undefined> {
  try {
    return JSON.parse(await askOwnDoor(config, '/readyz', 8000)) as Readiness;
  } catch {
    return undefined;
  }
}
