/** What one person's client is shown of some rooms: by `/sync` all the time, and at the end by everything that it can ask for. */
import type { Seen, Shown } from './attempt.ts';
import { call, got, isPassing, listIn, roomPath, type ClientEvent, type Person } from './person.ts';
import type { Troubles } from './trouble.ts';

export type Watch = { readonly server: string; has(eventId: string): boolean; seen(): Seen; stop(): Promise<void> };

const FILTER = JSON.stringify({ presence: { not_types: ['*'] }, account_data: { not_types: ['*'] }, room: { timeline: { limit: 500 }, ephemeral: { not_types: ['*'] }, account_data: { not_types: ['*'] } } });
const WAIT_MS = 1000;
const AGAIN_MS = 1000;
/** Of 100 events each, for what one answer of `/sync` left out. */
const MOST_PAGES_BACK = 20;
const MARKER = /FED-\d+-\d+(?!\d)/gu;

type Joined = { readonly timeline: { readonly events: readonly ClientEvent[]; readonly limited?: boolean; readonly prev_batch?: string }; readonly state?: { readonly events: readonly ClientEvent[] } };

export async function watch(person: Person, troubles: Troubles): Promise<Watch> {
  const at = new Map<string, number>();
  const removedAt = new Map<string, number>();
  const over = new AbortController();
  let since = await take(await got(person, syncPath('', 0)), 'first');

  async function take(body: Readonly<Record<string, unknown>>, which: 'first' | 'later'): Promise<string> {
    for (const event of eventsIn(body)) note(event);
    if (which === 'later') for (const [roomId, { timeline: { limited, prev_batch: from } }] of Object.entries(joinedIn(body))) if (limited && from !== undefined) await pageBack(roomId, from);
    return String(body['next_batch']);
  }

  /** Gives whether it is new. */
  function note(event: ClientEvent): boolean {
    const now = Date.now();
    const isNew = !at.has(event.event_id) && !isEmptied(event);
    if (isNew) at.set(event.event_id, now);
    const removed = event.redacts ?? event.content?.['redacts'];
    if (event.type === 'm.room.redaction' && typeof removed === 'string' && !removedAt.has(removed)) removedAt.set(removed, now);
    for (const marker of markersIn(event)) if (!at.has(marker)) at.set(marker, now);
    return isNew;
  }

  /** As clients do: where a server has a gap in a room, or more than it tells at once, `/sync` gives only what came after. */
  async function pageBack(roomId: string, prevBatch: string): Promise<void> {
    let from: string | undefined = prevBatch;
    for (let pages = 0; from !== undefined && pages < MOST_PAGES_BACK; pages += 1) {
      const body: Readonly<Record<string, unknown>> = await got(person, roomPath(roomId, `messages?dir=b&limit=100&from=${encodeURIComponent(from)}`));
      // What came emptied is as good as known: else the end of a removed stretch is never found.
      const isAllKnown = (body['chunk'] as readonly ClientEvent[]).filter((event) => note(event)).length === 0;
      from = isAllKnown || typeof body['end'] !== 'string' ? undefined : body['end'];
    }
  }

  const isOver = (): boolean => over.signal.aborted;
  const ended = (async () => {
    while (!isOver()) {
      const { status, body } = await call(person, 'GET', syncPath(since, WAIT_MS));
      try {
        if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
        since = await take(body, 'later');
      } catch (error) {
        if (isOver()) return;
        troubles.note(`/sync at ${person.home.name} went wrong${isPassing(status) || status === 200 ? '' : `: ${status}`}`, error instanceof Error ? error.message : String(error));
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  })();
  return {
    server: person.home.serverName,
    has: (eventId) => at.has(eventId),
    seen: () => ({ server: person.home.serverName, at, removedAt }),
    async stop() {
      over.abort();
      await ended;
    },
  };
}

/** Everything that the person's client gets to see of these rooms now. */
export async function look(person: Person, rooms: readonly string[]): Promise<Shown> {
  const events = new Map<string, number>();
  const redacted = new Set<string>();
  const state = new Set<string>();
  const markers = new Set<string>();
  const take = (event: ClientEvent): void => {
    if (isEmptied(event)) redacted.add(event.event_id);
    for (const marker of markersIn(event)) markers.add(marker);
  };
  for (const roomId of rooms) {
    for await (const event of history(person, roomId)) {
      events.set(event.event_id, (events.get(event.event_id) ?? 0) + 1);
      take(event);
    }
    const body = await got(person, roomPath(roomId, 'state'));
    for (const event of listIn(body)) {
      state.add(event.event_id);
      take(event);
    }
  }
  // Of a client that begins now.
  const body = await got(person, `${syncPath('', 0)}&full_state=true`);
  for (const event of eventsIn(body)) take(event);
  return { server: person.home.serverName, events, redacted, state, markers };
}

async function* history(person: Person, roomId: string): AsyncGenerator<ClientEvent> {
  for (let from: string | undefined = ''; from !== undefined;) {
    const body: Readonly<Record<string, unknown>> = await got(person, roomPath(roomId, `messages?dir=b&limit=500${from === '' ? '' : `&from=${encodeURIComponent(from)}`}`));
    const chunk = body['chunk'] as readonly ClientEvent[];
    yield* chunk;
    from = chunk.length > 0 && typeof body['end'] === 'string' ? body['end'] : undefined;
  }
}

const syncPath = (since: string, timeoutMs: number): string => `/sync?filter=${encodeURIComponent(FILTER)}&timeout=${timeoutMs}${since === '' ? '' : `&since=${since}`}`;

const joinedIn = (body: Readonly<Record<string, unknown>>): Readonly<Record<string, Joined>> => ((body['rooms'] ?? {}) as { readonly join?: Readonly<Record<string, Joined>> }).join ?? {};

const eventsIn = (body: Readonly<Record<string, unknown>>): readonly ClientEvent[] => Object.values(joinedIn(body)).flatMap(({ timeline, state }) => [...timeline.events, ...(state?.events ?? [])]);

/** Nothing is left of it but that it was there. */
const isEmptied = ({ unsigned, content = {} }: ClientEvent): boolean => unsigned?.redacted_because !== undefined || Object.keys(content).length === 0;

const markersIn = (event: unknown): readonly string[] => JSON.stringify(event).match(MARKER) ?? [];
