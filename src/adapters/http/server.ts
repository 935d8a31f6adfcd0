import express from 'express';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Admission, Admitted, HttpReply, HttpRoute } from '../../ports/bridge.ts';
import { createBudget, type Budget, type Share } from './budget.ts';
import { createPeerOf, type Seen, type TrustedProxies } from './peer.ts';
import { readTls, watchTls, type TlsFiles } from './tls.ts';

export type HttpServerOptions = {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly routes: readonly HttpRoute[];
  readonly failed: (error: unknown) => void;
  /** Told of what the door itself refuses, and no route can tell: codes only. */
  readonly refused?: (refusal: DoorRefusal) => void;
  /** Without: plain HTTP, for a proxy in front. */
  readonly tls?: TlsFiles;
  /** How often the TLS files are looked at. */
  readonly tlsLookMs?: number;
  readonly proxies?: TrustedProxies;
  /** How long a request may take to come, its body included; then 408, and the connection ends. Milliseconds. */
  readonly requestWithinMs?: number;
  /** Bytes of request bodies in hand at one time, for each route; beyond it, 503 with `Retry-After`. */
  readonly maxBytesInFlight?: number;
};

export type DoorRefusal = { readonly code: 'no-such-path' | 'busy' | 'tls-failed' | 'bad-request'; readonly status: number; readonly peer: string };

/** How long a refused client may go on sending, unread, so that it sees its answer instead of a reset. Milliseconds. */
const LINGER_MS = 10_000;
const MOST_IN_FLIGHT = 64 * 1024 * 1024;
const TLS_LOOK_MS = 5000;
const REQUEST_WITHIN_MS = 120_000;
const limits = (requestTimeout: number): ServerOptions => ({ keepAliveTimeout: 65_000, headersTimeout: Math.min(20_000, requestTimeout), requestTimeout, connectionsCheckingInterval: Math.min(30_000, requestTimeout), maxHeaderSize: 16_384 });

export type HttpServer = {
  readonly port: number;
  /** Serves these from now on. What is under way ends under those of before, and counts on, by prefix, in what is in hand. */
  serve(routes: readonly HttpRoute[]): void;
  /** Takes the TLS files as they are now, for new connections. Throws, and changes nothing, when they can't be used. */
  reloadTls(): void;
  stop(withinMs: number): Promise<void>;
};

type BudgetOf = (prefix: string, room: Admitted['room']) => Budget;

type Door = { readonly seen: (request: IncomingMessage) => Seen; readonly refused: (refusal: DoorRefusal) => void };

/** Serves routes; admits or refuses each request before its body is read, and never reads more of it than its route allows. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { host, port, failed, tls, refused = () => undefined } = options;
  const door: Door = { seen: createPeerOf(options.proxies), refused };
  const budgets = new Map<string, Budget>();
  // Each its own: where nobody has to prove themselves before the body comes, nobody can take the room of those who did.
  const budgetOf: BudgetOf = (prefix, room) => {
    const name = room === undefined ? prefix : `${prefix} ${room.name}`;
    const budget = budgets.get(name) ?? (room === undefined ? createBudget(options.maxBytesInFlight ?? MOST_IN_FLIGHT) : createBudget(room.bytes, room.perPeer));
    budgets.set(name, budget);
    return budget;
  };
  let app = appOf(door, failed, budgetOf, options.routes);
  const handle: RequestListener = (request, response) => app(request, response);
  const bounds = limits(options.requestWithinMs ?? REQUEST_WITHIN_MS);
  const secure = tls === undefined ? undefined : createTlsServer({ ...bounds, ...readTls(tls) }, handle);
  const server: Server = secure ?? createServer(bounds, handle);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => answerMalformed(error, socket, refused));
  await listen(server, host, port);
  const reloadTls = (): void => { if (tls !== undefined) secure?.setSecureContext(readTls(tls)); };
  const unwatch = tls === undefined ? undefined : watchTls(tls, options.tlsLookMs ?? TLS_LOOK_MS, () => {
    try {
      reloadTls();
    } catch (error) {
      failed(error);
    }
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : port,
    serve: (routes) => { app = appOf(door, failed, budgetOf, routes); },
    reloadTls,
    stop: (withinMs) => { unwatch?.(); return close(server, withinMs); },
  };
}

function appOf(door: Door, failed: HttpServerOptions['failed'], budgetOf: BudgetOf, routes: readonly HttpRoute[]): RequestListener {
  const served = (route: HttpRoute, uri: string, request: IncomingMessage, response: ServerResponse): void => void serve(door, budgetOf, route, uri, request, response).catch((error: unknown) => {
    failed(error);
    if (!response.headersSent) send(response, { status: 500 });
  });
  const [first, ...others] = routes;
  // One for all paths needs no router, which would cost the policy server 4 % of a question's time.
  if (first?.prefix === '/' && others.length === 0) return (request, response) => served(first, request.url ?? '', request, response);
  const app = express();
  app.disable('x-powered-by').disable('etag');
  for (const route of routes) app.use(route.prefix, (request, response) => served(route, request.originalUrl, request, response));
  app.use((request, response) => {
    door.refused({ code: 'no-such-path', status: 404, peer: door.seen(request).peer.address });
    send(response, { status: 404 });
  });
  return (request, response) => void app(request, response);
}

/** `uri`: as it came, where `request.url` is what stands below the route's prefix. */
async function serve(door: Door, budgetOf: BudgetOf, route: HttpRoute, uri: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(`http://localhost${request.url ?? ''}`);
  const { headers, peer } = door.seen(request);
  const admission: Admission = await route.admit({ method: request.method ?? '', path: url.pathname, query: url.searchParams, uri, headers, peer });
  if ('reply' in admission) { refuse(request, response, admission.reply); return; }
  try {
    await take(door, budgetOf(route.prefix, admission.room).share(peer.address), admission, peer.address, request, response);
  } finally {
    admission.done?.();
  }
}

