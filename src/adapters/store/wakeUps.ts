import pg from 'pg';
import type { WakeUps } from '../../ports/wakeUps.ts';

const CHANNEL = 'aceso_work';
/** Announcements closer together than this are one. Milliseconds. */
const TOGETHER_MS = 20;
const AGAIN_MS = 1000;
/** A connection that says nothing for this long to an announcement is given up. */
const SILENT_MS = 5000;

/**
 * Tells other workers over PostgreSQL (LISTEN, NOTIFY) that there is something to do, so that they need not wait for their next look. Nothing
 * depends on it: what is not heard, because the connection broke, is found by looking. `url` is a `postgres://` address.
 */
export function createWakeUps(url: string, worker: string, wake: () => void): WakeUps {
  let client: pg.Client | undefined;
  let again: NodeJS.Timeout | undefined;
  let isStopped = false;
  let pending: NodeJS.Timeout | undefined;
  let announcedAt = -Infinity;

  const lost = (which: pg.Client): void => {
    if (client !== which) return;
    client = undefined;
    void which.end().catch(() => undefined);
    if (!isStopped) again = setTimeout(() => void connect(), AGAIN_MS).unref();
  };
  const connect = async (): Promise<void> => {
    const next = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000, keepAlive: true, keepAliveInitialDelayMillis: 10_000, application_name: 'aceso wake-ups', options: '-c synchronous_commit=off' });
    client = next;
    next.on('error', () => lost(next));
    next.on('end', () => lost(next));
    next.on('notification', ({ payload }) => { if (payload !== worker) wake(); });
    try {
      await next.connect();
      await next.query(`listen ${CHANNEL}`);
      // What was announced while nobody listened.
      wake();
    } catch {
      lost(next);
    }
  };
  const announce = (): void => {
    pending = undefined;
    announcedAt = performance.now();
    const here = client;
    if (!here) return;
    const silent = setTimeout(() => lost(here), SILENT_MS).unref();
    here.query('select pg_notify($1, $2)', [CHANNEL, worker]).catch(() => lost(here)).finally(() => clearTimeout(silent));
  };

  void connect();
  return {
    announce() {
      if (isStopped || pending) return;
      const wait = announcedAt + TOGETHER_MS - performance.now();
      if (wait <= 0) announce();
      else pending = setTimeout(announce, wait).unref();
    },
    async stop() {
      isStopped = true;
      clearTimeout(again);
      clearTimeout(pending);
      await client?.end().catch(() => undefined);
    },
  };
}
