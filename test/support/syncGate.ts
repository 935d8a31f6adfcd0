/** A way to a homeserver on which the answers of `/sync` can be held back: what comes by it (room keys, changed devices) comes late. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { freePort } from './ports.ts';

export type SyncGate = {
  /** To be used instead of the homeserver's own. */
  readonly baseUrl: string;
  /** Every request that came by, e.g. `PUT /_matrix/client/v3/…`, in order. */
  readonly requests: readonly string[];
  hold(): void;
  release(): void;
  stop(): Promise<void>;
};

export async function startSyncGate(homeserver: string): Promise<SyncGate> {
  const port = await freePort();
  let open = Promise.resolve();
  let release = (): void => undefined;
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method ?? ''} ${new URL(request.url ?? '/', homeserver).pathname}`);
    forward(homeserver, request, response, () => open).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  server.unref();
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    requests,
    hold() {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      open = promise.then(() => undefined);
      release = () => resolve(undefined);
    },
    release: () => release(),
    stop: () => new Promise((resolve) => {
      release();
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}

async function forward(homeserver: string, request: IncomingMessage, response: ServerResponse, opened: () => Promise<void>): Promise<void> {
  const url = new URL(request.url ?? '/', homeserver);
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const headers = Object.entries(request.headers).filter(([name]) => name === 'authorization' || name === 'content-type').map(([name, value]): [string, string] => [name, String(value)]);
  const answer = await fetch(url, { method: request.method ?? 'GET', headers, ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }) });
  const body = Buffer.from(await answer.arrayBuffer());
  if (url.pathname.endsWith('/sync')) await opened();
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/octet-stream' }).end(body);
}
