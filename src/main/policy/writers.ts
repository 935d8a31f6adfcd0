import { setTimeout as pause } from 'node:timers/promises';
import type { Millis, UserId } from '../../domain/brand.ts';
import type { Settings } from '../../domain/decision.ts';
import { personName, serverOf, type Party } from '../../domain/people/party.ts';
import type { Writer } from '../../domain/policy/admit.ts';
import { NO_CIRCUMSTANCES, type Judge } from '../../domain/policy/question.ts';
import { stranger, whoIs, type Standing } from '../../domain/policy/standing.ts';
import type { RoomKind } from '../../domain/policy/words.ts';
import type { Store } from '../../ports/store.ts';

export type WriterParts = { readonly store: Pick<Store, 'lookup'>; readonly judge: Judge; readonly settings: () => Pick<Settings, 'organisations' | 'ownServer'>; /** Whether an agreement with a server is in force. */ readonly isInForce: (server: string) => boolean; readonly now: () => Millis };

/** What the policy says to somebody's writing in rooms of a kind. */
export type AskWriter = (userId: UserId, kind: RoomKind) => Promise<Writer | 'unknown' | 'not-asked'>;

type Kept = { readonly standing: Standing | undefined; /** Whether the directory names them. */ readonly named: boolean; readonly at: Millis };

/** The directory is asked again after this long (as rooms are), and waited for only so long: messages must not wait for a database. What was known last counts so long without it. */
const AGES_MS = 60_000;
const WAITS_MS = 200;
const LASTS_MS = 300_000;
const MOST = 50_000;

/**
 * Asked of everybody who writes or reacts in a room that leaves the hospital (45 CFR 164.308(a)(4), 164.312(a)(1)): from memory, so that the database may be away for
 * minutes. Who is led out of rooms because an agreement ended may answer what is open until then, whatever the rules say of their organisation.
 */
export function createWriters({ store, judge, settings, isInForce, now }: WriterParts): AskWriter {
  const kept = new Map<UserId, Kept>();
  const reading = new Map<UserId, Promise<Kept | 'away'>>();

  function read(userId: UserId): Promise<Kept | 'away'> {
    const name = personName(userId);
    const done = store.lookup([{ kind: 'party', name }]).then((found) => {
      const party = found.get(name)?.state as Party | undefined;
      const entry: Kept = { standing: party?.standing, named: party !== undefined, at: now() };
      if (kept.size >= MOST) kept.clear();
      kept.set(userId, entry);
      return entry;
    }).catch(() => 'away' as const).finally(() => reading.delete(userId));
    reading.set(userId, done);
    return done;
  }

  async function entryOf(userId: UserId): Promise<Kept | 'away'> {
    const known = kept.get(userId);
    if (known && now() - known.at <= AGES_MS) return known;
    const asked = reading.get(userId) ?? read(userId);
    const entry = known ? await Promise.race([asked, pause(WAITS_MS, 'away' as const, { ref: false })]) : await asked;
    return entry === 'away' && known && now() - known.at <= LASTS_MS ? known : entry;
  }

  return async (userId, kind) => {
    const { organisations, ownServer } = settings();
    const server = serverOf(userId);
    if (server !== ownServer && !isInForce(server)) return 'not-asked';
    const entry = await entryOf(userId);
    if (entry === 'away') return 'unknown';
    // In a results room whoever the guardian invited is of its party, also without an entry of their own.
    const who = entry.named || kind === 'results' ? whoIs(userId, entry.standing, organisations) : stranger(userId, organisations);
    const verdict = judge({ who, action: 'send', target: { type: 'room', kind }, circumstances: { ...NO_CIRCUMSTANCES, responsible: kind === 'results', inCare: true }, at: now() });
    return { roles: who.roles, verdict };
  };
}
