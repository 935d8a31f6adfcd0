/** Keys of devices and people: published, asked for, claimed, signed; and messages to devices (client-server API §11.12, §11.10 "Send-to-Device"). */
import type { z } from 'zod';
import { olmMessage } from './ciphertext.ts';
import * as shapes from './shapes.ts';
import { canonical, hasSignature, type Json } from './signing.ts';
import { Complaint, Refusal, type Device, type User, type World } from './world.ts';

export function upload(world: World, user: User, device: Device, body: z.infer<typeof shapes.keysUpload>): Json {
  const { device_keys: keys, one_time_keys: oneTime = {}, fallback_keys: fallback } = body;
  if (keys) {
    const signer = keys.keys[`ed25519:${device.deviceId}`];
    if (keys.user_id !== user.userId || keys.device_id !== device.deviceId || signer === undefined || keys.keys[`curve25519:${device.deviceId}`] === undefined) throw new Complaint('device_keys: not of this user and device');
    if (!hasSignature(keys, user.userId, `ed25519:${device.deviceId}`, signer)) throw new Complaint('device_keys: its own signature does not hold');
    if (device.keys && device.keys.keys[`ed25519:${device.deviceId}`] !== signer) throw new Complaint('device_keys: other keys of a known device');
    device.keys = keys;
    world.devicesChanged(user.userId);
  }
  const signer = device.keys?.keys[`ed25519:${device.deviceId}`];
  for (const [id, key] of [...Object.entries(oneTime), ...Object.entries(fallback ?? {})]) {
    if (signer === undefined || !hasSignature(key, user.userId, `ed25519:${device.deviceId}`, signer)) throw new Complaint(`${id}: the device's signature does not hold`);
  }
  for (const [id, key] of Object.entries(oneTime)) {
    const known = device.oneTimeKeys.get(id);
    if (known && canonical(known) !== canonical(key)) throw new Refusal(400, 'M_INVALID_PARAM', `One time key ${id} already exists`);
    device.oneTimeKeys.set(id, key);
  }
  for (const [id, key] of Object.entries(fallback ?? {})) device.fallback = { id, key, used: false };
  return { one_time_key_counts: { signed_curve25519: device.oneTimeKeys.size } };
}

export function query(world: World, asker: User, { device_keys: wanted }: z.infer<typeof shapes.keysQuery>): Json {
  const answer: Record<'device_keys' | 'master_keys' | 'self_signing_keys' | 'user_signing_keys', Record<string, unknown>> = { device_keys: {}, master_keys: {}, self_signing_keys: {}, user_signing_keys: {} };
  for (const [userId, deviceIds] of Object.entries(wanted)) {
    const user = world.users.get(userId);
    const devices = [...user?.devices.values() ?? []].filter(({ keys, deviceId }) => keys && (deviceIds.length === 0 || deviceIds.includes(deviceId)));
    answer.device_keys[userId] = Object.fromEntries(devices.map(({ deviceId, keys, displayName }) => [deviceId, { ...keys, unsigned: displayName === undefined ? {} : { device_display_name: displayName } }]));
    const { master, selfSigning, userSigning } = user?.crossSigning ?? {};
    if (master) answer.master_keys[userId] = master;
    if (selfSigning) answer.self_signing_keys[userId] = selfSigning;
    if (userSigning && userId === asker.userId) answer.user_signing_keys[userId] = userSigning;
  }
  return { ...answer, failures: {} };
}

export function claim(world: World, { one_time_keys: wanted }: z.infer<typeof shapes.keysClaim>): Json {
  const given: Record<string, Record<string, unknown>> = {};
  for (const [userId, devices] of Object.entries(wanted)) {
    for (const deviceId of Object.keys(devices)) {
      const user = world.users.get(userId);
      const device = user?.devices.get(deviceId);
      if (!user || !device) continue;
      const key = user.person ? user.person.oneTimeKey(deviceId) : take(device);
      if (!key) continue;
      for (const value of Object.values(key)) device.claimed.add(value.key);
      (given[userId] ??= {})[deviceId] = key;
    }
  }
  return { one_time_keys: given, failures: {} };
}

function take(device: Device): Readonly<Record<string, shapes.OneTimeKey>> | undefined {
  for (const [id, key] of device.oneTimeKeys) {
    device.oneTimeKeys.delete(id);
    return { [id]: key };
  }
  if (!device.fallback) return undefined;
  device.fallback.used = true;
  return { [device.fallback.id]: device.fallback.key };
}

