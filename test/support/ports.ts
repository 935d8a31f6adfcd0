/** Loopback ports: free ones, and the check that a wanted one is free. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the range from which systems take the ports of outgoing connections: a server that restarts finds its port still free. */
const lowest = 20_000;
const highest = 32_000;
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
