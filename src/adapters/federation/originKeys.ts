import type { KeyObject } from 'node:crypto';
import type { Ask } from './client.ts';
import { isSignedBy, publicKeyOf } from './ed25519.ts';
import { keep } from './keep.ts';
import { isObject, keyIdsIn, signatureIn, signedBytes, type JsonObject } from './signedJson.ts';

/** Public keys of the servers that may ask. */
export type OriginKeys = {
  /** The key, if it counts at that time (milliseconds): now for a request, when it was made for an event. Never throws. */
  find(server: string, keyId: string, at: number): Promise<KeyObject | undefined>;
};

export type OriginKeyParts = {
  /** Asks the hospital's own homeserver. */
  readonly ask: Ask;
  readonly ownServer: string;
  readonly now: () => number;
};

type Kept = { readonly key: KeyObject; readonly until: number };
/** `said`: till when its newest document counts, as that says itself; `until`: till when it is believed. */
type ServerKeys = { readonly keys: ReadonlyMap<string, Kept>; readonly fetchedAt: number; readonly said: number; readonly until: number };

/** Nothing is believed for longer, whatever it says (server-server API §"Publishing Keys"). */
const LONGEST_MS = 7 * 24 * 3_600_000;
/** The keys of a server are asked for again after this long, whatever ids are named: who makes them up can't make us ask. */
const AGAIN_MS = 5000;
/** An event that was made longer ago is history: only servers that proved themselves bring any, so that requests of strangers never take its turn. */
const PAST_MS = 60_000;
const WITHIN_MS = 10_000;
const MOST_SERVERS = 1000;
const MOST_DOCUMENTS = 20;
const MOST_KEYS = 100;

/**
 * Keys come from the hospital's own homeserver: its own directly, those of partners through its notary (`/_matrix/key/v2/query`), which every homeserver
 * has. So Aceso finds, and calls, no server but its own, whatever names a request brings (docs/decisions/0023). What the notary
 * gives must be signed by the server itself and by the homeserver.
 */
export function createOriginKeys({ ask, ownServer, now }: OriginKeyParts): OriginKeys {
  const known = new Map<string, ServerKeys>();
  const tried = new Map<string, number>();
  const fetching = new Map<string, Promise<void>>();

  const fetchOwn = async (): Promise<readonly JsonObject[]> => {
    const answer = await ask('GET', '/_matrix/key/v2/server', { withinMs: WITHIN_MS });
    return answer.ok && answer.value.status === 200 ? [answer.value.body] : [];
  };
  const query = async (server: string, wanted: JsonObject): Promise<readonly JsonObject[]> => {
    const answer = await ask('POST', '/_matrix/key/v2/query', { content: { server_keys: { [server]: wanted } }, withinMs: WITHIN_MS });
    return answer.ok && answer.value.status === 200 && Array.isArray(answer.value.body['server_keys']) ? (answer.value.body['server_keys'] as readonly unknown[]).filter(isObject) : [];
  };
  /** A key that the notary doesn't hold makes it ask the server, which brings all; then all are taken, so that it doesn't matter for which of them the question was. */
  const fetchPartner = async (server: string, keyId: string): Promise<readonly JsonObject[]> => {
    const documents = [...await query(server, { [keyId]: { minimum_valid_until_ts: now() } }), ...await query(server, {})];
    const own = known.get(ownServer) ?? (await fetched(ownServer, ownServer, ''), known.get(ownServer));
    const isOurs = (document: JsonObject): boolean => isSignedByAny(document, ownServer, (id) => own?.keys.get(id)?.key);
    const newestFirst = documents.filter(({ server_name: name }) => name === server).sort((one, other) => Number(other['valid_until_ts']) - Number(one['valid_until_ts']));
    return newestFirst.slice(0, MOST_DOCUMENTS).filter(isOurs);
  };

  function fetched(slot: string, server: string, keyId: string): Promise<void> {
    const running = fetching.get(slot);
    if (running) return running;
    keep(tried, slot, now(), 2 * MOST_SERVERS);
    const run = (server === ownServer ? fetchOwn() : fetchPartner(server, keyId)).then((documents) => {
      for (const document of documents) {
        const read = readKeys(server, document, now());
        if (read) keep(known, server, joined(known.get(server), read, now()), MOST_SERVERS);
      }
    }).catch(() => undefined).finally(() => fetching.delete(slot));
    fetching.set(slot, run);
    return run;
  }

  const lookUp = (server: string, keyId: string, at: number): KeyObject | undefined => {
    const kept = known.get(server)?.keys.get(keyId);
    return kept && at <= kept.until ? kept.key : undefined;
  };

  return {
    async find(server, keyId, at) {
      const keys = known.get(server);
      const key = lookUp(server, keyId, at);
      const slot = at < now() - PAST_MS ? `${server} past` : server;
      const mayAsk = now() - (tried.get(slot) ?? -Infinity) >= AGAIN_MS;
      if (key && keys) {
        // Half its life is over: the next are brought while these still count.
        if (mayAsk && now() > (keys.fetchedAt + keys.until) / 2) void fetched(slot, server, keyId);
        return key;
      }
      if (!mayAsk && !fetching.has(slot)) return undefined;
      await fetched(slot, server, keyId);
      return lookUp(server, keyId, at);
    },
  };
}

