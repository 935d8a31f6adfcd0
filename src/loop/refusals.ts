import type { Millis } from '../domain/brand.ts';
import type { KeyRing } from '../ports/keys.ts';
import type { Refusal } from '../ports/refusal.ts';
import type { AuditNote, Store } from '../ports/store.ts';
import { errorCode, type Log, type Metrics } from '../ports/telemetry.ts';
import { createAllowance } from './allowance.ts';

export type RefusalParts = { readonly store: Pick<Store, 'audit'>; readonly keys: Pick<KeyRing, 'pseudonym'>; readonly now: () => Millis; readonly log: Log; readonly metrics: Metrics };

export type Refusals = {
  note(refusal: Refusal): void;
  /** Writes what was noted and not yet written. */
  flush(): Promise<void>;
  stop(): Promise<void>;
};

type Count = Omit<Refusal, 'peer'> & { readonly peer?: string; readonly first: Millis; last: Millis; times: number };

/** What was noted is written this much later: what is the same by then is one row. */
const GATHER_MS = 1000;
/** Rows that tell source and peer: so many at once, then one each ten seconds. Beyond it there is one row for each door and code, each five minutes. */
const ROWS = 100;
const ROW_MS = 10_000;
const SUM_MS = 300_000;
/** Different refusals told apart within one gathering. */
const APART = 200;

/**
 * Audits every refusal of the doors, so that nobody can fill the disk with them: each is counted, and told with its source and peer as long as there
 * aren't too many (at most 8,640 such rows a day, and 288 for each door and code). A failed write loses no count.
 */
export function createRefusals({ store, keys, now, log, metrics }: RefusalParts): Refusals {
  const apart = new Map<string, Count>();
  const sums = new Map<string, Count>();
  let summed = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  const add = (counts: Map<string, Count>, key: string, refusal: Omit<Count, 'first' | 'last' | 'times'> & { readonly first?: Millis; readonly times?: number }): void => {
    const known = counts.get(key);
    const { times = 1, first = now() } = refusal;
    if (known === undefined) counts.set(key, { ...refusal, first, last: now(), times });
    else { known.times += times; known.last = now(); }
  };
  const addToSum = ({ door, code, status, first, times }: Omit<Count, 'last'>): void => add(sums, `${door} ${code}`, { door, code, status, first, times });
  const mayTell = createAllowance(now, ROWS, ROW_MS);

  async function write(): Promise<void> {
    const told: Count[] = [];
    for (const [key, each] of apart) {
      apart.delete(key);
      if (mayTell()) told.push(each);
      else addToSum(each);
    }
    const due = now() - summed >= SUM_MS ? [...sums.values()] : [];
    if (due.length > 0) { summed = now(); sums.clear(); }
    const counts = [...told, ...due];
    if (counts.length === 0) return;
    for (const { door, code, status, source, peer, times } of counts) log.warn('request.refused', { door, code, status, source, peer, times });
    try {
      await store.audit(counts.map(noteOf));
    } catch (error) {
      log.error('audit.failed', { error: errorCode(error) });
      for (const each of counts) addToSum(each);
    }
  }
  const flush = (): Promise<void> => (writing = writing.then(write));
  const arm = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      void flush().then(() => { if (sums.size > 0) arm(); });
    }, GATHER_MS).unref();
  };

  return {
    note({ peer, ...refusal }) {
      metrics.count('http_refusals', { door: refusal.door, code: refusal.code });
      const name = peer === undefined || peer === '' ? undefined : keys.pseudonym('peer', peer);
      const key = `${refusal.door} ${refusal.code} ${refusal.source ?? ''} ${name ?? ''}`;
      if (apart.size < APART || apart.has(key)) add(apart, key, { ...refusal, ...(name === undefined ? {} : { peer: name }) });
      else addToSum({ ...refusal, first: now(), times: 1 });
      arm();
    },
    flush,
    async stop() {
      clearTimeout(timer);
      summed = -Infinity;
      await flush();
    },
  };
}

function noteOf({ door, code, status, source, peer, first, last, times }: Count): AuditNote {
  return { at: first, kind: 'door', aggregate: source ?? door, action: 'request.refused', because: code, detail: { door, status, times, last, ...(peer === undefined ? {} : { peer }) } };
}
