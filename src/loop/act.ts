import { as, type Millis } from '../domain/brand.ts';
import type { EffectResult } from '../domain/effect.ts';
import { fail, type Outcome } from '../domain/outcome.ts';
import type { DueEffect, Executor, Executors } from '../ports/executor.ts';
import type { Faults } from '../ports/faults.ts';
import type { EffectClaim, EffectSettlement, Store } from '../ports/store.ts';
import { NO_COURIER } from './executors.ts';
import { LEASE_MS, type Hands } from './lease.ts';
import { isLogged } from './logged.ts';
import { nextWait } from './patience.ts';
import type { Slots } from './slots.ts';
import { errorCode, type Log, type LogFields, type Metrics } from '../ports/telemetry.ts';

export type ActParts = { readonly store: Store; readonly executors: Executors; readonly now: () => Millis; readonly log: Log; readonly metrics: Metrics; readonly faults: Faults; readonly worker: string; readonly hands: Hands; /** The courier's seats that this worker holds now. */ readonly seats: () => readonly number[] };

/** What came while an effect was tried makes it due again after this long. */
const WOKEN_WAIT_MS = 500;

/** How often effects that wait for a reason were woken, by reason, since this process began. */
export type Wakes = ReadonlyMap<string, number>;

/** Starts the effects that are due, as many as have a slot; `done` is called as each ends. Gives how many were started. */
export async function actOnDue(parts: ActParts, wakes: Wakes, slots: Slots, done: () => void): Promise<number> {
  const { store, worker, now, seats } = parts;
  const claims: EffectClaim[] = [];
  for (const { limit, destinations } of slots.claims()) claims.push(...(await store.claimEffects(worker, now(), LEASE_MS, limit, seats(), destinations)));
  if (claims.length > 0) parts.faults.at('effect.claimed');
  for (const claim of claims) {
    parts.hands.effects.add(claim.work.id);
    slots.began(claim.work);
    void actOnOne(parts, wakes, claim).finally(() => {
      parts.hands.effects.delete(claim.work.id);
      slots.ended(claim.work);
      done();
    });
  }
  return claims.length;
}

async function actOnOne(parts: ActParts, wakes: Wakes, claim: EffectClaim): Promise<void> {
  const { store, log, metrics, now } = parts;
  const { work: effect, aggregate } = claim;
  const ids = { effect: effect.id, type: effect.body.type, kind: aggregate.kind, aggregate: aggregate.id };
  const started = performance.now();
  const before = new Map(wakes);
  const outcome = await execute(parts, { ...effect, createdAt: claim.createdAt }, ids);
  parts.faults.at('effect.done');
  const settlement = settlementOf(claim, outcome, now());
  try {
    const isOurs = await store.settle(claim, aggregate, settlement, now());
    parts.faults.at('effect.settled');
    // What it waits for came while it was tried: the try may not have seen it, and nothing would wake it again.
    if (settlement.state === 'waiting' && wakes.get(settlement.code) !== before.get(settlement.code)) await store.wake(settlement.code, as<Millis>(now() + WOKEN_WAIT_MS), { effect: effect.id });
    if (!isOurs) { log.warn('effect.lease-lost', ids); return; }
    metrics.count('effects_settled', { type: effect.body.type, state: settlement.state });
    metrics.observe('effect_seconds', (performance.now() - started) / 1000, { type: effect.body.type });
    if (settlement.state === 'done') log.info('effect.done', ids);
    else if (isLogged(settlement)) log.warn(`effect.${settlement.state}`, { ...ids, code: settlement.code, attempts: claim.attempts + 1 });
  } catch (error) {
    // Not recorded: the lease runs out, and the effect is done again under the same id.
    log.error('effect.not-settled', { ...ids, error: errorCode(error) });
  }
}

async function execute({ executors, log }: ActParts, effect: DueEffect, ids: LogFields): Promise<Outcome<EffectResult>> {
  try {
    return await (executors[effect.body.type] as Executor)(effect);
  } catch (error) {
    log.error('effect.threw', { ...ids, error: errorCode(error) });
    return fail('unexpected', `an unexpected error (${errorCode(error)}): see the log`, { retry: true });
  }
}

/** Tells the aggregate of a failure when it is new, not at every attempt; that a seat changed hands meanwhile is none. */
function settlementOf(claim: EffectClaim, outcome: Outcome<EffectResult>, now: Millis): EffectSettlement {
  const { id, body: { type: kind } } = claim.work;
  if (outcome.ok) return { state: 'done', fact: { type: 'effect.done', effect: id, kind, result: outcome.value } };
  const { code, message, retry, retryAfterMs } = outcome.error;
  const fact = { type: 'effect.failed', effect: id, kind, code, message, final: !retry } as const;
  if (!retry) return { state: 'failed', code, fact };
  const wait = nextWait(code, claim.attempts, claim.askedAt, now);
  if (wait === undefined) return { state: 'failed', code, fact: { ...fact, final: true } };
  return { state: 'waiting', notBefore: as<Millis>(now + Math.max(retryAfterMs ?? 0, wait)), code, ...(claim.lastCode === code || code === NO_COURIER ? {} : { fact }) };
}
