/** A check that can't fail proves nothing: evidence with one thing wrong, which the verdict must find. */
import type { HistoryEvent } from './history.ts';
import type { Evidence, Kind } from './verdict.ts';

/** The evidence, falsified so that there is one finding of this kind. Needs a result that somebody read, and its event in a history. */
export function falsified(evidence: Evidence, kind: Kind): Evidence {
  const { read, history } = evidence;
  const one = read.find(({ accession, eventId }) => accession !== undefined && history.some((event) => event.eventId === eventId));
  const event = history.find(({ eventId }) => eventId === one?.eventId);
  if (!one || !event) throw new Error('nothing was read: there is nothing to falsify');
  switch (kind) {
    case 'lost':
      return { ...evidence, accepted: [...evidence.accepted, { accession: 'CHAOS-999999', readers: [one.client] }] };
    case 'duplicated':
      return { ...evidence, read: [...read, { ...one, eventId: `${one.eventId}-again` }] };
    case 'undecryptable':
      return { ...evidence, unread: [...evidence.unread, { client: one.client, eventId: '$never-read', roomId: event.roomId, reason: 'falsified' }] };
    case 'indexReuse':
      return { ...evidence, history: [...history, { ...event, eventId: '$another', sender: '@another:elsewhere', ciphertext: otherCiphertext(event) }] };
  }
}

/** The same version and index; another message authentication code. */
function otherCiphertext({ ciphertext }: HistoryEvent): string {
  const bytes = Buffer.from(ciphertext, 'base64');
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) ^ 1;
  return bytes.toString('base64').replaceAll('=', '');
}
