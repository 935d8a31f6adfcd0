import { setTimeout as pause } from 'node:timers/promises';
import type { HttpRoute } from '../ports/bridge.ts';
import type { Log } from '../ports/telemetry.ts';
import { DatabaseTrouble } from './compose.ts';
import type { Problem } from './health.ts';

/** Pauses between two tries double up to the longest. Milliseconds. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

export type Waiting = {
  /** Opens the database, again and again while it is away. Rejects with what no waiting ends: a newer schema, a migration that failed, keys that don't fit. */
  until<T>(open: () => Promise<T>): Promise<T>;
  /** What is waited for now. */
  known(): readonly Problem[];
};

/**
 * A server that starts before its database is there waits for it. A refused log-in and a database that isn't there are waited for too: somebody is setting them up, or corrects
 * the address, which is read anew for each try; and `/readyz` says what to do, which a process that ends and is started again can't.
 */
export function createWaiting(log: Log, now: () => number = Date.now): Waiting {
  let problem: Problem | undefined;
  return {
    known: () => (problem ? [problem] : []),
    async until(open) {
      for (let tries = 0; ; tries += 1) {
        try {
          const opened = await open();
          if (problem) log.info('store.there', { seconds: Math.round((now() - problem.since) / 1000) });
          problem = undefined;
          return opened;
        } catch (error) {
          if (!(error instanceof DatabaseTrouble) || !error.trouble.retry) throw error;
          const { code, message } = error.trouble;
          const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS);
          log.warn('store.waits', { code, tries: tries + 1, pauseMs });
          problem = { part: 'store', code, message, since: problem?.since ?? now() };
          await pause(pauseMs);
        }
      }
    },
  };
}

const AGAIN = { 'retry-after': '10', 'cache-control': 'no-store' };

/** The sources' door before the database is there. Nobody is asked who they are, and nothing is read. */
export const notYetForSources: HttpRoute = {
  prefix: '/',
  admit: () => ({
    reply: {
      status: 503, headers: { ...AGAIN, 'content-type': 'application/fhir+json; charset=utf-8' },
      body: JSON.stringify({ resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'transient', diagnostics: 'Aceso waits for its database. Nothing was stored: send it again.' }] }),
    },
  }),
};

/** The homeserver's door before the database is there: it sends its transaction again. */
export const notYetForHomeserver: HttpRoute = {
  prefix: '/',
  admit: () => ({ reply: { status: 503, headers: { ...AGAIN, 'content-type': 'application/json' }, body: JSON.stringify({ errcode: 'M_UNKNOWN', error: 'Aceso waits for its database: send it again.' }) } }),
};
