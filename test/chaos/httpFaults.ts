/** What HTTP can bring beside broken connections: a reverse proxy whose answers can be other than the server's. */
import { Agent, createServer, request, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import type { Random } from './random.ts';

/** `after`: the server has done what was asked, and its answer is lost on the way. `before`: it never hears of it. */
export type When = 'before' | 'after';

export type HttpFault =
  /** Another status, with a body as a homeserver (`matrix`) or a load balancer (`page`) gives it. */
  | { readonly kind: 'status'; readonly status: number; readonly body: 'matrix' | 'page' | 'empty'; readonly when: When }
  /** The server's answer, which ends in the middle. */
  | { readonly kind: 'cut' };

export type HttpStage = {
  readonly port: number;
  /** Undefined: all is well again. `probability`: of each request. */
  set(fault: HttpFault | undefined, probability: number): void;
  stop(): void;
};

type Answer = { readonly status: number; readonly headers: IncomingMessage['headers']; readonly body: Buffer };

/** Passes requests on to the first of the targets (ports on 127.0.0.1) that accepts. */
export async function startHttpStage(targets: readonly number[], random: Random): Promise<HttpStage> {
  const agent = new Agent({ keepAlive: true });
  let fault: HttpFault | undefined;
  let share = 0;
  let turn = 0;

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const body = await bytesOf(incoming);
    const bad = fault && random.chance(share) ? fault : undefined;
    if (bad?.kind === 'status' && bad.when === 'before') {
      falsify(response, bad);
      return;
    }
    turn += 1;
    const answer = await ask(incoming, body, gone.signal);
    if (bad?.kind === 'status') falsify(response, bad);
    else if (bad) breakOff(response, answer);
    else response.writeHead(answer.status, withLength(answer)).end(answer.body);
  }

  async function ask(incoming: IncomingMessage, body: Buffer, signal: AbortSignal): Promise<Answer> {
    for (let step = 0; step < targets.length; step += 1) {
      const answer = await once(targets[(turn + step) % targets.length] ?? 0, incoming, body, signal);
      if (answer) return answer;
    }
    throw new Error('nobody listens');
  }

  /** Undefined: nobody listens there. */
  const once = (port: number, incoming: IncomingMessage, body: Buffer, signal: AbortSignal): Promise<Answer | undefined> => new Promise((resolve, reject) => {
    const { connection: _, 'transfer-encoding': __, ...headers } = incoming.headers;
    request({ agent, signal, host: '127.0.0.1', port, path: incoming.url, method: incoming.method, headers: { ...headers, 'content-length': String(body.length) } }, (answered) => {
      bytesOf(answered).then((answer) => resolve({ status: answered.statusCode ?? 502, headers: answered.headers, body: answer }), reject);
    }).on('error', (error) => {
      if ('code' in error && error.code === 'ECONNREFUSED') resolve(undefined);
      else reject(error);
    }).end(body);
  });

  const server = createServer((incoming, response) => {
    serve(incoming, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  server.unref();
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    set(next, probability) {
      fault = next;
      share = probability;
    },
    stop() {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}

function falsify(response: ServerResponse, { status, body }: Extract<HttpFault, { kind: 'status' }>): void {
  const page = '<html><head><title>Bad Gateway</title></head><body><center><h1>Something went wrong</h1></center>\u0000</body></html>';
  const matrix = JSON.stringify(status === 429 ? { errcode: 'M_LIMIT_EXCEEDED', error: 'Too Many Requests', retry_after_ms: 700 } : { errcode: 'M_UNKNOWN', error: 'Internal server error' });
  const [type, text] = body === 'matrix' ? ['application/json', matrix] : body === 'page' ? ['text/html', page] : ['application/json', ''];
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text), ...(status === 429 || status === 503 ? { 'retry-after': '1' } : {}) }).end(text);
}

/** Promises all of it, and gives half. */
function breakOff(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, { ...withLength(answer), 'content-length': String(answer.body.length + 1) });
  response.write(answer.body.subarray(0, Math.floor(answer.body.length / 2)), () => response.destroy());
}

function withLength({ headers, body }: Answer): OutgoingHttpHeaders {
  const { connection: _, 'transfer-encoding': __, 'keep-alive': ___, ...kept } = headers;
  return { ...kept, 'content-length': String(body.length) };
}

async function bytesOf(from: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of from) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
