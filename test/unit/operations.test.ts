import { expect } from 'chai';
import { createMetrics } from '../../src/adapters/log/metrics.ts';
import { as, type Millis } from '../../src/domain/brand.ts';
import { ok } from '../../src/domain/outcome.ts';
import { createHealth, type HealthParts } from '../../src/main/health.ts';
import type { StoreCounts } from '../../src/ports/store.ts';

describe('What anybody may ask of the server', () => {
  it('asks database and homeserver once, however many ask for its readiness at once, and again afterwards', async () => {
    const asked = { store: 0, homeserver: 0 };
    const parts = {
      store: { check: async () => { asked.store += 1; return ok(undefined); } }, homeserver: { ping: async () => { asked.homeserver += 1; return ok({ versions: [] }); } },
      courier: { status: () => ({ state: 'ready', restarts: 0 }) }, couriers: { status: () => ({ state: 'ready', restarts: 0, seats: [] }) },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined }, dataDir: '/', now: () => as<Millis>(0), steady: () => 0, ended: () => undefined,
    } as unknown as HealthParts;
    const health = createHealth(parts);
    await Promise.all(Array.from({ length: 50 }, () => health.look()));
    expect(asked).to.deep.equal({ store: 1, homeserver: 1 });
    await health.look();
    expect(asked).to.deep.equal({ store: 2, homeserver: 2 });
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
