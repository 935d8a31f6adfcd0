/** Part c: at a steady pace, how long from Aceso's having a result to its event, and to its text on the clinician's device at the other hospital. */
import { until } from '../../test/support/until.ts';
import { paced, percentiles, round, say } from '../load.ts';
import type { Options } from '../options.ts';
import type { Stage } from '../stage.ts';

const SECONDS = 30;

export async function latency(stage: Stage, { pace }: Options): Promise<Record<string, unknown>> {
  const count = Math.round(pace * SECONDS);
  const prefix = 'C-';
  say(`c: ${pace} results a second for ${SECONDS} s`);
  await stage.profile?.begin();
  const accepted: number[] = [];
  const seconds = await paced(count, pace, async (index) => {
    const started = performance.now();
    await stage.push(index, `${prefix}${index}`);
    accepted.push(performance.now() - started);
  });
  await stage.allRead(prefix, count);
  await stage.profile?.end(count);
  const read = new Map(stage.read(prefix).map(({ eventId, receivedAt }) => [eventId, receivedAt]));
  const sent = await until('every delivery to be sent', async () => {
    const found = (await stage.deliveries(count * 2)).filter(({ eventId }) => eventId !== undefined && read.has(eventId));
    return found.length >= count && found;
  });
  // Aceso's own clock, from the instant in which the result was stored: before the 201 leaves, so that the figures are rather too large.
  const toEvent = sent.map(({ acceptedAt, sentAt = Infinity }) => sentAt - acceptedAt);
  const toText = sent.map(({ acceptedAt, eventId = '' }) => (read.get(eventId) ?? Infinity) - acceptedAt);
  return { pace, results: count, keptPace: round(count / seconds), msToAccept: percentiles(accepted), msToEvent: percentiles(toEvent), msToDecrypted: percentiles(toText), undecryptable: stage.undecryptable() };
}
