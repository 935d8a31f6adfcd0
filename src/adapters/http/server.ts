import express, { type Request, type Response } from 'express';
import { createServer, type Server } from 'node:http';
import type { Admission, HttpReply, HttpRoute } from '../../ports/bridge.ts';

export type HttpServerOptions = {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly routes: readonly HttpRoute[];
  readonly failed: (error: unknown) => void;
};

/** How long a refused client may go on sending, unread, so that it sees its answer instead of a reset. Milliseconds. */
const LINGER_MS = 10_000;

export type HttpServer = { readonly port: number; stop(withinMs: number): Promise<void> };

/** Serves routes; admits or refuses each request before its body is read, and never reads more of it than its route allows. */
export async function startHttpServer({ host, port, routes, failed }: HttpServerOptions): Promise<HttpServer> {
  const app = express();
  app.disable('x-powered-by').disable('etag');
  for (const route of routes) {
    app.use(route.prefix, (request, response) => serve(route, request, response).catch((error: unknown) => {
      failed(error);
      if (!response.headersSent) send(response, { status: 500 });
    }));
  }
  app.use((_request, response) => send(response, { status: 404 }));
  const server = createServer({ keepAliveTimeout: 65_000, headersTimeout: 20_000, requestTimeout: 120_000, maxHeaderSize: 16_384 }, app);
  await listen(server, host, port);
  const address = server.address();
  return { port: typeof address === 'object' && address ? address.port : port, stop: (withinMs) => close(server, withinMs) };
}

async function serve(route: HttpRoute, request: Request, response: Response): Promise<void> {
  const url = new URL(`http://localhost${request.url}`);
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]));
  const admission = await route.admit({ method: request.method, path: url.pathname, query: url.searchParams, headers, peer: { address: (request.socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/iu, '') } });
  if ('reply' in admission) { refuse(request, response, admission.reply); return; }
  const body = await read(request, admission);
  if (body === 'too-large') { refuse(request, response, admission.tooLarge()); return; }
  if (body === 'gone') return;
  send(response, await admission.take(body));
}

/**
 * What the client still sends after a refusal is thrown away unread for a while: were the connection closed at once, a client in the midst of
 * sending would see a reset in place of its answer.
 */
function refuse(request: Request, response: Response, reply: HttpReply): void {
  if (!request.readableEnded) {
    request.resume();
    const letGo = setTimeout(() => request.destroy(), LINGER_MS).unref();
    request.once('close', () => clearTimeout(letGo));
  }
  send(response, reply);
}

function read(request: Request, { maxBytes }: Extract<Admission, { maxBytes: number }>): Promise<Uint8Array | 'too-large' | 'gone'> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.resolve('too-large');
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.removeAllListeners('data');
        resolve('too-large');
      } else chunks.push(chunk);
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('close', () => resolve('gone'));
    request.on('error', () => resolve('gone'));
  });
}

function send(response: Response, { status, headers = {}, body = '' }: HttpReply): void {
  response.status(status).set({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers }).end(body);
}

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