export function uploadSigning(world: World, user: User, body: z.infer<typeof shapes.signingUpload>): Json {
  const master = body.master_key ?? user.crossSigning.master;
  if (!master) throw new Refusal(400, 'M_INVALID_PARAM', 'No master key');
  const [masterId = '', masterKey = ''] = Object.entries(master.keys)[0] ?? [];
  for (const [usage, key] of [['master', body.master_key], ['self_signing', body.self_signing_key], ['user_signing', body.user_signing_key]] as const) {
    if (!key) continue;
    if (key.user_id !== user.userId || key.usage[0] !== usage) throw new Refusal(400, 'M_INVALID_PARAM', `${usage}: not of this user`);
    if (usage !== 'master' && !hasSignature(key, user.userId, masterId, masterKey)) throw new Refusal(400, 'M_INVALID_SIGNATURE', `${usage}: the master key's signature does not hold`);
  }
  Object.assign(user.crossSigning, { master, ...(body.self_signing_key ? { selfSigning: body.self_signing_key } : {}), ...(body.user_signing_key ? { userSigning: body.user_signing_key } : {}) });
  world.devicesChanged(user.userId);
  return {};
}

/** Signatures of a user's own devices and master key, which is all that a courier signs. */
export function uploadSignatures(world: World, user: User, body: z.infer<typeof shapes.signaturesUpload>): Json {
  const failures: Record<string, Record<string, Json>> = {};
  for (const [userId, signed] of Object.entries(body)) {
    for (const [id, value] of Object.entries(signed)) {
      const held = userId === user.userId && ('device_id' in value ? signDevice(user, id, value) : signMaster(user, value));
      if (!held) (failures[userId] ??= {})[id] = { errcode: 'M_INVALID_SIGNATURE', error: 'the signature does not hold' };
    }
  }
  world.devicesChanged(user.userId);
  return { failures };
}

function signDevice(user: User, deviceId: string, value: shapes.DeviceKeys): boolean {
  const device = user.devices.get(deviceId);
  const [keyId, key] = Object.entries(user.crossSigning.selfSigning?.keys ?? {})[0] ?? [];
  if (!device?.keys || keyId === undefined || key === undefined || !hasSignature(value, user.userId, keyId, key)) return false;
  device.keys = { ...device.keys, signatures: { ...device.keys.signatures, [user.userId]: { ...device.keys.signatures[user.userId], ...value.signatures[user.userId] } } };
  return true;
}

function signMaster(user: User, value: shapes.CrossSigningKey): boolean {
  const { master } = user.crossSigning;
  if (!master) return false;
  const held = Object.keys(value.signatures?.[user.userId] ?? {}).some((keyId) => {
    const key = user.devices.get(keyId.slice('ed25519:'.length))?.keys?.keys[keyId];
    return key !== undefined && hasSignature(value, user.userId, keyId, key);
  });
  if (held) user.crossSigning.master = { ...master, signatures: { ...master.signatures, [user.userId]: { ...master.signatures?.[user.userId], ...value.signatures?.[user.userId] } } };
  return held;
}

export function sendToDevice(world: World, user: User, from: Device, type: string, { messages }: z.infer<typeof shapes.toDevice>): Json {
  for (const [userId, devices] of Object.entries(messages)) {
    for (const [wanted, content] of Object.entries(devices)) {
      const reader = world.users.get(userId);
      for (const device of wanted === '*' ? [...reader?.devices.values() ?? []] : [reader?.devices.get(wanted)]) {
        if (!reader || !device) continue; // as real ones do: it may have been signed out
        check(from, device, type, content);
        world.counts.toDevice += 1;
        world.toDevice(reader, device, { type, sender: user.userId, content });
      }
    }
  }
  return {};
}

function check(from: Device, to: Device, type: string, content: Json): void {
  if (type !== 'm.room.encrypted' && type !== 'm.room_key.withheld') return;
  const parsed = (type === 'm.room.encrypted' ? shapes.olmContent : shapes.withheldContent).safeParse(content);
  if (!parsed.success) throw new Complaint(`${type} to a device: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; ')}`);
  const { data } = parsed;
  const ownKey = from.keys?.keys[`curve25519:${from.deviceId}`];
  if (data.sender_key !== ownKey) throw new Complaint(`${type} to a device: the sender's key is not of the sending device`);
  if (data.algorithm === 'm.megolm.v1.aes-sha2') return;
  const [readerKey, message] = Object.entries(data.ciphertext)[0] ?? [];
  if (readerKey !== to.keys?.keys[`curve25519:${to.deviceId}`]) throw new Complaint(`encrypted for another device than ${to.deviceId}, to which it is sent`);
  const olm = olmMessage(message?.type, message?.body);
  if (!olm) throw new Complaint('not an Olm message');
  if (olm.identityKey !== undefined && olm.identityKey !== ownKey) throw new Complaint('an Olm message of another identity key');
  if (olm.oneTimeKey !== undefined && !to.claimed.has(olm.oneTimeKey)) throw new Complaint('an Olm message with a one-time key that was never claimed');
}
