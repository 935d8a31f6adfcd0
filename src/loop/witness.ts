import { sightOf, type AskedToSign, type Sight } from '../domain/agreements/conduct.ts';
import type { EventId, Millis, PartyId } from '../domain/brand.ts';
import type { RoomState } from '../domain/rooms/room.ts';
import type { Store } from '../ports/store.ts';
import { errorCode, type Log } from '../ports/telemetry.ts';

export type WitnessParts = { readonly store: Pick<Store, 'receive' | 'load' | 'states'>; readonly ownServer: string; readonly now: () => Millis; readonly log: Log };

export type Witness = {
  /** What somebody asked the policy server, when it was answered. Never keeps them waiting. */
  note(asked: AskedToSign & { readonly event?: EventId }): void;
  /** What was noted is written. */
  stop(): Promise<void>;
};

/** The same is told again after this long, so that it doesn't grow old; what is amiss sooner, what somebody tries at once. */
const AGAIN_MS: Readonly<Record<Sight['honoured'], number>> = { yes: 86_400_000, no: 3_600_000 };

/** RECEIVE, from the policy server's door: how partners' homeservers behave becomes facts, few of them. A failed write is made up for by the next question. */
export function createWitness({ store, ownServer, now, log }: WitnessParts): Witness {
  const told = new Map<string, Millis>();
  let writing: Promise<void> = Promise.resolve();

  async function write({ server, ...seen }: Sight, event: EventId | undefined): Promise<void> {
    const aggregate = { kind: 'agreement', id: server } as const;
    // Once for each partner: from then on rooms tell by themselves that they rely on it.
    const rooms = await store.load(aggregate) ? [] : await partiesWith(store, server);
    await store.receive([{ source: 'operator', key: `seen:${server}:${seen.trait}:${now()}:${event ?? ''}`, aggregate, at: now(), body: { type: 'partner.seen', ...seen, rooms, ...(event === undefined ? {} : { event }) } }]);
  }

  return {
    note({ event, ...asked }) {
      const sight = sightOf(asked, ownServer, now());
      if (!sight) return;
      const { server, trait, honoured, source } = sight;
      const key = `${server} ${trait} ${honoured}`;
      if (source !== 'check' && now() - (told.get(key) ?? -Infinity) < AGAIN_MS[honoured]) return;
      told.set(key, now());
      if (honoured === 'no') log.warn('partner.unasked', { server, event });
      writing = writing.then(() => write(sight, event)).catch((error: unknown) => { told.delete(key); log.warn('partner.not-noted', { error: errorCode(error) }); });
    },
    stop: () => writing,
  };
}

/** Parties whose results rooms have people of that server in them. */
export const partiesWith = async (store: Pick<Store, 'states'>, server: string): Promise<readonly PartyId[]> =>
  ((await store.states('room')) as readonly RoomState[]).filter(({ servers }) => servers.some((each) => each === server)).map(({ party }) => party.id);
