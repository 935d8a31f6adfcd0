import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely';
import pg from 'pg';
import type { Tables } from './tables.ts';

/**
 * How long anything that is asked of PostgreSQL may take, in milliseconds. The server's own limits are the shorter ones, so that a slow server says which one was
 * passed; `queryMs` ends the wait for one that says nothing any more (a failover, a firewall that forgot the connection).
 */
export type Limits = {
  /** To get a connection, from the pool or anew. */
  readonly connectMs: number;
  readonly queryMs: number;
  readonly statementMs: number;
  readonly lockMs: number;
  /** Of a transaction whose holder says nothing: what it locked is free after that. */
  readonly idleInTransactionMs: number;
};

const LIMITS: Limits = { connectMs: 5000, queryMs: 12_000, statementMs: 10_000, lockMs: 5000, idleInTransactionMs: 10_000 };

/** A silent connection is probed after this long, by the system. Milliseconds. */
const PROBE_AFTER_MS = 10_000;

export type PoolOptions = {
  readonly url: string;
  readonly max: number;
  /** `off`: what is committed need not be on the disk when that is told. */
  readonly synchronousCommit?: 'off';
  /** `none` for what takes as long as there are rows: migrations, a restore. */
  readonly limits?: Limits | 'none';
};

export function postgresPool({ url, max, synchronousCommit, limits = LIMITS }: PoolOptions): Kysely<Tables> {
  pg.types.setTypeParser(pg.types.builtins.INT8, Number);
  const settings = {
    ...(synchronousCommit === undefined ? {} : { synchronous_commit: synchronousCommit }),
    ...(limits === 'none' ? {} : { statement_timeout: limits.statementMs, lock_timeout: limits.lockMs, idle_in_transaction_session_timeout: limits.idleInTransactionMs }),
  };
  const pool = new pg.Pool({
    connectionString: url, max, application_name: 'aceso', connectionTimeoutMillis: limits === 'none' ? LIMITS.connectMs : limits.connectMs, keepAlive: true, keepAliveInitialDelayMillis: PROBE_AFTER_MS,
    options: Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`).join(' '),
  });
  // An idle connection that breaks is replaced by the pool; the query that needed it fails by itself.
  pool.on('error', () => undefined);
  // One that breaks while somebody has it tells its query, and itself too; unheard, that would end the process.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool: limits === 'none' ? pool : limited(pool, limits) }) });
}

/** The server said nothing in time. Not what was asked: that may quote what was written. */
class Silent extends Error {
  override readonly name = 'Silent';
  readonly code = 'ETIMEDOUT';
}

function limited(pool: pg.Pool, { connectMs, queryMs }: Limits): PostgresPool {
  return {
    async connect() {
      const asked = pool.connect();
      // The pool has a limit of its own, on each of the two ways to a connection; should neither end, this does. Whoever comes late goes back.
      const client = await within(2 * connectMs, asked, () => void asked.then((late) => late.release(), () => undefined));
      return limitedClient(client, queryMs);
    },
    end: () => pool.end(),
  };
}

/**
 * A connection that didn't answer is closed, never given back: the answer may still come, and would be taken for that of somebody else's query. What
 * was asked in the same transaction after it fails at once.
 */
function limitedClient(client: pg.PoolClient, queryMs: number): PostgresPoolClient {
  let silent: Silent | undefined;
  async function query(text: string, parameters: readonly unknown[]): Promise<unknown> {
    if (silent) throw silent;
    return within(queryMs, client.query(text, [...parameters]), (error) => {
      silent = error;
      client.release(error);
    });
  }
  return {
    // Kysely asks a cursor of it only where a dialect was given one.
    query: query as PostgresPoolClient['query'],
    release(destroy) {
      if (!silent) client.release(destroy);
    },
  };
}

async function within<T>(ms: number, asked: Promise<T>, over: (error: Silent) => void): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new Silent(`the database said nothing for ${ms} ms`);
    over(error);
    reject(error);
  }, ms);
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}
