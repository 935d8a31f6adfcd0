import type { MetricsEndpoint } from '../adapters/log/metrics.ts';
import type { HttpReply, HttpRoute } from '../ports/bridge.ts';
import type { Couriers, SeatStatus } from '../ports/courier.ts';
import type { Health, Problem } from './health.ts';

/** `couriers`: none without the role `sender`. */
export type OperationsParts = { readonly couriers: Pick<Couriers, 'status'> | undefined; readonly health: Health; readonly metrics: MetricsEndpoint; /** Never goes back (milliseconds). */ readonly steady: () => number };

/** `store`, `courier`, `homeserver`: `ready`, or the code of what is wrong; the courier may be `elsewhere`, with other workers. */
export type Readiness = { readonly ready: boolean; readonly store: string; readonly courier: string; readonly homeserver: string; readonly seats: readonly SeatStatus[]; readonly problems: readonly Problem[] };

/** How long an answer serves all who ask: polling must not load the database. */
const KEPT_MS = 1000;

const json = (status: number, body: unknown): HttpReply => ({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** `/healthz`: the process answers. Asks nothing of anything, so that it may stand at every door. */
export const healthz: HttpRoute = get('/healthz', async () => json(200, { ok: true }));

/** `/healthz`; `/readyz`: it can do its work, and which part can't; `/metrics`: Prometheus text. No PHI, no token. What is told is at most a second old. */
export function operationsRoutes(parts: OperationsParts): readonly HttpRoute[] {
  return [
    healthz,
    get('/readyz', kept(parts.steady, async () => {
      const readiness = await readinessOf(parts);
      return readiness.ready ? json(200, readiness) : unready(readiness);
    })),
    get('/metrics', kept(parts.steady, async () => figures(await parts.metrics.text()))),
  ];
}

/** The same before the database is there: what is waited for. */
export function waitingRoutes({ known, metrics }: { readonly known: () => readonly Problem[]; readonly metrics: MetricsEndpoint }): readonly HttpRoute[] {
  const readiness = (): Readiness => ({ ready: false, store: known().find(({ part }) => part === 'store')?.code ?? 'starting', courier: 'starting', homeserver: 'unknown', seats: [], problems: known() });
  return [healthz, get('/readyz', async () => unready(readiness())), get('/metrics', async () => figures(await metrics.text()))];
}

const unready = (readiness: Readiness): HttpReply => ({ ...json(503, readiness), headers: { 'content-type': 'application/json', 'retry-after': '5' } });
const figures = (body: string): HttpReply => ({ status: 200, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }, body });

/** One question at a time, and its answer to all who ask until it is too old. A failure is nobody's answer but theirs who waited for it. */
function kept(steady: () => number, ask: () => Promise<HttpReply>): () => Promise<HttpReply> {
  let answer: { readonly reply: HttpReply; readonly at: number } | undefined;
  let asking: Promise<HttpReply> | undefined;
  return async () => {
    if (answer !== undefined && steady() - answer.at < KEPT_MS) return answer.reply;
    return (asking ??= ask().then((reply) => { answer = { reply, at: steady() }; return reply; }).finally(() => { asking = undefined; }));
  };
}

function get(prefix: string, answer: () => Promise<HttpReply>): HttpRoute {
  return { prefix, admit: async ({ method, path }) => ({ reply: path !== '/' ? { status: 404 } : method === 'GET' || method === 'HEAD' ? await answer() : { status: 405, headers: { allow: 'GET' } } }) };
}

/** Ready: what is pushed now is taken and kept, and the device has been seen to work. That the homeserver is away is told, and is no reason to push elsewhere. */
async function readinessOf({ couriers, health }: OperationsParts): Promise<Readiness> {
  const problems = await health.look();
  const codeOf = (part: Problem['part']): string => problems.find((problem) => problem.part === part)?.code ?? 'ready';
  const { state, seats } = couriers?.status() ?? { state: 'elsewhere', seats: [] };
  const full = problems.some(({ part, code }) => part === 'disk' && code === 'full');
  return { ready: codeOf('store') === 'ready' && !full && (state === 'ready' || state === 'elsewhere'), store: codeOf('store'), courier: state, homeserver: codeOf('homeserver'), seats, problems };
}
