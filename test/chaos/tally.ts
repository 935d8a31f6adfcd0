/** Who has read which result, kept up to date from what the clients report. */
import type { Client } from '../support/clients/client.ts';
import type { Accepted, Read } from './verdict.ts';

export type Tally = {
  /** Accession numbers of those accepted ones that some reader of theirs hasn't read yet. */
  missing(accepted: Iterable<Accepted>): readonly string[];
  /** Everything read so far. */
  read(): readonly Read[];
  /** When each event was first read, by its client's clock; ms since 1970. */
  times(): readonly number[];
};

/** An accession number of this tool, as it stands in the message. */
export const accessionOf = (sequence: number): string => `CHAOS-${String(sequence).padStart(6, '0')}`;
const inText = /CHAOS-\d{6}/u;

export function createTally(clients: readonly Client[]): Tally {
  const reads: Read[] = [];
  const byAccession = new Map<string, Set<string>>();
  const times = new Map<string, number>();
  const taken = new Map<Client, number>();

  const take = (): void => {
    for (const client of clients) {
      const messages = client.messages.slice(taken.get(client) ?? 0);
      taken.set(client, client.messages.length);
      for (const { eventId, content, receivedAt } of messages) {
        const accession = inText.exec(String(content['body']))?.[0];
        reads.push({ client: client.userId, eventId, accession });
        if (accession === undefined) continue;
        const readers = byAccession.get(accession) ?? new Set();
        byAccession.set(accession, readers.add(client.userId));
        if (!times.has(eventId)) times.set(eventId, receivedAt);
      }
    }
  };
  return {
    missing(accepted) {
      take();
      return [...accepted].filter(({ accession, readers }) => readers.some((reader) => !byAccession.get(accession)?.has(reader))).map(({ accession }) => accession);
    },
    read() {
      take();
      return reads;
    },
    times() {
      take();
      return [...times.values()].sort((a, b) => a - b);
    },
  };
}
