/** A push gateway on loopback that keeps what homeservers send it: what a phone's push service, outside the hospital, would learn. */
import { createServer, type IncomingMessage } from 'node:http';
import { matrix } from '../matrixHttp.ts';
import { freePort } from '../ports.ts';
import { until } from '../until.ts';

export type PushGateway = {
  /** The pusher's `data.url`. */
  readonly url: string;
  /** The bodies of `POST /_matrix/push/v1/notify`, parsed, in the order of arrival. */
  readonly pushes: readonly Push[];
  /** Every request as it came, headers and all, for searches. */
  readonly raw: readonly string[];
  waitForPush(wanted: (push: Push) => boolean, timeoutMs?: number): Promise<Push>;
  stop(): Promise<void>;
};

/** The body's `notification` (Push Gateway API, `/notify`): with `event_id_only`, ids and counts; else also content, names, sender. */
export type Push = { readonly notification: Readonly<Record<string, unknown>> };

export async function startPushGateway(): Promise<PushGateway> {
  const port = await freePort();
  const pushes: Push[] = [];
  const raw: string[] = [];
  const server = createServer((request, response) => {
    void received(request).then((body) => {
      raw.push(`${request.method ?? ''} ${request.url ?? ''}\n${JSON.stringify(request.headers)}\n${body}`);
      const isNotify = request.method === 'POST' && request.url === '/_matrix/push/v1/notify';
      if (isNotify) pushes.push(JSON.parse(body) as Push);
      response.writeHead(isNotify ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(isNotify ? { rejected: [] } : { errcode: 'M_UNRECOGNIZED' }));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  server.unref();
  return {
    url: `http://127.0.0.1:${port}/_matrix/push/v1/notify`,
    pushes,
    raw,
    waitForPush: (wanted, timeoutMs = 60_000) => until(`a push; so far ${JSON.stringify(pushes)}`, () => pushes.find(wanted), timeoutMs, 20),
    stop: () => new Promise((resolve) => {
      server.close(() => {
        resolve();
      });
      server.closeAllConnections();
    }),
  };
}

export type PusherOptions = {
  readonly baseUrl: string;
  readonly accessToken: string;
  readonly gateway: PushGateway;
  /** `full`: the homeserver sends everything it knows, as old clients ask for. */
  readonly format: 'event_id_only' | 'full';
};

/** Makes the homeserver push for this user (`POST /_matrix/client/v3/pushers/set`). */
export async function registerPusher({ baseUrl, accessToken, gateway, format }: PusherOptions): Promise<void> {
  await matrix(baseUrl, '/_matrix/client/v3/pushers/set', {
    token: accessToken,
    body: {
      kind: 'http',
      app_id: 'test.aceso.phone',
      app_display_name: 'Test phone',
      device_display_name: 'Test phone',
      pushkey: `key-${accessToken.slice(-8)}`,
      lang: 'en',
      data: { url: gateway.url, ...(format === 'event_id_only' ? { format } : {}) },
    },
  });
}

async function received(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
