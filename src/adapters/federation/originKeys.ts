import type { KeyObject } from 'node:crypto';
import type { Ask } from './client.ts';
import { publicKeyOf } from './ed25519.ts';
import { isObject, isObjectSignedBy, keyIdsIn, type JsonObject } from './signedJson.ts';

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
type ServerKeys = { readonly keys: ReadonlyMap<string, Kept>; readonly fetchedAt: number; readonly until: number };

/** Nothing is believed for longer, whatever it says (server-server API §"Publishing Keys"). */
const LONGEST_MS = 7 * 24 * 3_600_000;
/** A key that isn't there is asked for again after this long: who makes up ids can't make us ask. */
const AGAIN_MS = 5000;

/**
 * Keys come from the hospital's own homeserver: its own directly, those of partners through its notary (`/_matrix/key/v2/query`), which every homeserver
 * has. So Aceso finds, and calls, no server but its own, whatever names a request brings (docs/decisions/0023). What the notary
 * gives must be signed by the server itself and by the homeserver.
 */
export function createOriginKeys({ ask, ownServer, now }: OriginKeyParts): OriginKeys {
  const known = new Map<string, ServerKeys>();
  const tried = new Map<string, number>();
  const fetching = new Map<string, Promise<void>>();

  const fetchOwn = async (): Promise<JsonObject | undefined> => {
    const answer = await ask('GET', '/_matrix/key/v2/server');
    return answer.ok && answer.value.status === 200 ? answer.value.body : undefined;
  };
  const fetchPartner = async (server: string, keyId: string): Promise<JsonObject | undefined> => {
    const answer = await ask('POST', '/_matrix/key/v2/query', { content: { server_keys: { [server]: { [keyId]: { minimum_valid_until_ts: now() } } } } });
    const list = answer.ok && answer.value.status === 200 && Array.isArray(answer.value.body['server_keys']) ? (answer.value.body['server_keys'] as readonly unknown[]) : [];
    const own = known.get(ownServer) ?? (await fetched(ownServer, ''), known.get(ownServer));
    const isOurs = (keys: JsonObject): boolean => keyIdsIn(keys, ownServer).some((id) => { const key = own?.keys.get(id)?.key; return key !== undefined && isObjectSignedBy(keys, ownServer, id, key); });
    return list.filter(isObject).filter((keys) => keys['server_name'] === server && isOurs(keys)).sort((one, other) => Number(other['valid_until_ts']) - Number(one['valid_until_ts']))[0];
  };

  function fetched(server: string, keyId: string): Promise<void> {
    const running = fetching.get(server);
    if (running) return running;
    tried.set(`${server} ${keyId}`, now());
    const run = (server === ownServer ? fetchOwn() : fetchPartner(server, keyId)).then((keys) => {
      const read = keys && readKeys(server, keys, now());
      // Keys that were known and are told no more count for what they signed till then.
      if (read) known.set(server, { ...read, keys: new Map([...expired(known.get(server), read, now()), ...read.keys]) });
    }).catch(() => undefined).finally(() => fetching.delete(server));
    fetching.set(server, run);
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
      const mayAsk = now() - (tried.get(`${server} ${keyId}`) ?? -Infinity) >= AGAIN_MS;
      if (key && keys) {
        // Half its life is over: the next are brought while these still count.
        if (mayAsk && now() > (keys.fetchedAt + keys.until) / 2) void fetched(server, keyId);
        return key;
      }
      if (!mayAsk && !fetching.has(server)) return undefined;
      if (tried.size > 10_000) tried.clear();
      await fetched(server, keyId);
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
  for (const [id, each] of Object.entries(isObject(old) ? old : {})) {
    const key = isObject(each) ? publicKeyOf(each['key']) : undefined;
    if (key && isObject(each) && typeof each['expired_ts'] === 'number') keys.set(id, { key, until: each['expired_ts'] });
  }
  let isSigned = false;
  for (const [id, each] of Object.entries(current)) {
    const key = isObject(each) ? publicKeyOf(each['key']) : undefined;
    if (!key) continue;
    keys.set(id, { key, until });
    isSigned ||= isObjectSignedBy(body, server, id, key);
  }
  return isSigned ? { keys, fetchedAt: now, until } : undefined;
}

const expired = (before: ServerKeys | undefined, after: ServerKeys, now: number): readonly (readonly [string, Kept])[] =>
  [...(before?.keys ?? [])].filter(([id]) => !after.keys.has(id)).map(([id, { key, until }]) => [id, { key, until: Math.min(until, now) }]);