async function take({ refused }: Door, share: Share, admission: Admitted, peer: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const busy = (): void => {
    if (admission.busy === undefined) refused({ code: 'busy', status: 503, peer });
    refuse(request, response, admission.busy?.() ?? { status: 503, headers: { 'retry-after': '2' } });
  };
  // What isn't said beforehand may be as much as is allowed. Who hasn't proven themselves has no room kept for what they only announce.
  const isKept = admission.room === undefined;
  if (isKept && !share.take(Math.min(Number(request.headers['content-length'] ?? admission.maxBytes), admission.maxBytes))) { busy(); return; }
  try {
    const body = await read(request, admission, (bytes) => isKept || share.take(bytes));
    if (body === 'too-large') { refuse(request, response, admission.tooLarge()); return; }
    if (body === 'busy') { busy(); return; }
    if (body === 'gone') return;
    send(response, await admission.take(body));
  } finally {
    share.end();
  }
}

/** Not TLS, not HTTP, or more of it than is taken: Node's own answers, counted. */
function answerMalformed(error: NodeJS.ErrnoException, socket: Socket, refused: Door['refused']): void {
  const peer = socket.remoteAddress ?? '';
  const isTls = error.code?.startsWith('ERR_SSL_') === true || error.code?.startsWith('ERR_TLS_') === true;
  if (isTls) refused({ code: 'tls-failed', status: 0, peer });
  if (isTls || error.code === 'ECONNRESET' || !socket.writable) { socket.destroy(); return; }
  const [status, reason] = error.code === 'HPE_HEADER_OVERFLOW' ? [431, 'Request Header Fields Too Large'] : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? [408, 'Request Timeout'] : [400, 'Bad Request'];
  refused({ code: 'bad-request', status, peer });
  socket.end(`HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\n\r\n`);
}

/**
 * What the client still sends after a refusal is thrown away unread for a while: were the connection closed at once, a client in the midst of
 * sending would see a reset in place of its answer.
 */
function refuse(request: IncomingMessage, response: ServerResponse, reply: HttpReply): void {
  if (!request.readableEnded) {
    request.resume();
    const letGo = setTimeout(() => request.destroy(), LINGER_MS).unref();
    request.once('close', () => clearTimeout(letGo));
  }
  send(response, reply);
}

function read(request: IncomingMessage, { maxBytes }: Admitted, mayHold: (bytes: number) => boolean): Promise<Uint8Array | 'too-large' | 'busy' | 'gone'> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.resolve('too-large');
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      const trouble = size > maxBytes ? 'too-large' : mayHold(chunk.length) ? undefined : 'busy';
      if (trouble === undefined) { chunks.push(chunk); return; }
      request.removeAllListeners('data');
      resolve(trouble);
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('close', () => resolve('gone'));
    request.on('error', () => resolve('gone'));
  });
}

function send(response: ServerResponse, { status, headers, body = '' }: HttpReply): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries({ ...HEADERS, ...headers })) response.setHeader(name, value);
  response.end(body);
}
const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new Error(error.code === 'EADDRINUSE' ? `${host}:${port} is taken by another program: end it, or choose another port in the configuration` : `cannot listen on ${host}:${port} (${error.code ?? error.name})`, { cause: error })));
    server.listen(port, host, resolve);
  });
}

function close(server: Server, withinMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), withinMs);
    server.close(() => { clearTimeout(timer); resolve(); });
    server.closeIdleConnections();
  });
}
