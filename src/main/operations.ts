import type { MetricsEndpoint } from '../adapters/log/metrics.ts';
import type { HttpReply, HttpRoute } from '../ports/bridge.ts';
import type { Courier } from '../ports/courier.ts';
import type { Homeserver } from '../ports/homeserver.ts';
import type { Store } from '../ports/store.ts';

export type OperationsParts = { readonly store: Store; readonly courier: Courier; readonly homeserver: Homeserver; readonly metrics: MetricsEndpoint };

export type Readiness = { readonly ready: boolean; readonly store: string; readonly courier: string; readonly homeserver: string; /** Why the courier isn't ready, and what to do. */ readonly problem?: string };

/** `/healthz`: the process answers. `/readyz`: it can do its work, and which part can't. `/metrics`: Prometheus text. No PHI, no token. */
export function operationsRoutes(parts: OperationsParts): readonly HttpRoute[] {
  const json = (status: number, body: unknown): HttpReply => ({ status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  return [
    get('/healthz', async () => json(200, { ok: true })),
    get('/readyz', async () => {
      const readiness = await readinessOf(parts);
      return json(readiness.ready ? 200 : 503, readiness);
    }),
    get('/metrics', async () => ({ status: 200, headers: { 'content-type': 'text/plain; version=0.0.4' }, body: await parts.metrics.text() })),
  ];
}

const get = (prefix: string, answer: () => Promise<HttpReply>): HttpRoute => ({
  prefix,
  admit: async ({ method, path }) => ({ reply: path !== '/' ? { status: 404 } : method === 'GET' || method === 'HEAD' ? await answer() : { status: 405, headers: { allow: 'GET' } } }),
});

async function readinessOf({ store, courier, homeserver }: OperationsParts): Promise<Readiness> {
  const [stored, answered] = await Promise.all([store.check().then(() => true, () => false), homeserver.ping()]);
  const { state, problem } = courier.status();
  return { ready: stored && state === 'ready', store: stored ? 'ready' : 'unavailable', courier: state, homeserver: answered.ok ? 'ready' : answered.error.code, ...(problem === undefined ? {} : { problem }) };
}
