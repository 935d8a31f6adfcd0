/** What one person's client is shown of some rooms: by `/sync` all the time, and at the end by everything that it can ask for. */
import type { Seen, Shown } from './attempt.ts';
import { call, listIn, roomPath, type ClientEvent, type Person } from './person.ts';

export type Watch = { readonly server: string; has(eventId: string): boolean; seen(): Seen; stop(): Promise<void> };

const FILTER = JSON.stringify({ presence: { not_types: ['*'] }, account_data: { not_types: ['*'] }, room: { timeline: { limit: 500 }, ephemeral: { not_types: ['*'] }, account_data: { not_types: ['*'] } } });
const WAIT_MS = 1000;
const MARKER = /FED-\d+-\d+(?!\d)/gu;

export async function watch(person: Person): Promise<Watch> {
  const at = new Map<string, number>();
  const removedAt = new Map<string, number>();
  const over = new AbortController();
  let since = await sync('', 0);

  async function sync(from: string, timeout: number): Promise<string> {
    const { status, body } = await call(person, 'GET', `/sync?filter=${encodeURIComponent(FILTER)}&timeout=${timeout}${from === '' ? '' : `&since=${from}`}`);
    if (status !== 200) throw new Error(`${person.userId}: /sync answered ${status} ${JSON.stringify(body)}`);
    const now = Date.now();
    for (const event of eventsIn(body)) {
      if (!at.has(event.event_id) && !isEmptied(event)) at.set(event.event_id, now);
      const removed = event.redacts ?? event.content?.['redacts'];
      if (event.type === 'm.room.redaction' && typeof removed === 'string' && !removedAt.has(removed)) removedAt.set(removed, now);
      for (const marker of markersIn(event)) if (!at.has(marker)) at.set(marker, now);
    }
    return String(body['next_batch']);
  }

  const ended = (async () => {
    while (!over.signal.aborted) since = await sync(since, WAIT_MS);
  })();
  // It is waited for at the end; until then a failure is not an unhandled one.
  ended.catch(() => undefined);
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
    const { body } = await call(person, 'GET', roomPath(roomId, 'state'));
    for (const event of listIn(body)) {
      state.add(event.event_id);
      take(event);
    }
  }
  // Of a client that begins now.
  const { body } = await call(person, 'GET', `/sync?filter=${encodeURIComponent(FILTER)}&timeout=0&full_state=true`);
  for (const event of eventsIn(body)) take(event);
  return { server: person.home.serverName, events, redacted, state, markers };
}

async function* history(person: Person, roomId: string): AsyncGenerator<ClientEvent> {
  for (let from: string | undefined = ''; from !== undefined;) {
    const { status, body }: Awaited<ReturnType<typeof call>> = await call(person, 'GET', roomPath(roomId, `messages?dir=b&limit=500${from === '' ? '' : `&from=${encodeURIComponent(from)}`}`));
    if (status !== 200) throw new Error(`${person.userId}: /messages answered ${status} ${JSON.stringify(body)}`);
    const chunk = body['chunk'] as readonly ClientEvent[];
    yield* chunk;
    from = chunk.length > 0 && typeof body['end'] === 'string' ? body['end'] : undefined;
  }
}

function eventsIn(body: Readonly<Record<string, unknown>>): readonly ClientEvent[] {
  const { join = {} } = (body['rooms'] ?? {}) as { readonly join?: Readonly<Record<string, { readonly timeline: { readonly events: readonly ClientEvent[] }; readonly state?: { readonly events: readonly ClientEvent[] } }>> };
  return Object.values(join).flatMap(({ timeline, state }) => [...timeline.events, ...(state?.events ?? [])]);
}

/** Nothing is left of it but that it was there. */
const isEmptied = ({ unsigned, content = {} }: ClientEvent): boolean => unsigned?.redacted_because !== undefined || Object.keys(content).length === 0;

const markersIn = (event: unknown): readonly string[] => JSON.stringify(event).match(MARKER) ?? [];
