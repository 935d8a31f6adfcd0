/** JSON shapes of what clients send (client-server API), with nothing beside what is named. */
import { z } from 'zod';
import { bytesOf } from './signing.ts';

const base64 = (bytes: number): z.ZodType<string> => z.string().refine((text) => bytesOf(text, bytes) !== undefined, `${bytes} bytes as unpadded base64`);
const userId = z.string().regex(/^@[^:\s]+:\S+$/u, 'a user id');
const signatures = z.record(z.string(), z.record(z.string().regex(/^ed25519:\S+$/u), base64(64)));

export const registration = z.strictObject({ type: z.literal('m.login.application_service'), username: z.string().regex(/^[a-z0-9._=/+-]+$/u), inhibit_login: z.literal(true) });
export const login = z.strictObject({ type: z.literal('m.login.password'), identifier: z.strictObject({ type: z.literal('m.id.user'), user: z.string() }), password: z.string(), initial_device_display_name: z.string().optional(), device_id: z.string().optional() });
export const device = z.strictObject({ display_name: z.string().optional() });
export const displayName = z.strictObject({ displayname: z.string() });
export const empty = z.strictObject({});

export const deviceKeys = z.strictObject({
  user_id: userId, device_id: z.string().min(1), algorithms: z.array(z.enum(['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'])).length(2),
  keys: z.record(z.string().regex(/^(curve25519|ed25519):\S+$/u), base64(32)), signatures, unsigned: z.object({}).loose().optional(),
});
const oneTimeKey = z.strictObject({ key: base64(32), signatures, fallback: z.literal(true).optional() });
const keyed = z.record(z.string().regex(/^signed_curve25519:\S+$/u), oneTimeKey);
export const keysUpload = z.strictObject({ device_keys: deviceKeys.optional(), one_time_keys: keyed.optional(), fallback_keys: keyed.optional(), 'org.matrix.msc2732.fallback_keys': keyed.optional() });
export const keysQuery = z.strictObject({ device_keys: z.record(userId, z.array(z.string())), timeout: z.number().optional(), token: z.string().optional() });
export const keysClaim = z.strictObject({ one_time_keys: z.record(userId, z.record(z.string(), z.literal('signed_curve25519'))), timeout: z.number().optional() });
const crossSigningKey = z.strictObject({ user_id: userId, usage: z.array(z.enum(['master', 'self_signing', 'user_signing'])).length(1), keys: z.record(z.string().regex(/^ed25519:\S+$/u), base64(32)), signatures: signatures.optional() });
export const signingUpload = z.strictObject({ master_key: crossSigningKey.optional(), self_signing_key: crossSigningKey.optional(), user_signing_key: crossSigningKey.optional(), auth: z.object({}).loose().optional() });
export const signaturesUpload = z.record(userId, z.record(z.string(), z.union([deviceKeys, crossSigningKey])));
export type CrossSigningKey = z.infer<typeof crossSigningKey>;
export type DeviceKeys = z.infer<typeof deviceKeys>;
export type OneTimeKey = z.infer<typeof oneTimeKey>;

export const toDevice = z.strictObject({ messages: z.record(userId, z.record(z.string().min(1), z.object({}).loose())) });
export const olmContent = z.strictObject({
  algorithm: z.literal('m.olm.v1.curve25519-aes-sha2'), sender_key: base64(32), 'org.matrix.msgid': z.string().optional(),
  ciphertext: z.record(base64(32), z.strictObject({ type: z.union([z.literal(0), z.literal(1)]), body: z.string() })).refine((ciphertext) => Object.keys(ciphertext).length === 1, 'for one device'),
});
export const withheldContent = z.strictObject({
  algorithm: z.literal('m.megolm.v1.aes-sha2'), code: z.enum(['m.blacklisted', 'm.unverified', 'm.unauthorised', 'm.no_olm', 'm.unavailable']), reason: z.string().optional(),
  room_id: z.string().optional(), session_id: base64(32).optional(), sender_key: base64(32), from_device: z.string().optional(), 'org.matrix.msgid': z.string().optional(),
});

const relation = z.strictObject({ rel_type: z.string().optional(), event_id: z.string().optional(), key: z.string().optional(), is_falling_back: z.boolean().optional(), 'm.in_reply_to': z.strictObject({ event_id: z.string() }).optional() });
export const megolmContent = z.strictObject({
  algorithm: z.literal('m.megolm.v1.aes-sha2'), ciphertext: z.string(), session_id: base64(32), sender_key: base64(32), device_id: z.string().min(1), 'm.relates_to': relation.optional(), 'org.aceso.txn': z.string().optional(),
});

const stateEvent = z.strictObject({ type: z.string(), state_key: z.string().default(''), content: z.object({}).loose() });
export const createRoom = z.strictObject({
  room_alias_name: z.string().optional(), room_version: z.string().optional(), visibility: z.enum(['private', 'public']).optional(), preset: z.enum(['private_chat', 'public_chat', 'trusted_private_chat']).optional(),
  name: z.string().optional(), topic: z.string().optional(), invite: z.array(userId).optional(), creation_content: z.object({}).loose().optional(), initial_state: z.array(stateEvent).optional(), power_level_content_override: z.object({}).loose().optional(), is_direct: z.boolean().optional(),
});
export const membership = z.strictObject({ user_id: userId, reason: z.string().optional() });
export const reason = z.strictObject({ reason: z.string().optional() });
export const serverKeys = z.strictObject({ server_keys: z.record(z.string(), z.record(z.string(), z.object({ minimum_valid_until_ts: z.number().optional() }))) });
export const anything = z.object({}).loose();
