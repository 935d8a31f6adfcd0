import { as, type Millis } from '../domain/brand.ts';
import { decide, lookupsFor } from '../domain/decide.ts';
import type { Settings } from '../domain/decision.ts';
import type { Fact } from '../domain/fact.ts';
import type { Judge } from '../domain/policy/question.ts';
import type { Faults } from '../ports/faults.ts';
import type { Claim, Store } from '../ports/store.ts';
import { LEASE_MS, type Hands } from './lease.ts';
import { errorCode, type Log, type Metrics } from '../ports/telemetry.ts';

export type DecideParts = { readonly store: Store; readonly settings: () => Settings; /** The policy in force. */ readonly judge: Judge; readonly now: () => Millis; readonly log: Log; readonly metrics: Metrics; readonly faults: Faults; readonly worker: string; readonly hands: Hands };

const BATCH = 16;
const LONGEST_WAIT_MS = 60_000;

/** Decides what is undecided, the facts of one aggregate in order, different ones side by side. Gives how many facts it took. */
export async function decideDue(parts: DecideParts): Promise<number> {
  const claims = await parts.store.claimFacts(parts.worker, parts.now(), LEASE_MS, BATCH);
  if (claims.length === 0) return 0;
  parts.faults.at('decide.claimed');
  await Promise.all(claims.map(async (claim) => {
    parts.hands.facts.add(claim.work.id);
    await decideOne(parts, claim);
    parts.hands.facts.delete(claim.work.id);
  }));
  return claims.length;
}

async function decideOne(parts: DecideParts, claim: Claim<Fact>): Promise<void> {
  const { store, settings, judge, log, metrics, now } = parts;
  const fact = claim.work;
  const started = performance.now();
  const ids = { fact: fact.id, type: fact.body.type, kind: fact.aggregate.kind, aggregate: fact.aggregate.id };
  try {
    const before = await store.load(fact.aggregate);
    const found = await store.lookup(lookupsFor(fact, before?.state));
    const decision = decide(before?.state, fact, { now: now(), settings: settings(), judge, found });
    const isOurs = await store.commit(claim, before?.version ?? 0, decision);
    parts.faults.at('decide.committed');
    if (!isOurs) {
      // Another fact of this aggregate was decided meanwhile: this one is taken again at once. Unless the claim itself was lost.
      await store.defer(claim, 'changed', now());
      log.warn('decide.lease-lost', ids);
      return;
    }
    metrics.count('facts_decided', { type: fact.body.type });
    metrics.observe('decision_seconds', (performance.now() - started) / 1000);
    for (const { action, detail } of decision.audit) {
      log.info(action, { ...detail, ...ids });
      if (action === 'policy.allowed' || action === 'policy.refused') metrics.count('policy_verdicts', { asked: String(detail?.['asked']), outcome: action.slice('policy.'.length) });
      if (action === 'delivery.sent' && typeof detail?.['ms'] === 'number') metrics.observe('delivery_seconds', detail['ms'] / 1000);
    }
  } catch (error) {
    // A bug or a database in trouble: the fact stays, waits longer each time, and shows in `aceso held`.
    metrics.count('facts_deferred', { type: fact.body.type });
    log.error('decide.failed', { ...ids, error: errorCode(error), attempts: claim.attempts + 1 });
    const wait = Math.min(500 * 2 ** Math.min(claim.attempts, 10), LONGEST_WAIT_MS);
    await store.defer(claim, errorCode(error), as<Millis>(now() + wait)).catch(() => undefined);
  }
}
