/** Requests per minute of one source, as a bucket that refills steadily. In memory: a limit, not a promise. */
import type { SourceConfig } from './config.ts';

/** Seconds to wait, 0 when the request may go on. */
export type Rate = (source: SourceConfig, nowMs: number) => number;

export const createRate = (): Rate => {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return ({ id, requestsPerMinute: limit }, now) => {
    if (limit === undefined) return 0;
    const bucket = buckets.get(id) ?? { tokens: limit, at: now };
    const tokens = Math.min(limit, bucket.tokens + ((now - bucket.at) * limit) / 60_000);
    buckets.set(id, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) * 60) / limit);
  };
};
