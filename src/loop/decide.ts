import { as, type Millis } from '../domain/brand.ts';
import { decide, lookupsFor } from '../domain/decide.ts';
import type { FoundAggregate, Settings } from '../domain/decision.ts';
import type { Fact } from '../domain/fact.ts';
import type { Judge } from '../domain/policy/question.ts';
import type { Faults } from '../ports/faults.ts';
import type { Claim, Store } from '../ports/store.ts';
import { LEASE_MS, type Hands } from './lease.ts';
import { logged } from './logged.ts';
import { errorCode, type Log, type Metrics } from '../ports/telemetry.ts';

export type DecideParts = { readonly store: Store; readonly settings: () => Settings; /** The policy in force. */ readonly judge: Judge; /** What was looked up, with the agreements whose signatures are good, and no others. */ readonly vouched: (found: ReadonlyMap<string, FoundAggregate>) => Promise<ReadonlyMap<string, FoundAggregate>>; readonly now: () => Millis; readonly log: Log; readonly metrics: Metrics; readonly faults: Faults; readonly worker: string; readonly hands: Hands };

/** Decided at once. What they wait for is mostly the disk, which takes all of them in the time that it takes one. */
const AT_ONCE = 64;
/** A claim costs a transaction: it waits until it is worth one. */
const WORTH_A_CLAIM = 16;
const LONGEST_WAIT_MS = 60_000;

/** Takes what is undecided, the facts of one aggregate in order, different ones side by side; `done` is called as each is decided. Gives how many it took when there may be more, and 0 when that was all. */
export async function decideDue(parts: DecideParts, done: () => void): Promise<number> {
  const free = AT_ONCE - parts.hands.facts.size;
  if (free < WORTH_A_CLAIM) return 0;
  const claims = await parts.store.claimFacts(parts.worker, parts.now(), LEASE_MS, free);
  if (claims.length > 0) parts.faults.at('decide.claimed');
  for (const claim of claims) {
    parts.hands.facts.add(claim.work.id);
    void decideOne(parts, claim).finally(() => {
      parts.hands.facts.delete(claim.work.id);
      done();
    });
  }
  return claims.length < free ? 0 : claims.length;
}

async function decideOne(parts: DecideParts, claim: Claim<Fact>): Promise<void> {
  const { store, settings, judge, vouched, log, metrics, now } = parts;
  const fact = claim.work;
  const started = performance.now();
  const ids = { fact: fact.id, type: fact.body.type, kind: fact.aggregate.kind, aggregate: fact.aggregate.id };
  try {
    const { before, found } = await store.weigh(fact.aggregate, (state) => lookupsFor(fact, state));
    const decision = decide(before?.state, fact, { now: now(), settings: settings(), judge, found: await vouched(found) });
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
      log.info(action, { ...logged(detail), ...ids });
      if (action === 'rules.allowed' || action === 'rules.refused') metrics.count('policy_verdicts', { asked: String(detail?.['asked']), outcome: action.slice('rules.'.length) });
      if (action === 'person.told' || action === 'person.not-told') metrics.count('notices', { outcome: action.slice('person.'.length) });
      if (action === 'policy.not-in-force') metrics.count('policy_edges', { edge: 'not-in-force' });
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
