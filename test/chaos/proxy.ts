/**
 * A way between two programs on which the network can be bad: a TCP proxy whose fault is set from outside.
 * The ideas are those of Shopify's toxiproxy (latency, limit_data, reset_peer, timeout), as far as this needs them.
 */
import { createServer, connect, type Server, type Socket } from 'node:net';
import type { Random } from './random.ts';

export type Fault =
  /** Each piece of data comes later, by `ms` and up to `jitterMs` more. */
  | { readonly kind: 'latency'; readonly ms: number; readonly jitterMs: number }
  /** A connection breaks with a reset after so many bytes: in the middle of a request (`up`) or of an answer (`down`). */
  | { readonly kind: 'reset'; readonly direction: 'up' | 'down'; readonly afterBytes: number }
  /** Nothing passes; what is sent waits. `then`: the packets come through in the end, or the connection doesn't live to see it. */
  | { readonly kind: 'partition'; readonly then: 'heal' | 'reset' }
  /** Nobody listens. */
  | { readonly kind: 'refuse' };

export type Proxy = {
  readonly name: string;
  readonly port: number;
  /** Undefined: all is well again. */
  set(fault: Fault | undefined): Promise<void>;
  /** Breaks every connection now. */
  cut(): void;
  stop(): Promise<void>;
};

export type ProxyOptions = {
  readonly name: string;
  readonly port: number;
  /** Ports on 127.0.0.1; the first that accepts is taken, beginning with the next one each time. */
  readonly targets: readonly number[];
  readonly random: Random;
};

export async function startProxy({ name, port, targets, random }: ProxyOptions): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let fault: Fault | undefined;
  let healed = Promise.withResolvers<undefined>();
  let turn = 0;

  const keep = (socket: Socket): Socket => {
    sockets.add(socket.setNoDelay(true).on('error', () => undefined));
    return socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (client) => {
    keep(client);
    turn += 1;
    void carry(client).catch(() => client.resetAndDestroy());
  });

  async function carry(client: Socket): Promise<void> {
    await passable();
    const target = keep(await reach(targets, turn));
    if (client.destroyed) {
      target.destroy();
      return;
    }
    const end = (): void => {
      client.resetAndDestroy();
      target.resetAndDestroy();
    };
    for (const [from, to, direction] of [[client, target, 'up'], [target, client, 'down']] as const) pump(from, to, direction, end);
    client.on('close', () => target.destroy());
    target.on('close', () => client.destroy());
  }

  /** Passes on what comes, in order, with whatever is wrong at that moment. */
  function pump(from: Socket, to: Socket, direction: 'up' | 'down', end: () => void): void {
    let passed = 0;
    let queue = Promise.resolve();
    const inOrder = (step: () => Promise<void>): void => {
      queue = queue.then(step).catch(end);
    };
    from.on('data', (data: Buffer) => {
      from.pause();
      inOrder(async () => {
        await delay();
        const left = fault?.kind === 'reset' && fault.direction === direction ? Math.max(0, fault.afterBytes - passed) : data.length;
        passed += data.length;
        await written(to, data.subarray(0, left));
        if (left < data.length) end();
        else from.resume();
      });
    });
    from.on('end', () => inOrder(async () => {
      await passable();
      to.end();
    }));
    from.resume();
  }

  async function delay(): Promise<void> {
    await passable();
    if (fault?.kind === 'latency') await pause(fault.ms + random.between(0, fault.jitterMs));
  }
  const passable = async (): Promise<void> => {
    while (fault?.kind === 'partition') await healed.promise;
  };
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  await listen(server, port);
  server.unref();
  return {
    name, port,
    async set(next) {
      const before = fault;
      fault = next;
      if (before?.kind === 'partition' && before.then === 'reset') cut();
      healed.resolve(undefined);
      healed = Promise.withResolvers();
      if (next?.kind === 'refuse') {
        await close(server);
        cut();
      } else if (!server.listening) await listen(server, port);
    },
    cut,
    async stop() {
      fault = undefined;
      healed.resolve(undefined);
      const closed = close(server);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** The first of the targets that accepts. */
async function reach(targets: readonly number[], turn: number): Promise<Socket> {
  for (let step = 0; step < targets.length; step += 1) {
    const socket = await open(targets[(turn + step) % targets.length] ?? 0);
    if (socket) return socket;
  }
  throw new Error('nobody listens');
}

const open = (port: number): Promise<Socket | undefined> => new Promise((resolve) => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.once('connect', () => resolve(socket)).once('error', () => resolve(undefined));
});

const written = (to: Socket, data: Buffer): Promise<void> => new Promise((resolve, reject) => {
  if (data.length === 0) resolve();
  else to.write(data, (error) => { if (error) reject(error); else resolve(); });
});

const listen = (server: Server, port: number): Promise<void> => new Promise((resolve, reject) => {
  server.once('error', reject);
  server.listen(port, '127.0.0.1', () => {
    server.off('error', reject);
    resolve();
  });
});

/** Stops listening at once; doesn't wait for the connections that are open. */
const close = (server: Server): Promise<void> => {
  if (server.listening) server.close();
  return Promise.resolve();
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
