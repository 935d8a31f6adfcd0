import { expect } from 'chai';
import { createMetrics } from '../../src/adapters/log/metrics.ts';
import { as, type Millis } from '../../src/domain/brand.ts';
import { ok } from '../../src/domain/outcome.ts';
import { createHealth, type Health, type HealthParts } from '../../src/main/health.ts';
import { operationsRoutes } from '../../src/main/operations.ts';
import type { HttpHead } from '../../src/ports/bridge.ts';
import type { StoreCounts } from '../../src/ports/store.ts';

describe('What anybody may ask of the server', () => {
  it('asks database and homeserver once, however many ask for its readiness at once, and again afterwards', async () => {
    const asked = { store: 0, homeserver: 0 };
    const parts = {
      store: { check: async () => { asked.store += 1; return ok(undefined); } }, homeserver: { ping: async () => { asked.homeserver += 1; return ok({ versions: [] }); } },
      courier: { status: () => ({ state: 'ready', restarts: 0 }) }, couriers: { status: () => ({ state: 'ready', restarts: 0, seats: [] }) },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined }, dataDir: '/', config: () => undefined, agreements: () => undefined, policy: () => undefined, now: () => as<Millis>(0), steady: () => 0, ended: () => undefined,
    } as unknown as HealthParts;
    const health = createHealth(parts);
    await Promise.all(Array.from({ length: 50 }, () => health.look()));
    expect(asked).to.deep.equal({ store: 1, homeserver: 1 });
    await health.look();
    expect(asked).to.deep.equal({ store: 2, homeserver: 2 });
  });

  it('answers from what it knows for a second, so that polling can\'t load the database', async () => {
    const asked = { readyz: 0, metrics: 0 };
    let at = 0;
    const health: Health = { look: async () => { asked.readyz += 1; return []; }, known: () => [], watch: () => () => undefined };
    const metrics = { text: async () => { asked.metrics += 1; return 'aceso_up 1'; }, count: () => undefined, observe: () => undefined };
    const routes = operationsRoutes({ couriers: undefined, health, metrics, steady: () => at });
    const ask = async (path: string): Promise<unknown> => routes.find(({ prefix }) => prefix === path)?.admit({ method: 'GET', path: '/', query: new URLSearchParams(), headers: {}, peer: { address: '127.0.0.1' } } satisfies HttpHead);
    for (at = 0; at < 1000; at += 10) await Promise.all([ask('/readyz'), ask('/metrics')]);
    expect(asked).to.deep.equal({ readyz: 1, metrics: 1 });
    await Promise.all([ask('/readyz'), ask('/metrics')]);
    expect(asked).to.deep.equal({ readyz: 2, metrics: 2 });
  });

  it('is asked again at once after a failure', async () => {
    let fails = true;
    const metrics = { text: async () => { if (fails) throw new Error('away'); return 'aceso_up 1'; }, count: () => undefined, observe: () => undefined };
    const [, , route] = operationsRoutes({ couriers: undefined, health: { look: async () => [], known: () => [], watch: () => () => undefined }, metrics, steady: () => 0 });
    const head: HttpHead = { method: 'GET', path: '/', query: new URLSearchParams(), headers: {}, peer: { address: '127.0.0.1' } };
    expect(await Promise.resolve(route?.admit(head)).catch(() => 'failed')).to.equal('failed');
    fails = false;
    expect(await route?.admit(head)).to.have.nested.property('reply.status', 200);
  });

  it('counts once, however many ask for its metrics at once', async () => {
    let counted = 0;
    const counts: StoreCounts = { undecided: 7, oldestUndecidedMs: 0, effects: 0, waitingEffects: 0, deliveries: {}, held: 0 };
    const metrics = createMetrics(async () => { counted += 1; return counts; });
    const texts = await Promise.all(Array.from({ length: 50 }, () => metrics.text()));
    expect(counted).to.equal(1);
    expect(new Set(texts).size).to.equal(1);
    expect(texts[0]).to.include('aceso_facts_undecided 7');
    await metrics.text();
    expect(counted).to.equal(2);
  });
});
