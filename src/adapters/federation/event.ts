import { hash } from 'node:crypto';
import { as, type EventId } from '../../domain/brand.ts';
import { canonicalFields, canonicalJson, joined, type Fields } from './canonicalJson.ts';
import type { Signer } from './ed25519.ts';
import { isObject, type JsonObject } from './signedJson.ts';

/** The room versions whose rules are known here. */
export const ROOM_VERSIONS = ['10', '11', '12'] as const;
export type RoomVersion = (typeof ROOM_VERSIONS)[number];

export const isRoomVersion = (version: unknown): version is RoomVersion => ROOM_VERSIONS.some((known) => known === version);

const KEPT = ['event_id', 'type', 'room_id', 'sender', 'state_key', 'content', 'hashes', 'signatures', 'depth', 'prev_events', 'auth_events', 'origin_server_ts'];
const KEPT_BEFORE_11 = [...KEPT, 'prev_state', 'origin', 'membership'];

/** What remains of an event's content when it is redacted, by its type (room version 10 §"Redactions"; 11: MSC2174, 2176, 3989, 3821). */
const KEPT_CONTENT: Readonly<Record<string, readonly string[]>> = {
  'm.room.member': ['membership', 'join_authorised_via_users_server'],
  'm.room.join_rules': ['join_rule', 'allow'],
  'm.room.history_visibility': ['history_visibility'],
};
const LEVELS = ['ban', 'events', 'events_default', 'kick', 'redact', 'state_default', 'users', 'users_default'];

/** An event as it came, and its fields in canonical JSON. */
export type WrittenEvent = { readonly event: JsonObject; readonly fields: Fields };

/** An event as it is signed and named: redacted, by the rules of its room's version. */
export function redacted(version: RoomVersion, event: JsonObject): JsonObject {
  return { ...pick(event, version === '10' ? KEPT_BEFORE_11 : KEPT), content: redactedContent(version, event) };
}

function redactedContent(version: RoomVersion, event: JsonObject): JsonObject {
  const isNew = version !== '10';
  const content = isObject(event['content']) ? event['content'] : {};
  const type = typeof event['type'] === 'string' ? event['type'] : '';
  if (type === 'm.room.create') return isNew ? content : pick(content, ['creator']);
  if (type === 'm.room.power_levels') return pick(content, isNew ? [...LEVELS, 'invite'] : LEVELS);
  if (type === 'm.room.redaction') return isNew ? pick(content, ['redacts']) : {};
  const kept = pick(content, Object.hasOwn(KEPT_CONTENT, type) ? (KEPT_CONTENT[type] ?? []) : []);
  const { third_party_invite: invitation } = content;
  return isNew && type === 'm.room.member' && isObject(invitation) && 'signed' in invitation ? { ...kept, third_party_invite: pick(invitation, ['signed']) } : kept;
}

const pick = (from: JsonObject, names: readonly string[]): JsonObject => Object.fromEntries(names.filter((name) => Object.hasOwn(from, name)).map((name) => [name, from[name]]));

/** The bytes that signatures of an event cover; their hash is its id (server-server API §"Signing Events", "Reference hashes"). */
export function signableBytes(version: RoomVersion, event: JsonObject): Buffer {
  const { signatures: _, unsigned: __, age_ts: ___, ...rest } = redacted(version, event);
  return Buffer.from(canonicalJson(rest));
}

/** The same of one whose fields are written: only what is kept of its content is written anew. */
export function signableOf(version: RoomVersion, { event, fields }: WrittenEvent): Buffer {
  const names = version === '10' ? SIGNED_BEFORE_11 : SIGNED;
  const texts = names.map((name) => [name, name === 'content' ? canonicalJson(redactedContent(version, event)) : fields.get(name)] as const);
  return Buffer.from(joined(texts.flatMap(([name, text]) => (text === undefined ? [] : [[name, text] as const]))));
}
const signedOf = (kept: readonly string[]): readonly string[] => kept.filter((name) => name !== 'signatures').sort();
const SIGNED = signedOf(KEPT);
const SIGNED_BEFORE_11 = signedOf(KEPT_BEFORE_11);

/** Since room version 4 an event's id is the hash of what is signed. */
export const eventIdOf = (signable: Uint8Array): EventId => as<EventId>(`$${hash('sha256', signable, 'base64url')}`);

/** The hash of an event as it is sent (server-server API §"Calculating the content hash for an event"). */
export const contentHash = (fields: Fields): string => hash('sha256', joined([...fields].filter(([name]) => !UNHASHED.has(name))), 'base64').replace('=', '');
const UNHASHED: ReadonlySet<string> = new Set(['unsigned', 'signatures', 'hashes', 'age_ts', 'outlier', 'destinations']);

/** A hash as it is written in JSON (unpadded base64; some pad it). */
export const isSha256 = (value: unknown): value is string => typeof value === 'string' && /^[A-Za-z0-9+/]{43}=?$/u.test(value);

export function isHashRight(event: JsonObject, sha256: string): boolean {
  const { hashes } = event;
  const said = isObject(hashes) ? hashes['sha256'] : undefined;
  return said === sha256 || said === `${sha256}=`;
}

/** Adds hash and signature. */
export function signedEvent(version: RoomVersion, event: JsonObject, name: string, keyId: string, signer: Signer): JsonObject {
  const hashed = { ...event, hashes: { sha256: contentHash(canonicalFields(event)) } };
  return { ...hashed, signatures: { [name]: { [keyId]: signer.sign(signableBytes(version, hashed)) } } };
}
