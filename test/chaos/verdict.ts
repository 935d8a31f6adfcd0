/** What became of every accepted result, judged from outside: by what clients read and what homeservers hold, never by what Aceso says. */
import type { HistoryEvent } from './history.ts';
import { messageIndex } from './megolm.ts';

/** A result that was answered 2xx, and the clients (by user id) who must read it. */
export type Accepted = { readonly accession: string; readonly readers: readonly string[] };
export type Read = { readonly client: string; readonly eventId: string; readonly accession: string | undefined };
export type Unread = { readonly client: string; readonly eventId: string; readonly roomId: string; readonly reason: string };

export type Evidence = {
  readonly accepted: readonly Accepted[];
  readonly read: readonly Read[];
  /** What a client said that it can't decrypt, and still can't at the end. */
  readonly unread: readonly Unread[];
  readonly history: readonly HistoryEvent[];
  /** The user whose events must be readable to every client in their room. */
  readonly courier: string;
  /** Room id → the clients in it, all of which had their devices before the room was made. */
  readonly rooms: ReadonlyMap<string, readonly string[]>;
};

export type Kind = 'lost' | 'duplicated' | 'undecryptable' | 'indexReuse';
/** One thing that is wrong, with the ids that lead to it. */
export type Finding = { readonly kind: Kind; readonly what: string; readonly accession?: string; readonly eventIds: readonly string[] };
export type Verdict = Readonly<Record<'accepted' | 'delivered' | Kind, number>> & { readonly findings: readonly Finding[] };

export function judge(evidence: Evidence): Verdict {
  const lost = findLost(evidence);
  const duplicated = findDuplicated(evidence);
  const undecryptable = findUndecryptable(evidence);
  const indexReuse = findIndexReuse(evidence.history);
  return {
    accepted: evidence.accepted.length, delivered: evidence.accepted.length - lost.length,
    lost: lost.length, duplicated: duplicated.length, undecryptable: undecryptable.length, indexReuse: indexReuse.length,
    findings: [...lost, ...duplicated, ...undecryptable, ...indexReuse],
  };
}

function findLost({ accepted, read }: Evidence): readonly Finding[] {
  const readers = groups(read, ({ accession }) => accession);
  return accepted.flatMap(({ accession, readers: wanted }) => {
    const have = readers.get(accession) ?? [];
    const missing = wanted.filter((client) => !have.some((each) => each.client === client));
    return missing.length === 0 ? [] : [{ kind: 'lost' as const, accession, what: `accepted, but not read by ${missing.join(', ')}`, eventIds: distinct(have.map(({ eventId }) => eventId)) }];
  });
}

/** More than one event for one result as clients read it; or, in a homeserver's history, one ciphertext or one mark in several events. */
function findDuplicated({ read, history }: Evidence): readonly Finding[] {
  const findings: Finding[] = [];
  const note = (what: string, eventIds: readonly string[], accession?: string): void => {
    const known = findings.some((finding) => finding.eventIds.length === eventIds.length && finding.eventIds.every((id) => eventIds.includes(id)));
    if (eventIds.length > 1 && !known) findings.push({ kind: 'duplicated', what, eventIds, ...(accession === undefined ? {} : { accession }) });
  };
  for (const [accession, events] of groups(read, (each) => each.accession)) note('several events tell one result', distinct(events.map(({ eventId }) => eventId)), accession);
  for (const events of groups(history, ({ ciphertext }) => ciphertext).values()) note('one ciphertext is in several events', distinct(events.map(({ eventId }) => eventId)));
  for (const [mark, events] of groups(history, (each) => each.mark)) note(`one message of the courier, ${mark}, is in several events`, distinct(events.map(({ eventId }) => eventId)));
  return findings;
}

/** What a client says it can't read of the courier's, and what lies in a room of theirs that they never read at all. */
function findUndecryptable({ read, unread, history, courier, rooms }: Evidence): readonly Finding[] {
  const known = new Set(read.map(({ client, eventId }) => `${client} ${eventId}`));
  const ofOthers = new Set(history.filter(({ sender }) => sender !== courier).map(({ eventId }) => eventId));
  const reasons = new Map(unread.filter(({ client, eventId }) => !known.has(`${client} ${eventId}`) && !ofOthers.has(eventId)).map((each) => [`${each.client} ${each.eventId}`, each]));
  for (const { sender, roomId, eventId, server } of history) {
    if (sender !== courier) continue;
    for (const client of rooms.get(roomId) ?? []) {
      const key = `${client} ${eventId}`;
      if (!known.has(key) && !reasons.has(key)) reasons.set(key, { client, eventId, roomId, reason: `in the history of ${server}, never seen by the client` });
    }
  }
  return [...reasons.values()].map(({ client, eventId, roomId, reason }) => ({ kind: 'undecryptable', what: `${client} can't read it in ${roomId}: ${reason}`, eventIds: [eventId] }));
}

/** One message index of one session under two different ciphertexts: the keystream was used twice. */
function findIndexReuse(history: readonly HistoryEvent[]): readonly Finding[] {
  return [...groups(history, ({ sessionId, ciphertext }) => `${sessionId} ${messageIndex(ciphertext)}`)].flatMap(([key, events]) => {
    const ciphertexts = distinct(events.map(({ ciphertext }) => ciphertext));
    return ciphertexts.length < 2 ? [] : [{ kind: 'indexReuse' as const, what: `session and index ${key} encrypt ${ciphertexts.length} messages, by ${distinct(events.map(({ sender }) => sender)).join(', ')}`, eventIds: distinct(events.map(({ eventId }) => eventId)) }];
  });
}

const distinct = (texts: readonly string[]): readonly string[] => [...new Set(texts)];

/** Those with a name, by it. */
function groups<T>(from: readonly T[], name: (each: T) => string | undefined): ReadonlyMap<string, readonly T[]> {
  const grouped = new Map<string, T[]>();
  for (const each of from) {
    const key = name(each);
    if (key === undefined) continue;
    const group = grouped.get(key);
    if (group) group.push(each);
    else grouped.set(key, [each]);
  }
  return grouped;
}
