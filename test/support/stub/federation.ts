/** Its server-server API, as far as a policy server needs it: keys, its own and as the notary of servers it vouches for, and the way into a room. */
import { createHash } from 'node:crypto';
import { join } from './rooms.ts';
import { canonical, isSigned, bytesOf, newSigningKey, unpadded, type Json, type SigningKey } from './signing.ts';
import { Complaint, Refusal, type Room, type World } from './world.ts';

export const KEY_ID = 'ed25519:stub';
const VALID_MS = 24 * 3_600_000;

export type Federation = {
  readonly signing: SigningKey;
  /** Servers for which it is the notary, with the key by which they sign. */
  readonly vouched: ReadonlyMap<string, SigningKey>;
  /** Servers whose users can be invited and join by themselves, and how their public keys are found by their ids. */
  readonly guests: ReadonlyMap<string, (keyId: string) => Promise<string | undefined>>;
};

export const newFederation = ({ vouched = new Map(), guests = new Map() }: Partial<Omit<Federation, 'signing'>> = {}): Federation => ({ signing: newSigningKey(), vouched, guests });

export const serverOf = (userId: string): string => userId.slice(userId.indexOf(':') + 1);
const keyOf = async ({ federation: { guests } }: World, server: string, keyId: string): Promise<string> => (await guests.get(server)?.(keyId)) ?? '';

function signedBy(value: Json, name: string, key: SigningKey): Json {
  const before = (value['signatures'] ?? {}) as Json;
  return { ...value, signatures: { ...before, [name]: { [KEY_ID]: key.signatureOf(value) } } };
}

const keysOf = (name: string, key: SigningKey): Json => signedBy({ server_name: name, valid_until_ts: Date.now() + VALID_MS, verify_keys: { [KEY_ID]: { key: key.publicKey } }, old_verify_keys: {} }, name, key);

/** `GET /_matrix/key/v2/server` (server-server API §"Publishing Keys"). */
export const ownKeys = ({ serverName, federation }: World): Json => keysOf(serverName, federation.signing);

/** `POST /_matrix/key/v2/query` (§"Querying Keys Through Another Server"). */
export const queriedKeys = ({ serverName, federation }: World, asked: Readonly<Record<string, unknown>>): Json =>
  ({ server_keys: Object.keys(asked).flatMap((name) => { const key = federation.vouched.get(name); return key === undefined ? [] : [signedBy(keysOf(name, key), serverName, federation.signing)]; }) });

/** What places a join in its room; the server that joins says the rest (§"Joining Rooms"). */
export function offeredJoin(room: Room | undefined, userId: string, versions: readonly string[]): Json {
  if (!room) throw new Refusal(404, 'M_NOT_FOUND', 'no such room');
  if (!versions.includes(room.version)) throw new Refusal(400, 'M_INCOMPATIBLE_ROOM_VERSION', `the room has version ${room.version}`);
  const state = [...room.state.values()];
  const ids = (...types: readonly string[]): readonly string[] => state.filter(({ type, state_key: key }) => types.includes(type) && (key === '' || key === userId)).map(({ event_id: id }) => id);
  return {
    room_version: room.version,
    event: { type: 'm.room.member', room_id: room.roomId, sender: userId, state_key: userId, content: { membership: 'join' }, depth: room.timeline.length + 1, prev_events: state.slice(-1).map(({ event_id: id }) => id), auth_events: ids('m.room.power_levels', 'm.room.join_rules', 'm.room.member'), origin_server_ts: Date.now() },
  };
}

/** A join of a user of `origin`, with its hash and their server's signature under it. */
export async function sentJoin(world: World, room: Room | undefined, event: Json, origin: string): Promise<Json> {
  const { sender, state_key: key, type, content, hashes, room_id: roomId } = event;
  if (type !== 'm.room.member' || typeof sender !== 'string' || key !== sender || serverOf(sender) !== origin || roomId !== room?.roomId) throw new Complaint('send_join: not a join of a user of that server into that room');
  const { signatures, unsigned: _, hashes: __, ...hashed } = event;
  if ((hashes as Json | undefined)?.['sha256'] !== unpadded(createHash('sha256').update(canonical(hashed)).digest())) throw new Complaint('send_join: the hash is wrong');
  const bytes = Buffer.from(canonical({ ...hashed, hashes, content: { membership: (content as Json)['membership'] } }));
  const [[keyId, signature] = ['', '']] = Object.entries(((signatures as Json | undefined)?.[origin] ?? {}) as Readonly<Record<string, string>>);
  if (!isSigned(bytes, bytesOf(signature, 64), await keyOf(world, origin, keyId))) throw new Complaint('send_join: not signed by the server of its sender');
  join(world, room, world.user(sender));
  return { state: [], auth_chain: [], event, origin: world.serverName };
}

/** Who asks, as the header proves it (§"Request Authentication"). */
export async function originOf(world: World, header: string | undefined, request: { readonly method: string; readonly uri: string; readonly content?: unknown }): Promise<string> {
  const [, origin = '', destination, keyId = '', signature] = /^X-Matrix origin="([^"]*)",destination="([^"]*)",key="([^"]*)",sig="([^"]*)"$/u.exec(header ?? '') ?? [];
  const bytes = Buffer.from(canonical({ ...request, origin, destination: world.serverName }));
  if (destination !== world.serverName || !isSigned(bytes, bytesOf(signature, 64), await keyOf(world, origin, keyId))) throw new Refusal(401, 'M_UNAUTHORIZED', 'not signed by the server that says to ask');
  return origin;
}
