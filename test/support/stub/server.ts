/** The HTTP of it: routes, tokens, identity assertion (application service API, "Identity assertion"), JSON in, JSON or a standard error out. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ROUTES, type Call, type Route } from './routes.ts';
import type { Json } from './signing.ts';
import { Complaint, Refusal, type Device, type User, type World } from './world.ts';

const MOST_BYTES = 60 * 1024 * 1024;
const IDENTITY = ['user_id', 'device_id', 'org.matrix.msc3202.device_id'];

type Matched = { readonly route: Route; readonly parts: ReadonlyMap<string, string> };

export function createStubServer(world: World, complain: (what: string) => void): Server {
  const compiled = ROUTES.map((route) => ({ route, segments: route.path.split('/') }));
  const server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => void serve(request, response));
  return server;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://stub');
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      const matched = match(request.method ?? '', url.pathname);
      count(matched.route);
      const bytes = await read(request);
      const reply = { status: 200 };
      const answer = await matched.route.answer(callOf(request, url, matched, bytes, gone.signal, reply));
      if (answer instanceof Uint8Array) response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(answer);
      else json(response, reply.status, answer);
    } catch (error) {
      if (error instanceof Complaint) complain(`${request.method ?? ''} ${url.pathname}: ${error.message}`);
      if (error instanceof Refusal) json(response, error.status, { errcode: error.errcode, error: error.message });
      else {
        complain(`${request.method ?? ''} ${url.pathname}: ${String(error)}`);
        json(response, 500, { errcode: 'M_UNKNOWN', error: 'Internal server error' });
      }
    }
  }

  function match(method: string, path: string): Matched {
    const given = path.split('/');
    let isKnown = false;
    for (const { route, segments } of compiled) {
      if (segments.length !== given.length || !segments.every((segment, index) => segment.startsWith(':') || segment === given[index])) continue;
      isKnown = true;
      if (route.method !== method) continue;
      return { route, parts: new Map(segments.flatMap((segment, index) => (segment.startsWith(':') ? [[segment.slice(1), decodeURIComponent(given[index] ?? '')]] : []))) };
    }
    throw new Refusal(isKnown ? 405 : 404, 'M_UNRECOGNIZED', 'Unrecognized request');
  }

  function count({ method, path }: Route): void {
    const name = `${method} ${path}`;
    world.counts.requests[name] = (world.counts.requests[name] ?? 0) + 1;
  }

  function callOf(request: IncomingMessage, url: URL, { route, parts }: Matched, bytes: Buffer, signal: AbortSignal, reply: Call['reply']): Call {
    const { searchParams: query } = url;
    for (const name of query.keys()) if (!route.queries.includes(name) && !IDENTITY.includes(name)) throw new Complaint(`unknown query ${name}`);
    const principal = route.access === 'anybody' ? undefined : principalOf(request, query);
    return {
      world, query, bytes, signal, reply, whole: `${request.method ?? ''} ${url.pathname}`, uri: request.url ?? '', authorization: request.headers.authorization, slot: principal?.slot,
      path: (name) => parts.get(name) ?? '',
      body: route.body === 'json' ? parsed(request, bytes) : undefined,
      user: () => {
        if (!principal?.user) throw new Refusal(403, 'M_FORBIDDEN', 'Application service has not registered this user');
        return principal.user;
      },
      device: () => {
        if (!principal?.device) throw new Refusal(400, 'M_UNKNOWN', 'this needs a device');
        return principal.device;
      },
    };
  }

  function principalOf(request: IncomingMessage, query: URLSearchParams): { readonly slot?: Call['slot']; readonly user?: User | undefined; readonly device?: Device | undefined } {
    const token = /^Bearer (\S+)$/u.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) throw new Refusal(401, 'M_MISSING_TOKEN', 'Missing access token');
    const slot = world.appservices.find(({ asToken }) => asToken === token);
    if (slot) {
      const userId = query.get('user_id') ?? `@${slot.senderLocalpart}:${world.serverName}`;
      if (!userId.startsWith(`@${slot.prefix}`) || !userId.endsWith(`:${world.serverName}`)) throw new Refusal(403, 'M_FORBIDDEN', 'Application service cannot masquerade as this user');
      const user = world.users.get(userId);
      if (!user && query.has('user_id') && !(request.url ?? '').includes('/register')) throw new Refusal(403, 'M_FORBIDDEN', 'Application service has not registered this user');
      const deviceId = query.get('device_id') ?? query.get('org.matrix.msc3202.device_id');
      const device = deviceId === null ? undefined : user?.devices.get(deviceId);
      if (deviceId !== null && !device) throw new Refusal(400, 'M_UNKNOWN_DEVICE', 'Application service trying to use a device that does not exist');
      return { slot, user, device };
    }
    for (const user of world.users.values()) for (const device of user.devices.values()) if (device.token === token) return { user, device };
    throw new Refusal(401, 'M_UNKNOWN_TOKEN', 'Unrecognised access token');
  }
}

function parsed(request: IncomingMessage, bytes: Buffer): unknown {
  if (request.headers['content-type'] !== 'application/json') throw new Complaint(`content-type ${request.headers['content-type'] ?? 'missing'}`);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Refusal(400, 'M_NOT_JSON', 'Content not JSON.');
  }
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Refusal(413, 'M_TOO_LARGE', 'too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function json(response: ServerResponse, status: number, body: Json): void {
  if (!response.headersSent) response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