/** Undefined unless the server itself signed it, by one of the keys that it names. */
function readKeys(server: string, body: JsonObject, now: number): ServerKeys | undefined {
  const { server_name: name, valid_until_ts: valid, verify_keys: current, old_verify_keys: old } = body;
  if (name !== server || typeof valid !== 'number' || !isObject(current)) return undefined;
  const until = Math.min(valid, now + LONGEST_MS);
  const keys = new Map<string, Kept>();
  for (const [id, each] of Object.entries(isObject(old) ? old : {}).slice(0, MOST_KEYS)) {
    const key = isObject(each) ? publicKeyOf(each['key']) : undefined;
    if (key && isObject(each) && typeof each['expired_ts'] === 'number') keys.set(id, { key, until: each['expired_ts'] });
  }
  const signing = new Map<string, KeyObject>();
  for (const [id, each] of Object.entries(current).slice(0, MOST_KEYS)) {
    const key = isObject(each) ? publicKeyOf(each['key']) : undefined;
    if (!key) continue;
    keys.set(id, { key, until });
    signing.set(id, key);
  }
  return isSignedByAny(body, server, (id) => signing.get(id)) ? { keys, fetchedAt: now, said: valid, until } : undefined;
}

/** Its bytes are made once, and only when there is a key to try. */
function isSignedByAny(document: JsonObject, name: string, keyOf: (id: string) => KeyObject | undefined): boolean {
  const ids = keyIdsIn(document, name).filter((id) => keyOf(id) !== undefined);
  if (ids.length === 0) return false;
  const bytes = signedBytes(document);
  return ids.some((id) => { const key = keyOf(id); return key !== undefined && isSignedBy(key, bytes, signatureIn(document, name, id)); });
}

/** Only what is newer ends keys that it names no more: they count for what they signed till now. What is older adds those that weren't known. */
function joined(before: ServerKeys | undefined, read: ServerKeys, now: number): ServerKeys {
  if (before === undefined) return read;
  const isNewer = read.said > before.said || before.until < now;
  if (isNewer) return { ...read, keys: bounded([...read.keys, ...[...before.keys].filter(([id]) => !read.keys.has(id)).map(([id, { key, until }]) => [id, { key, until: Math.min(until, now) }] as const)]) };
  if (read.said === before.said) return { ...read, keys: bounded([...read.keys, ...[...before.keys].filter(([id]) => !read.keys.has(id))]) };
  return { ...before, keys: bounded([...before.keys, ...[...read.keys].filter(([id]) => !before.keys.has(id))]) };
}

/** The newest documents' come first, and stay. */
const bounded = (keys: readonly (readonly [string, Kept])[]): ReadonlyMap<string, Kept> => new Map(keys.slice(0, 4 * MOST_KEYS));
