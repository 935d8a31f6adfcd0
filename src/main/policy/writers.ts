import type { Millis, RoomId, UserId } from '../../domain/brand.ts';
import type { Settings } from '../../domain/decision.ts';
import { personName, serverOf, type Party } from '../../domain/people/party.ts';
import type { Writer } from '../../domain/policy/admit.ts';
import { NO_CIRCUMSTANCES, type Judge } from '../../domain/policy/question.ts';
import { stranger, whoIs } from '../../domain/policy/standing.ts';
import type { RoomKind } from '../../domain/policy/words.ts';
import type { Store } from '../../ports/store.ts';
import { careOfRoom, hasInCare, isOfPatients, OF_NO_PATIENT, type RoomCare } from './care.ts';
import { createKept } from './kept.ts';

export type WriterParts = { readonly store: Pick<Store, 'lookup'>; readonly judge: Judge; readonly settings: () => Pick<Settings, 'organisations' | 'ownServer'>; /** Whether an agreement with a server is in force. */ readonly isInForce: (server: string) => boolean; readonly now: () => Millis };

/** What the policy says to somebody's writing in a room of a kind. */
export type AskWriter = (userId: UserId, kind: RoomKind, roomId: RoomId | undefined) => Promise<Writer | 'unknown' | 'not-asked'>;

type Entry = { readonly party: Party | undefined };

/** Whom a care team names is let in within seconds, and may write then. */
const NAMED_WITHIN_MS = 1000;

/**
 * Asked of everybody who writes or reacts in a room that leaves the hospital (45 CFR 164.308(a)(4), 164.312(a)(1)): from memory, so that the database may be away for
 * minutes. Who is led out of rooms because an agreement ended may answer what is open until then, whatever the rules say of their organisation.
 */
export function createWriters({ store, judge, settings, isInForce, now }: WriterParts): AskWriter {
  const entries = createKept(async (userId: UserId): Promise<Entry> => ({ party: (await store.lookup([{ kind: 'party', name: personName(userId) }])).get(personName(userId))?.state as Party | undefined }), now);
  const rooms = createKept((roomId: RoomId) => careOfRoom(store, roomId), now);

  return async (userId, kind, roomId) => {
    const { organisations, ownServer } = settings();
    const server = serverOf(userId);
    if (server !== ownServer && !isInForce(server)) return 'not-asked';
    const read = (agesMs?: number): Promise<readonly [Entry | 'away', RoomCare | 'away']> => Promise.all([entries(userId, agesMs), isOfPatients(kind) && roomId !== undefined ? rooms(roomId, agesMs) : OF_NO_PATIENT]);
    let [entry, care] = await read();
    if (entry !== 'away' && care !== 'away' && !hasInCare(care, entry.party, now())) [entry, care] = await read(NAMED_WITHIN_MS);
    if (entry === 'away' || care === 'away') return 'unknown';
    const { party } = entry;
    // In a results room whoever the guardian invited is of its party, also without an entry of their own.
    const who = party !== undefined || kind === 'results' ? whoIs(userId, party?.standing, organisations) : stranger(userId, organisations);
    const verdict = judge({ who, action: 'send', target: { type: 'room', kind }, circumstances: { ...NO_CIRCUMSTANCES, responsible: kind === 'results', inCare: hasInCare(care, party, now()) }, at: now() });
    return { roles: who.roles, verdict };
  };
}
