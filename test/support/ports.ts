/** Loopback ports: free ones, and the check that a wanted one is free. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the range from which systems take the ports of outgoing connections: a server that restarts finds its port still free. */
const LOWEST = 20_000;
const HIGHEST = 32_000;
/** Of the lanes of `npm test`, each takes from a share of its own: a port that one has given and nobody listens on yet looks free to the others. */
const SHARE = 3000;
const lane = process.env['ACESO_TEST_LANE'];
const lowest = lane === undefined ? LOWEST : LOWEST + (Number(lane) % 4) * SHARE;
const highest = lane === undefined ? HIGHEST : lowest + SHARE;
const given = new Set<number>();

/** A port on 127.0.0.1 that the system says is free, and that this process gives only once. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = randomInt(lowest, highest);
    if (given.has(port)) continue;
    if (await isFree(port)) {
      given.add(port);
      return port;
    }
  }
  throw new Error(`no free port between ${lowest} and ${highest} on 127.0.0.1`);
}

/** `port` if it is free, else an error that says what to do; any free port when none is given. `purpose` names it to the reader. */
export async function portFor(purpose: string, port?: number): Promise<number> {
  if (port === undefined) return freePort();
  if (await isFree(port)) return port;
  throw new Error(`port ${port} on 127.0.0.1 is wanted for ${purpose}, but something listens there. End that program (lsof -i :${port} names it), or choose another port.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => {
      resolve(true);
    }));
  });
}
