import type { MetricsEndpoint } from '../adapters/log/metrics.ts';
import type { HttpReply, HttpRoute } from '../ports/bridge.ts';
import type { Couriers, SeatStatus } from '../ports/courier.ts';
import type { Health, Problem } from './health.ts';

/** `couriers`: none without the role `sender`. */
export type OperationsParts = { readonly couriers: Pick<Couriers, 'status'> | undefined; readonly health: Health; readonly metrics: MetricsEndpoint };

/** `store`, `courier`, `homeserver`: `ready`, or the code of what is wrong; the courier may be `elsewhere`, with other workers. */
export type Readiness = { readonly ready: boolean; readonly store: string; readonly courier: string; readonly homeserver: string; readonly seats: readonly SeatStatus[]; readonly problems: readonly Problem[] };

/** `/healthz`: the process answers. `/readyz`: it can do its work, and which part can't. `/metrics`: Prometheus text. No PHI, no token. */
export function operationsRoutes(parts: OperationsParts): readonly HttpRoute[] {
  const json = (status: number, body: unknown): HttpReply => ({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return [
    get('/healthz', async () => json(200, { ok: true })),
    get('/readyz', async () => {
      const readiness = await readinessOf(parts);
      return { ...json(readiness.ready ? 200 : 503, readiness), ...(readiness.ready ? {} : { headers: { 'content-type': 'application/json', 'retry-after': '5' } }) };
    }),
    get('/metrics', async () => ({ status: 200, headers: { 'content-type': 'text/plain; version=0.0.4' }, body: await parts.metrics.text() })),
  ];
}

const get = (prefix: string, answer: () => Promise<HttpReply>): HttpRoute => ({
  prefix,
  admit: async ({ method, path }) => ({ reply: path !== '/' ? { status: 404 } : method === 'GET' || method === 'HEAD' ? await answer() : { status: 405, headers: { allow: 'GET' } } }),
});

/** Ready: what is pushed now is taken and kept, and the device has been seen to work. That the homeserver is away is told, and is no reason to push elsewhere. */
async function readinessOf({ couriers, health }: OperationsParts): Promise<Readiness> {
  const problems = await health.look();
  const codeOf = (part: Problem['part']): string => problems.find((problem) => problem.part === part)?.code ?? 'ready';
  const { state, seats } = couriers?.status() ?? { state: 'elsewhere', seats: [] };
  const full = problems.some(({ part, code }) => part === 'disk' && code === 'full');
  return { ready: codeOf('store') === 'ready' && !full && (state === 'ready' || state === 'elsewhere'), store: codeOf('store'), courier: state, homeserver: codeOf('homeserver'), seats, problems };
}
