/** An HTTP proxy in front of a homeserver that misbehaves on command: as it is, slow, refusing, answering nonsense, or cutting the line. */
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';

export type Behaviour =
  | 'as it is'
  /** Each answer comes this much later. */
  | { readonly delayMs: number }
  | { readonly status: number; readonly body: string; readonly headers?: Readonly<Record<string, string>> }
  /** The connection is reset before, or in the middle of, the answer. */
  | 'reset' | 'reset in the answer'
  /** Nothing comes back. */
  | 'silent';

export type FaultyProxy = { readonly url: string; behave(behaviour: Behaviour): void; /** Requests that met the fault. */ readonly hit: number; stop(): Promise<void> };

export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  let behaviour: Behaviour = 'as it is';
  let hit = 0;
  const to = new URL(target);

  const pass = (incoming: IncomingMessage, outgoing: ServerResponse, cut: 'whole' | 'cut'): void => {
    const passed = request({ host: to.hostname, port: to.port, method: incoming.method, path: incoming.url, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      if (cut === 'cut') outgoing.write('{"', () => outgoing.destroy());
      else answer.pipe(outgoing);
    });
    passed.on('error', () => outgoing.destroy());
    outgoing.on('close', () => passed.destroy());
    incoming.pipe(passed);
  };
  const server = createServer((incoming, outgoing) => {
    const now = behaviour;
    if (now !== 'as it is') hit += 1;
    if (now === 'as it is') pass(incoming, outgoing, 'whole');
    else if (now === 'reset') incoming.socket.resetAndDestroy();
    else if (now === 'reset in the answer') pass(incoming, outgoing, 'cut');
    else if (now === 'silent') incoming.resume();
    else if ('delayMs' in now) setTimeout(() => pass(incoming, outgoing, 'whole'), now.delayMs);
    else incoming.resume().on('end', () => outgoing.writeHead(now.status, { 'content-type': 'application/json', ...now.headers }).end(now.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('the proxy has no address');
  return {
    url: `http://127.0.0.1:${address.port}`,
    behave(next) {
      behaviour = next;
      // Long polls that began before see the change too.
      server.closeAllConnections();
    },
    get hit() {
      return hit;
    },
    stop: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    }),
  };
}
