/** Hands arrivals to the host and says when it can't take them. */
import type { Arrival, BridgeHost, CareNews, ConsentNews, Receipt, StaffNews } from '../../src/ports/bridge.ts';
import { problem, refusal } from './outcome.ts';
import type { Refusal, Result } from './outcome.ts';

const DEFAULT_RETRY_MS = 10_000;

/** A receipt for each arrival, in order. The same fact twice in one request is handed over once. */
export const receiveAll = async (host: BridgeHost, arrivals: readonly Arrival[]): Promise<Result<readonly Receipt[]>> => {
  const distinct = [...new Map(arrivals.map((each) => [each.key, each])).values()];
  if (distinct.length === 0) return { ok: true, value: [] };
  const received = await host.receive(distinct);
  if (!received.ok) return { ok: false, refusal: unavailable(received.error.retryAfterMs) };
  const byKey = new Map(distinct.map((each, index) => [each.key, received.value[index]]));
  const receipts = arrivals.map((each) => byKey.get(each.key)).filter((each) => each !== undefined);
  if (receipts.length !== arrivals.length) throw new Error('the host gave fewer receipts than it took arrivals');
  return { ok: true, value: receipts };
};

/** As `receiveAll`, for what is said of staff. */
export const staffTaken = async (host: BridgeHost, news: readonly (StaffNews | CareNews | ConsentNews)[]): Promise<Result<readonly Receipt[]>> => {
  if (news.length === 0) return { ok: true, value: [] };
  const taken = await host.staff(news);
  return taken.ok ? { ok: true, value: taken.value } : { ok: false, refusal: unavailable(taken.error.retryAfterMs) };
};

export const unavailable = (retryAfterMs: number | undefined): Refusal =>
  refusal(503, 'unavailable', problem('transient', 'This can not be stored now, and nothing of it was. Send it again.'), { 'retry-after': String(Math.max(1, Math.ceil((retryAfterMs ?? DEFAULT_RETRY_MS) / 1000))) });
